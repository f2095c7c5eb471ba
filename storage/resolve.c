/*
 * Possible duplicates: the key is known, so the record it stands for is read
 * and its payload compared, on a worker, before the writer hears of it again.
 */
#include <string.h>

#include "proto/err.h"
#include "storage/internal.h"
#include "storage/object.h"
#include "storage/read.h"

/* The SHA-256 of a payload: computed, or what an object's descriptor says. */
static int
digest_of(bool object, struct slice payload, struct sha256 *h, uint8_t out[32])
{
	struct object_descriptor d;
	int err = object ? object_descriptor_read(&d, payload) : 0;

	if (err != 0)
		return STELE_EDAMAGED;
	if (object)
		memcpy(out, d.sha256, 32);
	else
		sha256_hash(h, out, payload);
	return 0;
}

/* Two payloads, one of which lies in a file: by their SHA-256. */
static int
compare_digests(const struct record *r, const struct append_item *item, struct sha256 *h)
{
	uint8_t old[32], new[32];
	int err = digest_of(r->object, r->payload, h, old);

	if (err == 0)
		err = digest_of(item->object, item->payload, h, new);
	return err == 0 && memcmp(old, new, 32) != 0 ? STELE_ECONFLICT : err;
}

/*
 * Whether the record's entry has the lock that is wished for now, or a longer one: whoever asks
 * again for more must not take the old answer for it.
 */
static int
compare_lock(const struct entry *e, const struct policy_wish *wish)
{
	int64_t end_ns;
	int err = 0;

	if (!wish || wish->kind == POLICY_WISH_DEFAULT)
		return 0;
	if (wish->kind == POLICY_WISH_EVENT)
		return slice_eq(e->event, wish->event) ? 0 : STELE_ECONFLICT;
	end_ns = wish->until_ns;
	if (wish->kind == POLICY_WISH_FOR) /* counted from when it was stored */
		err = duration_add(&end_ns, e->time_ns, &wish->period);
	return err == 0 && e->retain_until_ns >= end_ns ? 0 : STELE_ECONFLICT;
}

/* 0 when the record at item->index has the same payload, and the lock; STELE_ECONFLICT. */
static int
compare(struct store *st, const struct append_job *job, struct append_item *item,
	struct toolbox *tools)
{
	struct record r;
	struct arena a;
	int err;

	arena_init(&a);
	err = read_record(st, job->log, item->index, tools, &a, &r);
	if (err == 0)
		err = compare_lock(&r.entry, job->wish);
	if (err == 0 && (r.object || item->object))
		err = compare_digests(&r, item, tools->sha);
	else if (err == 0 && !slice_eq(r.payload, item->payload))
		err = STELE_ECONFLICT;
	arena_fini(&a);
	if (err == 0)
		item->state = APPEND_DUPLICATE;
	return err;
}

/* The receipt of an item that was written earlier, against the head. */
static int
old_receipt(struct store *st, struct append_job *job, size_t i, struct toolbox *tools)
{
	struct append_receipt *r = &job->receipts[i];
	struct append_item *item = &job->items[i];
	struct proof proof;
	struct record rec;
	int err = read_record(st, job->log, item->index, tools, &job->arena, &rec);

	if (err == 0)
		err = read_inclusion(st, job->log, item->index, job->head->size, tools, &proof);
	if (err != 0)
		return err;
	memcpy(item->salt, rec.salt, sizeof item->salt);
	r->entry = rec.text;
	r->n_proof = proof.n;
	r->proof = arena_dup(&job->arena, proof.hash, proof.n * 32);
	return r->proof ? 0 : STELE_ENOMEM;
}

/* Results of a job of which nothing is left to write. */
static int
answer(struct store *st, struct append_job *job, struct toolbox *tools)
{
	int err = 0;

	head_unref(job->head);
	job->head = log_head(job->log);
	job->first = UINT64_MAX;
	job->last = 0;
	if (job->want_receipts) {
		job->receipts = arena_alloc(&job->arena, job->n_items * sizeof *job->receipts);
		if (!job->receipts)
			return STELE_ENOMEM;
		memset(job->receipts, 0, job->n_items * sizeof *job->receipts);
	}
	for (size_t i = 0; err == 0 && i < job->n_items; i++) {
		struct append_item *item = &job->items[i];
		if (item->state == APPEND_TWIN) {
			item->index = job->items[item->index].index;
			item->state = APPEND_DUPLICATE;
		}
		if (item->index < job->first)
			job->first = item->index;
		if (item->index > job->last)
			job->last = item->index;
		if (job->want_receipts)
			err = old_receipt(st, job, i, tools);
	}
	if (err == 0)
		atomic_fetch_add(&st->duplicates, job->n_items);
	return err;
}

/* The evidence time of the record at job->first, for the answer. */
static int
first_time(struct store *st, struct append_job *job, struct toolbox *tools)
{
	struct record r;
	struct arena a;
	int err;

	arena_init(&a);
	err = read_record(st, job->log, job->first, tools, &a, &r);
	if (err == 0)
		job->time_ns = r.entry.time_ns;
	arena_fini(&a);
	return err;
}

int
append_resolve(struct store *st, struct append_job *job, struct toolbox *tools, size_t *bad)
{
	size_t n_new = 0;
	int err;

	for (size_t i = 0; i < job->n_items; i++) {
		if (job->items[i].state == APPEND_MAYBE) {
			err = compare(st, job, &job->items[i], tools);
			if (err != 0) {
				*bad = i;
				return err;
			}
		}
		n_new += job->items[i].state == APPEND_NEW;
	}
	job->blocks = NULL; /* they hold what is not to be written again */
	job->n_blocks = 0;
	job->err = 0;
	if (n_new)
		return 0;
	err = answer(st, job, tools);
	if (err == 0)
		err = first_time(st, job, tools);
	return err == 0 ? 1 : err;
}
