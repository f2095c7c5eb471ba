/* One line and one record for each event; docs/formats.md has the records. */
#include "storage/clocknews.h"

#include <stdio.h>

#include "proto/timestamp.h"
#include "storage/internal.h"

enum { TIMES_BYTES = 256 };

/* An instant as text with its NUL; one that has no spelling at the nearest that has. */
static const char *
instant(char out[TIMESTAMP_BYTES + 1], int64_t ns)
{
	timestamp_format(out, ns < 0 ? 0 : ns > TIMESTAMP_MAX_NS ? TIMESTAMP_MAX_NS : ns);
	out[TIMESTAMP_BYTES] = '\0';
	return out;
}

static long long
seconds(int64_t ns)
{
	return ns / 1000000000;
}

/* The members that every record ends with. */
static const char *
times(char out[TIMES_BYTES], const struct clock_event *e)
{
	char wall[TIMESTAMP_BYTES + 1], evidence[TIMESTAMP_BYTES + 1], lock[TIMESTAMP_BYTES + 1];

	snprintf(out, TIMES_BYTES, "\"wall\":\"%s\",\"evidence\":\"%s\",\"lock\":\"%s\"",
		 instant(wall, e->wall_ns), instant(evidence, e->evidence_ns),
		 instant(lock, e->lock_ns));
	return out;
}

/* What to do about it. */
static const char *
advice(enum clock_cause cause)
{
	switch (cause) {
	case CLOCK_DISAGREES:
		return "put the wall clock right; if it is, stele clock credit";
	case CLOCK_STEPPED:
		return "put the wall clock right; if it is, stele clock confirm";
	default:
		return "see that all is well, then stele clock credit, which takes two principals";
	}
}

static void
tell_state(struct store *st, const struct clock_event *e)
{
	const char *state = clock_state_name(e->state), *cause = clock_cause_name(e->cause);
	char end[TIMES_BYTES];

	store_record(st,
		     "{\"type\":\"clock.state\",\"state\":\"%s\",\"was\":\"%s\",\"cause\":\"%s\","
		     "\"disagreement_seconds\":%lld,%s}",
		     state, clock_state_name(e->was), cause, seconds(e->by_ns), times(end, e));
	if (e->state == CLOCK_OK)
		store_say(st, STORE_INFO, "clocks: ok again");
	else if (e->state == CLOCK_WARN)
		store_say(st, STORE_WARN, "clocks: %s, %lld s off the wall clock: %s", cause,
			  seconds(e->by_ns), advice(e->cause));
	else
		store_say(
			st, e->cause == CLOCK_RESTORED ? STORE_WARN : STORE_ERROR,
			"clocks: frozen (%s, %lld s off the wall clock): appends, reads and holds "
			"go on, nothing can be purged or shortened: %s",
			cause, seconds(e->by_ns), advice(e->cause));
}

static void
tell_step(struct store *st, const struct clock_event *e)
{
	char end[TIMES_BYTES];
	long long wait = seconds(clock_persistence(e->by_ns));

	if (e->kind == CLOCK_EVENT_BACK) {
		store_record(st,
			     "{\"type\":\"clock.step\",\"what\":\"gone\",\"step_seconds\":%lld,%s}",
			     seconds(e->by_ns), times(end, e));
		store_say(st, STORE_INFO, "clocks: the wall clock is back where it was");
		return;
	}
	store_record(st,
		     "{\"type\":\"clock.step\",\"what\":\"seen\",\"step_seconds\":%lld,"
		     "\"wait_seconds\":%lld,%s}",
		     seconds(e->by_ns), wait, times(end, e));
	store_say(st, STORE_WARN,
		  "clocks: the wall clock stepped by %lld s: it is followed in %lld s if it stays "
		  "there, or when stele clock confirm says so",
		  seconds(e->by_ns), wait);
}

static void
tell_follow(struct store *st, const struct clock_event *e)
{
	char end[TIMES_BYTES];

	store_record(st,
		     "{\"type\":\"clock.step\",\"what\":\"followed\",\"cause\":\"%s\","
		     "\"step_seconds\":%lld,%s}",
		     clock_by_name(e->by), seconds(e->by_ns), times(end, e));
	store_say(st, e->by == CLOCK_BY_START ? STORE_INFO : STORE_WARN,
		  "clocks: evidence time follows the wall clock by %lld s (%s)", seconds(e->by_ns),
		  clock_by_name(e->by));
}

static void
tell_credit(struct store *st, const struct clock_event *e)
{
	char end[TIMES_BYTES];

	store_record(st,
		     "{\"type\":\"clock.credit\",\"cause\":\"%s\",\"credit_seconds\":%lld,"
		     "\"gap_seconds\":%lld,%s}",
		     clock_by_name(e->by), seconds(e->by_ns), seconds(e->gap_ns), times(end, e));
	store_say(st, e->by_ns < e->gap_ns && e->by == CLOCK_BY_START ? STORE_WARN : STORE_INFO,
		  "clocks: the lock clock was credited %lld s (%s) of %lld s", seconds(e->by_ns),
		  clock_by_name(e->by), seconds(e->gap_ns));
}

void
clocknews_tell(struct store *st, const struct clock *c)
{
	for (size_t i = 0; i < c->n_events; i++) {
		const struct clock_event *e = &c->events[i];
		switch (e->kind) {
		case CLOCK_EVENT_STATE:
			tell_state(st, e);
			break;
		case CLOCK_EVENT_STEP:
		case CLOCK_EVENT_BACK:
			tell_step(st, e);
			break;
		case CLOCK_EVENT_FOLLOW:
			tell_follow(st, e);
			break;
		case CLOCK_EVENT_CREDIT:
			tell_credit(st, e);
			break;
		}
	}
}
