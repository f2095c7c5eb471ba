/*
 * How the clocks run. The line is made anew with each look at the wall clock, and goes on where the
 * last one was. How they begin: storage/clockstart.c.
 */
#include "storage/clock.h"

#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "storage/clockstate.h"

int64_t
clock_sum(int64_t a, int64_t b)
{
	int64_t sum;

	if (!__builtin_add_overflow(a, b, &sum))
		return sum;
	return b < 0 ? INT64_MIN : INT64_MAX;
}

int64_t
clock_difference(int64_t a, int64_t b)
{
	int64_t difference;

	if (!__builtin_sub_overflow(a, b, &difference))
		return difference;
	return b < 0 ? INT64_MAX : INT64_MIN;
}

int64_t
clock_width(int64_t a)
{
	return a == INT64_MIN ? INT64_MAX : a < 0 ? -a : a;
}

int64_t
clock_later(const struct clock_reading *r)
{
	return r->evidence_ns > r->lock_ns ? r->evidence_ns : r->lock_ns;
}

int64_t
clock_earlier(const struct clock_reading *r)
{
	return r->evidence_ns < r->lock_ns ? r->evidence_ns : r->lock_ns;
}

bool
clock_passed(const struct clock_reading *r, int64_t until_ns)
{
	return r->state != CLOCK_FROZEN && until_ns <= clock_earlier(r);
}

void
clock_read(const struct clock_line *line, int64_t boot_ns, struct clock_reading *out)
{
	int64_t elapsed = boot_ns > line->boot_ns ? clock_difference(boot_ns, line->boot_ns) : 0;
	int64_t slew = elapsed / line->slew_in, left = clock_width(line->slew_ns);

	slew = slew < left ? slew : left;
	out->evidence_ns =
		clock_sum(clock_sum(line->evidence_ns, elapsed), line->slew_ns < 0 ? -slew : slew);
	out->lock_ns = clock_sum(line->lock_ns, elapsed);
	out->state = line->state;
}

void
clock_note(struct clock *c, struct clock_event e)
{
	CHECK(c->n_events < CLOCK_EVENTS);
	e.wall_ns = c->last.wall_ns;
	e.evidence_ns = c->line.evidence_ns;
	e.lock_ns = c->line.lock_ns;
	c->events[c->n_events++] = e;
}

int64_t
clock_persistence(int64_t step_ns)
{
	int64_t width = clock_width(step_ns);

	if (width < LIMIT_CLOCK_PERSIST_MIN_NS)
		return LIMIT_CLOCK_PERSIST_MIN_NS;
	return width < LIMIT_CLOCK_PERSIST_MAX_NS ? width : LIMIT_CLOCK_PERSIST_MAX_NS;
}

/* --- the state -------------------------------------------------------------------------- */

/* Beyond the limit; one that it is in already it leaves a tenth below. */
static bool
beyond(int64_t ns, int64_t limit_ns, bool in)
{
	return ns > (in ? limit_ns - limit_ns / 10 : limit_ns);
}

void
clock_judge(struct clock *c)
{
	enum clock_state was = c->line.state, state = CLOCK_OK;
	int64_t evidence = clock_width(clock_difference(c->last.wall_ns, c->line.evidence_ns));
	int64_t lock = clock_width(clock_difference(c->last.wall_ns, c->line.lock_ns));
	bool lasting = c->cause >= CLOCK_MISSING;

	c->disagreement_ns = evidence > lock ? evidence : lock;
	if (!lasting)
		c->cause = CLOCK_NO_CAUSE;
	if (c->stepped)
		state = CLOCK_WARN;
	if (c->stepped && !lasting)
		c->cause = CLOCK_STEPPED;
	if (beyond(c->disagreement_ns, c->limits.warn_ns, was != CLOCK_OK)) {
		state = CLOCK_WARN;
		if (!lasting && !c->stepped)
			c->cause = CLOCK_DISAGREES;
	}
	if (lasting ||
	    beyond(c->disagreement_ns, c->limits.freeze_ns, was == CLOCK_FROZEN && !lasting))
		state = CLOCK_FROZEN;
	if (state == CLOCK_FROZEN && !lasting)
		c->cause = CLOCK_DISAGREES;
	c->line.state = state;
	if (state != was)
		clock_note(c, (struct clock_event){.kind = CLOCK_EVENT_STATE,
						   .was = was,
						   .state = state,
						   .cause = c->cause,
						   .by_ns = c->disagreement_ns});
}

/* --- steps ------------------------------------------------------------------------------ */

/* How far the wall clock is ahead of evidence time. */
static int64_t
ahead(const struct clock *c)
{
	return clock_difference(c->last.wall_ns, c->line.evidence_ns);
}

static int64_t
offset(const struct clock *c)
{
	return clock_difference(c->last.wall_ns, c->last.boot_ns);
}

/* Whether the wall clock still is where it was when offset_ns was taken. */
static bool
stands(const struct clock *c)
{
	return clock_width(clock_difference(offset(c), c->offset_ns)) < CLOCK_STEP_NS;
}

static void
slew(struct clock *c, int64_t by_ns, uint32_t in)
{
	c->line.slew_ns = by_ns;
	c->line.slew_in = in;
}

static void
follow(struct clock *c, enum clock_by by)
{
	int64_t step = ahead(c);

	c->stepped = false;
	c->backing = step < 0;
	c->offset_ns = offset(c);
	if (step > 0)
		c->line.evidence_ns = c->last.wall_ns;
	slew(c, c->backing ? step : 0, c->backing ? CLOCK_BACK : CLOCK_SLEW);
	clock_note(c, (struct clock_event){.kind = CLOCK_EVENT_FOLLOW, .by = by, .by_ns = step});
}

