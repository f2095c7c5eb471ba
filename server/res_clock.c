/*
 * The store's two clocks: how they stand, a step of the wall clock confirmed, and credit for the
 * lock clock, which thaws frozen clocks. Both are deeds (deed_clock.c).
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/acting.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "server/timestamps.h"
#include "storage/clocks.h"

#define SECOND_NS INT64_C(1000000000)

/* --- look ------------------------------------------------------------------------------ */

static void
put_instant(struct buf *b, const char *name, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns < TIMESTAMP_MAX_NS ? ns : TIMESTAMP_MAX_NS);
	buf_printf(b, "\"%s\":\"%.*s\",", name, TIMESTAMP_BYTES, text);
}

static long long
seconds(int64_t ns)
{
	return ns / SECOND_NS;
}

static void
put_info(struct buf *b, const struct clock_info *c)
{
	buf_printf(b, "{\"state\":\"%s\",", clock_state_name(c->now.state));
	if (c->cause != CLOCK_NO_CAUSE)
		buf_printf(b, "\"cause\":\"%s\",", clock_cause_name(c->cause));
	put_instant(b, "evidence", c->now.evidence_ns);
	put_instant(b, "lock", c->now.lock_ns);
	put_instant(b, "wall", c->wall_ns);
	buf_printf(b,
		   "\"disagreement_seconds\":%lld,\"warn_seconds\":%lld,\"freeze_seconds\":%lld,",
		   seconds(c->disagreement_ns), seconds(c->limits.warn_ns),
		   seconds(c->limits.freeze_ns));
	if (c->stepped)
		buf_printf(b,
			   "\"step\":{\"seconds\":%lld,\"stood_seconds\":%lld,"
			   "\"wait_seconds\":%lld},",
			   seconds(c->step_ns), seconds(c->step_stood_ns),
			   seconds(c->step_wait_ns));
	buf_printf(b,
		   "\"credit\":{\"each_seconds\":%lld,\"year_seconds\":%lld,\"left_seconds\":%lld,"
		   "\"since_start_seconds\":%lld}}",
		   seconds(c->limits.credit_each_ns), seconds(c->limits.credit_year_ns),
		   seconds(c->credit_left_ns), seconds(c->credited_ns));
}

/* The clocks are locked while they are saved: on a worker. */
static void
look(struct request *r, struct kit *kit)
{
	struct clock_info c;

	(void)kit;
	store_clock_info(r->server->store, &c);
	put_info(&r->decoded, &c);
}

static void
answer(struct request *r)
{
	if (r->decoded.err)
		reply_err(r, r->decoded.err);
	else
		reply_bytes(r, 200, "application/json", buf_slice(&r->decoded));
}

void
res_clock_get(struct request *r)
{
	r->work = look;
	r->then = answer;
	loop_work(r);
}

/* --- what is asked ---------------------------------------------------------------------- */

/* Why somebody does it, into the act. False: it is no such text. */
static bool
take_reason(json_t *act, const json_t *body, bool needed)
{
	json_t *reason = json_object_get(body, "reason");

	if (!reason)
		return !needed;
	if (!json_is_string(reason) || json_string_length(reason) == 0 ||
	    json_string_length(reason) > LIMIT_CLOCK_REASON_BYTES)
		return false;
	return json_object_set(act, "reason", reason) == 0;
}

/* Whether the body has no members but these and reason. */
static bool
only(json_t *body, const char *a, const char *b)
{
	const char *name;
	json_t *v;

	json_object_foreach(body, name, v) if (strcmp(name, a) != 0 && strcmp(name, b) != 0 &&
					       strcmp(name, "reason") != 0) return false;
	return true;
}

/* --- a step is confirmed ------------------------------------------------------------------ */

