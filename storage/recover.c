/*
 * From disk to memory at start:
 *   1. the catalogue, if it is whole; else what the segments hold, to be rebuilt upon
 *   2. the WAL between the last run of keys and the catalogue's position: only keys
 *   3. the WAL from the catalogue's position on, read past the page cache: everything
 *   4. what `released` says was acknowledged must be there
 *   5. identity and keys are held against the logs
 *   6. the last frame is written again and flushed before it is believed: a killed
 *      process may have left it in the page cache alone; then a rotation of a key, or of the
 *      identity, that was cut off ends
 *   7. heads are signed; the catalogue is saved
 */
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "storage/catalog.h"
#include "storage/internal.h"
#include "storage/read.h"
#include "storage/rebuild.h"
#include "storage/save.h"
#include "storage/succeed.h"

struct recovery {
	struct store *st;
	struct toolbox *t;
	struct merkle_batch batch;
	struct buf last; /* the newest frame, padded */
	struct wal_pos last_at;
	bool direct;
	struct buf *why;
};

/* Sections of a frame: keys always, the rest when the catalogue does not have it. */
static int
apply_frame(struct recovery *r, const struct frame_header *head, struct slice body,
	    struct wal_pos at, bool keys_only)
{
	uint64_t offset = at.offset + FRAME_HEADER_BYTES;
	struct slice rest = body;

	for (uint32_t i = 0; i < head->n_sections; i++) {
		struct frame_section s;
		int err = frame_section_read(&s, rest);
		if (err == 0 && !keys_only)
			err = apply_section(r->st, &s, (struct wal_pos){at.file, offset}, r->t,
					    &r->batch, r->why);
		if (err == 0)
			err = apply_keys(r->st, &s);
		if (err != 0)
			return err == STELE_ESYNTAX ? STELE_EDAMAGED : err;
		rest = slice_of(rest.p + s.bytes, rest.n - s.bytes);
		offset += s.bytes;
	}
	return rest.n == 0 ? 0 : STELE_EDAMAGED;
}

static void
damaged_at(struct recovery *r, struct wal_pos at, uint64_t sequence)
{
	buf_printf(r->why,
		   "%s/wal/%08u.wal: commit %llu at byte %llu is damaged, and records behind it "
		   "were acknowledged: nothing was changed. Restore the file from a copy",
		   r->st->dir, at.file, (unsigned long long)sequence,
		   (unsigned long long)at.offset);
}

/* Step 2. Damage here costs only that a repeated key may not be noticed, and is said. */
static int
scan_keys(struct recovery *r, const struct catalog_state *state)
{
	struct wal_scan s;
	struct frame_header head;
	struct slice body;
	struct wal_pos at;
	int err = wal_scan_init(&s, r->st->wal, state->keys_from, state->keys_sequence,
				state->keys_prev);

	while (err == 0 && s.sequence <= state->sequence) {
		err = wal_scan_next(&s, r->t->sha, &head, &body, &at);
		if (err == 1 || err == STELE_EDAMAGED) {
			atomic_fetch_add(&r->st->damaged_reads, 1);
			store_say(r->st, STORE_ERROR,
				  "wal/%08u.wal: commit %llu at byte %llu is damaged: its records "
				  "cannot be read, and idempotency keys of commits up to %llu may "
				  "not be recognised. Run stele fsck",
				  at.file, (unsigned long long)s.sequence,
				  (unsigned long long)at.offset,
				  (unsigned long long)state->sequence);
			err = 0;
			break;
		}
		if (err == 0)
			err = apply_frame(r, &head, body, at, true);
	}
	wal_scan_fini(&s);
	return err;
}

static int
keep_frame(struct recovery *r, struct slice body, struct wal_pos at)
{
	static const uint8_t zeros[FRAME_ALIGN];
	size_t n = FRAME_HEADER_BYTES + body.n;

	buf_reset(&r->last);
	buf_put(&r->last, body.p - FRAME_HEADER_BYTES, n);
	buf_put(&r->last, zeros, (FRAME_ALIGN - n % FRAME_ALIGN) % FRAME_ALIGN);
	r->last_at = at;
	return r->last.err;
}

