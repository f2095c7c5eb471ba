/*
 * Saving to the catalogue and loading from it. A save takes a snapshot of what
 * changed under the lock, as bytes, and commits it without the lock.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/catalog.h"
#include "storage/internal.h"
#include "storage/save.h"

enum { EXTENTS_A_VALUE = 56 }; /* 32 bytes each: LMDB keeps up to 2,038 bytes within a page */

static void
put_u32(struct buf *b, uint32_t v)
{
	buf_put(b, &v, sizeof v);
}

static void
put_u64(struct buf *b, uint64_t v)
{
	buf_put(b, &v, sizeof v);
}

static void
put_sized(struct buf *b, struct slice s)
{
	put_u32(b, (uint32_t)s.n);
	buf_put_slice(b, s);
}

/* Snapshot entries: table, key length, value length, key, value. */
static void
entry_put(struct buf *snap, enum catalog_table table, const struct buf *key,
	  const struct buf *value)
{
	buf_put_u8(snap, (uint8_t)table);
	put_sized(snap, buf_slice(key));
	put_sized(snap, buf_slice(value));
	if (key->err || value->err)
		snap->err = STELE_ENOMEM;
}

static void
key_start(struct buf *key, uint64_t id)
{
	uint8_t be[8];

	be_put64(be, id);
	buf_reset(key);
	buf_put(key, be, sizeof be);
}

static void
key_add(struct buf *key, uint64_t v)
{
	uint8_t be[8];

	be_put64(be, v);
	buf_put(key, be, sizeof be);
}

static void
put_pos(struct buf *b, struct wal_pos at)
{
	put_u32(b, at.file);
	put_u64(b, at.offset);
}

static void
snap_log(struct buf *snap, const struct log *log, struct buf *key, struct buf *v)
{
	struct buf policy;

	buf_init(&policy);
	policy_write(&policy, &log->policy);
	key_start(key, log->id);
	buf_reset(v);
	put_u64(v, log->frontier.size);
	put_u64(v, log->ctl);
	put_u64(v, (uint64_t)log->time_ns);
	put_u64(v, (uint64_t)log->created_ns);
	put_u64(v, log->payload_bytes);
	put_u64(v, log->trained_at_bytes);
	put_u64(v, log->data_key_id);
	put_u32(v, log->epoch);
	buf_put(v, log->last_leaf, 32);
	put_sized(v, slice_str(log->name));
	put_sized(v, buf_slice(&policy));
	put_sized(v, slice_str(log->key_statement));
	for (unsigned k = 0; k < 64; k++) {
		if (log->frontier.size >> k & 1)
			buf_put(v, log->frontier.node[k], 32);
	}
	buf_put(v, log->tree.partial.hash, log->tree.partial.n * 32);
	if (policy.err)
		v->err = policy.err;
	buf_fini(&policy);
	entry_put(snap, CATALOG_LOG, key, v);
}

/*
 * Extents by the dozen: a busy log adds thousands a second, and a put costs a
 * look-up, two hashes and a copy. The last value is written again as it fills.
 */
static void
snap_extents(struct buf *snap, const struct log *log, struct buf *key, struct buf *v)
{
	size_t part = log->saved_extents / EXTENTS_A_VALUE;

	for (; part * EXTENTS_A_VALUE < log->tail.n; part++) {
		size_t i = part * EXTENTS_A_VALUE, end = i + EXTENTS_A_VALUE;
		if (log->saved_extents == log->tail.n)
			return;
		key_start(key, log->id);
		key_add(key, part);
		buf_reset(v);
		for (; i < end && i < log->tail.n; i++) {
			const struct extent *e = &log->tail.extents[i];
			put_u64(v, e->first);
			put_u32(v, e->count);
			put_u32(v, e->bytes);
			put_u32(v, e->leaves_at);
			put_u32(v, e->objects);
			put_pos(v, e->at);
		}
		entry_put(snap, CATALOG_EXTENT, key, v);
	}
}

