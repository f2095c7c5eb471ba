/*
 * What uploads and commits left behind in objects/pending/: judged by the
 * steps of storage/deposit.c, once, at start.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/le.h"
#include "storage/deposit.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/read.h"

/* Whether a record of the log from index `from` on names the object: 1 or 0, or why not known. */
static int
is_named(struct log *log, uint64_t from, const uint8_t id[OBJECT_ID_BYTES])
{
	struct object_descriptor d;
	struct record r;
	struct arena a;
	int err = 0;

	arena_init(&a);
	while (err == 0) {
		arena_reset(&a);
		err = read_next_object(log->store, log, from, log->store->upkeep, &a, &r);
		if (err == 0)
			err = object_descriptor_read(&d, r.payload);
		if (err == 0 && memcmp(d.id, id, sizeof d.id) == 0)
			err = 1;
		from = r.entry.index + 1;
	}
	arena_fini(&a);
	return err == STELE_ENOTFOUND ? 0 : err;
}

static bool
removed(struct store *st, const char *path)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return true;
	store_say(st, STORE_WARN, "%s cannot be removed: %s", path, strerror(errno));
	return false;
}

/* The object that no record names, and then its marker. */
static int
remove_object(struct store *st, struct log *log, const uint8_t id[OBJECT_ID_BYTES],
	      const char *marker)
{
	char path[OBJECT_PATH_BYTES];
	int err = object_path(path, sizeof path, st, log, id);

	if (err != 0)
		return err;
	if (access(path, F_OK) == 0) {
		store_say(st, STORE_INFO,
			  "%s: its record was never committed, nothing of it was acknowledged; "
			  "removed",
			  path);
		if (!removed(st, path))
			return 0;
		err = file_sync_parent(path);
	}
	if (err == 0)
		removed(st, marker);
	return err;
}

static int
judge_marker(struct store *st, const char *path, const uint8_t id[OBJECT_ID_BYTES])
{
	struct log *log = NULL;
	struct buf bytes;
	int err, named = 0;

	buf_init(&bytes);
	err = file_read_all(path, &bytes, DEPOSIT_MARKER_BYTES);
	if (err == 0 && bytes.n != DEPOSIT_MARKER_BYTES)
		err = STELE_EDAMAGED;
	if (err == 0)
		log = log_by_id(st, le_get64(bytes.p));
	if (log)
		named = is_named(log, le_get64(bytes.p + 8), id);
	buf_fini(&bytes);
	if (err == STELE_ENOMEM || named == STELE_ENOMEM)
		return STELE_ENOMEM;
	if (err != 0 || !log || named < 0) {
		store_say(st, STORE_WARN,
			  "%s: whether its record was committed cannot be told (%s); it stays "
			  "for the next start",
			  path,
			  stele_strerror(err   ? err
					 : log ? named
					       : STELE_ENOTFOUND));
		return 0;
	}
	if (named)
		removed(st, path);
	return named ? 0 : remove_object(st, log, id, path);
}

static int
judge(struct store *st, const char *dir, const char *name)
{
	char path[OBJECT_PATH_BYTES + NAME_MAX + 2];
	uint8_t id[OBJECT_ID_BYTES];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (object_id_of(name, ".commit", id))
		return judge_marker(st, path, id);
	if (object_id_of(name, ".part", id) || object_id_of(name, ".commit.tmp", id)) {
		store_say(st, STORE_INFO, "%s: an upload that did not end; removed", path);
		removed(st, path);
	}
	return 0;
}

int
deposit_sweep(struct store *st)
{
	char dir[OBJECT_PATH_BYTES];
	struct dirent *e;
	DIR *d;
	int err = 0;

	if (snprintf(dir, sizeof dir, "%s/objects/pending", st->dir) >= (int)sizeof dir)
		return STELE_ELIMIT;
	d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : STELE_EIO;
	while (err == 0 && (e = readdir(d)))
		err = judge(st, dir, e->d_name);
	closedir(d);
	return err;
}
