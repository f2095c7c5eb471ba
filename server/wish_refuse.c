/* Why the policy does not offer what an append asks for. */
#include "proto/err.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/retention.h"
#include "server/wish.h"
#include "storage/log.h"

/* Why the policy does not offer it: appended to why. 0: it does. */
static int
ask_policy(struct request *r, struct wish *w, struct buf *why)
{
	struct policy_lock lock;

	return policy_lock(log_policy(r->log), wish_of(w), retention_later_ns(r->server, r->log),
			   &lock, why);
}

void
wish_refuse(struct request *r, struct wish *w)
{
	struct buf why, *b;
	int err;

	buf_init(&why);
	err = ask_policy(r, w, &why);
	if (err == STELE_ELIMIT)
		b = reply_problem_begin(r, PROBLEM_INVALID_RETENTION, "%s", wish_too_far);
	else
		b = reply_problem_begin(r, PROBLEM_INVALID_RETENTION, "%.*s Nothing was stored.",
					(int)why.n, why.n ? (const char *)why.p : "");
	retention_put_policy(r->server, b, r->log);
	reply_problem_end(r);
	buf_fini(&why);
}

bool
wish_offered(struct request *r, struct wish *w, bool has_key)
{
	struct buf why;
	int err;

	if (has_key && w->is.kind == POLICY_WISH_UNTIL)
		return true;
	buf_init(&why);
	err = ask_policy(r, w, &why);
	buf_fini(&why);
	if (err != 0)
		wish_refuse(r, w);
	return err == 0;
}

void
wish_refuse_quota(struct request *r)
{
	struct buf *b = reply_problem_begin(
		r, PROBLEM_QUOTA_EXCEEDED,
		"The log's policy allows no more than \"quota\" at once, of which \"used\" is "
		"kept. Nothing was stored: a larger quota is a change of the policy.");

	buf_put_str(b, ",\"quota\":");
	retention_put_quota(b, log_policy(r->log));
	buf_put_str(b, ",\"used\":");
	retention_put_used(b, r->log);
	reply_problem_end(r);
}
