/*
 * Group commit. In the order it runs:
 *   1. commit_take: indexes, entries, chain, columns        (nothing shared changes)
 *   2. commit_close: room for what publishing will add,     (so that step 6 cannot fail)
 *      in memory and in the WAL
 *   3. the frame: sections, hash
 *   4. commit_write: one write, one flush; from here on the commit exists
 *   5. mark it released; commit_settle: sign the heads
 *   6. publish under the lock: trees, tails, heads, keys
 *   7. results for the jobs
 * A failure in 1 to 3 fails the jobs and changes nothing, and so does a disk without
 * room for the next file. A write or flush that fails in 4 or 5 makes the store read-only
 * until restart: what reached the disk is then unknown.
 *
 * While step 4 of one commit runs on a thread of its own, step 1 of the next may run
 * here: it continues from what the first one will have made of its logs. The next
 * one's step 2 waits for the first one's step 7, and finds the store read-only if
 * that one failed; so there is never more than one frame on its way to the disk.
 */
#include "storage/commit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/check.h"
#include "proto/err.h"
#include "storage/clocks.h"
#include "storage/read.h"

int
commit_new(struct commit **out, struct store *st)
{
	struct commit *c = calloc(1, sizeof *c);

	if (!c)
		return STELE_ENOMEM;
	c->st = st;
	c->tools = toolbox_new();
	if (!c->tools) {
		free(c);
		return STELE_ENOMEM;
	}
	*out = c;
	return 0;
}

void
commit_free(struct commit *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->cap && c->touched[i]; i++)
		touched_free(c->touched[i]);
	free(c->touched);
	keytable_fini(&c->pending);
	buf_fini(&c->frame);
	toolbox_free(c->tools);
	free(c);
}

static void
commit_reset(struct commit *c)
{
	for (size_t i = 0; i < c->n; i++)
		touched_reset(c->touched[i]);
	keytable_clear(&c->pending, true);
	buf_reset(&c->frame);
	c->n = 0;
	c->records = c->bytes = 0;
	if (c->jobs)
		atomic_fetch_sub(&c->st->open_commits, 1);
	c->jobs = NULL;
	c->before = NULL;
	c->err = 0;
	explicit_bzero(&c->digests, sizeof c->digests);
}

static uint64_t
monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Whether the item's key is known, made in whichever epoch; its digest in the newest. */
static bool
find_key(struct commit *c, const struct append_job *job, struct append_item *item)
{
	uint64_t id = log_id(job->log);

	for (unsigned i = c->digests.n; i-- > 0;) {
		const struct key_entry *e;
		digest_make(item->digest, &c->digests, i, id, item->key);
		e = keytable_find(&c->pending, id, item->digest);
		if (!e && c->before)
			e = keytable_find(&c->before->pending, id, item->digest);
		if (e)
			item->index = e->index;
		if (e || keyindex_find(&c->st->keys, id, item->digest, &item->index))
			return true;
	}
	return false;
}

/* Marks items whose key is known as APPEND_MAYBE; how many keys of the job are new. */
static int
check_keys(struct commit *c, struct append_job *job, size_t *n_new)
{
	bool maybe = false;

	*n_new = 0;
	for (size_t i = 0; i < job->n_items; i++) {
		struct append_item *item = &job->items[i];
		if (!item->has_key || item->state != APPEND_NEW)
			continue;
		if (find_key(c, job, item)) {
			item->state = APPEND_MAYBE;
			maybe = true;
		}
		++*n_new;
	}
	return maybe ? STELE_EDUPLICATE : 0;
}

static int
remember_keys(struct commit *c, const struct append_job *job, size_t n_new)
{
	int err = n_new ? keytable_reserve(&c->pending, n_new) : 0;

	for (size_t i = 0; err == 0 && n_new && i < job->n_items; i++) {
		const struct append_item *item = &job->items[i];
		struct key_entry e = {.log_id = log_id(job->log), .index = item->index};
		if (!item->has_key || item->state != APPEND_NEW)
			continue;
		memcpy(e.digest, item->digest, 16);
		keytable_add(&c->pending, &e);
	}
	return err;
}

bool
commit_fits(const struct store *st, uint64_t records, uint64_t bytes)
{
	return records <= LIMIT_COMMIT_RECORDS && bytes <= LIMIT_COMMIT_BYTES &&
	       bytes + records * COMMIT_RECORD_BYTES <= st->opts.wal_file_bytes / 4 * 3;
}

