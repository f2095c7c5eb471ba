/* Steps 3 to 6 of storage/backup.h: what is copied, and from where. The store is pinned. */
#include "storage/backupcopy.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/keyfile.h"
#include "proto/err.h"
#include "storage/catalog.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/manifest.h"
#include "storage/object.h"
#include "storage/read.h"
#include "storage/seal.h"
#include "storage/segcache.h"

/* --- step 3 ------------------------------------------------------------------------- */

static int
copy_catalog(struct store *st, struct backup_files *f)
{
	char path[PATH_MAX + 32], tmp[PATH_MAX + 32];
	int err;

	snprintf(path, sizeof path, "%s/catalog.mdb", f->dir);
	snprintf(tmp, sizeof tmp, "%s/catalog.mdb.tmp", f->dir);
	if (unlink(tmp) != 0 && errno != ENOENT)
		return STELE_EIO;
	pthread_mutex_lock(&st->saving);
	err = st->catalog ? catalog_copy(st->catalog, tmp) : STELE_ENOSPACE;
	pthread_mutex_unlock(&st->saving);
	if (err == 0 && rename(tmp, path) != 0)
		err = STELE_EIO;
	if (err == 0)
		err = file_sync_dir(f->dir);
	return err == 0 ? backup_listed(f, "catalog.mdb") : err;
}

/* --- step 4 ------------------------------------------------------------------------- */

struct names {
	struct segment_name *name;
	size_t n, cap;
};

static int
note_name(void *ctx, enum segment_file kind, const struct segment_name *name, const char *file)
{
	struct names *l = ctx;

	(void)file;
	if (kind != SEGMENT_FILE_MANIFEST)
		return 0;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct segment_name *p = realloc(l->name, cap * sizeof *p);
		if (!p)
			return STELE_ENOMEM;
		l->name = p;
		l->cap = cap;
	}
	l->name[l->n++] = *name;
	return 0;
}

static int
copy_segment(struct backup_files *f, struct log *log, const char *dir,
	     const struct segment_name *name)
{
	char id[SEGMENT_NAME_BYTES], from[4096 + 128], to[512];
	struct segment_facts facts;
	int err = segcache_manifest(log, name, &facts, &f->why);

	segment_name_format(id, name);
	if (err == 0) {
		snprintf(from, sizeof from, "%s/%s.seg", dir, id);
		snprintf(to, sizeof to, "segments/%s/%s.seg", log->name, id);
		err = backup_file(f, from, to, UINT64_MAX, facts.file_hash);
	}
	if (err == 0) {
		snprintf(from, sizeof from, "%s/%s.manifest", dir, id);
		snprintf(to, sizeof to, "segments/%s/%s.manifest", log->name, id);
		err = backup_file(f, from, to, UINT64_MAX, NULL);
	}
	if (err == STELE_EDAMAGED)
		buf_put_str(&f->why, ". Put the segment back first: stele segment restore");
	return err;
}

static int
copy_log(struct store *st, struct backup_files *f, struct log *log)
{
	struct names names = {0};
	char dir[4096], rel[512];
	int err = segcache_dir(dir, sizeof dir, log);

	sealer_lock(st->sealer); /* none is half built */
	if (err == 0)
		err = segment_list(dir, note_name, &names);
	sealer_unlock(st->sealer);
	snprintf(rel, sizeof rel, "segments/%s", log->name);
	if (err == 0)
		err = backup_folder(f, rel);
	for (size_t i = 0; err == 0 && i < names.n; i++)
		err = copy_segment(f, log, dir, &names.name[i]);
	free(names.name);
	return err == STELE_ENOTFOUND && names.n == 0 ? 0 : err; /* nothing was sealed yet */
}

/* Calls fn for every log there is. */
static int
each_log(struct store *st, struct backup_files *f,
	 int (*fn)(struct store *st, struct backup_files *f, struct log *log))
{
	struct log *logs[64];
	struct slice after = slice_of("", 0);
	size_t n;
	int err = 0;

	while (err == 0 && (n = store_log_list(st, after, logs, 64)) > 0) {
		for (size_t i = 0; err == 0 && i < n; i++)
			err = fn(st, f, logs[i]);
		after = slice_str(logs[n - 1]->name);
	}
	return err;
}

