/*
 * One log's part of a commit, column by column. Records come in order; each
 * gets its entry and entry hash at once (the next one chains to it), while
 * payloads gather until a block is worth compressing.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/aead.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/commit.h"

static struct touched *
touched_new(void)
{
	struct touched *t = calloc(1, sizeof *t);

	if (t)
		merkle_batch_init(&t->batch);
	return t;
}

void
touched_free(struct touched *t)
{
	struct buf *bufs[] = {&t->groups, &t->blocks, &t->sizes,     &t->objects, &t->boxes,
			      &t->leaves, &t->keys,   &t->run_salts, &t->run};

	for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
		buf_fini(bufs[i]);
	merkle_batch_fini(&t->batch);
	free(t);
}

void
touched_reset(struct touched *t)
{
	struct buf *bufs[] = {&t->groups, &t->blocks, &t->sizes,     &t->objects, &t->boxes,
			      &t->leaves, &t->keys,   &t->run_salts, &t->run};

	for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
		buf_reset(bufs[i]);
	if (t->log && t->log->touched == t)
		t->log->touched = NULL;
	if (t->log && t->log->flushing == t)
		t->log->flushing = NULL;
	compress_dict_unref(t->dict);
	compress_dict_unref(t->new_dict);
	head_unref(t->head);
	logkeys_unref(t->next_keys);
	if (t->log)
		t->log->controls_taken -= t->n_controls;
	t->log = NULL;
	t->dict = t->new_dict = NULL;
	t->head = NULL;
	t->next_keys = NULL;
	t->purging = NULL;
	t->count = t->packed = t->n_groups = t->n_blocks = t->n_keys = t->n_dicts = t->n_objects =
		0;
	t->group.count = 0;
	t->n_controls = 0;
	t->payload_bytes = 0;
	t->new_dict_box_bytes = 0;
	explicit_bzero(t->data_key, sizeof t->data_key);
}

/* The slot after the last one in use. */
static int
next_touched(struct commit *c, struct touched **out)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 4;
		struct touched **p = realloc(c->touched, cap * sizeof(*p));
		if (!p)
			return STELE_ENOMEM;
		memset(p + c->cap, 0, (cap - c->cap) * sizeof(*p));
		c->touched = p;
		c->cap = cap;
	}
	if (!c->touched[c->n])
		c->touched[c->n] = touched_new();
	if (!c->touched[c->n])
		return STELE_ENOMEM;
	*out = c->touched[c->n++];
	return 0;
}

/* Seals plain into boxes as the next block of the directory. */
static int
seal_block(struct commit *c, struct touched *t, struct frame_block *blk, struct slice plain)
{
	uint8_t ad[FRAME_AD_BYTES];

	blk->box_bytes = (uint32_t)(plain.n + AEAD_OVERHEAD);
	if (buf_reserve(&t->boxes, blk->box_bytes) != 0)
		return STELE_ENOMEM;
	/* A dictionary's box is tied to the log and its number, not to an index. */
	frame_box_ad(ad, t->log->id, blk->count ? t->first + t->packed : 0, blk);
	aead_seal(t->boxes.p + t->boxes.n, t->data_key, plain, slice_of(ad, sizeof ad),
		  &c->tools->random);
	t->boxes.n += blk->box_bytes;
	t->packed += blk->count;
	t->n_blocks++;
	frame_block_write(&t->blocks, blk);
	return t->blocks.err;
}

/*
 * Key and dictionary, at one moment: what a purge retires is retired together. A freshly trained
 * dictionary goes first: whoever can read a block has read it before.
 */
static int
begin_boxes(struct commit *c, struct touched *t)
{
	struct frame_block blk = {0};
	int err;

	pthread_rwlock_rdlock(&c->st->lock);
	t->data_key_id = t->log->tail_key->id;
	memcpy(t->data_key, t->log->tail_key->key, sizeof t->data_key);
	t->dict = compress_dict_ref(t->log->dict);
	if (!t->log->flushing || !t->log->flushing->new_dict) /* else it is on its way */
		t->new_dict = compress_dict_ref(t->log->pending_dict);
	pthread_rwlock_unlock(&c->st->lock);
	if (!t->new_dict)
		return 0;
	blk.dict = compress_dict_id(t->new_dict);
	err = seal_block(c, t, &blk, compress_dict_bytes(t->new_dict));
	t->new_dict_box_bytes = blk.box_bytes;
	t->n_dicts = 1;
	return err;
}

