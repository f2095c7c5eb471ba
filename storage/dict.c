/*
 * A log's dictionaries: trained on its own tail, sealed into the WAL by the
 * next commit, loaded from there when they are needed. They are text from
 * payloads, so they exist nowhere else.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/aead.h"
#include "proto/check.h"
#include "proto/err.h"
#include "storage/frame.h"
#include "storage/internal.h"
#include "storage/read.h"

enum {
	TRAIN_MIN_BYTES = 256 << 10, /* payload before the first attempt */
	TRAIN_AGAIN = 64,            /* times as much before the next */
	TRAIN_SAMPLES = 256,
	TRAIN_BYTES = 256 << 10, /* training takes some 0.2 s of a core a MiB */
};

int
dict_reserve(struct log *log)
{
	struct dict_place *p = realloc(log->dicts, (log->n_dicts + 1) * sizeof *p);

	if (!p)
		return STELE_ENOMEM;
	log->dicts = p;
	return 0;
}

void
dict_add(struct log *log, const struct dict_place *place)
{
	struct dict_place *p = &log->dicts[log->n_dicts++];
	struct compress_dict *dict = place->dict;

	*p = *place;
	p->dict = compress_dict_ref(dict);
	if (p->id >= log->next_dict_id)
		log->next_dict_id = p->id + 1;
	if (p->data_key_id != log->tail_key->id)
		last_use_begin(log, &p->use);
	if (!dict)
		return;
	if (!p->use.retired) {
		compress_dict_unref(log->dict);
		log->dict = compress_dict_ref(dict);
	}
	if (log->pending_dict == dict) {
		compress_dict_unref(log->pending_dict);
		log->pending_dict = NULL;
	}
}

/* A copy of the place of dictionary id; its dict is referenced. */
static bool
find_place(struct log *log, uint32_t id, struct dict_place *out)
{
	bool found = false;

	pthread_rwlock_rdlock(&log->store->lock);
	for (size_t i = 0; i < log->n_dicts && !found; i++) {
		if (log->dicts[i].id != id)
			continue;
		*out = log->dicts[i];
		compress_dict_ref(out->dict);
		found = true;
	}
	pthread_rwlock_unlock(&log->store->lock);
	return found;
}

static int
load(struct log *log, const struct dict_place *place, struct compress_dict **out)
{
	struct frame_block blk = {.dict = place->id, .box_bytes = place->box_bytes};
	uint8_t ad[FRAME_AD_BYTES], key[32];
	uint8_t *box, *plain;
	size_t n;
	int err;

	if (place->box_bytes < AEAD_OVERHEAD)
		return STELE_EDAMAGED;
	n = place->box_bytes - AEAD_OVERHEAD;
	box = malloc(place->box_bytes);
	plain = malloc(n + 1);
	err = box && plain ? wal_read(log->store->wal, place->at, box, place->box_bytes)
			   : STELE_ENOMEM;
	/* A dictionary's box is tied to the log and its number, not to an index. */
	frame_box_ad(ad, log->id, 0, &blk);
	if (err == 0 &&
	    (tailkey_find(log, place->data_key_id, key) != 0 ||
	     aead_open(plain, key, slice_of(box, place->box_bytes), slice_of(ad, sizeof ad)) != 0))
		err = STELE_EDAMAGED;
	explicit_bzero(key, sizeof key);
	if (err == 0) {
		*out = compress_dict_new(place->id, slice_of(plain, n));
		if (!*out)
			err = STELE_ENOMEM;
		explicit_bzero(plain, n);
	}
	free(plain);
	free(box);
	return err;
}

/* Keeps a loaded dictionary; the newest one also serves preparing. */
static void
keep(struct log *log, struct compress_dict *dict)
{
	pthread_rwlock_wrlock(&log->store->lock);
	for (size_t i = 0; i < log->n_dicts; i++) {
		struct dict_place *p = &log->dicts[i];
		if (p->id != compress_dict_id(dict) || p->dict)
			continue;
		p->dict = compress_dict_ref(dict);
		if (i + 1 == log->n_dicts && !p->use.retired) {
			compress_dict_unref(log->dict);
			log->dict = compress_dict_ref(dict);
		}
	}
	pthread_rwlock_unlock(&log->store->lock);
}

