/* The certificate of a query, in the place of its rows. */
#include "proto/err.h"
#include "server/loop.h"
#include "server/query.h"
#include "server/query_certify.h"
#include "server/query_record.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"

static void
step(struct request *r, struct kit *kit)
{
	struct query_certify *c = r->state;

	c->q->err = query_certify_step(c, kit);
}

static void
begin(struct request *r, struct kit *kit)
{
	struct query_certify *c = r->state;
	struct query *q = c->q;

	q->until_ns = server_monotonic_ns() + LIMIT_CERTIFICATE_NS;
	q->err = query_certify_begin(c, q);
	if (q->err == 0)
		step(r, kit);
	r->work = step;
}

static void
answer(struct request *r, struct query_certify *c)
{
	reply_begin(r, 200, "text/plain; charset=utf-8");
	reply_header(r, "Cache-Control", "private, no-cache");
	if (c->cursor.n)
		reply_header_slice(r, "Stele-Next", buf_slice(&c->cursor));
	buf_put_slice(reply_body(r), buf_slice(&c->evidence));
}

static void
then(struct request *r)
{
	struct query_certify *c = r->state;
	struct query *q = c->q;
	const char *refused = c->refused;

	if (q->err == 1) {
		loop_work_on(r);
		return;
	}
	if (q->err == 0) {
		query_record(r, q, c->hash);
		answer(r, c);
		query_certify_fini(c);
		query_fini(q);
		reply_end(r);
		return;
	}
	query_certify_fini(c);
	if (refused) {
		query_fini(q);
		reply_problem(r, PROBLEM_INVALID_PARAMETER, "%s", refused);
		return;
	}
	res_query_refuse(r, q);
}

void
res_certify_run(struct request *r, struct query *q)
{
	struct query_certify *c = arena_alloc(&r->arena, sizeof *c);

	if (!c) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	c->q = q;
	r->state = c;
	r->work = begin;
	r->then = then;
	loop_work_begin(r);
}