/* Where the log stands, or will when the commit before this one has settled. */
static void
continue_from(struct touched *t, const struct log *log, const struct touched *before)
{
	t->first = before ? before->first + before->count : log->frontier.size;
	memcpy(t->last_leaf, before ? before->last_leaf : log->last_leaf, 32);
	t->ctl = before ? before->ctl : log->ctl;
	t->time_ns = before ? before->time_ns : log->time_ns;
	t->policy = before ? before->policy : *log_policy(log);
}

uint64_t
touched_end(const struct log *log)
{
	const struct touched *t = log->touched ? log->touched : log->flushing;

	return t ? t->first + t->count : log->frontier.size;
}

/* A period of retention counts from the later of both clocks, and of the log's own time. */
static int64_t
lock_from(const struct commit *c, int64_t time_ns)
{
	int64_t later_ns = clock_later(&c->clock);

	return later_ns > time_ns ? later_ns : time_ns;
}

/* Whether so many more records and bytes stay within a bound; 0: there is none. */
static bool
within(uint64_t bound, uint64_t have, uint64_t more)
{
	return !bound || (have <= bound && more <= bound - have);
}

/* What the log keeps, with what is on its way. */
static uint64_t
kept_bytes(const struct log *log)
{
	uint64_t n = log->payload_bytes;

	n += log->flushing ? log->flushing->payload_bytes : 0;
	n += log->touched ? log->touched->payload_bytes : 0;
	return n;
}

/*
 * What nobody may do in compliance, however long ago it was looked at: the time that counts is
 * that of the entry.
 */
static int
allow_control(const struct policy *policy, const struct control *control, int64_t now_ns)
{
	struct policy now = policy_at(policy, now_ns), next;

	if (now.mode != ENTRY_MODE_COMPLIANCE || !control)
		return 0;
	if (control->kind == ENTRY_EXTEND)
		return control->shorten ? STELE_EPERM : 0;
	if (control->kind != ENTRY_POLICY)
		return 0;
	next = policy_at(&control->policy, now_ns);
	return policy_weakens(&now, &next, NULL) ? STELE_EPERM : 0;
}

int
touched_allow(const struct commit *c, struct append_job *job)
{
	const struct log *log = job->log;
	const struct touched *at = log->touched ? log->touched : log->flushing;
	const struct policy *policy = at ? &at->policy : log_policy(log);
	int64_t now_ns = at ? at->time_ns : log->time_ns;

	if (!log->touched && c->clock.evidence_ns > now_ns)
		now_ns = c->clock.evidence_ns;
	if (job->kind != ENTRY_RECORD)
		return allow_control(policy, job->control, now_ns);
	if (!within(policy->quota_bytes, kept_bytes(log), job->payload_bytes) ||
	    !within(policy->quota_records, touched_end(log), job->n_items))
		return STELE_EQUOTA;
	if (!job->wish && log->touched)
		return log->touched->lock_err;
	return policy_lock(policy, job->wish, lock_from(c, now_ns), &job->lock, NULL);
}

int
touched_begin(struct commit *c, struct log *log, struct touched **out)
{
	struct touched *t = log->touched;
	int err;

	if (t) {
		*out = t;
		return 0;
	}
	err = next_touched(c, &t);
	if (err != 0)
		return err;
	t->log = log;
	log->touched = t;
	continue_from(t, log, log->flushing);
	if (c->clock.evidence_ns > t->time_ns)
		t->time_ns = c->clock.evidence_ns;
	t->lock_err = policy_lock(&t->policy, NULL, lock_from(c, t->time_ns), &t->lock, NULL);
	err = begin_boxes(c, t);
	if (err != 0) {
		touched_reset(t);
		c->n--;
		return err;
	}
	*out = t;
	return 0;
}

static void
close_group(struct touched *t)
{
	if (t->group.count == 0)
		return;
	frame_group_write(&t->groups, &t->group);
	t->n_groups++;
	t->group.count = 0;
}

/* Puts a record into the open group, or into a new one when it differs. */
static void
into_group(struct touched *t, const struct entry *e)
{
	struct frame_group *g = &t->group;

	if (g->count && g->kind == e->kind && g->ctl == e->ctl && g->mode == e->mode &&
	    g->retain_until_ns == e->retain_until_ns && slice_eq(g->event, e->event) &&
	    slice_eq(g->media_type, e->media_type) && slice_eq(g->writer, e->writer)) {
		g->count++;
		return;
	}
	close_group(t);
	*g = (struct frame_group){
		.count = 1,
		.kind = e->kind,
		.mode = e->mode,
		.ctl = e->ctl,
		.retain_until_ns = e->retain_until_ns,
		.media_type = e->media_type,
		.writer = e->writer,
		.event = e->event,
	};
}