/* Step 1 for one job. Only memory can fail once the job is being taken. */
static int
take_job(struct commit *c, struct append_job *job)
{
	struct touched *t;
	size_t n_new;
	int err;

	if (c->records && !commit_fits(c->st, c->records + job->n_items, c->bytes + job->bytes))
		return STELE_EBUSY;
	err = check_keys(c, job, &n_new);
	if (err == 0 && job->place)
		err = job->place(job, touched_end(job->log), c->tools);
	if (err == 0)
		err = touched_allow(c, job);
	if (err == 0)
		err = touched_begin(c, job->log, &t);
	if (err != 0)
		return err;
	err = touched_take(c, t, job);
	if (err == 0)
		err = remember_keys(c, job, n_new);
	if (err != 0)
		return STELE_ENOMEM;
	c->records += job->n_items;
	c->bytes += job->bytes;
	return 0;
}

/* Whether the log has room for count more; a seal may be shortening its tail right now. */
static bool
has_room(struct log *log, uint32_t count)
{
	bool room;

	pthread_rwlock_rdlock(&log->store->lock);
	room = tree_has_room(&log->tree, count) && log->tail.n < log->tail.cap;
	pthread_rwlock_unlock(&log->store->lock);
	return room;
}

/* Step 2. Growing what readers look at needs the lock alone; it is rare. */
static int
reserve(struct commit *c)
{
	int err = keyindex_reserve(&c->st->keys, c->pending.n);

	for (size_t i = 0; err == 0 && i < c->n; i++) {
		struct touched *t = c->touched[i];
		struct log *log = t->log;
		if (t->first && !t->new_dict && has_room(log, t->count))
			continue;
		pthread_rwlock_wrlock(&c->st->lock);
		err = log_make_room(log, t->count, t->new_dict != NULL);
		pthread_rwlock_unlock(&c->st->lock);
	}
	return err;
}

/* Step 3. */
static int
build_frame(struct commit *c)
{
	struct frame_header head = {
		.incarnation = c->st->place.incarnation,
		.sequence = c->st->position.sequence + 1,
		.n_sections = (uint32_t)c->n,
	};
	static const uint8_t zeros[FRAME_ALIGN];
	size_t pad;
	int err = 0;

	for (size_t i = 0; err == 0 && i < c->n; i++)
		err = touched_finish(c, c->touched[i]);
	if (err != 0)
		return err;
	buf_put(&c->frame, zeros, FRAME_HEADER_BYTES);
	for (size_t i = 0; i < c->n; i++)
		touched_write(c, c->touched[i]);
	if (c->frame.err)
		return c->frame.err;
	memcpy(head.prev, c->st->position.hash, 32);
	head.body_bytes = c->frame.n - FRAME_HEADER_BYTES;
	clocks_stamp(c->st, head.sequence, &c->mark);
	head.era = c->mark.era;
	head.wall_ns = c->mark.wall_ns;
	head.lock_ns = c->mark.lock_ns;
	frame_header_write(c->frame.p, &head);
	const struct slice hashed[] = {slice_of(c->frame.p, FRAME_HASHED_BYTES),
				       slice_of(c->frame.p + FRAME_HEADER_BYTES, head.body_bytes)};
	sha256_hash_parts(c->tools->sha, c->hash, hashed, 2);
	memcpy(c->frame.p + FRAME_HASHED_BYTES, c->hash, 32);
	pad = (FRAME_ALIGN - c->frame.n % FRAME_ALIGN) % FRAME_ALIGN;
	buf_put(&c->frame, zeros, pad);
	return c->frame.err;
}

static void
count_max(atomic_ullong *max, uint64_t v)
{
	if (v > atomic_load_explicit(max, memory_order_relaxed))
		atomic_store_explicit(max, v, memory_order_relaxed);
}

static void
write_failed(struct store *st)
{
	atomic_store(&st->read_only, true);
	store_say(st, STORE_ERROR,
		  "writing commit %llu failed: the store is read-only until restart; "
		  "check the disk, then restart",
		  (unsigned long long)st->position.sequence + 1);
}

int
commit_write(struct commit *c)
{
	struct store *st = c->st;
	uint64_t start = monotonic_ns(), took;
	int err;

	if (c->err != 0 || c->records == 0)
		return c->err;
	err = wal_append(st->wal, c->frame.p, c->frame.n, &c->at);
	took = monotonic_ns() - start;
	if (err == 0)
		err = wal_mark_released(st->wal, st->position.sequence + 1, c->hash, c->tools->sha);
	if (err != 0) {
		write_failed(st);
		return c->err = STELE_EREADONLY;
	}
	atomic_fetch_add(&st->flush_ns_total, took);
	count_max(&st->flush_ns_max, took);
	atomic_fetch_add(&st->wal_bytes, c->frame.n);
	return 0;
}