/* Levels above 0, a tile's worth of hashes a value. */
static void
snap_nodes(struct buf *snap, const struct log *log, struct buf *key, struct buf *v)
{
	for (unsigned level = 0; level < TREE_LEVELS; level++) {
		const struct tree_level *l = &log->tree.up[level];
		size_t first = log->saved_up[level] / TREE_TILE;
		for (size_t n = first; l->n > log->saved_up[level] && n * TREE_TILE < l->n; n++) {
			size_t have = l->n - n * TREE_TILE;
			key_start(key, log->id);
			buf_put_u8(key, (uint8_t)level);
			key_add(key, n);
			buf_reset(v);
			buf_put(v, l->hash + n * TREE_TILE,
				(have < TREE_TILE ? have : TREE_TILE) * 32);
			entry_put(snap, CATALOG_NODE, key, v);
		}
	}
}

static void
snap_dicts(struct buf *snap, const struct log *log, struct buf *key, struct buf *v)
{
	for (size_t i = log->saved_dicts; i < log->n_dicts; i++) {
		key_start(key, log->id);
		key_add(key, log->dicts[i].id);
		buf_reset(v);
		put_pos(v, log->dicts[i].at);
		put_u32(v, log->dicts[i].box_bytes);
		entry_put(snap, CATALOG_DICT, key, v);
	}
}

/* Everything that changed, as bytes; marks it saved. Lock held for writing. */
static void
snapshot(struct store *st, struct buf *snap)
{
	struct buf key, value;

	buf_init(&key);
	buf_init(&value);
	while (st->dirty && snap->err == 0) {
		struct log *log = st->dirty;
		snap_log(snap, log, &key, &value);
		snap_extents(snap, log, &key, &value);
		snap_nodes(snap, log, &key, &value);
		snap_dicts(snap, log, &key, &value);
		if (snap->err != 0)
			break;
		st->dirty = log->next_dirty;
		log->dirty = false;
		log->saved_extents = log->tail.n;
		log->saved_dicts = log->n_dicts;
		for (unsigned level = 0; level < TREE_LEVELS; level++)
			log->saved_up[level] = log->tree.up[level].n;
	}
	buf_fini(&key);
	buf_fini(&value);
}

/* A snapshot on its way into the catalogue; kept for another try when that fails. */
struct unsaved {
	struct buf snap;
	struct catalog_state state;
};

static int
write_snapshot(struct store *st, const struct unsaved *u)
{
	struct bytes b;

	bytes_init(&b, buf_slice(&u->snap));
	catalog_begin(st->catalog);
	while (bytes_left(&b)) {
		enum catalog_table table = (enum catalog_table)bytes_u8(&b);
		struct slice key = bytes_take(&b, bytes_u32(&b));
		struct slice value = bytes_take(&b, bytes_u32(&b));
		catalog_put(st->catalog, table, key, value);
	}
	return catalog_commit(st->catalog, &u->state);
}

static void
take_snapshot(struct store *st, struct unsaved *u)
{
	struct catalog_state *s = &u->state;

	pthread_rwlock_wrlock(&st->lock);
	snapshot(st, &u->snap);
	s->sequence = st->position.sequence;
	memcpy(s->hash, st->position.hash, 32);
	s->end = st->position.end;
	s->next_log_id = st->next_log_id;
	pthread_rwlock_unlock(&st->lock);
	s->incarnation = st->place.incarnation;
	s->keys_sequence = st->keys_from.sequence + 1;
	memcpy(s->keys_prev, st->keys_from.hash, 32);
	s->keys_from = st->keys_from.end;
	s->n_runs = st->keys.n_runs;
}

void
unsaved_free(struct unsaved *u)
{
	if (u)
		buf_fini(&u->snap);
	free(u);
}

int
catalog_save(struct store *st)
{
	int err;

	if (!st->catalog)
		return catalog_renew(st);
	if (!st->unsaved) {
		st->unsaved = calloc(1, sizeof *st->unsaved);
		if (!st->unsaved)
			return STELE_ENOMEM;
		take_snapshot(st, st->unsaved);
	}
	err = st->unsaved->snap.err ? st->unsaved->snap.err : write_snapshot(st, st->unsaved);
	if (err != 0)
		return err;
	st->saved_sequence = st->unsaved->state.sequence;
	unsaved_free(st->unsaved);
	st->unsaved = NULL;
	atomic_fetch_add(&st->catalog_commits, 1);
	return 0;
}