static void
put_u32(struct buf *b, uint32_t v)
{
	buf_put(b, &v, sizeof v);
}

/* Compresses and seals the payloads that wait. */
static int
pack_run(struct commit *c, struct touched *t)
{
	struct buf *plain = &c->tools->plain;
	struct frame_block blk = {.count = t->count - t->packed,
				  .dict = t->dict ? compress_dict_id(t->dict) : 0,
				  .raw_bytes = (uint32_t)t->run.n};
	size_t bound = compress_bound(t->run.n), n;
	int err;

	if (blk.count == 0)
		return 0;
	buf_reset(plain);
	buf_put_slice(plain, buf_slice(&t->run_salts));
	if (t->run.err || t->run_salts.err || buf_reserve(plain, bound) != 0)
		return STELE_ENOMEM;
	err = compress_block(c->tools->zip, t->dict, buf_slice(&t->run), plain->p + plain->n, bound,
			     &n);
	if (err != 0)
		return err;
	plain->n += n;
	buf_reset(&t->run);
	buf_reset(&t->run_salts);
	return seal_block(c, t, &blk, buf_slice(plain));
}

static int
take_blocks(struct commit *c, struct touched *t, const struct append_job *job)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < job->n_blocks; i++) {
		const struct append_block *b = &job->blocks[i];
		struct frame_block blk = {.count = b->count,
					  .dict = b->dict,
					  .raw_bytes = b->raw_bytes,
					  .salts = FRAME_SALTS_SEED};
		err = seal_block(c, t, &blk, b->packed);
	}
	return err;
}

/* What the block of an object cannot tell. */
static void
put_object(struct touched *t, const struct append_item *item)
{
	struct frame_object o = {.ordinal = t->count, .size = item->size};

	memcpy(o.commitment, item->commitment, 32);
	frame_object_write(&t->objects, &o);
	t->n_objects++;
}

/* The entry of one record: built, hashed, chained, put into its columns. */
static int
take_item(struct commit *c, struct touched *t, struct append_job *job, size_t i)
{
	struct append_item *item = &job->items[i];
	bool control = job->kind != ENTRY_RECORD;
	const struct policy_lock *lock = job->wish ? &job->lock : &t->lock;
	char text[LIMIT_ENTRY_BYTES];
	struct entry e = {
		.origin = slice_str(t->log->origin),
		.index = t->first + t->count,
		.kind = job->kind,
		.ctl = t->ctl,
		.time_ns = t->time_ns,
		.size = item->object ? item->size : item->payload.n,
		.media_type = item->media_type,
		.writer = job->writer,
		.mode = control ? ENTRY_MODE_NONE : lock->mode,
	};
	int n;

	if (e.mode != ENTRY_MODE_NONE && lock->until_ns)
		e.retain_until_ns = lock->until_ns;
	else if (e.mode != ENTRY_MODE_NONE)
		e.event = job->wish->event;
	memcpy(e.prev, t->last_leaf, 32);
	memcpy(e.commitment, item->commitment, 32);
	n = entry_write(text, sizeof text, &e);
	CHECK(n > 0); /* every part was checked before it was queued */
	sha256_leaf(c->tools->sha, t->last_leaf, slice_of(text, (size_t)n));
	buf_put(&t->leaves, t->last_leaf, 32);
	put_u32(&t->sizes, (uint32_t)item->payload.n);
	if (item->object)
		put_object(t, item);
	if (item->has_key) {
		put_u32(&t->keys, t->count);
		buf_put(&t->keys, item->digest, 16);
		t->n_keys++;
	}
	into_group(t, &e);
	if (control)
		t->ctl = e.index;
	t->payload_bytes += e.size;
	t->count++;
	item->index = e.index;
	if (job->want_receipts) {
		const void *copy = arena_dup(&job->arena, text, (size_t)n);
		if (!copy)
			return STELE_ENOMEM;
		job->receipts[i].entry = slice_of(copy, (size_t)n);
	}
	return 0;
}

/* The entry's index is known: what it says is on its way into the log's locks. */
static void
take_control(const struct commit *c, struct touched *t, struct append_job *job)
{
	job->control->index = t->ctl;
	t->n_controls++;
	t->log->controls_taken++;
	if (job->control->kind != ENTRY_POLICY)
		return;
	t->policy = job->control->policy;
	t->lock_err = policy_lock(&t->policy, NULL, lock_from(c, t->time_ns), &t->lock, NULL);
}

static void
wait_for_packing(struct touched *t, const struct append_item *item)
{
	buf_put_slice(&t->run, item->payload);
	buf_put(&t->run_salts, item->salt, 16);
}