struct sign_work {
	struct commit *c;
	size_t share; /* heads per part */
};

static void
sign_part(void *ctx, unsigned part)
{
	struct sign_work *w = ctx;
	size_t from = part * w->share, to = from + w->share;

	for (size_t i = from; i < to && i < w->c->n; i++) {
		struct touched *t = w->c->touched[i];
		t->head = head_sign(t->log, t->next_keys, t->first + t->count,
				    merkle_batch_root(&t->batch), t->time_ns);
	}
}

/* Step 5: serial when few, in parallel parts when many and the writer lends threads. */
static int
sign_heads(struct commit *c)
{
	uint64_t start = monotonic_ns();
	struct sign_work w = {c, c->n};
	unsigned parts = c->n >= SIGN_PARALLEL_MIN && c->st->parallel ? c->st->parallel_parts : 1;

	w.share = (c->n + parts - 1) / parts;
	if (parts > 1)
		c->st->parallel(c->st->parallel_ctx, sign_part, &w, parts);
	else
		sign_part(&w, 0);
	atomic_fetch_add(&c->st->sign_ns_total, monotonic_ns() - start);
	for (size_t i = 0; i < c->n; i++) {
		if (!c->touched[i]->head)
			return STELE_ENOMEM;
	}
	return 0;
}

static void
publish_log(struct commit *c, struct touched *t)
{
	uint64_t at = c->at.offset + t->section_at;
	struct log_step step = {
		.extent = {.first = t->first,
			   .count = t->count,
			   .bytes = t->section_bytes,
			   .leaves_at = t->meta_bytes + (uint32_t)t->boxes.n,
			   .objects = t->n_objects,
			   .at = {c->at.file, at},
			   .time_ns = t->time_ns},
		.leaves = (const uint8_t(*)[32])t->leaves.p,
		.batch = &t->batch,
		.ctl = t->ctl,
		.payload_bytes = t->payload_bytes,
		.time_ns = t->time_ns,
		.head = t->head,
		.keys = t->next_keys,
		.purging = t->purging,
		.dict_id = t->new_dict ? compress_dict_id(t->new_dict) : 0,
		.dict_box_bytes = t->new_dict_box_bytes,
		.dict_at = {c->at.file, at + t->meta_bytes},
		.data_key_id = t->data_key_id,
		.dict = t->new_dict,
	};

	log_advance(t->log, &step);
}

/* What is held or extended is so before anybody can see the entry that says it. */
static void
fold_controls(struct commit *c)
{
	for (struct append_job *j = c->jobs; j; j = j->next) {
		if (j->err != 0 || !j->control)
			continue;
		log_fold(j->log, j->control);
		j->control = NULL;
	}
}

/* Step 6. Nothing here can fail. */
static void
publish(struct commit *c)
{
	struct store *st = c->st;

	fold_controls(c);
	for (size_t i = 0; i < c->pending.cap; i++) {
		if (c->pending.slots[i].log_id)
			keyindex_add(&st->keys, &c->pending.slots[i]);
	}
	pthread_rwlock_wrlock(&st->lock);
	for (size_t i = 0; i < c->n; i++)
		publish_log(c, c->touched[i]);
	st->position.sequence++;
	memcpy(st->position.hash, c->hash, 32);
	st->position.end = wal_end(st->wal);
	st->position.era = c->mark.era;
	st->position.wall_ns = c->mark.wall_ns;
	st->position.lock_ns = c->mark.lock_ns;
	st->released_ns = c->clock.evidence_ns;
	pthread_rwlock_unlock(&st->lock);
	atomic_fetch_add(&st->commits, 1);
}

