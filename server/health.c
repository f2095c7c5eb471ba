/* Alive, and ready for what. */
#include "proto/buf.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "server/timestamps.h"
#include "server/witnesses.h"
#include "storage/store.h"

void
health_livez(struct request *r)
{
	reply_bytes(r, 200, "application/json", slice_str("{\"status\":\"ok\"}"));
}

struct health {
	bool for_append;
	struct store_stats stats;
};

static void
work(struct request *r, struct kit *kit)
{
	struct health *h = r->state;

	(void)kit;
	store_stats_get(r->server->store, &h->stats);
}

static void
put_state(struct request *r, const struct store_stats *s, struct buf *b)
{
	struct timestamps_figures t;
	struct witnesses_figures w;

	timestamps_figures(r->server->timestamps, &t);
	witnesses_figures(r->server->witnesses, &w);
	buf_printf(b,
		   ",\"read_only\":%s,\"low_space\":%s,\"demo\":%s,\"timestamps_late\":%s,"
		   "\"witness_conflicts\":%llu",
		   s->read_only ? "true" : "false", s->low_space ? "true" : "false",
		   r->server->demo ? "true" : "false", t.late ? "true" : "false",
		   (unsigned long long)w.conflicts);
}

static void
then(struct request *r)
{
	struct health *h = r->state;
	const char *why = NULL;
	struct buf *b;

	if (atomic_load(&r->server->draining))
		why = "The server is shutting down.";
	else if (h->for_append && h->stats.read_only)
		why = "A write or flush failed: read-only until restart. Reads go on.";
	else if (h->for_append && h->stats.low_space)
		why = "Free disk space is below the limit. Reads go on.";
	if (why) {
		put_state(r, &h->stats, reply_problem_begin(r, PROBLEM_NOT_READY, "%s", why));
		reply_problem_end(r);
		return;
	}
	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_put_str(b, "{\"status\":\"ready\"");
	put_state(r, &h->stats, b);
	buf_put_u8(b, '}');
	reply_end(r);
}

void
health_readyz(struct request *r)
{
	struct health *h = arena_alloc(&r->arena, sizeof *h);
	struct slice what;
	int found = request_query(r, "for", &what);

	if (found < 0)
		return;
	if (found && !slice_eq_str(what, "append")) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER, "for takes the value append.");
		return;
	}
	if (!h) {
		reply_problem(r, PROBLEM_OVERLOADED, "No memory for the answer.");
		return;
	}
	h->for_append = found;
	r->state = h;
	r->work = work;
	r->then = then;
	loop_work(r);
}
