/*
 * Another policy for a log: `policy.change` {"log","policy","was"}. In compliance it only becomes
 * stricter. Compliance itself begins after a grace in which it can be called off (worm.md section
 * 1): an act with "compliance_after" begins it, so long after it was done; that its entry says
 * when. Nothing else does.
 */
#include <stdlib.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/policy.h"
#include "server/deeds.h"
#include "server/retention.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/store.h"

const char deed_policy_lock_only[] =
	"Compliance begins by POST /api/v1/logs/{log}/policy/lock, after 72 hours in which it can "
	"be called off: leave compliance_from out.";
const char deed_policy_demo[] =
	"A server whose name was made up keeps no compliance logs: start it with --origin, in a "
	"new directory.";

/* --- reading the act --------------------------------------------------------------------- */

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

/* The policy checked as a whole again, which what was set in it since may need. */
static int
check_again(const struct deed_turn *turn, struct policy *p)
{
	struct buf text, why;
	int err;

	buf_init(&text);
	buf_init(&why);
	policy_write(&text, p);
	err = text.err ? text.err : policy_read(p, buf_slice(&text), &why);
	if (err == STELE_ESYNTAX)
		err = deed_refuse(turn, err, PROBLEM_INVALID_POLICY, "%.*s", (int)why.n,
				  (const char *)why.p);
	buf_fini(&text);
	buf_fini(&why);
	return err;
}

/* The policy that there will be when it is done now. */
static int
read_next(const struct deed_turn *turn, const json_t *act, struct log *log, struct policy *next)
{
	int err = read_policy(turn, act, "policy", next);

	if (err != 0 || !json_object_get(act, "compliance_after"))
		return err;
	next->compliance_from_ns = retention_later_ns(turn->s, log) + LIMIT_GRACE_NS;
	return check_again(turn, next);
}

/* --- looking ------------------------------------------------------------------------------ */

/* Whether it protects less than the one in force; what, unless NULL, gets why. */
static bool
weakens(const struct log *log, const struct policy *next, int64_t now_ns, struct buf *what)
{
	struct policy now = policy_at(log_policy(log), now_ns), then = policy_at(next, now_ns);

	return policy_weakens(&now, &then, what);
}

static bool
second(const struct deed_turn *turn, const json_t *act)
{
	struct policy next;
	struct log *log;

	if (deed_log(turn, act, &log) != 0 || read_next(turn, act, log, &next) != 0)
		return false; /* looking at it will say so */
	return (log_policy(log)->dual_control & POLICY_CHANGE) &&
	       weakens(log, &next, retention_later_ns(turn->s, log), NULL);
}

/* In compliance nothing becomes weaker, by nobody; and it begins by its own act alone. */
static int
look_compliance(const struct deed_turn *turn, const json_t *act, struct log *log,
		const struct policy *next)
{
	int64_t now_ns = retention_later_ns(turn->s, log), from_ns = next->compliance_from_ns;
	const struct policy *was = log_policy(log);
	struct buf what;
	int err = 0;

	if (policy_mode(was, now_ns) != ENTRY_MODE_COMPLIANCE) {
		if (next->mode == ENTRY_MODE_COMPLIANCE ||
		    (from_ns && from_ns != was->compliance_from_ns &&
		     !json_object_get(act, "compliance_after")))
			return deed_refuse(turn, STELE_ESYNTAX, PROBLEM_INVALID_POLICY, "%s",
					   deed_policy_lock_only);
		return 0;
	}
	buf_init(&what);
	if (weakens(log, next, now_ns, &what))
		err = deed_refuse(turn, STELE_EPERM, PROBLEM_COMPLIANCE_MODE,
				  "In compliance mode a policy only becomes stricter, by nobody "
				  "less strict, and %.*s",
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
		err = read_policy(turn, act, "was", &was);
	if (err == 0 && !policy_equal(&was, log_policy(log)))
		return deed_refuse(
			turn, STELE_ECONFLICT, PROBLEM_POLICY_CONFLICT,
			"The log's policy has changed since: look at it, and ask again.");
	if (err == 0)
		err = read_next(turn, act, log, &next);
	if (err == 0 && turn->s->demo &&
	    (next.mode == ENTRY_MODE_COMPLIANCE || next.compliance_from_ns))
		return deed_refuse(turn, STELE_EPERM, PROBLEM_INVALID_POLICY, "%s",
				   deed_policy_demo);
	return err ? err : look_compliance(turn, act, log, &next);
}

/* --- doing -------------------------------------------------------------------------------- */

static int
perform(const struct deed_turn *turn, const json_t *act, struct append_job *record)
{
	const struct control_actors actors = deed_actors(turn);
	struct deed_entry entry = {.kind = ENTRY_POLICY};
	struct policy next;
	int err = deed_log(turn, act, &entry.log);

	if (err == 0)
		err = read_next(turn, act, entry.log, &next);
	if (err != 0)
		return err;
	buf_init(&entry.json);
	control_put_policy(&entry.json, &next, &actors);
	err = deed_write(turn, &entry, 1, record);
	buf_fini(&entry.json);
	if (err == STELE_EPERM) /* compliance has begun since */
		return deed_refuse(turn, err, PROBLEM_COMPLIANCE_MODE,
				   "Compliance has begun: the policy only becomes stricter.");
	if (err == 0)
		deed_tell(turn, "index", json_integer((json_int_t)entry.index));
	return err;
}

const struct deed deed_policy_change = {"policy.change", second, look, perform};
