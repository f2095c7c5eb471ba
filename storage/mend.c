/* The list of segments in memory decides; under the sealer's lock nothing is replaced meanwhile. */
#include "storage/mend.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "proto/err.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/locate.h"
#include "storage/manifest.h"
#include "storage/protect.h"
#include "storage/seal.h"
#include "storage/segbuild.h"
#include "storage/segcache.h"

/* What the list says of a segment of exactly this name, and where its files lie. */
static int
find(struct log *log, const struct segment_name *name, const char *suffix, struct sealed *out,
     char path[PATH_MAX], struct buf *why)
{
	char dir[4096], id[SEGMENT_NAME_BYTES];
	const struct sealed *s;
	int err = STELE_ENOTFOUND;

	pthread_rwlock_rdlock(&log->store->lock);
	s = sealed_find(&log->sealed, name->first);
	if (s && s->first == name->first && s->count == name->count &&
	    s->generation == name->generation) {
		*out = *s;
		err = 0;
	}
	pthread_rwlock_unlock(&log->store->lock);
	segment_name_format(id, name);
	if (err != 0) {
		buf_printf(why, "log %s has no segment %s: it was replaced, or is another log's",
			   log->name, id);
		return err;
	}
	err = seal_dir(log, dir, sizeof dir);
	if (err == 0 && snprintf(path, PATH_MAX, "%s/%s%s", dir, id, suffix) >= PATH_MAX)
		err = STELE_ELIMIT;
	return err;
}

static int
may_write(struct store *st)
{
	if (atomic_load(&st->read_only))
		return STELE_EREADONLY;
	return atomic_load(&st->low_space) ? STELE_ENOSPACE : 0;
}

/* The note's text is a manifest of the segment that the list has. */
static int
check_manifest(struct log *log, const struct sealed *want, struct slice bytes, struct buf *why)
{
	const char *wrong = "is not signed with the log's key";
	struct segment_facts f;
	struct logkeys *keys = log_keys(log);
	const struct note_vkey *vkeys;
	struct note note;
	size_t n;
	int err;

	vkeys = logkeys_for(keys, want->first + want->count, &n);
	err = sign_verify_note(vkeys, n, bytes, &note, NULL);
	logkeys_unref(keys);

	if (err == 0) {
		wrong = "is no segment manifest";
		err = manifest_parse(&f, NULL, note.text);
	}
	if (err == STELE_ENOMEM)
		return err;
	if (err == 0) {
		wrong = "is another segment's";
		if (f.log_id != log->id || strcmp(f.origin, log->origin) != 0 ||
		    f.first != want->first || f.count != want->count ||
		    f.generation != want->generation || f.file_bytes != want->file_bytes ||
		    f.data_key_id != want->data_key_id ||
		    memcmp(f.file_hash, want->file_hash, 32) != 0)
			err = STELE_EVERIFY;
	}
	if (err == 0)
		return 0;
	buf_printf(why, "the manifest %s", wrong);
	return STELE_EVERIFY;
}

/* What an error of writing means for the store. */
static int
judge(struct store *st, int err)
{
	if (err == STELE_EIO && !atomic_exchange(&st->read_only, true))
		store_say(st, STORE_ERROR,
			  "a write or flush failed while a segment was put back: the store is "
			  "read-only until restart; check the disk");
	return err;
}

/* The file with these bytes, protected again as it was. */
static int
replace(struct store *st, struct log *log, const struct segment_name *name, const char *path,
	struct slice bytes, struct buf *why)
{
	char dir[4096];
	int err = protect_clear(path);

	if (err == STELE_EPERM) {
		buf_printf(why,
			   "the file there is immutable, and taking that off (chattr -i) needs "
			   "CAP_LINUX_IMMUTABLE, which steled has not");
		return STELE_EVERIFY;
	}
	err = judge(st, file_replace(path, bytes.p, bytes.n, 0444));
	if (err == 0 && segcache_dir(dir, sizeof dir, log) == 0)
		(void)protect_segment(dir, name, st->opts.protect);
	return err;
}

int
mend_manifest(struct store *st, struct log *log, const struct segment_name *name,
	      struct slice bytes, struct buf *why)
{
	char path[PATH_MAX];
	struct sealed want;
	int err = may_write(st);

	if (err != 0)
		return err;
	sealer_lock(st->sealer);
	err = find(log, name, ".manifest", &want, path, why);
	if (err == 0)
		err = check_manifest(log, &want, bytes, why);
	if (err == 0)
		err = replace(st, log, name, path, bytes, why);
	sealer_unlock(st->sealer);
	return err;
}

static int
check_file(struct log *log, const struct sealed *want, struct slice bytes, struct toolbox *t,
	   struct buf *why)
{
	const struct segment_name name = {want->first, want->count, want->generation};
	struct segment_facts facts;
	uint8_t hash[32];
	int err;

	sha256_hash(t->sha, hash, bytes);
	if (bytes.n != want->file_bytes || memcmp(hash, want->file_hash, 32) != 0) {
		buf_printf(why, "the file's length or SHA-256 is not what the store knows of it");
		return STELE_EVERIFY;
	}
	err = segcache_manifest(log, &name, &facts, why);
	if (err == STELE_ENOTFOUND || err == STELE_EDAMAGED || err == STELE_EVERSION) {
		buf_put_str(why, ": put its manifest back first");
		err = STELE_EVERIFY;
	}
	return err;
}

/* As scrubbing does, of what lies there now. */
static int
verify(struct log *log, const struct sealed *want, struct toolbox *t, struct buf *why)
{
	struct node_source nodes = {log->store, log, t, false};
	struct merkle_frontier before;
	struct segment *segment = NULL;
	int err = segcache_open(log, want, t, &segment, why);

	if (err == 0)
		err = node_frontier(&nodes, want->first, &before);
	if (err == 0)
		err = segment_verify(segment, &before, t, why);
	segment_unref(segment);
	return err;
}

int
mend_segment(struct store *st, struct log *log, const struct segment_name *name, struct slice bytes,
	     struct toolbox *t, struct buf *why)
{
	char path[PATH_MAX];
	struct sealed want;
	int err = may_write(st);

	if (err != 0)
		return err;
	sealer_lock(st->sealer);
	err = find(log, name, ".seg", &want, path, why);
	if (err == 0)
		err = check_file(log, &want, bytes, t, why);
	if (err == 0)
		err = replace(st, log, name, path, bytes, why);
	if (err == 0) {
		segcache_forget(st->segments, log->id, want.first, want.first + 1);
		err = verify(log, &want, t, why);
	}
	if (err == 0)
		location_release(log, &want);
	sealer_unlock(st->sealer);
	return err;
}
