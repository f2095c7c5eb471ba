/*
 * What people do to the store's clocks. Each act shows what they said when it was asked for, as
 * "evidence", "lock" and "wall", so that whoever approves it sees where they will go.
 *
 * `clock.credit` {"until","reason",…,"state","cause","timestamp"}: credit for the lock clock beyond
 * what a start gives, and the end of a freeze. It always takes two principals: what it can do is
 * end every lock. `clock.confirm` {"step_seconds","reason",…}: evidence time follows a step. With
 * "timestamp" it is the server's own, by what an authority has said (server/timestamps_step.c).
 *
 * The record comes first: what is lost in a crash is asked for again.
 */
#include <string.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/deeds.h"
#include "server/server.h"
#include "server/timestamps.h"
#include "storage/clocks.h"

#define SECOND_NS INT64_C(1000000000)

void
deed_take_instant(json_t *act, const char *name, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns < TIMESTAMP_MAX_NS ? ns : TIMESTAMP_MAX_NS);
	json_object_set_new(act, name, json_stringn(text, sizeof text));
}

void
deed_take_clocks(json_t *act, const struct clock_info *c)
{
	json_object_set_new(act, "state", json_string(clock_state_name(c->now.state)));
	if (c->cause != CLOCK_NO_CAUSE)
		json_object_set_new(act, "cause", json_string(clock_cause_name(c->cause)));
	deed_take_instant(act, "evidence", c->now.evidence_ns);
	deed_take_instant(act, "lock", c->now.lock_ns);
	deed_take_instant(act, "wall", c->wall_ns);
}

static int
instant_of(const json_t *act, const char *name, int64_t *ns)
{
	const json_t *v = json_object_get(act, name);

	return timestamp_parse(
		ns, slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v)));
}

static int
refuse_syntax(const struct deed_turn *turn)
{
	return deed_refuse(turn, STELE_ESYNTAX, PROBLEM_INVALID_CLOCK_REQUEST,
			   "The act does not say what is to be done to the clocks.");
}

/* Somebody would agree to what they have not seen. */
static int
refuse_stale(const struct deed_turn *turn, const char *what)
{
	return deed_refuse(turn, STELE_ECONFLICT, PROBLEM_APPROVAL_CONFLICT,
			   "%s since it was asked for: look at the clocks, and ask again.", what);
}

/* --- credit ----------------------------------------------------------------------------------- */

static bool
always(const struct deed_turn *turn, const json_t *act)
{
	(void)turn;
	(void)act;
	return true;
}

/*
 * Where authorities are asked whose roots are known, the lock clock goes no further than one of
 * them says that it is: two people can be wrong together, and what they do here ends locks.
 */
static int
look_evidence(const struct deed_turn *turn, int64_t until_ns, const struct clock_info *now)
{
	char time[TIMESTAMP_BYTES];
	int64_t index, time_ns;

	if (until_ns <= now->now.lock_ns ||
	    !timestamps_evidence(turn->s->timestamps, &index, &time_ns) || until_ns <= time_ns)
		return 0;
	if (index < 0)
		return deed_refuse(
			turn, STELE_ECONFLICT, PROBLEM_NO_TIMESTAMP,
			"None of the authorities (--timestamp-url) has said what time it "
			"is: POST /api/v1/timestamps asks them, then ask again.");
	timestamp_format(time, time_ns);
	return deed_refuse(
		turn, STELE_ECONFLICT, PROBLEM_NO_TIMESTAMP,
		"The latest time that an authority has given is %.*s: name one that is no "
		"later, or ask them again (POST /api/v1/timestamps).",
		TIMESTAMP_BYTES, time);
}

/* A freeze that has lasted is thawed only when it is the one that was shown. */
static int
look_credit(const struct deed_turn *turn, const json_t *act)
{
	const char *cause = json_string_value(json_object_get(act, "cause"));
	struct clock_info now;
	int64_t until_ns;

	if (instant_of(act, "until", &until_ns) != 0)
		return refuse_syntax(turn);
	store_clock_info(turn->s->store, &now);
	if (now.cause >= CLOCK_MISSING && /* it lasts */
	    (!cause || strcmp(cause, clock_cause_name(now.cause)) != 0))
		return refuse_stale(turn, "The clocks were frozen by something else");
	return look_evidence(turn, until_ns, &now);
}

static int
credit(const struct deed_turn *turn, const json_t *act)
{
	int64_t until_ns, moved_ns;
	int err = instant_of(act, "until", &until_ns);

	return err ? err : store_clock_credit(turn->s->store, until_ns, &moved_ns);
}

/* --- a step is confirmed ---------------------------------------------------------------------- */

static int
step_of(const json_t *act, int64_t *step_ns)
{
	const json_t *v = json_object_get(act, "step_seconds");

	return json_is_integer(v) &&
			       !__builtin_mul_overflow(json_integer_value(v), SECOND_NS, step_ns)
		       ? 0
		       : STELE_ESYNTAX;
}

/*
 * The step that was shown is the one that there is. One as wide that came after it had been
 * followed would be another: no step moves the lock clock, so the wall clock is further off that.
 */
static int
look_confirm(const struct deed_turn *turn, const json_t *act)
{
	int64_t step_ns, wall_ns, lock_ns;
	struct clock_info now;
	int err;

	if (step_of(act, &step_ns) != 0 || instant_of(act, "wall", &wall_ns) != 0 ||
	    instant_of(act, "lock", &lock_ns) != 0)
		return refuse_syntax(turn);
	err = clocks_tend(turn->s->store); /* else the record could come, and nothing be followed */
	if (err != 0)
		return err;
	store_clock_info(turn->s->store, &now);
	if (!now.stepped || !clock_same_step(step_ns, now.step_ns))
		return deed_refuse(turn, STELE_ENOTFOUND, PROBLEM_NO_CLOCK_STEP,
				   "The wall clock has not stepped, or not by so much: GET "
				   "/api/v1/clock shows what there is.");
	if (!clock_same_step(wall_ns - lock_ns, now.wall_ns - now.now.lock_ns))
		return refuse_stale(turn, "The wall clock or the lock clock was moved");
	return 0;
}

static int
confirm(const struct deed_turn *turn, const json_t *act)
{
	const enum clock_by by =
		json_object_get(act, "timestamp") ? CLOCK_BY_TIMESTAMP : CLOCK_BY_OPERATOR;
	int64_t step_ns;
	int err = step_of(act, &step_ns);

	if (err == 0)
		err = store_clock_confirm(turn->s->store, step_ns, by);
	if (err == STELE_ENOTFOUND)
		return deed_refuse(turn, err, PROBLEM_NO_CLOCK_STEP,
				   "The wall clock moved while it was confirmed, and evidence time "
				   "did not follow: GET /api/v1/clock shows what there is.");
	return err;
}

const struct deed deed_clock_credit = {
	.type = "clock.credit", .second = always, .look = look_credit, .follow = credit};
const struct deed deed_clock_confirm = {
	.type = "clock.confirm", .look = look_confirm, .follow = confirm};
