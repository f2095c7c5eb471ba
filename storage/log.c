/*
 * Log objects: what is fixed about a log, its released head, and the one step
 * by which a log advances, which committing and replaying share.
 */
#include "storage/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/kdigest.h"
#include "proto/check.h"
#include "proto/checkpoint.h"
#include "proto/err.h"
#include "storage/internal.h"
#include "storage/protect.h"

struct head *
head_ref(struct head *h)
{
	atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
	return h;
}

void
head_unref(struct head *h)
{
	if (h && atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1)
		free(h);
}

struct head *
log_head(struct log *log)
{
	struct head *h;

	pthread_rwlock_rdlock(&log->store->lock);
	h = head_ref(log->head);
	pthread_rwlock_unlock(&log->store->lock);
	return h;
}

/* One reference, the caller's; NULL without memory. */
static struct head *
head_new(uint64_t size, const uint8_t root[32], int64_t time_ns, struct slice note,
	 struct slice lines)
{
	struct head *head = malloc(sizeof *head + note.n + lines.n + 1);

	if (!head)
		return NULL;
	atomic_init(&head->refs, 1);
	head->size = size;
	memcpy(head->root, root, 32);
	head->time_ns = time_ns;
	head->note_len = note.n + lines.n;
	memcpy(head->note, note.p, note.n);
	if (lines.n)
		memcpy(head->note + note.n, lines.p, lines.n);
	head->note[head->note_len] = '\0';
	return head;
}

int
log_cosign(struct log *log, const struct head *head, struct slice lines)
{
	struct head *old = NULL, *next = head_new(head->size, head->root, head->time_ns,
						  slice_of(head->note, head->note_len), lines);

	if (!next)
		return STELE_ENOMEM;
	pthread_rwlock_wrlock(&log->store->lock);
	if (log->head->size == head->size) {
		old = log->head;
		log->head = next;
	}
	pthread_rwlock_unlock(&log->store->lock);
	head_unref(old ? old : next);
	return old != NULL;
}

struct head *
head_sign(struct log *log, const struct logkeys *next, uint64_t size, const uint8_t root[32],
	  int64_t time_ns)
{
	const struct signer *signers[] = {log->keys->signer, next ? next->signer : NULL};
	struct head *head = NULL;
	struct buf text, note;

	buf_init(&text);
	buf_init(&note);
	if (checkpoint_put(&text, slice_str(log->origin), size, root) == 0 && text.err == 0)
		sign_note(&note, buf_slice(&text), signers, next ? 2 : 1);
	if (note.n && note.err == 0)
		head = head_new(size, root, time_ns, buf_slice(&note), slice_of(NULL, 0));
	buf_fini(&text);
	buf_fini(&note);
	return head;
}

uint64_t
log_id(const struct log *log)
{
	return log->id;
}

const char *
log_name(const struct log *log)
{
	return log->name;
}

const char *
log_origin(const struct log *log)
{
	return log->origin;
}

bool
log_stays(const struct log *log)
{
	return strcmp(log->name, "_system") == 0;
}

const struct policy *
log_policy(const struct log *log)
{
	return atomic_load(&log->policy);
}

bool
log_may_wait(const struct log *log)
{
	return log->founding.event_based || locks_wait(log->locks);
}

const struct policy *
log_founding(const struct log *log)
{
	return &log->founding;
}

struct locks *
log_locks(const struct log *log)
{
	return log->locks;
}

bool
log_locks_settled(const struct log *log)
{
	return log->controls_taken == 0;
}

int64_t
log_created_ns(const struct log *log)
{
	return log->created_ns;
}

void
log_storage_get(struct log *log, struct log_storage *out)
{
	pthread_rwlock_rdlock(&log->store->lock);
	*out = (struct log_storage){.sealed = sealed_end(&log->sealed),
				    .segments = log->sealed.n,
				    .payload_bytes = log->payload_bytes};
	for (size_t i = 0; i < log->sealed.n; i++) {
		out->segment_bytes += log->sealed.s[i].file_bytes;
		out->quarantined += log->sealed.s[i].quarantined;
		out->immutable += (log->sealed.s[i].protection & PROTECT_IMMUTABLE) != 0;
		out->verity += (log->sealed.s[i].protection & PROTECT_VERITY) != 0;
	}
	pthread_rwlock_unlock(&log->store->lock);
}

