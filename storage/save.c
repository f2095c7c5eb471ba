/*
 * Saving to the catalogue. A save takes a snapshot of what changed under the lock,
 * as bytes, and commits it without the lock. Loading: storage/load.c.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/catalog.h"
#include "storage/internal.h"
#include "storage/mapguard.h"
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

/* Snapshot entries: table, sized key, whether it is deleted, sized value. */
static void
entry_put(struct buf *snap, enum catalog_table table, const struct buf *key,
	  const struct buf *value)
{
	buf_put_u8(snap, (uint8_t)table);
	put_sized(snap, buf_slice(key));
	buf_put_u8(snap, 0);
	put_sized(snap, buf_slice(value));
	if (key->err || value->err)
		snap->err = STELE_ENOMEM;
}

static void
entry_delete(struct buf *snap, enum catalog_table table, const struct buf *key)
{
	buf_put_u8(snap, (uint8_t)table);
	put_sized(snap, buf_slice(key));
	buf_put_u8(snap, 1);
	put_sized(snap, slice_of(NULL, 0));
	if (key->err)
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
	policy_write(&policy, &log->founding);
	key_start(key, log->id);
	buf_reset(v);
	put_u64(v, log->frontier.size);
	put_u64(v, log->ctl);
	put_u64(v, (uint64_t)log->time_ns);
	put_u64(v, (uint64_t)log->created_ns);
	put_u64(v, log->payload_bytes);
	put_u64(v, log->trained_at_bytes);
	put_u32(v, log->next_dict_id);
	put_u32(v, log->keys->epoch);
	buf_put(v, log->last_leaf, 32);
	put_sized(v, slice_str(log->name));
	put_sized(v, buf_slice(&policy));
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
 * look-up, two hashes and a copy. The last value is written again as it fills. A
 * value begins with the ordinal of its first extent; those that have left since it was
 * written are dropped again when it is loaded.
 */
static void
snap_extents(struct buf *snap, const struct log *log, struct buf *key, struct buf *v)
{
	const struct tail *t = &log->tail;
	uint64_t end = t->dropped + t->n;
	uint64_t next = log->saved_extents > t->dropped ? log->saved_extents : t->dropped;

	for (uint64_t part = next / EXTENTS_A_VALUE; next < end; part++) {
		uint64_t from = part * EXTENTS_A_VALUE, to = from + EXTENTS_A_VALUE;
		from = from > t->dropped ? from : t->dropped;
		next = to < end ? to : end;
		key_start(key, log->id);
		key_add(key, part);
		buf_reset(v);
		put_u64(v, from);
		for (uint64_t i = from; i < next; i++) {
			const struct extent *e = &t->extents[i - t->dropped];
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

/* Values all of whose extents have left. */
static void
drop_extents(struct buf *snap, const struct log *log, struct buf *key)
{
	uint64_t end = log->tail.dropped / EXTENTS_A_VALUE;

	for (uint64_t part = log->saved_dropped / EXTENTS_A_VALUE; part < end; part++) {
		key_start(key, log->id);
		key_add(key, part);
		entry_delete(snap, CATALOG_EXTENT, key);
	}
}

static void
snap_segments(struct buf *snap, const struct log *log, struct buf *key, struct buf *v)
{
	for (size_t i = 0; i < log->sealed.n; i++) {
		const struct sealed *s = &log->sealed.s[i];
		if (s->saved)
			continue;
		key_start(key, log->id);
		key_add(key, s->first);
		buf_reset(v);
		put_u64(v, s->count);
		put_u32(v, s->generation);
		put_u32(v, s->quarantined);
		put_u64(v, s->data_key_id);
		put_u64(v, s->payload_bytes);
		put_u64(v, s->file_bytes);
		buf_put(v, s->file_hash, 32);
		entry_put(snap, CATALOG_SEGMENT, key, v);
	}
}

static void
snap_purging(struct buf *snap, const struct log *log, struct buf *key, struct buf *v)
{
	for (const struct purging *p = log->purging; p; p = p->next) {
		if (p->saved)
			continue;
		key_start(key, log->id);
		key_add(key, p->entry);
		buf_reset(v);
		put_u64(v, p->entry);
		entry_put(snap, CATALOG_PURGE, key, v);
	}
}

void
save_forget(struct log *log, enum catalog_table table, uint64_t key)
{
	buf_put_u8(&log->gone, (uint8_t)table);
	put_u64(&log->gone, key);
}

/* What save_forget was told. */
static void
drop_gone(struct buf *snap, const struct log *log, struct buf *key)
{
	struct bytes b;

	bytes_init(&b, buf_slice(&log->gone));
	while (bytes_left(&b)) {
		enum catalog_table table = (enum catalog_table)bytes_u8(&b);
		key_start(key, log->id);
		key_add(key, bytes_u64(&b));
		entry_delete(snap, table, key);
	}
	if (log->gone.err)
		snap->err = log->gone.err;
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
		put_u64(v, log->dicts[i].data_key_id);
		entry_put(snap, CATALOG_DICT, key, v);
	}
}

struct control_saving {
	struct buf *snap, *key, *v;
	const struct log *log;
};

static void
snap_control(void *ctx, const struct control *c)
{
	struct control_saving *s = ctx;

	key_start(s->key, s->log->id);
	key_add(s->key, c->index);
	buf_reset(s->v);
	buf_put_u8(s->v, (uint8_t)c->kind);
	buf_put(s->v, c->text, c->n_text);
	entry_put(s->snap, CATALOG_CONTROL, s->key, s->v);
}

static void
snap_controls(struct buf *snap, struct log *log, struct buf *key, struct buf *v)
{
	struct control_saving s = {snap, key, v, log};

	log->saved_controls = locks_each_control(log->locks, log->saved_controls, snap_control, &s);
}

static void
mark_saved(struct log *log)
{
	log->dirty = false;
	log->saved_extents = log->tail.dropped + log->tail.n;
	log->saved_dropped = log->tail.dropped;
	log->saved_dicts = log->n_dicts;
	buf_reset(&log->gone);
	for (struct purging *p = log->purging; p; p = p->next)
		p->saved = true;
	for (size_t i = 0; i < log->sealed.n; i++)
		log->sealed.s[i].saved = true;
	for (unsigned level = 0; level < TREE_LEVELS; level++)
		log->saved_up[level] = log->tree.up[level].n;
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
		drop_gone(snap, log, &key); /* first: what is gone may have come again */
		drop_extents(snap, log, &key);
		snap_log(snap, log, &key, &value);
		snap_extents(snap, log, &key, &value);
		snap_segments(snap, log, &key, &value);
		snap_nodes(snap, log, &key, &value);
		snap_dicts(snap, log, &key, &value);
		snap_controls(snap, log, &key, &value);
		snap_purging(snap, log, &key, &value);
		if (snap->err != 0)
			break;
		st->dirty = log->next_dirty;
		mark_saved(log);
	}
	buf_fini(&key);
	buf_fini(&value);
}

/* A snapshot on its way into the catalogue; kept for another try when that fails. */
struct unsaved {
	struct buf snap;
	struct catalog_state state;
	uint64_t number;   /* of the snapshot */
	uint32_t low_file; /* WAL files before it are needed by nothing in the snapshot */
};

struct write {
	struct store *st;
	const struct unsaved *u;
};

/* Under the guard of its map: it holds nothing but the transaction. */
static int
write_entries(void *arg)
{
	const struct write *w = arg;
	struct store *st = w->st;
	const struct unsaved *u = w->u;
	struct bytes b;

	bytes_init(&b, buf_slice(&u->snap));
	catalog_begin(st->catalog);
	while (bytes_left(&b)) {
		enum catalog_table table = (enum catalog_table)bytes_u8(&b);
		struct slice key = bytes_take(&b, bytes_u32(&b));
		bool deleted = bytes_u8(&b);
		struct slice value = bytes_take(&b, bytes_u32(&b));
		if (deleted)
			catalog_delete(st->catalog, table, key);
		else
			catalog_put(st->catalog, table, key, value);
	}
	return catalog_commit(st->catalog, &u->state);
}

/* A catalogue whose file was cut off under it cannot be used any more, nor closed. */
static int
write_snapshot(struct store *st, const struct unsaved *u)
{
	struct write w = {st, u};
	int err = map_guarded(write_entries, &w);

	if (err == STELE_EDAMAGED)
		catalog_abandon(st->catalog);
	return err;
}

/* The oldest WAL file that a record, a dictionary or a key not yet in a run lies in. */
static uint32_t
lowest_file(const struct store *st)
{
	uint32_t low = st->position.end.file;

	if (st->keys_from.end.file < low)
		low = st->keys_from.end.file;
	for (size_t i = 0; i < st->n_logs; i++) {
		const struct log *log = st->by_name[i];
		if (log->tail.n && log->tail.extents[0].at.file < low)
			low = log->tail.extents[0].at.file;
		for (size_t k = 0; k < log->n_dicts; k++) {
			if (log->dicts[k].at.file < low)
				low = log->dicts[k].at.file;
		}
	}
	return low;
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
	s->era = st->position.era;
	s->wall_ns = st->position.wall_ns;
	s->lock_ns = st->position.lock_ns;
	s->next_log_id = st->next_log_id;
	u->number = ++st->saves_begun;
	u->low_file = lowest_file(st);
	s->keys_sequence = st->keys_from.sequence + 1;
	memcpy(s->keys_prev, st->keys_from.hash, 32);
	s->keys_from = st->keys_from.end;
	pthread_rwlock_unlock(&st->lock);
	s->incarnation = st->place.incarnation;
	keyindex_numbers(&st->keys, &s->first_run, &s->last_run);
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
	uint32_t low_file;
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
	atomic_store(&st->saves_done, st->unsaved->number);
	low_file = st->unsaved->low_file;
	unsaved_free(st->unsaved);
	st->unsaved = NULL;
	atomic_fetch_add(&st->catalog_commits, 1);
	return atomic_load(&st->pinned) ? 0 : wal_drop_before(st->wal, low_file);
}

int
catalog_save_now(struct store *st)
{
	bool kept;
	int err;

	pthread_mutex_lock(&st->saving);
	kept = st->unsaved != NULL; /* from an earlier try, and not all there is now */
	err = catalog_save(st);
	if (err == 0 && kept)
		err = catalog_save(st);
	if (err == STELE_EDAMAGED)
		err = catalog_renew(st);
	pthread_mutex_unlock(&st->saving);
	return err;
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
		log->saved_extents = log->saved_dicts = log->saved_controls = 0;
		log->saved_dropped = log->tail.dropped;
		memset(log->saved_up, 0, sizeof log->saved_up);
		for (size_t k = 0; k < log->sealed.n; k++)
			log->sealed.s[k].saved = false;
		for (struct purging *p = log->purging; p; p = p->next)
			p->saved = false;
		log_mark_dirty(log);
	}
	pthread_rwlock_unlock(&st->lock);
	catalog_close(st->catalog);
	st->catalog = NULL;
	err = catalog_create(&st->catalog, st->dir);
	return err == 0 ? catalog_save(st) : err;
}