/* Who does not say which step means the one that there is. */
static int
fill_confirm(struct request *r, struct access *access)
{
	struct acting *a = r->state;
	struct clock_info now;
	int err = clocks_tend(r->server->store); /* the step as it is now, not a second ago */

	(void)access;
	if (err != 0)
		return err;
	store_clock_info(r->server->store, &now);
	if (!json_object_get(a->act, "step_seconds"))
		json_object_set_new(a->act, "step_seconds", json_integer(seconds(now.step_ns)));
	deed_take_clocks(a->act, &now);
	return 0;
}

static int
look_again(struct request *r, struct kit *kit)
{
	look(r, kit);
	return 0;
}

/* The step that the body names, into the act. False: it is none. */
static bool
take_step(json_t *act, const json_t *body)
{
	json_t *step = json_object_get(body, "step_seconds");

	return !step || (json_is_integer(step) && json_integer_value(step) != 0 &&
			 llabs(json_integer_value(step)) <= TIMESTAMP_MAX_NS / SECOND_NS &&
			 json_object_set(act, "step_seconds", step) == 0);
}

void
res_clock_confirm(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_CLOCK_REQUEST, true);
	struct acting *a;

	if (!body)
		return;
	a = acting_begin(r, "clock.confirm", PROBLEM_INVALID_CLOCK_REQUEST);
	if (a && only(body, "step_seconds", "") && take_reason(a->act, body, false) &&
	    take_step(a->act, body)) {
		a->fill = fill_confirm;
		a->perform = look_again;
		a->answer = answer;
		acting_run(r);
	} else if (a) {
		acting_drop(r);
		reply_problem(r, PROBLEM_INVALID_CLOCK_REQUEST,
			      "step_seconds is the step that you confirm, as GET /api/v1/clock "
			      "shows it; reason is a text of up to %u bytes.",
			      LIMIT_CLOCK_REASON_BYTES);
	}
	json_decref(body);
}

/* --- credit ----------------------------------------------------------------------------- */

static int
fill_credit(struct request *r, struct access *access)
{
	struct acting *a = r->state;
	struct clock_info now;
	int64_t index, time_ns;

	(void)access;
	store_clock_info(r->server->store, &now);
	deed_take_clocks(a->act, &now);
	if (timestamps_evidence(r->server->timestamps, &index, &time_ns) && index >= 0) {
		json_object_set_new(a->act, "timestamp", json_integer(index));
		deed_take_instant(a->act, "timestamp_time", time_ns);
	}
	return 0;
}

/* Until when, out of the body: an instant, or seconds from the lock clock on. */
static bool
take_until(json_t *act, const json_t *body, struct store *store)
{
	json_t *until = json_object_get(body, "until"), *more = json_object_get(body, "seconds");
	struct clock_reading now;
	int64_t ns = 0;

	if (!until == !more)
		return false;
	store_clock_get(store, &now);
	if (until && (!json_is_string(until) ||
		      timestamp_parse(&ns, slice_of(json_string_value(until),
						    json_string_length(until))) != 0))
		return false;
	if (more && (!json_is_integer(more) || json_integer_value(more) < 0 ||
		     __builtin_mul_overflow(json_integer_value(more), SECOND_NS, &ns) ||
		     __builtin_add_overflow(ns, now.lock_ns, &ns) || ns > TIMESTAMP_MAX_NS))
		return false;
	deed_take_instant(act, "until", ns);
	return true;
}

void
res_clock_credit(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_CLOCK_REQUEST, false);
	struct acting *a;

	if (!body)
		return;
	a = acting_begin(r, "clock.credit", PROBLEM_INVALID_CLOCK_REQUEST);
	if (a && only(body, "until", "seconds") && take_reason(a->act, body, true) &&
	    take_until(a->act, body, r->server->store)) {
		a->fill = fill_credit;
		acting_run(r);
	} else if (a) {
		acting_drop(r);
		reply_problem(
			r, PROBLEM_INVALID_CLOCK_REQUEST,
			"Say up to when the lock clock may go, \"until\" (an instant) or "
			"\"seconds\" (from where it is), and why, \"reason\" (up to %u bytes).",
			LIMIT_CLOCK_REASON_BYTES);
	}
	json_decref(body);
}
