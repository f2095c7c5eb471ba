/*
 * A log's policy: shown, changed, and the beginning of compliance: asked for, and called off while
 * it has not come. All of it is one act, `policy.change` (deed_policy.c).
 */
#include <string.h>

#include "proto/err.h"
#include "proto/policy.h"
#include "proto/timestamp.h"
#include "server/acting.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/retention.h"
#include "storage/log.h"

static void
put_policy(struct request *r, struct buf *b)
{
	buf_printf(b, "{\"log\":\"%s\"", log_name(r->log));
	retention_put_policy(r->server, b, r->log);
}

/* The policy as it is, when nothing was to be done. */
static void
answer_as_it_is(struct request *r)
{
	struct buf *b;

	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	put_policy(r, b);
	buf_put_u8(b, '}');
	reply_end(r);
}

void
res_policy_get(struct request *r)
{
	answer_as_it_is(r);
}

/* It was changed: with the index of the entry that says so. */
static void
answer_changed(struct request *r)
{
	const struct acting *a = r->state;
	struct buf *b;

	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	put_policy(r, b);
	acting_put_told(b, a);
	buf_put_u8(b, '}');
	reply_end(r);
}

static json_t *
policy_json(const struct policy *p)
{
	struct buf text;
	json_t *doc;

	buf_init(&text);
	policy_write(&text, p);
	doc = text.err ? NULL : json_loadb((const char *)text.p, text.n, 0, NULL);
	buf_fini(&text);
	return doc;
}

/* The act that puts next in the place of was; compliance: begins it, too. */
static void
run_change(struct request *r, const struct policy *was, const struct policy *next, bool compliance)
{
	struct acting *a = acting_begin(r, "policy.change", PROBLEM_INVALID_POLICY);

	if (!a)
		return;
	json_object_set_new(a->act, "log", json_string(log_name(r->log)));
	json_object_set_new(a->act, "policy", policy_json(next));
	json_object_set_new(a->act, "was", policy_json(was));
	if (compliance)
		json_object_set_new(a->act, "compliance_after", json_string("72h"));
	a->answer = answer_changed;
	acting_run(r);
}

/* --- change ------------------------------------------------------------------------------- */

/*
 * While compliance is to begin it stays so, whatever else is changed; once it has begun that is the
 * mode. NULL, or what is wrong.
 */
static const char *
carry_over(const struct policy *was, const struct policy *now, struct policy *next)
{
	if (next->compliance_from_ns && next->compliance_from_ns != now->compliance_from_ns)
		return "compliance_from is not set so: POST .../policy/lock begins compliance, and "
		       "DELETE .../policy/lock calls it off.";
	if (now->compliance_from_ns && next->mode != ENTRY_MODE_GOVERNANCE)
		return "Compliance is to begin: call that off first, with DELETE .../policy/lock.";
	if (now->compliance_from_ns)
		next->compliance_from_ns = was->compliance_from_ns;
	return NULL;
}

void
res_policy_put(struct request *r)
{
	struct policy was = *log_policy(r->log), now, next;
	const char *wrong = "Send the whole policy, as GET shows it.";
	struct buf why;
	int err = STELE_ESYNTAX;

	buf_init(&why);
	now = policy_at(&was, retention_later_ns(r->server, r->log));
	if (r->http.body.n)
		err = policy_read(&next, r->http.body, &why);
	if (r->http.body.n && err != 0) {
		buf_put_u8(&why, 0);
		wrong = why.err ? "The policy is not valid." : (const char *)why.p;
	}
	if (err == 0 && (wrong = carry_over(&was, &now, &next)))
		err = STELE_ESYNTAX;
	if (err != 0)
		reply_problem(r, PROBLEM_INVALID_POLICY, "%s", wrong);
	else if (policy_equal(&next, &now))
		answer_as_it_is(r);
	else
		run_change(r, &was, &next, false);
	buf_fini(&why);
}

/* --- compliance --------------------------------------------------------------------------- */

static void
begin_compliance(struct request *r, const struct policy *now)
{
	struct policy was = *log_policy(r->log);

	if (now->mode == ENTRY_MODE_COMPLIANCE)
		reply_problem(r, PROBLEM_POLICY_CONFLICT, "The log is in compliance mode.");
	else if (now->compliance_from_ns)
		answer_as_it_is(r);
	else
		run_change(r, &was, &was, true);
}

static void
call_off(struct request *r, const struct policy *now)
{
	struct policy was = *log_policy(r->log), next = was;

	next.compliance_from_ns = 0;
	if (now->mode == ENTRY_MODE_COMPLIANCE)
		reply_problem(r, PROBLEM_COMPLIANCE_MODE,
			      "The log is in compliance mode: nobody calls that off.");
	else if (!now->compliance_from_ns)
		reply_problem(r, PROBLEM_POLICY_CONFLICT,
			      "Compliance is not to begin: there is nothing to call off.");
	else
		run_change(r, &was, &next, false);
}

void
res_policy_lock(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_POLICY, true), *cancel;
	struct policy now;

	if (!body)
		return;
	now = policy_at(log_policy(r->log), retention_later_ns(r->server, r->log));
	cancel = json_object_get(body, "cancel");
	if (json_object_size(body) != (cancel ? 1 : 0) || (cancel && !json_is_boolean(cancel)))
		reply_problem(r, PROBLEM_INVALID_POLICY,
			      "The body is empty, or calls it off: {\"cancel\":true}.");
	else if (json_is_true(cancel))
		call_off(r, &now);
	else
		begin_compliance(r, &now);
	json_decref(body);
}

void
res_policy_unlock(struct request *r)
{
	struct policy now = policy_at(log_policy(r->log), retention_later_ns(r->server, r->log));

	call_off(r, &now);
}
