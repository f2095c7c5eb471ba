/* A step on a worker, a piece to the reader, and again when it has that. */
#include "server/query_stream.h"

#include <stdlib.h>

#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/auth.h"
#include "server/conn.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/query.h"
#include "server/query_cursor.h"
#include "server/query_record.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/server.h"

struct stream {
	struct request *r;
	struct arena memory; /* the query's, with the query */
	struct query *q;
	uint64_t rows;       /* sent */
	uint64_t generation; /* of server/access.h, when rights were looked at last */
	bool cut;            /* all was sent, but it is not whole */
};

/* What was read is recorded as one page, also when it was cut off. */
static void
free_stream(void *source)
{
	struct stream *s = source;

	s->q->rows_n = s->rows;
	query_record(s->r, s->q, NULL);
	query_fini(s->q);
	arena_fini(&s->memory);
	free(s);
}

/* A stream may take hours: whether its token opens still, with the same rights. */
static bool
may_go_on(struct stream *s)
{
	struct request *r = s->r;
	uint64_t generation = access_generation(audit_access(r->server->audit));
	bool acted = generation != s->generation;

	s->generation = generation;
	return token_opens(r->token, server_now_ns(r->server)) == ACCESS_OPENS &&
	       (!acted || auth_still(r));
}

/* --- a piece -----------------------------------------------------------------------------------
 */

static void
put_rows(struct stream *s)
{
	struct buf *b = &s->r->out;
	size_t at;

	s->rows += s->q->rows_n;
	if (s->q->rows.n == 0)
		return;
	at = reply_chunk_begin(b);
	buf_put_slice(b, buf_slice(&s->q->rows));
	reply_chunk_end(b, at);
	buf_reset(&s->q->rows);
	s->q->rows_n = 0;
}

static void
put_summary(struct buf *b, const struct stream *s)
{
	buf_printf(b, "{\"rows\":%llu,", (unsigned long long)s->rows);
	query_put_totals(b, s->q);
	if (!s->q->done) {
		buf_put_str(b, ",\"next\":\"");
		query_cursor_put(s->q, b);
		buf_put_u8(b, '"');
	}
	buf_put_u8(b, '}');
}

/* The end: a line of lines; of a table, which has no room for it, a trailer (RFC 9110 section 6.5),
 * or no end at all when the table is not whole. */
static void
put_end(struct stream *s)
{
	struct buf *b = &s->r->out;
	size_t at;

	if (s->q->form == QUERY_NDJSON) {
		at = reply_chunk_begin(b);
		buf_put_str(b, "{\"summary\":");
		put_summary(b, s);
		buf_put_str(b, "}\n");
		reply_chunk_end(b, at);
		reply_chunk_last(b);
		return;
	}
	s->cut = !s->q->done || s->q->totals.unreadable > 0;
	if (s->cut)
		return;
	buf_put_str(b, "0\r\nStele-Query: ");
	put_summary(b, s);
	buf_put_str(b, "\r\n\r\n");
}

/* Whether this is the last piece: all was looked at, or the server is about to stop. */
static bool
is_last(const struct stream *s)
{
	return s->q->done || atomic_load(&s->r->server->draining);
}

/* --- its way -----------------------------------------------------------------------------------
 */

static void
step(struct request *r, struct kit *kit)
{
	struct query *q = ((struct stream *)r->source)->q;

	q->full = false;
	q->err = query_step(q, kit);
}

static void
send_piece(struct request *r)
{
	struct stream *s = r->source;

	if (s->q->err < 0 || conn_left(r) || !may_go_on(s)) {
		conn_cut(r);
		return;
	}
	if (s->q->rows.n == 0 && !is_last(s)) {
		loop_work_on(r);
		return;
	}
	put_rows(s);
	if (is_last(s)) {
		query_rest(s->q);
		put_end(s);
	}
	if (r->out.err || (s->cut && r->out.n == 0)) {
		conn_cut(r);
		return;
	}
	if (is_last(s) && !s->cut)
		request_drop_source(r);
	conn_send_more(r);
}

static void
pull(struct request *r)
{
	struct stream *s = r->source;

	if (s->cut) {
		conn_cut(r);
		return;
	}
	buf_reset(&r->out);
	r->work = step;
	r->then = send_piece;
	loop_work_on(r);
}

static struct stream *
stream_new(struct request *r, struct query *q)
{
	struct stream *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->r = r;
	s->q = q;
	s->memory = r->arena;
	q->memory = &s->memory;
	arena_init(&r->arena);
	s->generation = access_generation(audit_access(r->server->audit));
	return s;
}

static void
put_head(struct request *r, const struct query *q)
{
	reply_header(r, "Cache-Control", "private, no-cache");
	if (q->form == QUERY_CSV)
		reply_header(r, "Trailer", "Stele-Query");
	reply_body(r);
}

void
query_stream(struct request *r, struct query *q)
{
	struct stream *s;

	if (!r->http.http_1_1)
		query_fini(q); /* what it lies in goes with the answer */
	if (!reply_begin_chunked(r, q->form == QUERY_CSV ? "text/csv; charset=utf-8; header=present"
							 : "application/x-ndjson"))
		return;
	put_head(r, q);
	s = r->no_body ? NULL : stream_new(r, q);
	if (s) {
		r->source = s;
		r->source_free = free_stream;
		r->pull = pull;
		put_rows(s);
	} else {
		query_fini(q);
		if (!r->no_body)
			r->out.err = STELE_ENOMEM;
	}
	reply_end(r);
}