/* Step 7 for one job: indexes, head, proofs. */
static int
answer(struct commit *c, struct append_job *job)
{
	struct touched *t = job->log->flushing;
	uint64_t written = 0;

	job->first = UINT64_MAX;
	job->last = 0;
	job->time_ns = t->time_ns;
	job->head = head_ref(t->head);
	for (size_t i = 0; i < job->n_items; i++) {
		struct append_item *item = &job->items[i];
		if (item->state == APPEND_TWIN) {
			item->index = job->items[item->index].index;
			item->state = APPEND_DUPLICATE;
		}
		if (item->index < job->first)
			job->first = item->index;
		if (item->index > job->last)
			job->last = item->index;
		written += item->state == APPEND_NEW;
		if (job->want_receipts && item->state == APPEND_NEW) {
			uint8_t proof[LIMIT_PROOF_HASHES][32];
			struct append_receipt *r = &job->receipts[i];
			merkle_batch_proof(&t->batch, item->index, proof, &r->n_proof);
			r->proof = arena_dup(&job->arena, proof, r->n_proof * 32);
			if (!r->proof)
				return STELE_ENOMEM;
		}
	}
	atomic_fetch_add_explicit(&c->st->records, written, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->st->duplicates, job->n_items - written, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->st->payload_bytes, job->payload_bytes, memory_order_relaxed);
	return 0;
}

/*
 * A job of a batch that failed. What it may repeat could be a record of that
 * batch, which does not exist: it is to be asked about again.
 */
static void
give_back(struct append_job *job, int err)
{
	for (size_t i = 0; i < job->n_items; i++) {
		if (job->items[i].state == APPEND_MAYBE)
			job->items[i].state = APPEND_NEW;
	}
	job->err = err;
}

/* A nanosecond at least after the commit before it: an instant names what was released till then.
 */
static void
take_time(struct commit *c)
{
	store_clock_get(c->st, &c->clock);
	if (c->clock.evidence_ns <= c->st->taken_ns)
		c->clock.evidence_ns = c->st->taken_ns + 1;
	c->st->taken_ns = c->clock.evidence_ns;
}

void
commit_take(struct commit *c, struct append_job *jobs, struct commit *before)
{
	struct append_job *j;
	int tied_err = 0; /* of the job that this one is tied to */

	if (!c->jobs) {
		atomic_fetch_add(&c->st->open_commits, 1); /* before it looks at dictionaries */
		c->err = atomic_load(&c->st->read_only) ? STELE_EREADONLY : 0;
		take_time(c);
		digest_keys_get(c->st, &c->digests);
		c->jobs_end = &c->jobs;
	}
	c->before = before;
	*c->jobs_end = jobs;
	for (j = jobs; j; j = j->next) {
		j->err = c->err ? c->err : tied_err ? tied_err : take_job(c, j);
		tied_err = j->tied ? j->err : 0;
		if (j->err == STELE_ENOMEM)
			c->err = STELE_ENOMEM;
		c->jobs_end = &j->next;
	}
}

uint64_t
commit_close(struct commit *c)
{
	struct store *st = c->st;

	if (c->err == 0 && atomic_load(&st->read_only))
		c->err = STELE_EREADONLY;
	if (c->err != 0 || c->records == 0)
		return 0;
	c->err = reserve(c);
	if (c->err == 0)
		c->err = build_frame(c);
	if (c->err == 0)
		c->err = wal_reserve(st->wal, c->frame.n);
	if (c->err == STELE_EIO) {
		write_failed(st);
		c->err = STELE_EREADONLY;
	}
	if (c->err != 0)
		return 0;
	for (size_t i = 0; i < c->n; i++) {
		c->touched[i]->log->touched = NULL;
		c->touched[i]->log->flushing = c->touched[i];
	}
	return c->frame.n;
}

/* Steps 5 to 6 of a commit that was written. */
static int
release(struct commit *c)
{
	int err = sign_heads(c);

	if (err != 0) {
		atomic_store(&c->st->read_only, true);
		store_say(c->st, STORE_ERROR,
			  "signing failed (%s): the store is read-only until restart",
			  stele_strerror(err));
		return STELE_EREADONLY;
	}
	publish(c);
	if (c->st->opts.released)
		c->st->opts.released(c->st->opts.released_ctx);
	return 0;
}

int
commit_settle(struct commit *c, struct append_job **jobs)
{
	int err = c->err;

	if (err == 0 && c->records)
		err = release(c);
	for (struct append_job *j = c->jobs; j; j = j->next) {
		if (err != 0)
			give_back(j, err);
		else if (j->err == 0)
			j->err = answer(c, j);
	}
	*jobs = c->jobs;
	commit_reset(c);
	return err;
}

int
store_append_batch(struct store *st, struct append_job *jobs)
{
	struct commit *c = st->commit;

	commit_take(c, jobs, NULL);
	(void)commit_close(c);
	(void)commit_write(c); /* every failure so far is remembered for all jobs */
	return commit_settle(c, &jobs);
}
