/* Log by log, as the keyring names them; segment by segment, from entry 0 on. */
#include "storage/rebuild.h"

#include <stdlib.h>
#include <string.h>

#include "proto/control.h"
#include "proto/err.h"
#include "storage/locate.h"
#include "storage/manifest.h"
#include "storage/segcache.h"

enum { LEAVES_AT_ONCE = 16384 };

struct rebuild {
	struct store *st;
	struct log *log;
	struct toolbox *t;
	struct merkle_batch batch;
	uint8_t (*leaves)[32]; /* LEAVES_AT_ONCE */
	char dir[4096];
	struct segment_facts best; /* of the candidates for the next segment; count 0: none */
	struct buf *why;
};

/* Keeps the candidate that begins where the log ends, reaches furthest and is newest. */
static int
consider(void *ctx, enum segment_file kind, const struct segment_name *name, const char *file)
{
	struct rebuild *r = ctx;
	struct segment_facts facts;
	struct buf why;
	int err;

	(void)file;
	if (kind != SEGMENT_FILE_MANIFEST || name->first != r->log->frontier.size ||
	    name->count < r->best.count ||
	    (name->count == r->best.count && name->generation <= r->best.generation))
		return 0;
	buf_init(&why);
	err = segcache_manifest(r->log, name, &facts, &why);
	if (err == 0)
		r->best = facts;
	else if (err != STELE_EIO && err != STELE_ENOMEM)
		store_say(r->st, STORE_ERROR, "%s/%s: %.*s; it is passed over", r->dir, file,
			  (int)why.n, why.n ? (const char *)why.p : stele_strerror(err));
	buf_fini(&why);
	return err == STELE_EIO || err == STELE_ENOMEM ? err : 0;
}

/* The segment's entry hashes onto the log's tree, which must then have the signed root. */
static int
take_leaves(struct rebuild *r, struct segment *s, const struct segment_facts *f)
{
	struct log *log = r->log;
	uint64_t at = f->first, end = f->first + f->count;
	int err = 0;

	while (err == 0 && at < end) {
		uint32_t n = (uint32_t)(end - at < LEAVES_AT_ONCE ? end - at : LEAVES_AT_ONCE);
		err = segment_leaves(s, at, n, r->leaves);
		if (err == 0)
			err = merkle_batch_build(r->t->sha, &r->batch, &log->frontier,
						 (const uint8_t(*)[32])r->leaves, n);
		if (err == 0)
			err = tree_reserve(&log->tree, n);
		if (err != 0)
			return err;
		tree_add(&log->tree, (const uint8_t(*)[32])r->leaves, n, &r->batch);
		merkle_frontier_copy(&log->frontier, merkle_batch_frontier(&r->batch));
		memcpy(log->last_leaf, r->leaves[n - 1], 32);
		at += n;
	}
	return memcmp(merkle_batch_root(&r->batch), f->root, 32) == 0 ? 0 : STELE_EDAMAGED;
}

/* Entry 0's payload founds the log. */
static int
found(struct rebuild *r, struct segment *s)
{
	struct segment_record record;
	struct arena a;
	int err;

	arena_init(&a);
	err = segment_read(s, 0, r->t, &a, &record);
	if (err == 0)
		err = policy_from_entry0(r->log, record.payload, r->t->sha, r->why);
	if (err == 0)
		err = log_reserve(r->st, r->log->id);
	arena_fini(&a);
	return err;
}

static int
take_segment(struct rebuild *r)
{
	const struct segment_facts *f = &r->best;
	struct location l = {.segment = {.first = f->first,
					 .count = f->count,
					 .generation = f->generation,
					 .data_key_id = f->data_key_id,
					 .payload_bytes = f->payload_bytes,
					 .file_bytes = f->file_bytes}};
	struct segment *s;
	int err;

	memcpy(l.segment.file_hash, f->file_hash, 32);
	err = segcache_get(r->st->segments, r->log, &l.segment, r->t, &s, r->why);
	if (err != 0)
		return err;
	if (f->first == 0)
		err = found(r, s);
	if (err == 0)
		err = take_leaves(r, s, f);
	if (err == 0)
		err = sealed_reserve(&r->log->sealed);
	segment_unref(s);
	if (err != 0)
		return err;
	sealed_put(&r->log->sealed, &l.segment);
	r->log->ctl = f->ctl;
	r->log->time_ns = f->last_time_ns;
	r->log->payload_bytes += f->payload_bytes;
	if (f->first == 0) {
		r->log->created_ns = f->first_time_ns;
		log_publish(r->st, r->log);
	}
	return 0;
}

