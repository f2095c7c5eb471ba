/*
 * Queries over one log or several. A page is made in steps on workers; between two of them others
 * get their turn. What it says is of trees that were pinned when the first page began.
 */
#include <string.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/loop.h"
#include "server/query.h"
#include "server/query_cursor.h"
#include "server/query_many.h"
#include "server/query_read.h"
#include "server/query_record.h"
#include "server/query_stream.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/log.h"

/* --- answers --------------------------------------------------------------------------------- */

static void
put_instant(struct buf *b, const char *name, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	buf_printf(b, ",\"%s\":\"%.*s\"", name, TIMESTAMP_BYTES, text);
}

/* The logs, and the sizes of their trees; of many, how many, and the instant that they are pinned
 * at. */
static void
put_logs(struct buf *b, const struct query *q)
{
	if (q->many) {
		buf_printf(b, "\"log_count\":%zu", q->many->n);
		put_instant(b, "pinned", q->many->pinned_ns);
		return;
	}
	buf_put_str(b, "\"logs\":[");
	for (size_t i = 0; i < q->n; i++) {
		const struct query_source *s = &q->sources[i];

		buf_printf(b, "%s{\"log\":\"%s\",\"size\":%llu}", i ? "," : "", log_name(s->log),
			   (unsigned long long)s->size);
	}
	buf_put_u8(b, ']');
}

static bool
is_complete(const struct query *q)
{
	return q->done && q->totals.unreadable == 0;
}

void
query_put_totals(struct buf *b, const struct query *q)
{
	const struct query_totals *t = &q->totals;

	buf_printf(b,
		   "\"scanned\":%llu,\"matched\":%llu,\"unparsed\":%llu,\"purged\":%llu,"
		   "\"restricted\":%llu,\"unreadable\":%llu,\"complete\":%s",
		   (unsigned long long)t->scanned, (unsigned long long)t->matched,
		   (unsigned long long)t->unparsed, (unsigned long long)t->purged,
		   (unsigned long long)t->restricted, (unsigned long long)t->unreadable,
		   is_complete(q) ? "true" : "false");
}

/* What was counted on this page. */
static void
put_counts(struct buf *b, struct query *q)
{
	if (q->by >= 0) {
		buf_printf(b, "\"by\":\"%s\",\"values\":", field_name((enum field)q->by));
		tally_put(&q->values, "value", false, b);
		buf_printf(b, ",\"others\":%llu,", (unsigned long long)q->values.others);
	}
	if (q->histogram_ns) {
		buf_put_str(b, "\"histogram\":");
		tally_put(&q->times, "from", true, b);
		buf_printf(b, ",\"later\":%llu,", (unsigned long long)q->times.others);
	}
}

/* The answer is in the request's buffer; what it was made from is the arena's, which it ends. */
static void
finish(struct request *r, struct query *q)
{
	query_fini(q);
	reply_end(r);
}

static void
answer_json(struct request *r, struct query *q)
{
	struct buf *b;

	reply_begin(r, 200, "application/json");
	reply_header(r, "Cache-Control", "private, no-cache");
	b = reply_body(r);
	buf_put_str(b, "{\"filter\":");
	buf_put_json_str(b, q->text);
	if (q->has_from)
		put_instant(b, "from", q->from_ns);
	if (q->has_to)
		put_instant(b, "to", q->to_ns);
	buf_printf(b, ",\"order\":\"%s\",", q->backward ? "desc" : "asc");
	put_logs(b, q);
	buf_put_u8(b, ',');
	if (q->count) {
		put_counts(b, q);
	} else {
		buf_put_str(b, "\"records\":[");
		buf_put_slice(b, buf_slice(&q->rows));
		buf_put_str(b, "],");
	}
	query_put_totals(b, q);
	if (!q->done) {
		buf_put_str(b, ",\"next\":\"");
		query_cursor_put(q, b);
		buf_put_u8(b, '"');
	}
	buf_put_u8(b, '}');
	finish(r, q);
}

/* Lines, with what JSON says around them in header fields. */
static void
answer_lines(struct request *r, struct query *q)
{
	struct buf text;

	buf_init(&text);
	reply_begin(r, 200,
		    q->form == QUERY_CSV ? "text/csv; charset=utf-8; header=present"
					 : "application/x-ndjson");
	reply_header(r, "Cache-Control", "private, no-cache");
	buf_printf(&text, "{\"rows\":%llu,", (unsigned long long)q->rows_n);
	query_put_totals(&text, q);
	buf_put_u8(&text, '}');
	reply_header_slice(r, "Stele-Query", buf_slice(&text));
	if (!q->done) {
		buf_reset(&text);
		query_cursor_put(q, &text);
		reply_header_slice(r, "Stele-Next", buf_slice(&text));
	}
	if (text.err)
		r->out.err = text.err;
	buf_fini(&text);
	buf_put_slice(reply_body(r), buf_slice(&q->rows));
	finish(r, q);
}