void
log_key_digest(const struct log *log, uint8_t out[16], char kind, const struct slice *parts,
	       size_t n_parts)
{
	static const uint8_t no_key[KDIGEST_KEY_BYTES];
	struct slice all[8] = {slice_of(&kind, 1)};

	(void)log; /* the stored digest has its id in it */
	CHECK(n_parts < sizeof all / sizeof *all);
	memcpy(all + 1, parts, n_parts * sizeof *parts);
	kdigest(out, no_key, all, n_parts + 1);
}

/* SHA-256 of nothing, the root of the empty tree: what entry 0 chains to. */
static const uint8_t empty_root[32] = {
	0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
	0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
	0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
};

struct log *
log_new(struct store *st, uint64_t id, struct slice name)
{
	struct log *log = calloc(1, sizeof *log);

	if (!log)
		return NULL;
	log->locks = locks_new();
	if (!log->locks) {
		free(log);
		return NULL;
	}
	CHECK(name.n <= LIMIT_LOG_NAME_BYTES);
	log->store = st;
	atomic_init(&log->policy, &log->founding);
	log->id = id;
	memcpy(log->name, name.p, name.n);
	if (log_stays(log))
		locks_keep_all(log->locks);
	memcpy(log->last_leaf, empty_root, sizeof empty_root);
	snprintf(log->origin, sizeof log->origin, "%s/%s", st->place.server_name, log->name);
	merkle_frontier_init(&log->frontier);
	tree_init(&log->tree);
	tail_init(&log->tail);
	sealed_init(&log->sealed);
	buf_init(&log->gone);
	log->next_dict_id = 1;
	return log;
}

void
log_free(struct log *log)
{
	if (!log)
		return;
	for (size_t i = 0; i < log->n_dicts; i++)
		compress_dict_unref(log->dicts[i].dict);
	free(log->dicts);
	compress_dict_unref(log->dict);
	compress_dict_unref(log->pending_dict);
	head_unref(log->head);
	tree_fini(&log->tree);
	tail_fini(&log->tail);
	sealed_fini(&log->sealed);
	buf_fini(&log->gone);
	logkeys_unref(log->keys);
	locks_free(log->locks);
	tailkey_free(log);
	purging_free_all(log);
	free(log);
}

int
log_reserve(struct store *st, uint64_t id)
{
	size_t cap = st->cap_logs ? st->cap_logs * 2 : 16, ids = st->cap_ids ? st->cap_ids : 16;
	struct log **p;

	if (id >= 2 * (uint64_t)LIMIT_LOGS)
		return STELE_ELIMIT;
	if (st->n_logs == st->cap_logs) {
		p = realloc(st->by_name, cap * sizeof(*p));
		if (!p)
			return STELE_ENOMEM;
		st->by_name = p;
		st->cap_logs = cap;
	}
	while (ids <= id)
		ids *= 2;
	if (ids > st->cap_ids) {
		p = realloc(st->by_id, ids * sizeof(*p));
		if (!p)
			return STELE_ENOMEM;
		memset(p + st->cap_ids, 0, (ids - st->cap_ids) * sizeof(*p));
		st->by_id = p;
		st->cap_ids = ids;
	}
	return 0;
}

