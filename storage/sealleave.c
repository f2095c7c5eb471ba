/* A list in the order of replacing; what could not go yet stays on it. */
#include "storage/sealleave.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "proto/err.h"
#include "storage/file.h"
#include "storage/protect.h"
#include "storage/seal.h"
#include "storage/segcache.h"

void
sealleave_fini(struct sealleave *s)
{
	free(s->p);
	*s = (struct sealleave){.n = 0};
}

int
sealleave_reserve(struct sealleave *s, size_t n)
{
	size_t cap = s->cap ? s->cap : 16;
	struct leaving *p;

	while (cap < s->n + n)
		cap *= 2;
	if (cap == s->cap)
		return 0;
	p = realloc(s->p, cap * sizeof *p);
	if (!p)
		return STELE_ENOMEM;
	s->p = p;
	s->cap = cap;
	return 0;
}

void
sealleave_note(struct sealleave *s, struct log *log, const struct sealed *old, bool purged)
{
	s->p[s->n++] = (struct leaving){log,
					{old->first, old->count, old->generation},
					old->data_key_id,
					log->store->saves_begun + 1,
					purged};
}

static int
remove_file(struct sealleave *l, const char *dir, const struct segment_name *name,
	    const char *suffix)
{
	char id[SEGMENT_NAME_BYTES], path[4096 + SEGMENT_NAME_BYTES + 16];
	struct stat sb;
	bool linked;
	int err;

	segment_name_format(id, name);
	snprintf(path, sizeof path, "%s/%s%s", dir, id, suffix);
	linked = lstat(path, &sb) == 0 && sb.st_nlink > 1;
	err = protect_unlink(path);
	l->linked += err == 0 && linked;
	return err;
}

/* The manifest first: a segment without one is a leftover, whatever else is known. */
static int
remove_segment(struct sealleave *l, struct log *log, const struct segment_name *name)
{
	char dir[4096];
	int err = segcache_dir(dir, sizeof dir, log);

	if (err == 0)
		err = remove_file(l, dir, name, ".manifest");
	if (err == 0)
		err = remove_file(l, dir, name, ".seg");
	return err == 0 ? file_sync_dir(dir) : err;
}

/* What is immutable and may not be made otherwise stays, and sealing goes on. */
static int
say_stuck(struct sealleave *s, const struct leaving *l)
{
	if (!s->stuck)
		store_say(
			l->log->store, STORE_ERROR,
			"segments/%s/%llu-%llu.%u: replaced, but it is immutable, and taking that "
			"off needs CAP_LINUX_IMMUTABLE: it stays, %s, until steled has that",
			l->log->name, (unsigned long long)l->name.first,
			(unsigned long long)l->name.count, l->name.generation,
			l->purged ? "though its key is destroyed" : "with its key");
	s->stuck = true;
	return 0;
}

int
sealleave_go(struct sealleave *s, struct store *st)
{
	uint64_t done = atomic_load(&st->saves_done), ids[64];
	size_t n = 0, kept = 0;
	int err = 0;

	if (atomic_load(&st->pinned))
		return 0;
	for (size_t i = 0; i < s->n; i++) {
		struct leaving *l = &s->p[i];
		if (err == 0 && l->after_save <= done && n < sizeof ids / sizeof *ids) {
			err = remove_segment(s, l->log, &l->name);
			if (l->data_key_id && (err == 0 || (err == STELE_EPERM && l->purged))) {
				ids[n++] = l->data_key_id;
				l->data_key_id = 0;
			}
			if (err == 0)
				continue;
			if (err == STELE_EPERM)
				err = say_stuck(s, l);
		}
		s->p[kept++] = *l;
	}
	s->n = kept;
	if (n) {
		int e = seal_drop_keys(st, ids, n);
		err = err ? err : e;
	}
	return err;
}

void
sealleave_count(const struct sealleave *s, const struct log *log, struct seal_left *left)
{
	*left = (struct seal_left){.linked = s->linked};
	for (size_t i = 0; i < s->n; i++) {
		left->files += s->p[i].log == log;
		left->keys += s->p[i].log == log && s->p[i].data_key_id;
	}
}
