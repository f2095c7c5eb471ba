/*
 * Another policy for a log: `policy.change` {"log","policy","was"}. In compliance it only becomes
 * stricter. Compliance itself begins after a grace in which it can be called off (worm.md section
 * 1): its policy says from when.
 */
#include <stdlib.h>

#include "proto/err.h"
#include "proto/policy.h"
#include "server/deeds.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/store.h"

/* A policy out of the act, by name. */
static int
read_policy(const struct deed_turn *turn, const json_t *act, const char *name, struct policy *out)
{
	char *text = json_dumps(json_object_get(act, name), JSON_COMPACT);
	struct buf why;
	int err;

	buf_init(&why);
	err = policy_read(out, slice_str(text ? text : "null"), &why);
	if (err == STELE_ESYNTAX)
		err = deed_refuse(turn, err, PROBLEM_INVALID_POLICY, "%.*s", (int)why.n,
				  (const char *)why.p);
	buf_fini(&why);
	free(text);
	return err;
}

/* Whether it may less than the one in force; what gets why. */
static bool
weakens(const struct log *log, const struct policy *next, int64_t now_ns, struct buf *what)
{
	struct policy now = *log_policy(log);

	now.mode = policy_mode(&now, now_ns);
	if (now.mode == ENTRY_MODE_COMPLIANCE)
		now.compliance_from_ns = 0;
	return policy_weakens(&now, next, what);
}

static bool
second(const struct deed_turn *turn, const json_t *act)
{
	struct policy next;
	struct log *log;
	struct buf what;
	bool weaker;

	if (deed_log(turn, act, &log) != 0 || read_policy(turn, act, "policy", &next) != 0)
		return false;
	buf_init(&what);
	weaker = weakens(log, &next, turn->now_ns, &what);
	buf_fini(&what);
	return weaker && (log_policy(log)->dual_control & POLICY_CHANGE);
}

/* In compliance nothing becomes weaker, by nobody. */
static int
look_compliance(const struct deed_turn *turn, const struct log *log, const struct policy *next)
{
	struct buf what;
	int err = 0;

	if (policy_mode(log_policy(log), turn->now_ns) != ENTRY_MODE_COMPLIANCE)
		return 0;
	buf_init(&what);
	if (weakens(log, next, turn->now_ns, &what))
		err = deed_refuse(turn, STELE_EPERM, PROBLEM_COMPLIANCE_MODE,
				  "In compliance mode a policy only becomes stricter, and %.*s",
				  (int)what.n, (const char *)what.p);
	buf_fini(&what);
	return err;
}

static int
look(const struct deed_turn *turn, const json_t *act)
{
	struct policy next, was;
	struct log *log;
	int err = deed_log(turn, act, &log);

	if (err == 0)
		err = read_policy(turn, act, "policy", &next);
	if (err == 0)
		err = read_policy(turn, act, "was", &was);
	if (err == 0 && !policy_equal(&was, log_policy(log)))
		return deed_refuse(
			turn, STELE_ECONFLICT, PROBLEM_POLICY_CONFLICT,
			"The log's policy has changed since: look at it, and ask again.");
	if (err == 0 && turn->s->demo &&
	    (next.mode == ENTRY_MODE_COMPLIANCE || next.compliance_from_ns))
		return deed_refuse(
			turn, STELE_EPERM, PROBLEM_INVALID_POLICY,
			"A server whose name was made up keeps no compliance logs: start it "
			"with --origin, in a new directory.");
	return err ? err : look_compliance(turn, log, &next);
}

static int
perform(const struct deed_turn *turn, const json_t *act, struct append_job *record)
{
	struct deed_entry entry = {.kind = ENTRY_POLICY};
	struct policy next;
	int err = deed_log(turn, act, &entry.log);

	if (err == 0)
		err = read_policy(turn, act, "policy", &next);
	if (err != 0)
		return err;
	buf_init(&entry.json);
	buf_put_str(&entry.json, "{\"policy\":");
	policy_write(&entry.json, &next);
	deed_put_actors(turn, &entry.json);
	buf_put_u8(&entry.json, '}');
	err = deed_write(turn, &entry, 1, record);
	buf_fini(&entry.json);
	if (err == 0)
		deed_tell(turn, "index", json_integer((json_int_t)entry.index));
	return err;
}

const struct deed deed_policy_change = {"policy.change", second, look, perform};
