/*
 * The event that records wait for has come, `retain.event` {"log","event","at","until"}: their
 * locks end at `until`, which is `at` and the longest default period that a policy of the log had.
 * An event that has come only moves later.
 */
#include <string.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/policy.h"
#include "proto/timestamp.h"
#include "server/deeds.h"
#include "server/retention.h"
#include "server/server.h"
#include "storage/locks.h"
#include "storage/log.h"

/* What an act says, and the log as it is now. */
struct said {
	struct log *log;
	struct policy policy;
	struct slice event;
	int64_t now_ns, at_ns, until_ns;
};

static struct slice
text_of(const json_t *act, const char *name)
{
	const json_t *v = json_object_get(act, name);

	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

static int
read_act(const struct deed_turn *turn, const json_t *act, struct said *s)
{
	int err = deed_log(turn, act, &s->log);

	if (err != 0)
		return err;
	s->event = text_of(act, "event");
	s->now_ns = retention_later_ns(turn->s, s->log);
	s->policy = policy_at(log_policy(s->log), s->now_ns);
	err = timestamp_parse(&s->at_ns, text_of(act, "at"));
	return err ? err : timestamp_parse(&s->until_ns, text_of(act, "until"));
}

/* Reported so late that the lock may be much shorter than whoever reads this in time would think.
 */
static bool
is_late(const struct said *s)
{
	return s->at_ns < s->now_ns - LIMIT_EVENT_LATE_NS;
}

/* An event long ago lets go as a shorter lock would. */
static bool
second(const struct deed_turn *turn, const json_t *act)
{
	struct said s;

	return read_act(turn, act, &s) == 0 && is_late(&s) &&
	       (s.policy.dual_control & POLICY_SHORTEN);
}

/* The end that follows from the log's policies is the one that was shown. */
static int
check_period(const struct deed_turn *turn, const struct said *s)
{
	int64_t until_ns;

	if (retention_event_end(s->log, s->at_ns, &until_ns) == 0 && until_ns == s->until_ns)
		return 0;
	return deed_refuse(turn, STELE_ECONFLICT, PROBLEM_POLICY_CONFLICT,
			   "The log's policy has changed since: look at it, and ask again.");
}

static int
look(const struct deed_turn *turn, const json_t *act)
{
	char text[TIMESTAMP_BYTES];
	struct said s;
	int64_t before_ns;
	int err = read_act(turn, act, &s);

	if (err == 0)
		err = check_period(turn, &s);
	if (err != 0)
		return err;
	if (is_late(&s) && s.policy.mode == ENTRY_MODE_COMPLIANCE)
		return deed_refuse(turn, STELE_EPERM, PROBLEM_COMPLIANCE_MODE,
				   "In compliance mode an event is reported within seven days: "
				   "say a later one, or leave at out for now.");
	if (s.until_ns <= s.now_ns)
		return deed_refuse(turn, STELE_EPERM, PROBLEM_INVALID_RETENTION,
				   "The locks that wait for it would be over already.");
	if (!locks_event(log_locks(s.log), s.event, &before_ns) || s.until_ns > before_ns)
		return 0;
	timestamp_format(text, before_ns);
	deed_tell(turn, "until", json_stringn(text, sizeof text));
	return deed_refuse(turn, STELE_EPERM, PROBLEM_INVALID_RETENTION,
			   "It has come, and its locks end at %.*s: an event only moves later.",
			   TIMESTAMP_BYTES, text);
}

static int
perform(const struct deed_turn *turn, const json_t *act, struct append_job *record)
{
	const struct control_actors actors = deed_actors(turn);
	struct deed_entry entry = {.kind = ENTRY_EVENT};
	struct said s;
	int err = read_act(turn, act, &s);

	if (err != 0)
		return err;
	entry.log = s.log;
	buf_init(&entry.json);
	control_put_event(&entry.json, s.event, s.at_ns, s.until_ns, &actors);
	err = deed_write(turn, &entry, 1, record);
	buf_fini(&entry.json);
	if (err == 0)
		deed_tell(turn, "index", json_integer((json_int_t)entry.index));
	return err;
}

const struct deed deed_retain_event = {"retain.event", second, look, perform};