/* Position of the first log whose name is not below name. */
static size_t
lower_bound(const struct store *st, struct slice name)
{
	size_t lo = 0, hi = st->n_logs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		struct slice m = slice_str(st->by_name[mid]->name);
		size_t n = m.n < name.n ? m.n : name.n;
		int d = n ? memcmp(m.p, name.p, n) : 0;
		if (d < 0 || (d == 0 && m.n < name.n))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void
log_publish(struct store *st, struct log *log)
{
	size_t at = lower_bound(st, slice_str(log->name));

	CHECK(st->n_logs < st->cap_logs && log->id < st->cap_ids && !st->by_id[log->id]);
	st->by_id[log->id] = log;
	memmove(st->by_name + at + 1, st->by_name + at, (st->n_logs - at) * sizeof(*st->by_name));
	st->by_name[at] = log;
	st->n_logs++;
	if (log->id >= st->next_log_id)
		st->next_log_id = log->id + 1;
}

int
store_log_find(struct store *st, struct slice name, struct log **out)
{
	struct log *found = NULL;
	size_t at;

	pthread_rwlock_rdlock(&st->lock);
	at = lower_bound(st, name);
	if (at < st->n_logs && slice_eq_str(name, st->by_name[at]->name))
		found = st->by_name[at];
	pthread_rwlock_unlock(&st->lock);
	if (!found)
		return STELE_ENOTFOUND;
	*out = found;
	return 0;
}

uint64_t
store_next_log_id(struct store *st)
{
	uint64_t id;

	pthread_rwlock_rdlock(&st->lock);
	id = st->next_log_id;
	pthread_rwlock_unlock(&st->lock);
	return id;
}

size_t
store_log_list(struct store *st, struct slice after, struct log **out, size_t cap)
{
	size_t n = 0;

	pthread_rwlock_rdlock(&st->lock);
	for (size_t i = lower_bound(st, after); i < st->n_logs && n < cap; i++) {
		if (!slice_eq_str(after, st->by_name[i]->name))
			out[n++] = st->by_name[i];
	}
	pthread_rwlock_unlock(&st->lock);
	return n;
}

int64_t
store_released_ns(struct store *st)
{
	int64_t ns;

	pthread_rwlock_rdlock(&st->lock);
	ns = st->released_ns;
	pthread_rwlock_unlock(&st->lock);
	return ns;
}

struct log *
log_by_id(struct store *st, uint64_t id)
{
	return id < st->cap_ids ? st->by_id[id] : NULL;
}

struct log *
store_log_of(struct store *st, uint64_t id)
{
	struct log *log;

	pthread_rwlock_rdlock(&st->lock);
	log = log_by_id(st, id);
	pthread_rwlock_unlock(&st->lock);
	return log;
}

void
log_mark_dirty(struct log *log)
{
	if (log->dirty)
		return;
	log->dirty = true;
	log->next_dirty = log->store->dirty;
	log->store->dirty = log;
}

int
log_make_room(struct log *log, uint32_t count, bool dict)
{
	int err = tree_reserve(&log->tree, count);

	if (err == 0)
		err = tail_reserve(&log->tail);
	if (err == 0 && dict)
		err = dict_reserve(log);
	if (err == 0 && log->tree.size == 0)
		err = log_reserve(log->store, log->id);
	return err;
}

void
log_fold(struct log *log, struct control *c)
{
	const struct policy *policy;

	locks_fold(log->locks, c);
	policy = locks_policy(log->locks);
	if (policy)
		atomic_store(&log->policy, policy);
}

void
log_advance(struct log *log, const struct log_step *s)
{
	CHECK(s->extent.first + s->skip == log->frontier.size && s->skip <= s->extent.count);
	if (log->tail.n == 0)
		log->tail_since_ns = s->time_ns;
	tail_add(&log->tail, &s->extent);
	tree_add(&log->tree, s->leaves + s->skip, s->extent.count - s->skip, s->batch);
	if (s->dict_id)
		dict_add(log, &(struct dict_place){.id = s->dict_id,
						   .box_bytes = s->dict_box_bytes,
						   .data_key_id = s->data_key_id,
						   .at = s->dict_at,
						   .dict = s->dict});
	merkle_frontier_copy(&log->frontier, merkle_batch_frontier(s->batch));
	if (s->extent.count)
		memcpy(log->last_leaf, s->leaves[s->extent.count - 1], 32);
	log->ctl = s->ctl;
	log->time_ns = s->time_ns;
	log->payload_bytes += s->payload_bytes;
	if (s->head) {
		head_unref(log->head);
		log->head = head_ref(s->head);
	}
	if (s->keys) {
		logkeys_unref(log->keys);
		log->keys = logkeys_ref(s->keys);
	}
	if (s->purging)
		purging_add(log, s->purging);
	if (s->extent.first == 0) {
		log->created_ns = s->time_ns;
		log_publish(log->store, log);
	}
	log_mark_dirty(log);
}

void
log_take_segment(struct log *log, const struct sealed *s)
{
	for (size_t i = 0; i < log->sealed.n; i++) {
		const struct sealed *old = &log->sealed.s[i];
		if (old->first > s->first && old->first < s->first + s->count)
			save_forget(log, CATALOG_SEGMENT, old->first);
	}
	sealed_put(&log->sealed, s);
	tail_drop(&log->tail, sealed_end(&log->sealed));
	log_mark_dirty(log);
}
