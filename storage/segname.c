/* FIRST-COUNT.GEN, and what else lies in a segments folder. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/dec.h"
#include "proto/err.h"
#include "storage/segment.h"

void
segment_name_format(char out[SEGMENT_NAME_BYTES], const struct segment_name *name)
{
	snprintf(out, SEGMENT_NAME_BYTES, "%llu-%llu.%u", (unsigned long long)name->first,
		 (unsigned long long)name->count, name->generation);
}

/* The part of *rest before c, and *rest what is behind it: STELE_ESYNTAX when there is none. */
static int
take_until(struct slice *rest, char c, struct slice *part)
{
	const uint8_t *at = rest->n ? memchr(rest->p, c, rest->n) : NULL;

	if (!at)
		return STELE_ESYNTAX;
	*part = slice_of(rest->p, (size_t)(at - rest->p));
	*rest = slice_of(at + 1, rest->n - part->n - 1);
	return 0;
}

int
segment_name_parse(struct segment_name *name, struct slice s)
{
	struct segment_name got;
	struct slice first, count;
	uint64_t generation;

	if (take_until(&s, '-', &first) != 0 || take_until(&s, '.', &count) != 0 ||
	    dec_parse(&got.first, first, LIMIT_TREE_SIZE) != 0 ||
	    dec_parse(&got.count, count, LIMIT_SEGMENT_RECORDS) != 0 ||
	    dec_parse(&generation, s, UINT32_MAX) != 0 || got.first % SEGMENT_TILE != 0 ||
	    got.count == 0 || generation == 0)
		return STELE_ESYNTAX;
	got.generation = (uint32_t)generation;
	*name = got;
	return 0;
}

static bool
ends_in(struct slice *s, const char *suffix)
{
	size_t n = strlen(suffix);

	if (s->n < n || memcmp(s->p + s->n - n, suffix, n) != 0)
		return false;
	s->n -= n;
	return true;
}

static enum segment_file
kind_of(const char *file, struct segment_name *name)
{
	struct slice s = slice_str(file);
	enum segment_file kind;

	if (ends_in(&s, ".tmp"))
		return SEGMENT_FILE_LEFTOVER;
	if (ends_in(&s, ".seg"))
		kind = SEGMENT_FILE_DATA;
	else if (ends_in(&s, ".manifest"))
		kind = SEGMENT_FILE_MANIFEST;
	else
		return SEGMENT_FILE_OTHER;
	return segment_name_parse(name, s) == 0 ? kind : SEGMENT_FILE_OTHER;
}

int
segment_list(const char *dir, segment_file_fn *fn, void *ctx)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int err = 0;

	if (!d)
		return stele_err_from_errno(errno);
	while (err == 0 && (errno = 0, e = readdir(d))) {
		struct segment_name name;
		enum segment_file kind;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		kind = kind_of(e->d_name, &name);
		err = fn(ctx, kind, kind <= SEGMENT_FILE_MANIFEST ? &name : NULL, e->d_name);
	}
	if (err == 0 && errno)
		err = STELE_EIO;
	closedir(d);
	return err;
}