void
res_query_refuse(struct request *r, struct query *q)
{
	int err = q->err;
	bool was_many = q->many != NULL;

	query_fini(q);
	if (err == STELE_ESYNTAX)
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "The cursor is not one of this query: repeat all its parameters, and "
			      "the token, or begin anew without one.");
	else if (err == STELE_EINVAL)
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "as_of is for one log, and at most its size.");
	else if (err == STELE_EPERM && was_many)
		reply_problem(r, PROBLEM_INSUFFICIENT_SCOPE,
			      "Which of these logs the token may read has changed since the first "
			      "page: begin anew without a cursor.");
	else if (err == STELE_ELIMIT && was_many)
		reply_problem(
			r, PROBLEM_INVALID_PARAMETER,
			"Other schemas are chosen for too many of these logs, here and there: "
			"ask for those apart.");
	else
		query_refuse(r, err);
}

/* --- the way of a request -------------------------------------------------------------------- */

static void
step(struct request *r, struct kit *kit)
{
	struct query *q = r->state;

	q->err = query_step(q, kit);
}

/* Whether it is the first page, which a cursor may begin, too: a certificate's does. */
static bool
is_first(const struct query *q)
{
	bool first = !q->many || !q->cursor.n;

	for (size_t i = 0; first && i < q->n; i++) {
		const struct query_source *s = &q->sources[i];

		first = s->behind == 0 && s->next == (q->backward ? s->size : 0);
	}
	return first;
}

static void
begin(struct request *r, struct kit *kit)
{
	struct query *q = r->state;

	q->err = query_begin(q);
	q->until_ns = server_monotonic_ns() + LIMIT_QUERY_PAGE_NS;
	if (q->err == 0 && q->form == QUERY_CSV && is_first(q))
		query_put_header(q);
	if (q->err == 0)
		step(r, kit);
	r->work = step;
}

static void
then(struct request *r)
{
	struct query *q = r->state;

	if (q->err == 1 && !q->stream) {
		loop_work_on(r);
		return;
	}
	if (q->err < 0) {
		res_query_refuse(r, q);
		return;
	}
	if (q->stream) {
		query_stream(r, q);
		return;
	}
	query_rest(q);
	query_record(r, q, NULL);
	if (q->form == QUERY_JSON)
		answer_json(r, q);
	else
		answer_lines(r, q);
}

static void
run(struct request *r, struct slice logs)
{
	struct query *q = arena_alloc(&r->arena, sizeof *q);

	if (!q) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	memset(q, 0, sizeof *q);
	q->server = r->server;
	q->token = r->token;
	q->memory = &r->arena;
	q->logs = logs;
	q->may_be_many = true;
	if (!query_read(q, r))
		return;
	if (q->certify) {
		q->may_be_many = false;
		res_certify_run(r, q);
		return;
	}
	r->state = q;
	r->work = begin;
	r->then = then;
	loop_work_begin(r);
}

/* Whether a parameter of queries stands beside a payload's hash: as request_query. */
static int
asks_more(struct request *r)
{
	static const char *const more[] = {"to",        "tz",     "matter", "filter", "order",
					   "cursor",    "as_of",  "view",   "count",  "by",
					   "histogram", "format", "stream", "certify"};
	struct slice value;
	int found = 0;

	for (size_t i = 0; found == 0 && i < sizeof more / sizeof *more; i++)
		found = request_query(r, more[i], &value);
	for (int f = FIELD_WRITER; found == 0 && f <= FIELD_ANY; f++)
		found = request_query(r, field_name((enum field)f), &value);
	return found;
}

/* One log; or what is still asked for by its payload's hash (res_find.c). */
void
res_query_log(struct request *r)
{
	struct slice sha256;
	int found = request_query(r, "sha256", &sha256);

	int more = found == 1 ? asks_more(r) : 0;

	if (found == 0)
		run(r, r->param[0]);
	else if (found == 1 && more == 0)
		res_find_get(r);
	else if (more == 1)
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "Beside sha256 there may be from, an index, and limit alone.");
}

/* Several, by name and pattern. */
void
res_query_logs(struct request *r)
{
	struct slice logs;
	int found = request_query(r, "logs", &logs);

	if (found < 0)
		return;
	run(r, found && logs.n ? logs : slice_str("*"));
}
