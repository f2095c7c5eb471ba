/*
 * How the clocks begin: what was saved is held against what commits show; then they go on by
 * CLOCK_BOOTTIME when it is the same boot, or else by what may be credited.
 */
#include <string.h>

#include "storage/clockstate.h"

static bool
same_boot(const struct clock_now *a, const struct clock_now *b)
{
	static const uint8_t unknown[CLOCK_BOOT_ID_BYTES];

	return memcmp(a->boot_id, b->boot_id, sizeof unknown) == 0 &&
	       memcmp(a->boot_id, unknown, sizeof unknown) != 0;
}

/* Whether newer commits than the state knew of were made after it was saved. */
static bool
commits_followed(const struct clock_saved *s, const struct clock_mark *m)
{
	return m->era == s->era && m->sequence > s->sequence;
}

/*
 * What is wrong with what was found. A commit takes its number before it reads the lock clock, and
 * saving reads them in the other order; so a commit with a later number has not an earlier time.
 * The last number may be of one that a crash cut off.
 */
static enum clock_cause
contradiction(const struct clock_found *f, const struct clock_now *now)
{
	const struct clock_saved *s = f->saved;
	const struct clock_mark *m = &f->mark;

	if (!s)
		return m->sequence ? f->trouble : CLOCK_NO_CAUSE;
	if (m->era > s->era)
		return CLOCK_STALE;
	if (s->sequence > m->sequence + 1)
		return CLOCK_AHEAD;
	if (commits_followed(s, m) && m->lock_ns < s->lock_ns)
		return CLOCK_AHEAD;
	if (!same_boot(&s->now, now))
		return CLOCK_NO_CAUSE;
	if (now->boot_ns < s->now.boot_ns)
		return CLOCK_BOOT_BACK;
	if (m->lock_ns > clock_sum(s->lock_ns, clock_difference(now->boot_ns, s->now.boot_ns)))
		return CLOCK_STALE;
	return CLOCK_NO_CAUSE;
}

/* Nothing that was saved counts: frozen at the last time that commits and entries show. */
static void
start_frozen(struct clock *c, const struct clock_found *f, enum clock_cause cause)
{
	int64_t floor = f->floor_ns ? f->floor_ns : c->last.wall_ns;

	c->cause = cause;
	c->line.evidence_ns = floor;
	c->line.lock_ns = f->mark.lock_ns ? f->mark.lock_ns : floor;
}

/* The gap from base_wall_ns to now, as far as it may be credited: not at all when frozen. */
static void
credit_gap(struct clock *c, int64_t base_wall_ns, bool frozen)
{
	int64_t gap = clock_difference(c->last.wall_ns, base_wall_ns), credit = gap;
	int64_t behind = clock_difference(c->last.wall_ns, c->line.lock_ns);
	int64_t left = clock_credit_left(c);

	if (credit > behind) /* what the wall clock was ahead before is not made good */
		credit = behind;
	if (credit > c->limits.credit_each_ns)
		credit = c->limits.credit_each_ns;
	if (credit > left)
		credit = left;
	if (credit < 0 || frozen)
		credit = 0;
	clock_give(c, credit);
	if (gap > 0)
		clock_note(c, (struct clock_event){.kind = CLOCK_EVENT_CREDIT,
						   .by = CLOCK_BY_START,
						   .by_ns = credit,
						   .gap_ns = gap});
}

/* Goes on from what was saved. */
static void
start_from(struct clock *c, const struct clock_found *f, const struct clock_now *now)
{
	const struct clock_saved *s = f->saved;
	int64_t wall = s->now.wall_ns, elapsed;

	c->cause = s->cause >= CLOCK_MISSING ? s->cause : CLOCK_NO_CAUSE;
	c->line.state = s->state;
	c->line.evidence_ns = s->evidence_ns;
	c->line.lock_ns = s->lock_ns;
	c->bucket = s->bucket;
	memcpy(c->credits, s->credits, sizeof c->credits);
	if (same_boot(&s->now, now)) {
		elapsed = clock_difference(now->boot_ns, s->now.boot_ns);
		c->line.evidence_ns = clock_sum(c->line.evidence_ns, elapsed);
		c->line.lock_ns = clock_sum(c->line.lock_ns, elapsed);
		return;
	}
	if (commits_followed(s, &f->mark)) {
		c->line.lock_ns = f->mark.lock_ns;
		wall = f->mark.wall_ns;
	}
	credit_gap(c, wall, s->state == CLOCK_FROZEN);
}

/*
 * Across boots the wall clock is all there is; a long way it is followed only once confirmed, as it
 * is by whoever restores a backup.
 */
static void
anchor_evidence(struct clock *c, bool confirmed)
{
	int64_t gap = clock_difference(c->last.wall_ns, c->line.evidence_ns);

	if (gap <= 0 || (gap > LIMIT_CLOCK_CREDIT_NS && !confirmed))
		return;
	c->line.evidence_ns = c->last.wall_ns;
	if (gap >= CLOCK_STEP_NS)
		clock_note(c, (struct clock_event){.kind = CLOCK_EVENT_FOLLOW,
						   .by = confirmed ? CLOCK_BY_OPERATOR
								   : CLOCK_BY_START,
						   .by_ns = gap});
}

/* A start says and records what it begins with, unless all is well. */
static void
tell_state(struct clock *c)
{
	for (size_t i = 0; i < c->n_events; i++)
		if (c->events[i].kind == CLOCK_EVENT_STATE)
			return;
	if (c->line.state != CLOCK_OK)
		clock_note(c, (struct clock_event){.kind = CLOCK_EVENT_STATE,
						   .was = c->line.state,
						   .state = c->line.state,
						   .cause = c->cause,
						   .by_ns = c->disagreement_ns});
}

void
clock_start(struct clock *c, const struct clock_limits *limits, const struct clock_found *found,
	    const struct clock_now *now)
{
	const struct clock_saved *s = found->saved;
	enum clock_cause cause = contradiction(found, now);
	uint32_t era = s && s->era > found->mark.era ? s->era : found->mark.era;

	memset(c, 0, sizeof *c);
	c->limits = *limits;
	c->last = *now;
	c->line = (struct clock_line){.boot_ns = now->boot_ns,
				      .evidence_ns = now->wall_ns,
				      .lock_ns = now->wall_ns,
				      .slew_in = CLOCK_SLEW,
				      .era = era + 1};
	if (cause != CLOCK_NO_CAUSE)
		start_frozen(c, found, cause);
	else if (s)
		start_from(c, found, now);
	if (c->line.evidence_ns < found->floor_ns)
		c->line.evidence_ns = found->floor_ns;
	if (!s || cause != CLOCK_NO_CAUSE || !same_boot(&s->now, now))
		anchor_evidence(c, cause == CLOCK_RESTORED);
	clock_tick(c, now);
	tell_state(c);
}