/* A control entry met on the way back to entry 0. */
struct met {
	struct met *later;
	enum entry_kind kind;
	uint64_t index;
	size_t n;
	char text[];
};

static int
meet(struct rebuild *r, uint64_t index, uint64_t *before, struct met **list)
{
	const struct sealed *at = sealed_find(&r->log->sealed, index);
	struct segment_record record;
	struct segment *s;
	struct arena a;
	int err = at ? segcache_get(r->st->segments, r->log, at, r->t, &s, r->why) : STELE_EDAMAGED;

	if (err != 0)
		return err;
	arena_init(&a);
	err = segment_read(s, index, r->t, &a, &record);
	if (err == 0 && control_kind(record.kind)) {
		struct met *m = malloc(sizeof *m + record.payload.n);
		if (m) {
			*m = (struct met){*list, record.kind, index, record.payload.n};
			memcpy(m->text, record.payload.p, record.payload.n);
			*list = m;
		}
		err = m ? 0 : STELE_ENOMEM;
	}
	*before = record.ctl;
	arena_fini(&a);
	segment_unref(s);
	return err;
}

/* Every entry names the control entry before it: back from the last one, then in order. */
static int
take_controls(struct rebuild *r)
{
	struct met *list = NULL;
	uint64_t index = r->log->ctl;
	int err = 0;

	while (err == 0 && index != 0)
		err = meet(r, index, &index, &list);
	while (list) {
		struct met *m = list;
		if (err == 0)
			err = apply_control(r->log, m->kind, m->index, slice_of(m->text, m->n),
					    r->why);
		list = m->later;
		free(m);
	}
	return err;
}

/* All segments of one log; it is published with the first of them, or freed. */
static int
take_log(struct rebuild *r, const struct keyring_seed *seed, struct log **out)
{
	struct log *log = log_new(r->st, seed->log_id, slice_str(seed->name));
	int err = log ? log_take_keys(log, r->t->sha) : STELE_ENOMEM;

	r->log = log;
	if (err == 0)
		err = segcache_dir(r->dir, sizeof r->dir, log);
	while (err == 0) {
		r->best = (struct segment_facts){.count = 0};
		err = segment_list(r->dir, consider, r);
		if (err != 0 || r->best.count == 0)
			break;
		err = take_segment(r);
		if (err != 0 && err != STELE_ENOMEM)
			buf_printf(
				r->why,
				" %s/%llu-%llu.%u.seg (%s) is needed to go on: restore it from a "
				"copy. ",
				r->dir, (unsigned long long)r->best.first,
				(unsigned long long)r->best.count, r->best.generation,
				stele_strerror(err));
	}
	if (log && log->frontier.size == 0) {
		log_free(log);
		log = NULL;
	}
	if (log && err == 0)
		err = take_controls(r);
	if (log)
		log_mark_dirty(log);
	*out = log;
	return err == STELE_ENOTFOUND ? 0 : err; /* no folder: nothing was sealed yet */
}

int
rebuild_log(struct store *st, const struct keyring_seed *seed, struct toolbox *t, struct log **log,
	    struct buf *why)
{
	struct rebuild r = {.st = st, .t = t, .why = why};
	int err = 0;

	*log = NULL;
	if (seed->ended || seed->prepared)
		return 0; /* the log is taken with the one that signs */
	merkle_batch_init(&r.batch);
	r.leaves = malloc(LEAVES_AT_ONCE * sizeof *r.leaves);
	err = r.leaves ? take_log(&r, seed, log) : STELE_ENOMEM;
	if (err == STELE_EKEY && why->n == 0)
		buf_printf(why, "log %s: its data key is not in keys/keyring: restore that file. ",
			   seed->name);
	free(r.leaves);
	merkle_batch_fini(&r.batch);
	return err;
}

int
rebuild_sealed(struct store *st, struct toolbox *t, struct buf *why)
{
	const struct keyring_seed *seeds;
	size_t n;
	int err = 0;

	seeds = keyring_each_seed(st->keyring, &n);
	for (size_t i = 0; err == 0 && i < n; i++) {
		struct log *log;
		err = rebuild_log(st, &seeds[i], t, &log, why);
	}
	return err;
}
