/*
 * The index of a log's segments, made anew: a few seconds' worth of segments a request, which says
 * where the next one goes on. What is done stays done, whatever ends it.
 */
#include "proto/err.h"
#include "server/acting.h"
#include "server/kit.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/store.h"

static const int64_t step_ns = 2000000000; /* then no further segment is begun */

struct reindex {
	uint64_t from, next;
	bool all, done;
	uint64_t made, kept; /* segments */
};

static int
perform(struct request *r, struct kit *kit)
{
	struct acting *a = r->state;
	struct reindex *x = a->state;
	int64_t until_ns = server_monotonic_ns() + step_ns;
	int did = 0;

	x->next = x->from;
	while (did >= 0 && server_monotonic_ns() < until_ns) {
		did = store_reindex(r->server->store, r->log, x->next, x->all, kit->tools, &x->next,
				    &a->why);
		x->made += did == 1;
		x->kept += did == 0;
	}
	x->done = did == STELE_ENOTFOUND;
	return did < 0 && !x->done ? did : 0;
}

static void
put_answer(struct request *r, const struct reindex *x)
{
	struct buf *b;

	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_printf(b, "{\"log\":\"%s\",\"from\":%llu,\"made\":%llu,\"kept\":%llu", log_name(r->log),
		   (unsigned long long)x->from, (unsigned long long)x->made,
		   (unsigned long long)x->kept);
	if (!x->done)
		buf_printf(b, ",\"next\":%llu", (unsigned long long)x->next);
	buf_put_u8(b, '}');
	reply_end(r);
}

static void
answer(struct request *r)
{
	struct acting *a = r->state;
	struct reindex *x = a->state;

	if (a->err == STELE_EDAMAGED)
		reply_problem(r, PROBLEM_DAMAGED,
			      "The segment with record %llu is damaged: put it back from a copy "
			      "(stele segment restore), then go on from that record.",
			      (unsigned long long)x->next);
	else if (a->err == STELE_EBUSY)
		reply_problem(
			r, PROBLEM_PURGE_RUNNING,
			"Something of the log is being purged: go on from record %llu when it "
			"is done.",
			(unsigned long long)x->next);
	else if (a->err)
		reply_err(r, a->err);
	else
		put_answer(r, x);
}

/* What is asked for; false: answered. */
static bool
read_wish(struct request *r, struct reindex *x)
{
	struct slice all = slice_of("", 0);
	int found = request_query(r, "all", &all);

	if (found < 0 || request_query_number(r, "from", &x->from) < 0)
		return false;
	x->all = found && slice_eq_str(all, "true");
	if (!found || x->all || slice_eq_str(all, "false"))
		return true;
	reply_problem(r, PROBLEM_INVALID_PARAMETER, "all is true or false.");
	return false;
}

void
res_logs_reindex(struct request *r)
{
	struct reindex *x = arena_alloc(&r->arena, sizeof *x);
	struct acting *a;

	if (!x) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	*x = (struct reindex){.from = 0};
	if (!read_wish(r, x))
		return;
	a = acting_begin(r, "log.reindex", PROBLEM_NONE);
	if (!a)
		return;
	json_object_set_new(a->act, "log", json_string(log_name(r->log)));
	json_object_set_new(a->act, "from", json_integer((json_int_t)x->from));
	a->state = x;
	a->perform = perform;
	a->answer = answer;
	acting_run(r);
}