int
dict_get(struct log *log, uint32_t id, struct compress_dict **out)
{
	struct dict_place place = {.id = id};
	int err;

	if (!find_place(log, id, &place))
		return STELE_EDAMAGED;
	if (!place.dict) {
		err = load(log, &place, &place.dict);
		if (err != 0)
			return err;
		keep(log, place.dict);
	}
	*out = place.dict;
	return 0;
}

/* Payloads spread evenly over the log's newest records, joined; their number. */
static unsigned
sample(struct log *log, uint64_t size, struct toolbox *t, struct buf *joined,
       size_t sizes[TRAIN_SAMPLES])
{
	uint64_t span = size < TRAIN_SAMPLES ? size : TRAIN_SAMPLES;
	unsigned n = 0;

	for (uint64_t i = 0; i < span && joined->n < TRAIN_BYTES; i++) {
		struct record r;
		struct arena a;
		arena_init(&a);
		if (read_record(log->store, log, size - span + i, t, &a, &r) == 0 &&
		    r.entry.kind == ENTRY_RECORD && r.payload.n && !r.object) {
			size_t take = r.payload.n < 4096 ? r.payload.n : 4096;
			buf_put(joined, r.payload.p, take);
			sizes[n++] = take;
		}
		arena_fini(&a);
	}
	return joined->err ? 0 : n;
}

/* A number that no dictionary of the log ever had. */
static uint32_t
next_id(struct log *log)
{
	uint32_t id;

	pthread_rwlock_wrlock(&log->store->lock);
	id = log->next_dict_id++;
	pthread_rwlock_unlock(&log->store->lock);
	return id;
}

/* The tail's key that seals now. */
static uint64_t
key_now(struct log *log)
{
	uint64_t id;

	pthread_rwlock_rdlock(&log->store->lock);
	id = log->tail_key->id;
	pthread_rwlock_unlock(&log->store->lock);
	return id;
}

/*
 * Leaves dict, whose reference it takes, for the log's next commit to write; not when the tail
 * has another key than before it was made: it may be text that was purged meanwhile.
 */
static void
leave_pending(struct log *log, struct compress_dict *dict, uint64_t key_id)
{
	pthread_rwlock_wrlock(&log->store->lock);
	if (log->tail_key->id == key_id) {
		struct compress_dict *was = log->pending_dict;
		log->pending_dict = dict;
		dict = was;
	}
	pthread_rwlock_unlock(&log->store->lock);
	compress_dict_unref(dict);
}

static int
train(struct log *log, uint64_t size, struct toolbox *t)
{
	uint8_t bytes[LIMIT_DICT_BYTES];
	size_t sizes[TRAIN_SAMPLES], n_bytes;
	uint64_t key_id = key_now(log);
	struct compress_dict *dict = NULL;
	struct buf joined;
	unsigned n;
	int err;

	buf_init(&joined);
	n = sample(log, size, t, &joined, sizes);
	err = n ? compress_train(bytes, sizeof bytes, &n_bytes, joined.p, sizes, n)
		: STELE_EUNSUPPORTED;
	if (err == 0) {
		dict = compress_dict_new(next_id(log), slice_of(bytes, n_bytes));
		err = dict ? 0 : STELE_ENOMEM;
	}
	if (dict)
		leave_pending(log, dict, key_id);
	buf_fini(&joined);
	return err == STELE_EUNSUPPORTED ? 0 : err; /* data too alike or too random: do without */
}

