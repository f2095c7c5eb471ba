/* Steps 1 to 4 and 10 of storage/purge.h; those between are storage/purgework.c's. */
#include "storage/purge.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "storage/internal.h"
#include "storage/locate.h"
#include "storage/purgework.h"
#include "storage/read.h"
#include "storage/save.h"
#include "storage/writer.h"

#define AGAIN_NS                                                                                   \
	(INT64_C(30) * 1000000000)        /* what kept a purge from ending may be over by then     \
					   */
#define SOON_NS (INT64_C(2) * 1000000000) /* who began a purge goes on with it before that */

struct run {
	struct store *st;
	struct log *log;
	const struct purge_request *rq;
	struct toolbox *t;
	struct purge_result *out;
	struct buf *why;
	struct purge_set set; /* what goes */
	size_t cap;
	struct merkle_frontier tree; /* of its entry hashes */
};

/* --- step 1 ------------------------------------------------------------------------ */

static int
check_ranges(struct run *r)
{
	const struct purge_request *rq = r->rq;
	struct head *head = log_head(r->log);
	uint64_t size = head->size, next = 0;

	head_unref(head);
	if (rq->n_ranges == 0 || rq->n_ranges > LIMIT_PURGE_RANGES) {
		buf_printf(r->why, "a purge has 1 to %u ranges", LIMIT_PURGE_RANGES);
		return rq->n_ranges ? STELE_ELIMIT : STELE_EINVAL;
	}
	for (size_t i = 0; i < rq->n_ranges; i++) {
		const struct control_range *range = &rq->ranges[i];
		if (range->first < next || range->last < range->first || range->last >= size) {
			buf_printf(r->why,
				   "the range of records %llu to %llu is not in order, or not in "
				   "the log",
				   (unsigned long long)range->first,
				   (unsigned long long)range->last);
			return STELE_EINVAL;
		}
		next = range->last + 1;
	}
	return 0;
}

static int
seal_ranges(struct run *r)
{
	bool sealed;

	return purgework_seal(r->log, r->rq->ranges[r->rq->n_ranges - 1].last, &sealed, r->why);
}

/* --- step 2 ------------------------------------------------------------------------ */

/* The record at index goes: into the last range, or a new one. */
static int
take(struct run *r, uint64_t index)
{
	struct purge_set *s = &r->set;
	struct node_source nodes = {r->st, r->log, r->t, false};
	struct control_range *p;
	uint8_t leaf[32];
	int err = node_get(&nodes, 0, index, leaf);

	if (err != 0)
		return err;
	merkle_frontier_append(r->t->sha, &r->tree, leaf);
	s->records++;
	if (s->n && s->ranges[s->n - 1].last + 1 == index) {
		s->ranges[s->n - 1].last = index;
		return 0;
	}
	if (s->n == LIMIT_PURGE_RANGES)
		return STELE_ELIMIT;
	if (s->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 16;
		p = realloc(s->ranges, r->cap * sizeof *p);
		if (!p)
			return STELE_ENOMEM;
		s->ranges = p;
	}
	s->ranges[s->n++] = (struct control_range){index, index};
	return 0;
}

static int
judge_record(struct run *r, uint64_t index, const struct segment_record *record)
{
	if (record->kind == ENTRY_RECORD && !record->gone) {
		r->out->payload_bytes += record->size;
		return take(r, index);
	}
	if (r->rq->skip)
		return 0;
	buf_printf(r->why, "record %llu %s", (unsigned long long)index,
		   record->gone ? "was purged already" : "is a control entry: these stay for ever");
	return STELE_EINVAL;
}

/* What the segment that holds *index has of the range, from *index on, which moves behind it. */
static int
judge_some(struct run *r, uint64_t *index, uint64_t last)
{
	struct segment *s;
	struct location l;
	uint64_t end;
	int err;

	locate(r->log, *index, &l);
	if (!l.sealed)
		return STELE_EDAMAGED; /* it would not seal: the segment before it is quarantined */
	err = location_open(r->log, &l, r->t, &s);
	if (err != 0)
		return location_moved(r->log, *index, &l) ? 0 : err;
	end = l.segment.first + l.segment.count;
	while (err == 0 && *index <= last && *index < end) {
		struct segment_record record;
		err = segment_columns(s, *index, r->t, &record);
		if (err == 0 && l.purge)
			record.gone = true;
		if (err == 0)
			err = judge_record(r, *index, &record);
		++*index;
	}
	segment_unref(s);
	return err;
}

