/* Ids are 16 bytes each: a million objects, some terabytes of payload, cost 16 MB here. */
#include "storage/fsck_objects.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/err.h"
#include "storage/internal.h"

int
fsck_objects_check(struct fsck_objects *o, struct store *st, struct log *log, uint64_t index,
		   struct slice descriptor, const uint8_t salt[16], const uint8_t commitment[32],
		   struct toolbox *t)
{
	char how[OBJECT_HOW_BYTES], name[OBJECT_NAME_BYTES] = "?", where[256];
	struct object_descriptor d;
	int err;

	if (object_descriptor_read(&d, descriptor) == 0) {
		object_name(name, d.id);
		buf_put(&o->named, d.id, sizeof d.id);
		explicit_bzero(d.key, sizeof d.key);
	}
	err = o->named.err ? STELE_ENOMEM
			   : object_check(st, log, descriptor, salt, commitment, t, how);
	if (err != STELE_EDAMAGED)
		return err;
	snprintf(where, sizeof where, "log %s, record %llu, objects/%s/%s.obj", log->name,
		 (unsigned long long)index, log->name, name);
	o->finding(o->ctx, log, index, where, how);
	return 0;
}

static int
by_id(const void *a, const void *b)
{
	return memcmp(a, b, OBJECT_ID_BYTES);
}

/* Whether the file is an object that a record names, or one whose commit did not end. */
static bool
explained(const struct fsck_objects *o, const struct store *st, const char *name)
{
	char marker[OBJECT_PATH_BYTES + NAME_MAX];
	uint8_t id[OBJECT_ID_BYTES];

	if (!object_id_of(name, ".obj", id))
		return false;
	if (o->named.n &&
	    bsearch(id, o->named.p, o->named.n / OBJECT_ID_BYTES, OBJECT_ID_BYTES, by_id))
		return true;
	snprintf(marker, sizeof marker, "%s/objects/pending/%.32s.commit", st->dir, name);
	return access(marker, F_OK) == 0;
}

/* The files of one log's folder. */
static int
look_into(struct fsck_objects *o, const struct store *st, const char *folder)
{
	char path[OBJECT_PATH_BYTES + NAME_MAX], where[2 * NAME_MAX + 16];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof path, "%s/objects/%s", st->dir, folder);
	d = opendir(path);
	if (!d)
		return errno == ENOTDIR ? 0 : STELE_EIO;
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		    explained(o, st, e->d_name))
			continue;
		snprintf(where, sizeof where, "objects/%s/%s", folder, e->d_name);
		o->finding(o->ctx, NULL, 0, where, "no record names this file");
	}
	closedir(d);
	return 0;
}

int
fsck_objects_strays(struct fsck_objects *o, const struct store *st)
{
	char path[OBJECT_PATH_BYTES];
	struct dirent *e;
	DIR *d;
	int err = 0;

	if (o->named.n)
		qsort(o->named.p, o->named.n / OBJECT_ID_BYTES, OBJECT_ID_BYTES, by_id);
	if (snprintf(path, sizeof path, "%s/objects", st->dir) >= (int)sizeof path)
		return STELE_ELIMIT;
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : STELE_EIO;
	while (err == 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.' || strcmp(e->d_name, "pending") == 0)
			continue;
		err = look_into(o, st, e->d_name);
	}
	closedir(d);
	return err;
}