int
dict_train(struct log *log, struct toolbox *t)
{
	struct head *head = log_head(log);
	struct compress_dict *dict = NULL;
	uint64_t bytes, size = head->size;
	uint32_t newest = 0;
	bool due;
	int err = 0;

	head_unref(head);
	pthread_rwlock_rdlock(&log->store->lock);
	bytes = log->payload_bytes;
	due = !log->pending_dict && bytes >= TRAIN_MIN_BYTES &&
	      (!log->trained_at_bytes || bytes / TRAIN_AGAIN >= log->trained_at_bytes);
	if (log->n_dicts && !log->dict && !log->dicts[log->n_dicts - 1].use.retired)
		newest = log->dicts[log->n_dicts - 1].id;
	pthread_rwlock_unlock(&log->store->lock);
	if (newest) {
		err = dict_get(log, newest, &dict);
		compress_dict_unref(dict);
	}
	if (err != 0 || !due)
		return err;
	pthread_rwlock_wrlock(&log->store->lock);
	log->trained_at_bytes = bytes;
	pthread_rwlock_unlock(&log->store->lock);
	return train(log, size, t);
}

/* --- leaving the WAL ---------------------------------------------------------- */

/* Lock held for writing. */
static void
retire(struct log *log, struct dict_place *p)
{
	last_use_begin(log, &p->use);
	if (log->dict && compress_dict_id(log->dict) == p->id) {
		compress_dict_unref(log->dict);
		log->dict = NULL;
	}
}

int
dict_retire_before(struct log *log, uint32_t file)
{
	struct store *st = log->store;
	struct compress_dict *newest = NULL, *again = NULL;
	uint64_t key_id = key_now(log);
	uint32_t id = 0;
	int err = 0;

	pthread_rwlock_rdlock(&st->lock);
	for (size_t i = 0; i < log->n_dicts; i++) {
		const struct dict_place *p = &log->dicts[i];
		if (i + 1 == log->n_dicts && p->at.file < file && !p->use.retired &&
		    !log->pending_dict)
			id = p->id;
	}
	pthread_rwlock_unlock(&st->lock);
	if (id)
		err = dict_get(log, id, &newest);
	if (err == 0 && id) {
		again = compress_dict_new(next_id(log), compress_dict_bytes(newest));
		err = again ? 0 : STELE_ENOMEM;
	}
	compress_dict_unref(newest);
	if (err != 0)
		return err;
	if (again)
		leave_pending(log, again, key_id);
	pthread_rwlock_wrlock(&st->lock);
	for (size_t i = 0; i < log->n_dicts; i++) {
		struct dict_place *p = &log->dicts[i];
		if (p->at.file < file && !p->use.retired)
			retire(log, p);
	}
	pthread_rwlock_unlock(&st->lock);
	return 0;
}

void
dict_retire_all(struct log *log)
{
	compress_dict_unref(log->pending_dict);
	log->pending_dict = NULL;
	log->trained_at_bytes = 0;
	for (size_t i = 0; i < log->n_dicts; i++) {
		if (!log->dicts[i].use.retired)
			retire(log, &log->dicts[i]);
	}
}

static void
sweep_log(struct log *log)
{
	size_t kept = 0, saved = log->saved_dicts;

	for (size_t i = 0; i < log->n_dicts; i++) {
		struct dict_place *p = &log->dicts[i];
		if (!last_use_over(log, &p->use)) {
			log->dicts[kept++] = *p;
			continue;
		}
		if (i < saved)
			log->saved_dicts--;
		save_forget(log, CATALOG_DICT, p->id);
		compress_dict_unref(p->dict);
		log_mark_dirty(log);
	}
	log->n_dicts = kept;
}

void
dict_sweep(struct store *st)
{
	bool retired = false;

	pthread_rwlock_rdlock(&st->lock);
	for (size_t i = 0; i < st->n_logs && !retired; i++) {
		const struct log *log = st->by_name[i];
		for (size_t k = 0; k < log->n_dicts; k++)
			retired |= log->dicts[k].use.retired;
	}
	pthread_rwlock_unlock(&st->lock);
	if (!retired)
		return;
	pthread_rwlock_wrlock(&st->lock);
	for (size_t i = 0; i < st->n_logs; i++)
		sweep_log(st->by_name[i]);
	pthread_rwlock_unlock(&st->lock);
}
