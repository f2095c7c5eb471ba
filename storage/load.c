/*
 * From the catalogue to memory at start: logs first, then what hangs on them. Every
 * count is held against the others before anything is believed.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/bytes.h"
#include "proto/control.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/catalog.h"
#include "storage/internal.h"
#include "storage/save.h"

struct loading {
	struct store *st;
	struct toolbox *t;
	struct buf *why;
};

static int
load_log_fields(struct loading *l, struct log *log, struct bytes *b, uint32_t epoch)
{
	struct slice policy = bytes_take(b, bytes_u32(b));
	size_t partial = log->frontier.size % TREE_TILE;
	int err;

	for (unsigned k = 0; k < 64; k++) {
		if (log->frontier.size >> k & 1)
			bytes_copy(b, log->frontier.node[k], 32);
	}
	log->tree.size = log->frontier.size - partial;
	err = tree_reserve(&log->tree, partial);
	if (err != 0)
		return err;
	bytes_copy(b, log->tree.partial.hash, partial * 32);
	log->tree.partial.n = partial;
	log->tree.size = log->frontier.size;
	if (bytes_end(b) != 0 || policy_read(&log->founding, policy, l->why) != 0)
		return STELE_EDAMAGED;
	log->seen_epoch = epoch;
	return log_take_keys(log, l->t->sha);
}

static int
load_log(void *ctx, struct slice key, struct slice value)
{
	struct loading *l = ctx;
	uint64_t size, ctl, payload, trained;
	int64_t time_ns, created_ns;
	uint8_t last_leaf[32];
	struct bytes b;
	uint32_t epoch, next_dict_id;
	struct slice name;
	struct log *log;
	int err;

	bytes_init(&b, value);
	size = bytes_u64(&b);
	ctl = bytes_u64(&b);
	time_ns = (int64_t)bytes_u64(&b);
	created_ns = (int64_t)bytes_u64(&b);
	payload = bytes_u64(&b);
	trained = bytes_u64(&b);
	next_dict_id = bytes_u32(&b);
	epoch = bytes_u32(&b);
	bytes_copy(&b, last_leaf, 32);
	name = bytes_take(&b, bytes_u32(&b));
	if (key.n != 8 || bytes_err(&b) != 0 || name.n > LIMIT_LOG_NAME_BYTES)
		return STELE_EDAMAGED;
	log = log_new(l->st, be_get64(key.p), name);
	if (!log)
		return STELE_ENOMEM;
	log->frontier.size = size;
	log->ctl = ctl;
	log->time_ns = time_ns;
	log->created_ns = created_ns;
	log->payload_bytes = payload;
	log->trained_at_bytes = trained;
	log->next_dict_id = next_dict_id;
	memcpy(log->last_leaf, last_leaf, 32);
	err = load_log_fields(l, log, &b, epoch);
	if (err == STELE_EKEY)
		buf_printf(l->why, "log %s: its keys are not in keys/keyring: restore that file. ",
			   log->name);
	if (err == 0)
		err = log_reserve(l->st, log->id);
	if (err != 0) {
		log_free(log);
		return err;
	}
	log_publish(l->st, log);
	return 0;
}

static int
load_extents(void *ctx, struct slice key, struct slice value)
{
	struct loading *l = ctx;
	struct bytes b;
	struct log *log;
	uint64_t first;
	int err = 0;

	if (key.n != 16)
		return STELE_EDAMAGED;
	log = log_by_id(l->st, be_get64(key.p));
	bytes_init(&b, value);
	first = bytes_u64(&b);
	if (log && log->tail.n == 0)
		log->tail.dropped = first;
	if (log && first != log->tail.dropped + log->tail.n)
		return STELE_EDAMAGED;
	while (log && err == 0 && bytes_left(&b)) {
		struct extent e = {.time_ns = 0};
		e.first = bytes_u64(&b);
		e.count = bytes_u32(&b);
		e.bytes = bytes_u32(&b);
		e.leaves_at = bytes_u32(&b);
		e.objects = bytes_u32(&b);
		e.at.file = bytes_u32(&b);
		e.at.offset = bytes_u64(&b);
		err = bytes_err(&b) != 0 ? STELE_EDAMAGED : tail_reserve(&log->tail);
		if (err == 0)
			tail_add(&log->tail, &e);
	}
	if (!log || err != 0)
		return err ? err : STELE_EDAMAGED;
	return 0;
}

static int
load_segment(void *ctx, struct slice key, struct slice value)
{
	struct loading *l = ctx;
	struct sealed s = {.saved = true};
	struct log *log;
	struct bytes b;

	if (key.n != 16)
		return STELE_EDAMAGED;
	log = log_by_id(l->st, be_get64(key.p));
	s.first = be_get64(key.p + 8);
	bytes_init(&b, value);
	s.count = bytes_u64(&b);
	s.generation = bytes_u32(&b);
	s.quarantined = bytes_u32(&b) != 0;
	s.data_key_id = bytes_u64(&b);
	s.payload_bytes = bytes_u64(&b);
	s.file_bytes = bytes_u64(&b);
	bytes_copy(&b, s.file_hash, 32);
	if (!log || bytes_end(&b) != 0 || s.count == 0 || s.first != sealed_end(&log->sealed) ||
	    s.count > log->frontier.size - s.first)
		return STELE_EDAMAGED;
	if (sealed_reserve(&log->sealed) != 0)
		return STELE_ENOMEM;
	sealed_put(&log->sealed, &s);
	return 0;
}

static int
load_nodes(void *ctx, struct slice key, struct slice value)
{
	struct loading *l = ctx;
	struct tree_level *level;
	struct log *log;
	size_t want, have = value.n / 32;

	if (key.n != 17 || value.n % 32 || key.p[8] >= TREE_LEVELS)
		return STELE_EDAMAGED;
	log = log_by_id(l->st, be_get64(key.p));
	if (!log)
		return STELE_EDAMAGED;
	level = &log->tree.up[key.p[8]];
	want = (size_t)(log->frontier.size >> (8 * (key.p[8] + 1)));
	if (be_get64(key.p + 9) * TREE_TILE != level->n || level->n + have > want)
		return STELE_EDAMAGED;
	if (tree_reserve(&log->tree, 0) != 0)
		return STELE_ENOMEM;
	memcpy(level->hash + level->n, value.p, value.n);
	level->n += have;
	log->saved_up[key.p[8]] = level->n;
	return 0;
}

static int
load_dict(void *ctx, struct slice key, struct slice value)
{
	struct loading *l = ctx;
	struct dict_place place = {.id = 0};
	struct bytes b;
	struct log *log;
	int err;

	if (key.n != 16)
		return STELE_EDAMAGED;
	log = log_by_id(l->st, be_get64(key.p));
	bytes_init(&b, value);
	place.id = (uint32_t)be_get64(key.p + 8);
	place.at.file = bytes_u32(&b);
	place.at.offset = bytes_u64(&b);
	place.box_bytes = bytes_u32(&b);
	place.data_key_id = bytes_u64(&b);
	if (!log || bytes_end(&b) != 0)
		return STELE_EDAMAGED;
	err = dict_reserve(log);
	if (err == 0) {
		dict_add(log, &place);
		log->saved_dicts = log->n_dicts;
	}
	return err;
}

static int
load_control(void *ctx, struct slice key, struct slice value)
{
	struct loading *l = ctx;
	struct log *log = key.n == 16 ? log_by_id(l->st, be_get64(key.p)) : NULL;
	int err;

	if (!log || value.n == 0 || !control_kind(value.p[0]))
		return STELE_EDAMAGED;
	err = apply_control(log, value.p[0], be_get64(key.p + 8),
			    slice_of(value.p + 1, value.n - 1), l->why);
	log->saved_controls += err == 0;
	return err;
}

static int
load_purge(void *ctx, struct slice key, struct slice value)
{
	struct loading *l = ctx;
	struct log *log = key.n == 16 ? log_by_id(l->st, be_get64(key.p)) : NULL;
	uint64_t entry = key.n == 16 ? be_get64(key.p + 8) : 0;
	int err;

	if (!log || value.n != 8 || entry >= log->frontier.size)
		return STELE_EDAMAGED;
	err = purging_note(log, entry);
	if (err == 0)
		log->purging->saved = true;
	return err;
}

/* What was loaded of a log fits together: every entry is sealed or in the tail. */
static int
check_loaded(struct log *log)
{
	uint64_t end = sealed_end(&log->sealed);
	const struct tail *t = &log->tail;

	tail_drop(&log->tail, end);
	log->tail_since_ns = log->time_ns;
	log->saved_extents = t->dropped + t->n;
	log->saved_dropped = t->dropped;
	if (t->n ? t->extents[0].first > end ||
			    t->extents[t->n - 1].first + t->extents[t->n - 1].count !=
				    log->frontier.size
		 : end != log->frontier.size)
		return STELE_EDAMAGED;
	for (unsigned level = 0; level < TREE_LEVELS; level++) {
		if (log->tree.up[level].n != log->frontier.size >> (8 * (level + 1)))
			return STELE_EDAMAGED;
	}
	return 0;
}

int
catalog_load(struct store *st, struct toolbox *t, struct buf *why)
{
	struct loading l = {st, t, why};
	int err = catalog_each(st->catalog, CATALOG_LOG, load_log, &l);

	if (err == 0)
		err = catalog_each(st->catalog, CATALOG_SEGMENT, load_segment, &l);
	if (err == 0)
		err = catalog_each(st->catalog, CATALOG_EXTENT, load_extents, &l);
	if (err == 0)
		err = catalog_each(st->catalog, CATALOG_NODE, load_nodes, &l);
	if (err == 0)
		err = catalog_each(st->catalog, CATALOG_DICT, load_dict, &l);
	if (err == 0)
		err = catalog_each(st->catalog, CATALOG_CONTROL, load_control, &l);
	if (err == 0)
		err = catalog_each(st->catalog, CATALOG_PURGE, load_purge, &l);
	for (size_t i = 0; err == 0 && i < st->n_logs; i++)
		err = check_loaded(st->by_name[i]);
	return err;
}