/* Step 3. */
static int
scan_rest(struct recovery *r)
{
	struct position *p = &r->st->position;
	struct wal_scan s;
	struct frame_header head;
	struct slice body;
	struct wal_pos at = p->end;
	int err = wal_scan_init(&s, r->st->wal, p->end, p->sequence + 1, p->hash);

	while (err == 0) {
		err = wal_scan_next(&s, r->t->sha, &head, &body, &at);
		if (err != 0)
			break;
		err = apply_frame(r, &head, body, at, false);
		if (err == 0)
			err = keep_frame(r, body, at);
		if (err != 0)
			break;
		p->sequence = head.sequence;
		memcpy(p->hash, head.hash, 32);
		p->end = s.at;
		p->era = head.era;
		p->wall_ns = head.wall_ns;
		p->lock_ns = head.lock_ns;
	}
	r->direct = s.direct;
	if (err == STELE_EDAMAGED)
		damaged_at(r, at, p->sequence + 1);
	wal_scan_fini(&s);
	return err == 1 ? 0 : err;
}

/* Step 4. */
static int
check_released(struct recovery *r)
{
	const struct position *p = &r->st->position;
	uint8_t hash[32];
	uint64_t sequence;
	int err = wal_read_released(r->st->wal, &sequence, hash, r->t->sha);

	if (err != 0)
		return err;
	if (sequence > p->sequence ||
	    (sequence == p->sequence && sequence && memcmp(hash, p->hash, 32) != 0)) {
		damaged_at(r, p->end, p->sequence + 1);
		return STELE_EDAMAGED;
	}
	return 0;
}

/* Step 6. */
static int
settle(struct recovery *r)
{
	struct store *st = r->st;
	int err = 0;

	if (r->last.n) {
		wal_set_end(st->wal, r->last_at);
		err = wal_append(st->wal, r->last.p, r->last.n, &r->last_at);
	}
	wal_set_end(st->wal, st->position.end);
	if (err == 0 && st->position.sequence)
		err = wal_mark_released(st->wal, st->position.sequence, st->position.hash,
					r->t->sha);
	if (err == 0)
		err = wal_sync_released(st->wal);
	return err;
}

/* --- step 5: the keys ---------------------------------------------------------------- */

/* The log's head, of all that was found. */
static int
sign_head(struct log *log)
{
	uint8_t root[32];

	merkle_frontier_root(log->store->upkeep->sha, &log->frontier, root);
	log->head = head_sign(log, NULL, log->frontier.size, root, log->time_ns);
	return log->head ? 0 : STELE_ENOMEM;
}

/* The record at index, before there are heads that it is released by. */
static int
read_early(struct recovery *r, struct log *log, uint64_t index, struct arena *a, struct record *out)
{
	int err = sign_head(log);

	if (err == 0)
		err = read_record(r->st, log, index, r->t, a, out);
	head_unref(log->head); /* nobody has seen it */
	log->head = NULL;
	return err;
}

/* Whether the entry that begins the prepared epoch is in the log: then that is the log's. */
static int
was_begun(struct recovery *r, struct log *log, bool *begun)
{
	const struct keyring_seed *next = keyring_prepared(r->st->keyring, log->id);
	struct arena arena;
	struct record record;
	int err;

	*begun = false;
	if (!next || next->epoch != log->seen_epoch || log->frontier.size < next->first_size)
		return 0;
	arena_init(&arena);
	err = read_early(r, log, next->first_size - 1, &arena, &record);
	if (err == 0)
		*begun = record.entry.kind == ENTRY_KEY &&
			 log_statement_holds(log, next->first_size, record.payload, r->t->sha);
	else
		buf_printf(
			r->why, "log %s: its record %llu, which names its key, cannot be read: %s",
			log->name, (unsigned long long)next->first_size - 1, stele_strerror(err));
	arena_fini(&arena);
	return err;
}

/* Whether the record that puts the prepared identity in force is where it was to be. */
static int
was_succeeded(struct recovery *r, bool *is)
{
	const struct identity_next *next = &r->st->next_identity;
	struct log *log = log_by_id(r->st, next->log_id);
	struct arena arena;
	struct record record;
	int err;

	*is = false;
	if (!log || log->frontier.size <= next->index)
		return 0;
	arena_init(&arena);
	err = read_early(r, log, next->index, &arena, &record);
	if (err == 0)
		*is = succeed_is_record(next, record.payload);
	else
		buf_printf(r->why,
			   "log %s: its record %llu, which may name the server's identity, cannot "
			   "be read: %s",
			   log->name, (unsigned long long)next->index, stele_strerror(err));
	arena_fini(&arena);
	return err;
}

/* The identity: the newest that is recorded. *changed: the file is to be written again. */
static int
check_identity(struct recovery *r, bool *changed)
{
	bool is;
	int err;

	*changed = r->st->next_identity.identity != NULL;
	if (!*changed)
		return 0;
	err = was_succeeded(r, &is);
	if (err == 0)
		succeed_take(r->st, is);
	return err;
}

