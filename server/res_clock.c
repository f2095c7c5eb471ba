/*
 * The store's two clocks: how they stand, a step of the wall clock confirmed, and credit for the
 * lock clock, which always takes two principals (server/access_approve.c) and thaws frozen clocks.
 */
#include <string.h>

#include <jansson.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/acting.h"
#include "server/audit.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
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

struct confirming {
	json_t *act;
	int64_t step_ns; /* as the asker has seen it; 0: whatever there is */
	int err;
	struct deed_outcome outcome;
};

/* There is no act without a step, and the record says which. */
static int
fill(struct access *access, void *ctx)
{
	struct request *r = ctx;
	struct confirming *c = r->state;
	struct clock_info now;

	(void)access;
	store_clock_info(r->server->store, &now);
	if (c->step_ns == 0)
		c->step_ns = now.step_ns;
	if (!now.stepped || !clock_same_step(c->step_ns, now.step_ns))
		return STELE_ENOTFOUND;
	return json_object_set_new(c->act, "step_seconds", json_integer(seconds(c->step_ns))) == 0
		       ? 0
		       : STELE_ENOMEM;
}

static void
confirm(struct request *r, struct kit *kit)
{
	struct confirming *c = r->state;

	c->err = audit_act(r->server->audit, c->act, fill, r, r->token, kit, &c->outcome);
	if (c->err == 0)
		c->err = store_clock_confirm(r->server->store, c->step_ns);
	if (c->err == 0)
		look(r, kit);
	json_decref(c->act);
	deed_outcome_fini(&c->outcome);
}

static void
answer_confirmed(struct request *r)
{
	const struct confirming *c = r->state;

	if (c->err == STELE_ENOTFOUND)
		reply_problem(
			r, PROBLEM_NO_CLOCK_STEP,
			"The wall clock has not stepped, or not by so much: GET /api/v1/clock "
			"shows what there is.");
	else if (c->err != 0)
		reply_err(r, c->err);
	else
		answer(r);
}

void
res_clock_confirm(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_CLOCK_REQUEST, true), *step;
	struct confirming *c = body ? arena_alloc(&r->arena, sizeof *c) : NULL;
	int64_t ns = 0;

	if (!body)
		return;
	step = json_object_get(body, "step_seconds");
	if (!c) {
		reply_err(r, STELE_ENOMEM);
	} else {
		*c = (struct confirming){.act = json_pack("{s:s}", "type", "clock.confirm")};
		deed_outcome_init(&c->outcome);
		if (!only(body, "step_seconds", "") || !take_reason(c->act, body, false) ||
		    (step && (!json_is_integer(step) ||
			      __builtin_mul_overflow(json_integer_value(step), SECOND_NS, &ns) ||
			      ns == 0))) {
			json_decref(c->act);
			reply_problem(r, PROBLEM_INVALID_CLOCK_REQUEST,
				      "step_seconds is the step that you confirm, as GET "
				      "/api/v1/clock shows it; reason is a text of up to %u bytes.",
				      LIMIT_CLOCK_REASON_BYTES);
		} else {
			c->step_ns = ns;
			r->state = c;
			r->work = confirm;
			r->then = answer_confirmed;
			loop_work(r);
		}
	}
	json_decref(body);
}

/* --- credit ----------------------------------------------------------------------------- */

/* Until when, out of the body: an instant, or seconds from the lock clock on. */
static bool
take_until(json_t *act, const json_t *body, struct store *store)
{
	json_t *until = json_object_get(body, "until"), *more = json_object_get(body, "seconds");
	char text[TIMESTAMP_BYTES];
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
	timestamp_format(text, ns);
	return json_object_set_new(act, "until", json_stringn(text, sizeof text)) == 0;
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
