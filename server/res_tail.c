/*
 * Records as they come: server-sent events (HTML, "Server-sent events"), each with the id to go on
 * from. What to show is asked for as in queries; where to begin is Last-Event-ID, after or start.
 */
#include <string.h>

#include "proto/dec.h"
#include "proto/err.h"
#include "proto/instant.h"
#include "server/config.h"
#include "server/feed.h"
#include "server/loop.h"
#include "server/query_read.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "server/tails.h"
#include "storage/log.h"

enum { RETRY_MS = 1000 };

/* What a request waits for while its feed is made ready; the arena's. */
struct opening {
	struct feed *feed;
	struct feed_start start;
	int err;
};

/* --- where to begin ----------------------------------------------------------------------------
 */

/* A client that comes back by itself has the newest id in the field, and the URL that it began
 * with. */
static bool
read_start(struct request *r, struct feed_start *s)
{
	struct slice after, start;
	int has_after = request_query(r, "after", &after), has_start;

	if (has_after < 0 || (has_start = request_query(r, "start", &start)) < 0)
		return false;
	if (http_field_find(&r->http, "last-event-id", &s->id) && s->id.n)
		return true;
	s->id = has_after ? after : slice_of("", 0);
	if (s->id.n || !has_start || slice_eq_str(start, "now"))
		return true;
	s->has_index = dec_parse(&s->index, start, LIMIT_TREE_SIZE) == 0;
	s->has_time = !s->has_index && instant_read_text(&s->time_ns, start, 0) == 0;
	if (s->has_index || s->has_time)
		return true;
	reply_problem(r, PROBLEM_INVALID_PARAMETER,
		      "start is now, an index, or a time such as 2026-11-01T08:00:00Z.");
	return false;
}

/* --- the answer --------------------------------------------------------------------------------
 */

static void
refuse(struct request *r, int err)
{
	if (err == STELE_ESYNTAX)
		reply_problem(
			r, PROBLEM_INVALID_PARAMETER,
			"The event id is not one of this question: repeat all its parameters, and "
			"the token, or begin anew without one.");
	else if (err == STELE_EINVAL)
		reply_problem(
			r, PROBLEM_INVALID_PARAMETER,
			"start is an index of one log, up to its size; of several it is 0, a time, "
			"or now.");
	else
		query_refuse(r, err);
}

/* What was understood, and the id of where it begins. */
static void
put_begin(struct buf *b, const struct request *r, const struct feed *f)
{
	size_t at = reply_chunk_begin(b);

	buf_printf(b, "retry: %d\nevent: begin\nid: ", RETRY_MS);
	buf_put_slice(b, buf_slice(&f->position));
	buf_put_str(b, "\ndata: {\"filter\":");
	buf_put_json_str(b, f->q.text);
	buf_printf(b, ",\"heartbeat_seconds\":%llu,\"logs\":[",
		   (unsigned long long)(r->server->config->tail_heartbeat_ms / 1000));
	for (size_t i = 0; i < f->n_places; i++)
		buf_printf(b, "%s{\"log\":\"%s\",\"next\":%llu}", i ? "," : "",
			   log_name(f->places[i].log), (unsigned long long)f->places[i].next);
	buf_put_str(b, "]}\n\n");
	reply_chunk_end(b, at);
}

static void
answer(struct request *r, struct feed *f)
{
	if (!reply_begin_chunked(r, "text/event-stream")) {
		feed_free(f);
		return;
	}
	reply_header(r, "Cache-Control", "private, no-store");
	reply_header(r, "X-Accel-Buffering",
		     "no"); /* proxies of nginx's kind keep back events else */
	reply_body(r);
	if (r->no_body) {
		feed_free(f);
		reply_end(r);
		return;
	}
	put_begin(&r->out, r, f);
	feed_own(f, r);
	if (!tails_join(&r->loop->tails, r, f)) {
		feed_free(f);
		r->out.err = STELE_ENOMEM;
	}
	reply_end(r);
}

/* --- the way of a request ----------------------------------------------------------------------
 */

static void
begin(struct request *r, struct kit *kit)
{
	struct opening *o = r->state;

	o->err = feed_begin(o->feed, &o->start, kit);
}

static void
then(struct request *r)
{
	struct opening *o = r->state;
	struct feed *f = o->feed;
	int err = o->err;

	if (err == 0) {
		answer(r, f);
		return;
	}
	feed_free(f);
	refuse(r, err);
}

static void
run(struct request *r, struct slice logs)
{
	struct opening *o = arena_alloc(&r->arena, sizeof *o);
	char *copy = arena_dup(&r->arena, logs.p, logs.n); /* the feed may outlive the request */
	struct feed *f;

	if (!tails_have_room(&r->loop->tails)) {
		reply_problem(
			r, PROBLEM_OVERLOADED,
			"%u different questions are followed, and no more can be: ask the same as "
			"others do, or later.",
			LIMIT_TAIL_FEEDS);
		return;
	}
	f = o && copy ? feed_new(r) : NULL;
	if (!f) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	memset(o, 0, sizeof *o);
	o->feed = f;
	f->q.logs = slice_of(copy, logs.n);
	r->state = o;
	r->work = begin;
	r->then = then;
	if (query_read(&f->q, r) && read_start(r, &o->start))
		loop_work(r);
	else
		feed_free(f);
}

/* One log. */
void
res_tail_log(struct request *r)
{
	run(r, r->param[0]);
}

/* Several, by name and pattern. */
void
res_tail_logs(struct request *r)
{
	struct slice logs;
	int found = request_query(r, "logs", &logs);

	if (found >= 0)
		run(r, found && logs.n ? logs : slice_str("*"));
}