static int
judge_ranges(struct run *r)
{
	int err = 0;

	merkle_frontier_init(&r->tree);
	for (size_t i = 0; err == 0 && i < r->rq->n_ranges; i++) {
		uint64_t index = r->rq->ranges[i].first;
		while (err == 0 && index <= r->rq->ranges[i].last)
			err = judge_some(r, &index, r->rq->ranges[i].last);
		if (err == STELE_EDAMAGED && r->why->n == 0)
			buf_printf(r->why, "record %llu: what holds it is damaged or quarantined",
				   (unsigned long long)index);
	}
	if (err == 0 && r->set.n == 0)
		err = STELE_ENOTFOUND;
	merkle_frontier_root(r->t->sha, &r->tree, r->set.root);
	return err;
}

/* --- steps 3 and 4 ----------------------------------------------------------------- */

/* Found from its job, which is its first member. */
struct asking {
	struct append_job job;
	const struct purge_request *rq;
};

/* On the writer's thread. */
static int
ask(struct append_job *job, uint64_t index, struct toolbox *tools)
{
	struct asking *a = (struct asking *)job;

	(void)index;
	(void)tools;
	return a->rq->still_allowed(a->rq->ctx);
}

/* Commits the entry: then *p is on the log's list. */
static int
commit_entry(struct run *r, struct writer *w, struct purging **p)
{
	struct asking a = {.rq = r->rq};
	struct buf payload;
	int err;

	append_job_init(&a.job);
	buf_init(&payload);
	err = purge_entry_put(&payload, &r->set, r->rq->members);
	if (err == STELE_EINVAL)
		buf_put_str(r->why, "what the caller says of the purge is not one JSON object of "
				    "its own members");
	if (err == 0)
		err = append_control(&a.job, r->log, ENTRY_PURGE, r->rq->writer,
				     buf_slice(&payload), r->t);
	if (err == 0)
		*p = purging_new(&r->set);
	if (err == 0 && !*p)
		err = STELE_ENOMEM;
	if (err == 0) {
		a.job.purging = *p;
		a.job.place = r->rq->still_allowed ? ask : NULL;
		a.job.next = r->rq->record;
		a.job.tied = r->rq->record != NULL;
		/* the job's err tells */
		(void)(w ? writer_append(w, &a.job) : store_append_batch(r->st, &a.job));
		err = a.job.err;
		if (err != 0)
			purging_free(*p);
	}
	append_job_fini(&a.job);
	buf_fini(&payload);
	return err;
}

/* --- all of it ----------------------------------------------------------------------- */

/* Steps 5 to 10; what goes wrong is said, and goes on later. */
static void
carry_out(struct run *r, struct purging *p)
{
	int err = purgework_do(r->log, p, r->t, r->out, r->why);

	p->again_ns = store_now_ns(r->st) + AGAIN_NS;
	if (err == 0 && r->out->destroyed) {
		purging_end(r->log, p);
		return;
	}
	r->out->destroyed = false;
	if (err != 0 && err != STELE_ECLOSED)
		store_say(r->st, STORE_WARN,
			  "log %s: the purge of record %llu is not at its end (%s%s%.*s): its "
			  "payloads are not read any more, and it goes on later",
			  r->log->name, (unsigned long long)p->entry, stele_strerror(err),
			  r->why->n ? ": " : "", (int)r->why->n,
			  r->why->n ? (const char *)r->why->p : "");
	if (err == STELE_EIO && !atomic_exchange(&r->st->read_only, true))
		store_say(r->st, STORE_ERROR,
			  "a write or flush of a purge failed: the store is read-only until "
			  "restart; check the disk");
}

