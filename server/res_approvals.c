/* Dual control: what is under it, what waits for a second principal, and what that one decides. */
#include <string.h>

#include <jansson.h>

#include "proto/err.h"
#include "server/access.h"
#include "server/acting.h"
#include "server/audit.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"

/* --- look ------------------------------------------------------------------------------ */

void
res_approvals_list(struct request *r)
{
	struct slice state = slice_str("pending");
	struct buf *b;

	if (request_query(r, "state", &state) < 0)
		return;
	if (!slice_eq_str(state, "pending") && !slice_eq_str(state, "all")) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER, "state must be pending or all.");
		return;
	}
	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_put_str(b, "{\"approvals\":");
	access_put_approvals(audit_access(r->server->audit), r->token,
			     slice_eq_str(state, "pending"), server_now_ns(r->server), b);
	buf_put_u8(b, '}');
	reply_end(r);
}

static void
answer_one(struct request *r, struct slice id)
{
	struct buf b;
	int err;

	buf_init(&b);
	err = access_put_approval(audit_access(r->server->audit), r->token, id,
				  server_now_ns(r->server), &b);
	if (err == 0 && !b.err)
		reply_bytes(r, 200, "application/json", buf_slice(&b));
	else if (err == 0)
		reply_err(r, b.err);
	else
		reply_problem(r, PROBLEM_UNKNOWN_APPROVAL, "No approval has that id.");
	buf_fini(&b);
}

void
res_approvals_get(struct request *r)
{
	answer_one(r, r->param[0]);
}

/* --- decide ------------------------------------------------------------------------------ */

static void
answer_decided(struct request *r)
{
	struct acting *a = r->state;

	answer_one(r, slice_str(json_string_value(json_object_get(a->act, "id"))));
}

/* Begins an act about the approval that the path names. */
static struct acting *
begin(struct request *r, const char *type)
{
	struct acting *a = acting_begin(r, type, PROBLEM_INVALID_APPROVAL);

	if (a) {
		json_object_set_new(a->act, "id",
				    json_stringn((const char *)r->param[0].p, r->param[0].n));
		a->answer = answer_decided;
	}
	return a;
}

void
res_approvals_approve(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_APPROVAL, false), *digest;
	struct acting *a = NULL;

	if (!body)
		return;
	digest = json_object_get(body, "digest");
	if (!json_is_string(digest) || json_object_size(body) != 1)
		reply_problem(r, PROBLEM_INVALID_APPROVAL,
			      "Say which act it is that you approve: {\"digest\": …}, as the "
			      "approval has it.");
	else
		a = begin(r, "approval.grant");
	if (a) {
		json_object_set(a->act, "digest", digest);
		acting_run(r);
	}
	json_decref(body);
}

void
res_approvals_refuse(struct request *r)
{
	if (begin(r, "approval.refuse"))
		acting_run(r);
}

/* --- what is under it ----------------------------------------------------------------------- */

void
res_dual_control_get(struct request *r)
{
	struct buf *b;

	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_put_str(b, "{\"acts\":");
	access_put_dual_control(audit_access(r->server->audit), b);
	buf_put_u8(b, '}');
	reply_end(r);
}

void
res_dual_control_put(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_DUAL_CONTROL, false), *acts;
	struct acting *a = NULL;

	if (!body)
		return;
	acts = json_object_get(body, "acts");
	if (!acts || json_object_size(body) != 1)
		reply_problem(
			r, PROBLEM_INVALID_DUAL_CONTROL,
			"Say {\"acts\": [\"principal.create\", …]}; an empty list turns it off.");
	else
		a = acting_begin(r, "dual_control.set", PROBLEM_INVALID_DUAL_CONTROL);
	if (a) {
		json_object_set(a->act, "acts", acts);
		a->answer = res_dual_control_get;
		acting_run(r);
	}
	json_decref(body);
}
