/* Segment by segment, in order; a segment that is rewritten meanwhile is looked for again. */
#include "storage/purgeplan.h"

#include <string.h>

#include "proto/err.h"
#include "storage/internal.h"
#include "storage/locate.h"

struct making {
	struct purgeplan *plan;
	const struct purgeplan_wish *wish;
	struct log *log;
};

void
purgeplan_fini(struct purgeplan *plan)
{
	ranges_fini(&plan->go);
}

/* One that stays: by what, and until when. */
static void
count_stay(struct purgeplan *plan, uint64_t index, const struct lock_state *s, uint64_t size,
	   int64_t now_ns)
{
	if (plan->stay[s->by] == 0)
		plan->first[s->by] = index;
	plan->stay[s->by]++;
	plan->stay_bytes += size;
	if (s->by == LOCK_BY_RETENTION && (!plan->next_ns || s->until_ns < plan->next_ns))
		plan->next_ns = s->until_ns;
	if (s->until_ns > now_ns && s->until_ns > plan->last_ns)
		plan->last_ns = s->until_ns;
}

/* Takes a record into the plan: 1 when there are as many ranges as there may be. */
static int
take(struct making *m, uint64_t index, const struct segment_record *r)
{
	const struct entry e = {
		.kind = r->kind, .event = r->event, .retain_until_ns = r->retain_until_ns};
	struct purgeplan *plan = m->plan;
	struct lock_state s;

	if (m->wish->only && !ranges_has(m->wish->only, index))
		return 0;
	locks_look(m->log->locks, index, &e, m->wish->now_ns, &s);
	if (s.purged) {
		plan->gone++;
		return 0;
	}
	if (s.by != LOCK_BY_NOTHING || (!m->wish->unlocked && s.until_ns == 0)) {
		count_stay(plan, index, &s, r->size, m->wish->now_ns);
		if (m->wish->stays)
			m->wish->stays(m->wish->ctx, index, &s);
		return 0;
	}
	if (plan->go.n == m->wish->max_ranges && plan->go.r[plan->go.n - 1].last + 1 != index)
		return 1;
	plan->records++;
	plan->bytes += r->size;
	return ranges_add(&plan->go, index, index);
}

static int
look(void *ctx, uint64_t index, const struct segment_record *r)
{
	struct making *m = ctx;
	int err;

	if (m->wish->stop && atomic_load_explicit(m->wish->stop, memory_order_relaxed))
		return STELE_ECLOSED;
	err = take(m, index, r);
	if (err == 0)
		m->plan->looked = index + 1;
	return err;
}

/* The rest of the segment that holds the next record. */
static int
look_through(struct making *m, uint64_t end, struct toolbox *t)
{
	uint64_t from = m->plan->looked, to;
	struct segment *segment;
	struct location l;
	int err;

	locate(m->log, from, &l);
	if (!l.sealed)
		return STELE_EDAMAGED;
	to = l.segment.first + l.segment.count;
	err = location_open(m->log, &l, t, &segment);
	if (err == 0) {
		err = segment_each_entry(segment, from, to < end ? to : end, t, look, m);
		segment_unref(segment);
	}
	if (err < 0 && err != STELE_ENOMEM && err != STELE_ECLOSED &&
	    location_moved(m->log, from, &l))
		err = 0; /* it was rewritten: go on where it ended */
	return err;
}

int
purgeplan_make(struct purgeplan *plan, struct log *log, const struct purgeplan_wish *wish,
	       struct toolbox *t, struct buf *why)
{
	struct making m = {plan, wish, log};
	uint64_t end;
	int err = 0;

	memset(plan, 0, sizeof *plan);
	plan->generation = locks_generation(log->locks);
	plan->looked = wish->from;
	pthread_rwlock_rdlock(&log->store->lock);
	plan->sealed = sealed_end(&log->sealed);
	pthread_rwlock_unlock(&log->store->lock);
	end = wish->to < plan->sealed ? wish->to : plan->sealed;
	while (err == 0 && plan->looked < end)
		err = look_through(&m, end, t);
	if (err == STELE_EDAMAGED)
		buf_printf(
			why,
			"the segment with record %llu of log %s cannot be read: put it back from a "
			"copy (stele segment restore), then plan again",
			(unsigned long long)plan->looked, log->name);
	return err == 1 ? 0 : err;
}