/*
 * A dictionary may have been retired since the job was prepared: what it packed is
 * then packed again, so that retired ones are used by no commit that begins later.
 */
static void
drop_stale_blocks(const struct touched *t, struct append_job *job)
{
	uint32_t current = t->dict ? compress_dict_id(t->dict) : 0;

	for (size_t i = 0; i < job->n_blocks; i++) {
		if (job->blocks[i].dict && job->blocks[i].dict != current) {
			job->blocks = NULL;
			job->n_blocks = 0;
		}
	}
}

int
touched_take(struct commit *c, struct touched *t, struct append_job *job)
{
	int err = 0;

	drop_stale_blocks(t, job);

	if (job->want_receipts) {
		job->receipts = arena_alloc(&job->arena, job->n_items * sizeof *job->receipts);
		if (!job->receipts)
			return STELE_ENOMEM;
		memset(job->receipts, 0, job->n_items * sizeof *job->receipts);
	}
	if (job->blocks) /* blocks must follow the records that wait, before these are counted */
		err = pack_run(c, t);
	for (size_t i = 0; err == 0 && i < job->n_items; i++) {
		if (job->items[i].state != APPEND_NEW)
			continue;
		err = take_item(c, t, job, i);
		if (err != 0 || job->blocks)
			continue;
		wait_for_packing(t, &job->items[i]);
		if (t->run.n >= LIMIT_BLOCK_BYTES)
			err = pack_run(c, t);
	}
	if (err == 0 && job->blocks)
		err = take_blocks(c, t, job);
	if (err == 0 && job->purging) {
		CHECK(!t->purging && job->n_items == 1); /* one at a time in a store */
		job->purging->entry = job->items[0].index;
		t->purging = job->purging;
	}
	if (err == 0 && job->keys)
		t->next_keys = logkeys_ref(job->keys);
	if (err == 0 && job->control)
		take_control(c, t, job);
	return err;
}

int
touched_finish(struct commit *c, struct touched *t)
{
	int err = pack_run(c, t);

	close_group(t);
	if (err == 0)
		err = t->groups.err | t->blocks.err | t->sizes.err | t->objects.err | t->boxes.err |
				      t->leaves.err | t->keys.err
			      ? STELE_ENOMEM
			      : 0;
	if (err == 0)
		err = merkle_batch_build(c->tools->sha, &t->batch, &t->log->frontier,
					 (const uint8_t(*)[32])t->leaves.p, t->count);
	if (err != 0)
		return err;
	CHECK(t->packed == t->count);
	t->meta_bytes = (uint32_t)(SECTION_HEADER_BYTES + t->groups.n + t->blocks.n + t->sizes.n +
				   t->objects.n);
	if (t->first == 0)
		t->meta_bytes += (uint32_t)strlen(t->log->name);
	t->section_bytes = (uint32_t)(t->meta_bytes + t->boxes.n + t->leaves.n + t->keys.n);
	return 0;
}

void
touched_write(struct commit *c, struct touched *t)
{
	struct frame_section s = {
		.bytes = t->section_bytes,
		.log_id = t->log->id,
		.first = t->first,
		.count = t->count,
		.n_groups = t->n_groups,
		.n_blocks = t->n_blocks,
		.n_keys = t->n_keys,
		.n_dicts = t->n_dicts,
		.n_objects = t->n_objects,
		.epoch = t->next_keys ? t->next_keys->epoch : t->log->keys->epoch,
		.time_ns = t->time_ns,
		.data_key_id = t->data_key_id,
		.meta_bytes = t->meta_bytes,
		.boxes_bytes = (uint32_t)t->boxes.n,
		.name = t->first == 0 ? slice_str(t->log->name) : slice_of(NULL, 0),
	};
	uint8_t head[SECTION_HEADER_BYTES];

	memcpy(s.root, merkle_batch_root(&t->batch), 32);
	frame_section_header_write(head, &s);
	t->section_at = c->frame.n;
	buf_put(&c->frame, head, sizeof head);
	buf_put_slice(&c->frame, s.name);
	buf_put_slice(&c->frame, buf_slice(&t->groups));
	buf_put_slice(&c->frame, buf_slice(&t->blocks));
	buf_put_slice(&c->frame, buf_slice(&t->sizes));
	buf_put_slice(&c->frame, buf_slice(&t->objects));
	buf_put_slice(&c->frame, buf_slice(&t->boxes));
	buf_put_slice(&c->frame, buf_slice(&t->leaves));
	buf_put_slice(&c->frame, buf_slice(&t->keys));
}