/* The wall clock is too far off to be slewed to. */
static void
see_step(struct clock *c)
{
	slew(c, 0, CLOCK_SLEW);
	c->step_ns = ahead(c);
	if (!c->stepped || !stands(c)) {
		c->stepped = true;
		c->step_since_ns = c->last.boot_ns;
		c->offset_ns = offset(c);
		clock_note(c, (struct clock_event){.kind = CLOCK_EVENT_STEP, .by_ns = c->step_ns});
	}
	if (clock_difference(c->last.boot_ns, c->step_since_ns) >= clock_persistence(c->step_ns))
		follow(c, CLOCK_BY_PERSISTENCE);
}

static void
look_at_wall(struct clock *c)
{
	if (c->backing && !stands(c))
		c->backing = false;
	if (clock_width(ahead(c)) < CLOCK_STEP_NS) {
		if (c->stepped)
			clock_note(c, (struct clock_event){.kind = CLOCK_EVENT_BACK,
							   .by_ns = c->step_ns});
		c->stepped = c->backing = false;
		slew(c, ahead(c), CLOCK_SLEW);
	} else if (c->backing) {
		slew(c, ahead(c), CLOCK_BACK);
	} else {
		see_step(c);
	}
}

/* Up to that instant by the line there is. */
static void
advance(struct clock *c, const struct clock_now *now)
{
	struct clock_reading r;

	clock_read(&c->line, now->boot_ns, &r);
	c->line.evidence_ns = r.evidence_ns;
	c->line.lock_ns = r.lock_ns;
	if (now->boot_ns > c->line.boot_ns)
		c->line.boot_ns = now->boot_ns;
	c->last.wall_ns = now->wall_ns;
	c->last.boot_ns = c->line.boot_ns;
}

void
clock_tick(struct clock *c, const struct clock_now *now)
{
	advance(c, now);
	look_at_wall(c);
	clock_judge(c);
}

bool
clock_same_step(int64_t seen_ns, int64_t step_ns)
{
	return clock_width(clock_difference(seen_ns, step_ns)) < CLOCK_STEP_NS;
}

int
clock_confirm(struct clock *c, const struct clock_now *now, int64_t step_ns, enum clock_by by)
{
	clock_tick(c, now);
	if (!c->stepped || !clock_same_step(step_ns, c->step_ns))
		return STELE_ENOTFOUND;
	follow(c, by);
	clock_judge(c);
	return 0;
}

/* --- credit ----------------------------------------------------------------------------- */

static uint64_t
bucket_of(int64_t lock_ns)
{
	return lock_ns < 0 ? 0 : (uint64_t)(lock_ns / LIMIT_CLOCK_BUCKET_NS);
}

/* Of the buckets, number i back from the one that the lock clock is in now. */
static int64_t
given_in(const struct clock *c, uint64_t i)
{
	uint64_t past = bucket_of(c->line.lock_ns) - c->bucket;

	return i < past ? 0 : c->credits[i - past];
}

int64_t
clock_credit_left(const struct clock *c)
{
	int64_t left = c->limits.credit_year_ns;

	for (uint64_t i = 0; i < CLOCK_BUCKETS; i++)
		left -= given_in(c, i);
	return left > 0 ? left : 0;
}

void
clock_give(struct clock *c, int64_t ns)
{
	int64_t given[CLOCK_BUCKETS];

	for (uint64_t i = 0; i < CLOCK_BUCKETS; i++)
		given[i] = given_in(c, i);
	given[0] += ns;
	memcpy(c->credits, given, sizeof given);
	c->bucket = bucket_of(c->line.lock_ns);
	c->line.lock_ns = clock_sum(c->line.lock_ns, ns);
}

int64_t
clock_credit(struct clock *c, const struct clock_now *now, int64_t until_ns)
{
	int64_t before, target = until_ns;

	clock_tick(c, now);
	before = c->line.lock_ns;
	if (c->line.evidence_ns < target)
		target = c->line.evidence_ns;
	if (c->last.wall_ns < target)
		target = c->last.wall_ns;
	if (target > before)
		c->line.lock_ns = target;
	c->line.era++;
	c->cause = CLOCK_NO_CAUSE;
	clock_note(c, (struct clock_event){.kind = CLOCK_EVENT_CREDIT,
					   .by = CLOCK_BY_APPROVAL,
					   .by_ns = c->line.lock_ns - before,
					   .gap_ns = clock_difference(until_ns, before)});
	clock_judge(c);
	return c->line.lock_ns - before;
}

void
clock_save(const struct clock *c, const struct clock_now *now, uint64_t sequence,
	   struct clock_saved *out)
{
	struct clock_reading r;

	clock_read(&c->line, now->boot_ns, &r);
	*out = (struct clock_saved){
		.now = *now,
		.evidence_ns = r.evidence_ns,
		.lock_ns = r.lock_ns,
		.era = c->line.era,
		.sequence = sequence,
		.state = c->line.state,
		.cause = c->cause,
		.bucket = c->bucket,
	};
	memcpy(out->credits, c->credits, sizeof out->credits);
}

/* --- words ------------------------------------------------------------------------------ */

const char *
clock_state_name(enum clock_state state)
{
	static const char *const names[] = {"ok", "warn", "frozen"};

	return names[state];
}

const char *
clock_cause_name(enum clock_cause cause)
{
	static const char *const names[] = {"none",          "disagreement",  "step",
					    "missing-state", "damaged-state", "stale-state",
					    "state-ahead",   "boot-back",     "restore"};

	return names[cause];
}

const char *
clock_by_name(enum clock_by by)
{
	static const char *const names[] = {"start", "persistence", "operator", "approval",
					    "timestamp"};

	return names[by];
}