/* --- step 5 ------------------------------------------------------------------------- */

/* Where the copy ends: behind a commit that was released, and the logs' sizes then. */
struct cut {
	struct position end;
	uint64_t *size; /* by the log's id */
	size_t n;
};

static int
cut_here(struct store *st, struct cut *cut)
{
	pthread_rwlock_rdlock(&st->lock);
	cut->end = st->position;
	cut->n = st->cap_ids;
	cut->size = calloc(cut->n + 1, sizeof *cut->size);
	for (size_t i = 0; cut->size && i < st->n_logs; i++)
		cut->size[st->by_name[i]->id] = st->by_name[i]->tree.size;
	pthread_rwlock_unlock(&st->lock);
	return cut->size ? 0 : STELE_ENOMEM;
}

/*
 * One object. What is not there yet is read whole, as its record wants it, before it is
 * linked or copied; what is there must be what the store has.
 */
static int
copy_object(struct store *st, struct backup_files *f, struct log *log, const struct record *r)
{
	char from[OBJECT_PATH_BYTES], to[512], there[PATH_MAX + 512], id[OBJECT_NAME_BYTES];
	char how[OBJECT_HOW_BYTES];
	struct object_descriptor d;
	uint8_t hash[32];
	int err = object_descriptor_read(&d, r->payload);

	explicit_bzero(d.key, sizeof d.key);
	if (err == 0)
		err = object_path(from, sizeof from, st, log, d.id);
	if (err != 0)
		return err;
	object_name(id, d.id);
	snprintf(to, sizeof to, "objects/%s/%s.obj", log->name, id);
	snprintf(there, sizeof there, "%s/%s", f->dir, to);
	if (access(there, F_OK) != 0)
		err = object_check(st, log, r->payload, r->salt, r->entry.commitment, f->tools,
				   how);
	if (err == STELE_EDAMAGED)
		buf_printf(&f->why, "%s, record %llu of log %s: %s. Put the file back first", from,
			   (unsigned long long)r->entry.index, log->name, how);
	if (err == 0)
		err = backup_hash(f, from, hash);
	return err == 0 ? backup_file(f, from, to, UINT64_MAX, hash) : err;
}

/* Every object that a record before the cut names. */
static int
copy_objects(struct store *st, struct backup_files *f, struct log *log, uint64_t size)
{
	uint64_t from = 0;
	struct arena a;
	char rel[512];
	int err = 0;

	snprintf(rel, sizeof rel, "objects/%s", log->name);
	arena_init(&a);
	while (err == 0) {
		struct record r;
		arena_reset(&a);
		err = read_next_object(st, log, from, f->tools, &a, &r);
		if (err == STELE_ENOTFOUND || (err == 0 && r.entry.index >= size)) {
			err = 0;
			break;
		}
		if (err == 0 && from == 0)
			err = backup_folder(f, rel);
		if (err == 0)
			err = copy_object(st, f, log, &r);
		from = r.entry.index + 1;
	}
	arena_fini(&a);
	if (err != 0 && f->why.n == 0)
		buf_printf(&f->why, "log %s, objects behind record %llu: %s", log->name,
			   (unsigned long long)from, stele_strerror(err));
	return err;
}

static int
copy_runs(struct store *st, struct backup_files *f)
{
	struct dirent *e;
	int err = 0;
	DIR *d = opendir(wal_dir(st->wal));

	if (!d)
		return STELE_EIO;
	while (err == 0 && (e = readdir(d))) {
		char from[PATH_MAX + 300], to[300];
		size_t n = strlen(e->d_name);
		if (strncmp(e->d_name, "keys-", 5) != 0 || strcmp(e->d_name + n - 4, ".run") != 0)
			continue;
		snprintf(from, sizeof from, "%s/%s", wal_dir(st->wal), e->d_name);
		snprintf(to, sizeof to, "wal/%s", e->d_name);
		err = backup_file(f, from, to, UINT64_MAX, NULL);
	}
	closedir(d);
	return err;
}