/* Steps 1 to 4: *p is on the log's list then. */
static int
begin(struct run *r, struct writer *w, struct purging **p)
{
	int err;

	if (log_stays(r->log)) {
		buf_printf(r->why, "the records of %s say who may do what: they stay as long as it",
			   r->log->name);
		return STELE_EPERM;
	}
	err = check_ranges(r);

	if (err == 0 && atomic_load(&r->st->read_only))
		err = STELE_EREADONLY;
	if (err == 0 && atomic_load(&r->st->pinned)) {
		buf_put_str(r->why, "a backup is being made: nothing may leave the disk meanwhile");
		err = STELE_ECONFLICT;
	}
	if (err == 0)
		err = seal_ranges(r);
	if (err == 0)
		err = judge_ranges(r);
	if (err == 0)
		err = commit_entry(r, w, p);
	if (err != 0)
		return err;
	r->out->entry = (*p)->entry;
	r->out->records = (*p)->set.records;
	return 0;
}

/* All steps, or the first four; st->purging is held. */
static int
run(struct run *r, struct writer *w, bool all)
{
	struct purging *p = NULL;
	int err;

	r->t = toolbox_new();
	err = r->t ? begin(r, w, &p) : STELE_ENOMEM;
	if (err == 0 && all)
		carry_out(r, p);
	else if (err == 0)
		p->again_ns = store_now_ns(r->st) + SOON_NS; /* who began it is first */
	toolbox_free(r->t);
	purge_set_fini(&r->set);
	return err;
}

static int
run_all(struct run *r, struct writer *w)
{
	struct purge_result out = {.entry = 0}, *given = r->out;
	int err;

	r->out = &out;
	pthread_mutex_lock(&r->st->purging);
	err = run(r, w, true);
	pthread_mutex_unlock(&r->st->purging);
	if (err == 0)
		*given = out;
	return err;
}

int
purge_run(struct store *st, struct writer *w, struct log *log, const struct purge_request *rq,
	  struct purge_result *out, struct buf *why)
{
	struct run r = {.st = st, .log = log, .rq = rq, .out = out, .why = why};

	return run_all(&r, w);
}

int
purge_begin(struct store *st, struct writer *w, struct log *log, const struct purge_request *rq,
	    uint64_t *entry, struct buf *why)
{
	struct purge_result out = {.entry = 0};
	struct run r = {.st = st, .log = log, .rq = rq, .out = &out, .why = why};
	int err;

	if (pthread_mutex_trylock(&st->purging) != 0)
		return STELE_EBUSY;
	err = run(&r, w, false);
	pthread_mutex_unlock(&st->purging);
	if (err == 0)
		*entry = out.entry;
	return err;
}

/* The one on the log's list with this entry, or NULL. Who holds st->purging alone takes one off. */
static struct purging *
find_purging(struct log *log, uint64_t entry)
{
	struct purging *p;

	pthread_rwlock_rdlock(&log->store->lock);
	for (p = log->purging; p && p->entry != entry; p = p->next)
		;
	pthread_rwlock_unlock(&log->store->lock);
	return p;
}

void
purge_finish(struct store *st, struct log *log, uint64_t entry, struct purge_result *out,
	     struct buf *why)
{
	struct run r = {.st = st, .log = log, .out = out, .why = why};
	struct purging *p;

	*out = (struct purge_result){.entry = entry};
	pthread_mutex_lock(&st->purging);
	p = find_purging(log, entry);
	r.t = p ? toolbox_new() : NULL;
	if (r.t)
		carry_out(&r, p);
	out->destroyed = !find_purging(log, entry);
	toolbox_free(r.t);
	pthread_mutex_unlock(&st->purging);
}

/* --- what is under way --------------------------------------------------------------- */

/* The next purge that may go on now; false when there is none. */
static bool
next_pending(struct store *st, struct log **log, struct purging **p)
{
	int64_t now_ns = store_now_ns(st);
	bool found = false;

	pthread_rwlock_rdlock(&st->lock);
	for (size_t i = 0; i < st->n_logs && !found; i++) {
		*log = st->by_name[i];
		for (*p = (*log)->purging; *p && !found; *p = found ? *p : (*p)->next)
			found = now_ns >= (*p)->again_ns;
	}
	pthread_rwlock_unlock(&st->lock);
	return found;
}