int
catalog_renew(struct store *st)
{
	int err;

	store_say(st, STORE_WARN, "making catalog.mdb anew");
	unsaved_free(st->unsaved);
	st->unsaved = NULL;
	pthread_rwlock_wrlock(&st->lock);
	for (size_t i = 0; i < st->n_logs; i++) {
		struct log *log = st->by_name[i];
		log->saved_extents = log->saved_dicts = 0;
		memset(log->saved_up, 0, sizeof log->saved_up);
		log_mark_dirty(log);
	}
	pthread_rwlock_unlock(&st->lock);
	catalog_close(st->catalog);
	st->catalog = NULL;
	err = catalog_create(&st->catalog, st->dir);
	return err == 0 ? catalog_save(st) : err;
}

/* --- loading ------------------------------------------------------------ */

struct loading {
	struct store *st;
	struct toolbox *t;
	struct buf *why;
};

static char *
copy_string(struct slice s)
{
	char *p = malloc(s.n + 1);

	if (p) {
		memcpy(p, s.p, s.n);
		p[s.n] = '\0';
	}
	return p;
}

static int
load_log_fields(struct loading *l, struct log *log, struct bytes *b, uint64_t data_key_id,
		uint32_t epoch)
{
	struct slice policy = bytes_take(b, bytes_u32(b));
	struct slice statement = bytes_take(b, bytes_u32(b));
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
	log->key_statement = copy_string(statement);
	if (bytes_end(b) != 0 || policy_read(&log->policy, policy, l->why) != 0)
		return STELE_EDAMAGED;
	if (!log->key_statement)
		return STELE_ENOMEM;
	return log_take_keys(log, epoch, data_key_id, l->t->sha);
}

static int
load_log(void *ctx, struct slice key, struct slice value)
{
	struct loading *l = ctx;
	uint64_t size, ctl, payload, trained, data_key_id;
	int64_t time_ns, created_ns;
	uint8_t last_leaf[32];
	struct bytes b;
	uint32_t epoch;
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
	data_key_id = bytes_u64(&b);
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
	memcpy(log->last_leaf, last_leaf, 32);
	err = load_log_fields(l, log, &b, data_key_id, epoch);
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
	int err = 0;

	if (key.n != 16)
		return STELE_EDAMAGED;
	log = log_by_id(l->st, be_get64(key.p));
	bytes_init(&b, value);
	while (log && err == 0 && bytes_left(&b)) {
		struct extent e;
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
	log->saved_extents = log->tail.n;
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
	struct wal_pos at;
	struct bytes b;
	struct log *log;
	uint32_t box_bytes;
	int err;

	if (key.n != 16)
		return STELE_EDAMAGED;
	log = log_by_id(l->st, be_get64(key.p));
	bytes_init(&b, value);
	at.file = bytes_u32(&b);
	at.offset = bytes_u64(&b);
	box_bytes = bytes_u32(&b);
	if (!log || bytes_end(&b) != 0)
		return STELE_EDAMAGED;
	err = dict_reserve(log);
	if (err == 0) {
		dict_add(log, (uint32_t)be_get64(key.p + 8), at, box_bytes, NULL);
		log->saved_dicts = log->n_dicts;
	}
	return err;
}

int
catalog_load(struct store *st, struct toolbox *t, struct buf *why)
{
	struct loading l = {st, t, why};
	int err = catalog_each(st->catalog, CATALOG_LOG, load_log, &l);

	if (err == 0)
		err = catalog_each(st->catalog, CATALOG_EXTENT, load_extents, &l);
	if (err == 0)
		err = catalog_each(st->catalog, CATALOG_NODE, load_nodes, &l);
	if (err == 0)
		err = catalog_each(st->catalog, CATALOG_DICT, load_dict, &l);
	for (size_t i = 0; err == 0 && i < st->n_logs; i++) {
		const struct log *log = st->by_name[i];
		for (unsigned level = 0; level < TREE_LEVELS; level++) {
			if (log->tree.up[level].n != log->frontier.size >> (8 * (level + 1)))
				err = STELE_EDAMAGED;
		}
	}
	return err;
}