/* The log's key: the newest that its entries name, and none that is newer than them. */
static int
check_epoch(struct recovery *r, struct log *log, bool *begun)
{
	uint64_t first;
	int err = was_begun(r, log, begun);

	if (err == 0 && *begun)
		err = keyring_begin_epoch(r->st->keyring, log->id);
	if (err == 0 && *begun)
		err = log_take_keys(log, r->t->sha);
	if (err != 0)
		return err;
	if (log->seen_epoch > log->keys->epoch) {
		buf_printf(r->why,
			   "log %s: keys/keyring is older than the log's key of epoch %u: restore "
			   "the newest one",
			   log->name, log->seen_epoch);
		return STELE_EKEY;
	}
	first = logkeys_first_size(log->keys);
	if (log->frontier.size >= first)
		return 0;
	buf_printf(r->why,
		   "log %s: it has %llu records, and keys/keyring speaks for it from %llu on: it "
		   "belongs to a later state of this store, give the one of this",
		   log->name, (unsigned long long)log->frontier.size, (unsigned long long)first);
	return STELE_EKEY;
}

static int
check_epochs(struct recovery *r, bool *any)
{
	bool begun;
	int err = 0;

	*any = false;
	for (size_t i = 0; err == 0 && i < r->st->n_logs; i++) {
		err = check_epoch(r, r->st->by_name[i], &begun);
		*any |= begun;
	}
	return err;
}

/*
 * Ends the rotations that a crash cut off, now that the entries are known to be on the disk.
 * Without room for it a key file keeps keys that have ended a little longer.
 */
static int
end_rotation(struct recovery *r, int (*write)(struct store *st), const char *file)
{
	struct store *st = r->st;
	int err = write(st);

	if (err == STELE_ENOSPACE) {
		store_say(st, STORE_WARN,
			  "keys/%s: not enough free space to remove keys that have ended", file);
		err = 0;
	}
	if (err != 0)
		buf_printf(r->why, "%s/keys/%s cannot be written: %s", st->dir, file,
			   stele_strerror(err));
	return err;
}

static int
write_keyring(struct store *st)
{
	return keyring_commit(st->keyring);
}

/* Step 7. */
static int
sign_all(struct store *st)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < st->n_logs; i++)
		err = sign_head(st->by_name[i]);
	return err;
}

static void
forget_logs(struct store *st)
{
	for (size_t i = 0; i < st->n_logs; i++)
		log_free(st->by_name[i]);
	if (st->by_id)
		memset(st->by_id, 0, st->cap_ids * sizeof(*st->by_id));
	st->n_logs = 0;
	st->dirty = NULL;
	st->next_log_id = 1;
}

/* Their keys have left the WAL: nothing can make them again. */
static void
say_lost_runs(struct store *st, unsigned lost)
{
	if (!lost)
		return;
	atomic_fetch_add(&st->damaged_reads, lost);
	store_say(
		st, STORE_ERROR,
		"%u files wal/keys-*.run are missing or damaged: records that are sent again with "
		"an idempotency key from them are stored again. Restore them from a copy",
		lost);
}

/* Step 1: 0 with the state of a whole catalogue, else an error and an empty store. */
static int
load_catalog(struct recovery *r, struct catalog_state *state)
{
	struct store *st = r->st;
	unsigned lost = 0, *count = wal_row(st->wal).first > 1 ? &lost : NULL;
	int err = catalog_open(&st->catalog, st->dir, state);

	if (err == 0 && state->incarnation != st->place.incarnation)
		err = STELE_EDAMAGED;
	if (err == 0)
		err = catalog_load(st, r->t, r->why);
	if (err == 0)
		err = keyindex_open_runs(&st->keys, state->first_run, state->last_run, count,
					 r->t->sha);
	if (err == 0)
		say_lost_runs(st, lost);
	if (err == 0 && state->next_log_id > st->next_log_id)
		st->next_log_id = state->next_log_id;
	return err;
}

/* A WAL file that the catalogue still needs is no reason to forget the catalogue. */
static int
check_row(struct recovery *r)
{
	struct store *st = r->st;
	uint32_t first = wal_row(st->wal).first;

	for (size_t i = 0; i < st->n_logs; i++) {
		const struct tail *t = &st->by_name[i]->tail;
		if (t->n == 0 || t->extents[0].at.file >= first)
			continue;
		buf_printf(r->why, "%s/wal/%08u.wal is missing: restore it from a copy", st->dir,
			   t->extents[0].at.file);
		return STELE_EDAMAGED;
	}
	return 0;
}