/* The WAL up to the cut, and the mark that says so. */
static int
copy_wal(struct store *st, struct backup_files *f, const struct cut *cut)
{
	const struct position end = cut->end;
	struct buf mark;
	int err = copy_runs(st, f);

	for (uint32_t i = wal_row(st->wal).first; err == 0 && i <= end.end.file; i++) {
		char from[PATH_MAX + 32], to[64];
		snprintf(from, sizeof from, "%s/%08u.wal", wal_dir(st->wal), i);
		snprintf(to, sizeof to, "wal/%08u.wal", i);
		err = backup_file(f, from, to, i < end.end.file ? UINT64_MAX : end.end.offset,
				  NULL);
	}
	buf_init(&mark);
	if (err == 0)
		err = wal_put_released(st->wal, end.sequence, end.hash, f->sha, &mark);
	if (err == 0)
		err = backup_bytes(f, buf_slice(&mark), "wal/released");
	buf_fini(&mark);
	return err;
}

/* --- step 6 ------------------------------------------------------------------------- */

static int
reseal(struct store *st, struct backup_files *f, const char *name, const char *to,
       struct keyfile_seal *seal)
{
	char from[PATH_MAX];
	int err;

	snprintf(from, sizeof from, "%s/keys/%s", st->dir, name);
	pthread_mutex_lock(&st->creating); /* st->seal is for one thread at a time */
	err = keyfile_copy(from, st->seal, to, seal);
	pthread_mutex_unlock(&st->creating);
	if (err != 0)
		buf_printf(&f->why, "%s: %s", to, stele_strerror(err));
	return err;
}

/* FILE and FILE.identity: what keys/ needs, under the passphrase given. */
int
backup_keys(struct store *st, struct backup_files *f, const char *keyring, const char *passphrase)
{
	struct keyfile_seal *seal = NULL;
	char identity[PATH_MAX + 16];
	int err;

	snprintf(identity, sizeof identity, "%s.identity", keyring);
	err = keyfile_seal_new(&seal, passphrase);
	if (err == 0)
		err = reseal(st, f, "identity", identity, seal);
	if (err == 0)
		err = reseal(st, f, "keyring", keyring, seal);
	keyfile_seal_free(seal);
	return err;
}

/* --- all of it ---------------------------------------------------------------------- */

/* Step 5: what the WAL up to the cut holds and names. */
static int
copy_rest(struct store *st, struct backup_files *f, const struct cut *cut)
{
	int err = copy_wal(st, f, cut);

	if (err == 0)
		err = backup_folder(f, "objects");
	for (uint64_t id = 0; err == 0 && id < cut->n; id++) {
		struct log *log;
		if (!cut->size[id])
			continue;
		pthread_rwlock_rdlock(&st->lock);
		log = log_by_id(st, id);
		pthread_rwlock_unlock(&st->lock);
		err = copy_objects(st, f, log, cut->size[id]);
	}
	return err;
}

int
backup_copy(struct store *st, struct backup_files *f, uint64_t *sequence)
{
	struct cut cut = {.size = NULL};
	char id[PATH_MAX];
	int err = backup_folder(f, "wal");

	snprintf(id, sizeof id, "%s/stele.id", st->dir);
	if (err == 0)
		err = backup_folder(f, "segments");
	if (err == 0)
		err = backup_file(f, id, "stele.id", UINT64_MAX, NULL);
	if (err == 0)
		err = backup_bytes(f, slice_of("", 0), "LOCK"); /* fsck holds it */
	if (err == 0)
		err = copy_catalog(st, f);
	if (err == 0)
		err = each_log(st, f, copy_log);
	if (err == 0)
		err = cut_here(st, &cut);
	if (err == 0)
		err = copy_rest(st, f, &cut);
	*sequence = cut.end.sequence;
	free(cut.size);
	return err;
}

static int
prune_log(struct store *st, struct backup_files *f, struct log *log)
{
	char rel[512];
	int err;

	(void)st;
	snprintf(rel, sizeof rel, "segments/%s", log->name);
	err = backup_prune(f, rel);
	snprintf(rel, sizeof rel, "objects/%s", log->name);
	return err == 0 ? backup_prune(f, rel) : err;
}

int
backup_prune_logs(struct store *st, struct backup_files *f)
{
	return each_log(st, f, prune_log);
}
