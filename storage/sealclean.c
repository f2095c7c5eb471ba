/* What interrupted seals left, at start: files and keys that no log's list names. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/err.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/protect.h"
#include "storage/seal.h"
#include "storage/segcache.h"

struct cleaning {
	struct log *log;
	struct buf *why;
	unsigned removed;
	int err;
};

static bool
is_listed(const struct log *log, const struct segment_name *name)
{
	const struct sealed *s = sealed_find(&log->sealed, name->first);

	return s && s->first == name->first && s->count == name->count &&
	       s->generation == name->generation;
}

static bool
is_file(const char *dir, const struct sealed *s, const char *suffix)
{
	const struct segment_name name = {s->first, s->count, s->generation};
	char id[SEGMENT_NAME_BYTES], path[4096 + SEGMENT_NAME_BYTES + 16];

	segment_name_format(id, &name);
	snprintf(path, sizeof path, "%s/%s%s", dir, id, suffix);
	return access(path, F_OK) == 0;
}

/*
 * Whether what a file of that name can hold is in listed segments whose files are there, or
 * in the WAL. If not, this may be the one copy, under a name that somebody gave it.
 */
static bool
is_elsewhere(const struct log *log, const char *dir, const struct segment_name *name)
{
	for (size_t i = 0; i < log->sealed.n; i++) {
		const struct sealed *s = &log->sealed.s[i];
		if (s->first + s->count <= name->first || s->first >= name->first + name->count)
			continue;
		if (!is_file(dir, s, ".seg") || !is_file(dir, s, ".manifest"))
			return false;
	}
	return true;
}

static int
clean_file(void *ctx, enum segment_file kind, const struct segment_name *name, const char *file)
{
	struct cleaning *c = ctx;
	char dir[4096], path[4096 + 300];

	if (kind == SEGMENT_FILE_OTHER ||
	    (kind != SEGMENT_FILE_LEFTOVER && is_listed(c->log, name)))
		return 0;
	c->err = segcache_dir(dir, sizeof dir, c->log);
	if (c->err == 0 && kind != SEGMENT_FILE_LEFTOVER && !is_elsewhere(c->log, dir, name)) {
		store_say(c->log->store, STORE_ERROR,
			  "segments/%s/%s is in no list, and a listed segment of its range is "
			  "missing: it is left as it is. If it was renamed, give it its name "
			  "back; stele fsck says which",
			  c->log->name, file);
		return 0;
	}
	snprintf(path, sizeof path, "%s/%s", dir, file);
	if (c->err == 0)
		c->err = protect_unlink(path);
	if (c->err == STELE_EPERM)
		buf_printf(c->why,
			   "%s cannot be removed, though an interrupted seal left it: it is "
			   "immutable, and taking that off (chattr -i) needs CAP_LINUX_IMMUTABLE",
			   path);
	if (c->err != 0)
		return c->err;
	c->removed++;
	store_say(c->log->store, STORE_INFO,
		  "removed segments/%s/%s: an interrupted seal left it, what it held is elsewhere",
		  c->log->name, file);
	return c->err;
}

/* Keys of segments that no list names. */
static int
clean_keys(struct store *st)
{
	const struct keyring_data *data;
	uint64_t *drop;
	size_t n, n_drop = 0;
	int err = 0;

	data = keyring_each_data(st->keyring, &n);
	drop = malloc((n + 1) * sizeof *drop);
	if (!drop)
		return STELE_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct log *log = log_by_id(st, data[i].log_id);
		bool used = data[i].kind != KEYRING_SEGMENT;
		for (size_t k = 0; log && !used && k < log->sealed.n; k++)
			used = log->sealed.s[k].data_key_id == data[i].key_id;
		if (!used)
			drop[n_drop++] = data[i].key_id;
	}
	if (n_drop)
		err = seal_drop_keys(st, drop, n_drop);
	free(drop);
	return err;
}

int
seal_clean(struct store *st, struct buf *why)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < st->n_logs; i++) {
		struct cleaning c = {.log = st->by_name[i], .why = why};
		char dir[4096];
		err = segcache_dir(dir, sizeof dir, c.log);
		if (err == 0)
			err = segment_list(dir, clean_file, &c);
		if (err == STELE_ENOTFOUND)
			err = 0;
		if (err == 0 &&
		    c.removed) /* before their keys: fsck takes files by their manifests */
			err = file_sync_dir(dir);
	}
	return err == 0 ? clean_keys(st) : err;
}