/* Only who holds st->purging changes the lists, but for the writer, who adds. */
int
purge_resume(struct store *st)
{
	struct purge_result out = {.entry = 0};
	struct run r = {.st = st, .out = &out};
	struct purging *p;
	struct buf why;
	int did = 0;

	if (atomic_load(&st->pinned) || pthread_mutex_trylock(&st->purging) != 0)
		return 0;
	buf_init(&why);
	r.why = &why;
	if (next_pending(st, &r.log, &p)) {
		r.t = toolbox_new();
		did = r.t ? 1 : STELE_ENOMEM;
		if (r.t && p->set.n == 0 && purging_read(r.log, p, r.t) != 0)
			p->again_ns = store_now_ns(st) + AGAIN_NS; /* said at start */
		else if (r.t)
			carry_out(&r, p);
		toolbox_free(r.t);
	}
	buf_fini(&why);
	pthread_mutex_unlock(&st->purging);
	return did;
}

uint64_t
purge_pending(struct store *st)
{
	uint64_t n = 0;

	pthread_rwlock_rdlock(&st->lock);
	for (size_t i = 0; i < st->n_logs; i++) {
		for (const struct purging *p = st->by_name[i]->purging; p; p = p->next)
			n++;
	}
	pthread_rwlock_unlock(&st->lock);
	return n;
}

/* --- after a restore ----------------------------------------------------------------- */

/* Cuts the ranges off at size; true when nothing was cut. */
static bool
cut_off(struct purge_set *s, uint64_t size)
{
	size_t n = s->n;
	bool whole;

	while (n && s->ranges[n - 1].first >= size)
		n--;
	whole = n == s->n && s->ranges[n - 1].last < size;
	if (n && s->ranges[n - 1].last >= size)
		s->ranges[n - 1].last = size - 1;
	s->n = n;
	return whole;
}

/* The root over the entry hashes of the whole set, gone or not. */
static int
root_of(struct store *st, struct log *log, const struct purge_set *s, struct toolbox *t,
	uint8_t root[32])
{
	struct node_source nodes = {st, log, t, false};
	struct merkle_frontier tree;
	uint8_t leaf[32];
	int err = 0;

	merkle_frontier_init(&tree);
	for (size_t i = 0; i < s->n; i++) {
		for (uint64_t k = s->ranges[i].first; err == 0 && k <= s->ranges[i].last; k++) {
			err = node_get(&nodes, 0, k, leaf);
			if (err == 0)
				merkle_frontier_append(t->sha, &tree, leaf);
		}
	}
	merkle_frontier_root(t->sha, &tree, root);
	return err;
}

int
purge_reapply(struct store *st, struct writer *w, struct log *log, uint64_t size, bool follows,
	      struct slice entry_payload, const struct purge_request *rq, struct purge_result *out,
	      struct buf *why)
{
	struct purge_request again = *rq;
	struct toolbox *t = toolbox_new();
	struct purge_set set = {.n = 0};
	uint8_t root[32];
	int err = t ? purge_entry_read(&set, entry_payload) : STELE_ENOMEM;

	if (err == 0 && cut_off(&set, size)) {
		err = root_of(st, log, &set, t, root);
		if (err == 0 && memcmp(root, set.root, 32) != 0) {
			buf_put_str(why, "the purge entry's root is not that of these records");
			err = STELE_EVERIFY;
		}
	} else if (err == 0 && set.n && !follows) {
		buf_put_str(why, "the purge entry is of a history that the log has lost: what was "
				 "purged in it are other records here");
		err = STELE_EVERIFY;
	}
	if (err == 0 && set.n == 0)
		err = STELE_ENOTFOUND;
	again.ranges = set.ranges;
	again.n_ranges = set.n;
	again.skip = true;
	if (err == 0)
		err = purge_run(st, w, log, &again, out, why);
	toolbox_free(t);
	purge_set_fini(&set);
	return err;
}