/* Where the oldest WAL file begins: the position before its first frame. */
static int
start_at_oldest(struct recovery *r)
{
	struct position *p = &r->st->position;
	struct wal_scan s;
	int err = wal_scan_oldest(&s, r->st->wal, r->t->sha);

	if (err != 0) {
		buf_printf(r->why,
			   "%s/wal/%08u.wal: its first commit is damaged: restore the file from a "
			   "copy",
			   r->st->dir, wal_row(r->st->wal).first);
		return err;
	}
	p->sequence = s.sequence - 1;
	memcpy(p->hash, s.prev, 32);
	p->end = s.at;
	wal_scan_fini(&s);
	r->st->keys_from = *p;
	keyindex_start(&r->st->keys, p->end, p->sequence + 1, p->hash);
	return 0;
}

/* A catalogue that finds no room yet is made by the first save that does. */
static int
start_over(struct recovery *r, int reason)
{
	struct store *st = r->st;
	unsigned lost = 0;
	int err;

	if (reason != STELE_ENOTFOUND || wal_row(st->wal).last > 1)
		store_say(st, STORE_WARN,
			  "catalog.mdb: %s; rebuilding it from the segments and the WAL",
			  stele_strerror(reason));
	st->walk_purges = true;
	forget_logs(st);
	catalog_close(st->catalog);
	st->catalog = NULL;
	buf_reset(r->why);
	if (wal_row(st->wal).first == 1) {
		keyindex_reset(&st->keys);
	} else {
		err = keyindex_adopt(&st->keys, &lost, r->t->sha);
		if (err != 0)
			return err;
		say_lost_runs(st, lost);
	}
	err = catalog_create(&st->catalog, st->dir);
	if (err == 0 || err == STELE_ENOSPACE)
		err = rebuild_sealed(st, r->t, r->why);
	return err == 0 ? start_at_oldest(r) : err;
}

/*
 * The catalogue, saved if it is behind. A full disk is no reason not to start:
 * reads go on, and the next save finds all of it.
 */
static int
save_rest(struct store *st)
{
	int err = STELE_ENOSPACE;

	if (st->catalog)
		err = st->dirty || st->saved_sequence == 0 ? catalog_save(st) : 0;
	if (err == STELE_EDAMAGED)
		err = catalog_renew(st);
	if (err != STELE_ENOSPACE)
		return err;
	store_say(st, STORE_WARN, "catalog.mdb: not enough free space to save it");
	return 0;
}

static int
recover(struct recovery *r, bool rebuild)
{
	struct store *st = r->st;
	struct catalog_state state = {.sequence = 0};
	bool begun = false, succeeded = false;
	int err = rebuild ? STELE_ENOTFOUND : load_catalog(r, &state);

	if (err == STELE_EKEY || err == STELE_ENOMEM || err == STELE_EIO)
		return err;
	st->position.end = (struct wal_pos){1, WAL_FIRST_OFFSET};
	st->keys_from.end = st->position.end;
	if (err != 0) {
		err = start_over(r, err);
	} else {
		st->position.sequence = state.sequence;
		memcpy(st->position.hash, state.hash, 32);
		st->position.end = state.end;
		st->position.era = state.era;
		st->position.wall_ns = state.wall_ns;
		st->position.lock_ns = state.lock_ns;
		st->saved_sequence = state.sequence;
		st->keys_from.sequence = state.keys_sequence - 1;
		memcpy(st->keys_from.hash, state.keys_prev, 32);
		st->keys_from.end = state.keys_from;
		keyindex_start(&st->keys, state.keys_from, state.keys_sequence, state.keys_prev);
		err = check_row(r);
		if (err == 0)
			err = scan_keys(r, &state);
	}
	if (err == 0)
		err = scan_rest(r);
	if (err == 0)
		err = check_released(r);
	if (err == 0)
		err = check_identity(r, &succeeded);
	if (err == 0)
		err = check_epochs(r, &begun);
	if (err == 0)
		err = settle(r);
	if (err == 0 && begun)
		err = end_rotation(r, write_keyring, "keyring");
	if (err == 0 && succeeded)
		err = end_rotation(r, succeed_settle, "identity");
	if (err == 0)
		err = sign_all(st);
	return err == 0 ? save_rest(st) : err;
}

int
store_recover(struct store *st, bool rebuild, struct buf *why)
{
	struct recovery r = {.st = st, .t = st->upkeep, .direct = true, .why = why};
	int err;

	merkle_batch_init(&r.batch);
	buf_init(&r.last);
	err = recover(&r, rebuild);
	if (err == 0 && !r.direct)
		store_say(st, STORE_INFO,
			  "this file system has no direct reads: the WAL's tail was read through "
			  "the page cache");
	buf_fini(&r.last);
	merkle_batch_fini(&r.batch);
	return err;
}
