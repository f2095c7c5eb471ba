/* Times, simple terms, the filter; then how the answer shall be. */
#include "server/query_read.h"

#include <string.h>

#include "proto/dec.h"
#include "proto/duration.h"
#include "proto/err.h"
#include "proto/instant.h"
#include "server/aliases.h"
#include "server/audit.h"
#include "server/http.h"
#include "server/query.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/server.h"

enum { USUAL_ROWS = 100, DAY_MINUTES = 1440 };

/* --- times ------------------------------------------------------------------------------- */

/* Z, or east of UTC: +01:00, -0930, +1. */
static bool
read_zone(struct slice text, int *minutes)
{
	uint64_t hours, rest = 0;
	struct slice digits;

	if (slice_eq_str(text, "Z") || slice_eq_str(text, "UTC")) {
		*minutes = 0;
		return true;
	}
	/* a + that is not encoded is a blank by the time it comes here */
	if (text.n < 2 || !memchr("+- ", text.p[0], 3))
		return false;
	digits = slice_of(text.p + 1, text.n - 1);
	if (digits.n >= 3) {
		struct slice tail = slice_of(digits.p + digits.n - 2, 2);
		bool colon = digits.p[digits.n - 3] == ':';

		if (tail.p[0] == '0')
			tail = slice_of(tail.p + 1, 1);
		if (dec_parse(&rest, tail, 59) != 0)
			return false;
		digits.n -= colon ? 3 : 2;
	}
	if (digits.n == 2 && digits.p[0] == '0')
		digits = slice_of(digits.p + 1, 1);
	if (dec_parse(&hours, digits, 14) != 0)
		return false;
	*minutes = (int)(hours * 60 + rest);
	if (text.p[0] == '-')
		*minutes = -*minutes;
	return true;
}

/* A date, a date and time, or a number of seconds and so on since 1970. */
static bool
read_time(struct request *r, const char *name, int zone, bool *has, int64_t *ns)
{
	struct slice text;
	int found = request_query(r, name, &text);

	if (found <= 0)
		return found == 0;
	if (instant_read_text(ns, text, zone) != 0 &&
	    instant_read_number(ns, text, INSTANT_GUESS) != 0) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "%s is no time: write 2026-11-01, 2026-11-01T08:00:00Z or seconds "
			      "since 1970.",
			      name);
		return false;
	}
	*has = true;
	return true;
}

static bool
read_times(struct query *q, struct request *r)
{
	struct slice tz;
	int zone = 0, found = request_query(r, "tz", &tz);

	if (found < 0)
		return false;
	if (found && !read_zone(tz, &zone)) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "tz is an offset east of UTC: +01:00, -0500 or Z.");
		return false;
	}
	return read_time(r, "from", zone, &q->has_from, &q->from_ns) &&
	       read_time(r, "to", zone, &q->has_to, &q->to_ns);
}

/* --- terms and the filter ------------------------------------------------------------------ */

static bool
too_many(struct request *r)
{
	reply_problem(r, PROBLEM_INVALID_PARAMETER,
		      "More than %u values are asked for: ask with filter= instead.",
		      LIMIT_QUERY_TERMS);
	return false;
}

static bool
read_terms(struct request *r, struct filter_simple_term *terms, size_t *n)
{
	for (int f = FIELD_WRITER; f <= FIELD_ANY; f++) {
		struct slice rest = {NULL, 0}, value;
		int found;

		while ((found = request_query_next(r, field_name((enum field)f), &rest, &value)) ==
		       1) {
			if (*n == LIMIT_QUERY_TERMS)
				return too_many(r);
			terms[(*n)++] = (struct filter_simple_term){(enum field)f, value};
		}
		if (found < 0)
			return false;
	}
	return true;
}

/* The canonical text, the arena's. */
static int
print(struct query *q, struct request *r)
{
	struct buf b;
	const void *copy;

	buf_init(&b);
	filter_print(&b, &q->filter);
	copy = b.err ? NULL : arena_dup(&r->arena, b.p, b.n);
	q->text = slice_of(copy, b.n);
	buf_fini(&b);
	return copy ? 0 : STELE_ENOMEM;
}

static bool
read_filter(struct query *q, struct request *r)
{
	struct filter_simple_term terms[LIMIT_QUERY_TERMS];
	struct filter_simple simple = {.has_from = q->has_from,
				       .has_to = q->has_to,
				       .from_ns = q->from_ns,
				       .to_ns = q->to_ns,
				       .terms = terms};
	struct slice matter = slice_of("", 0);
	struct text_error e = {0};
	struct alias_use use;
	int err;

	if (!read_terms(r, terms, &simple.n_terms) ||
	    request_query(r, "filter", &simple.filter) < 0 ||
	    request_query(r, "matter", &matter) < 0)
		return false;
	alias_use_init(&use, audit_access(r->server->audit), &r->arena, matter,
		       !alias_matter(r->token, &matter));
	use.matter = matter;
	simple.aliases = &use.aliases;
	err = filter_build(&q->filter, &r->arena, &simple, &e);
	if (err == 0)
		err = print(q, r);
	if (err == STELE_ESYNTAX || err == STELE_ELIMIT) {
		struct buf *b = reply_problem_begin(r, PROBLEM_INVALID_FILTER,
						    "At character %zu: %s.", e.column, e.message);
		buf_printf(b, ",\"column\":%zu", e.column);
		reply_problem_end(r);
	} else if (err != 0) {
		reply_err(r, err);
	}
	return err == 0;
}

/* --- the answer ------------------------------------------------------------------------------ */

/* One of a few words; what is not there is the first of them, number 0. */
static bool
read_word(struct request *r, const char *name, const char *const words[], size_t n, size_t *which)
{
	struct buf *b;
	struct slice word;
	int found = request_query(r, name, &word);

	*which = 0;
	if (found <= 0)
		return found == 0;
	for (; *which < n; (*which)++)
		if (slice_eq_str(word, words[*which]))
			return true;
	b = reply_problem_begin(r, PROBLEM_INVALID_PARAMETER, "%s is not valid.", name);
	buf_printf(b, ",\"allowed\":[");
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s\"%s\"", i ? "," : "", words[i]);
	buf_put_u8(b, ']');
	reply_problem_end(r);
	return false;
}

static bool
read_form(struct query *q, struct request *r)
{
	static const char
		*const forms[] = {"json", "ndjson", "csv"},
		       *const orders[] = {"asc", "desc"}, *const views[] = {"full", "summary"},
		       *const yes_no[] = {"true", "false"}, *const no_yes[] = {"false", "true"};
	size_t form, order, view, index, certify;

	if (!read_word(r, "format", forms, 3, &form) || !read_word(r, "order", orders, 2, &order) ||
	    !read_word(r, "view", views, 2, &view) || !read_word(r, "index", yes_no, 2, &index) ||
	    !read_word(r, "certify", no_yes, 2, &certify))
		return false;
	if (form == QUERY_JSON && request_accepts(r, "application/x-ndjson"))
		form = QUERY_NDJSON;
	else if (form == QUERY_JSON && request_accepts(r, "text/csv"))
		form = QUERY_CSV;
	q->form = (enum query_form)form;
	q->backward = order == 1;
	q->summary = view == 1;
	q->no_index = index == 1;
	q->certify = certify == 1;
	return true;
}

/* Whether all of it is to come in one answer. */
static bool
read_stream(struct query *q, struct request *r, bool has_limit)
{
	static const char *const yes_no[] = {"false", "true"};
	size_t stream;

	if (!read_word(r, "stream", yes_no, 2, &stream))
		return false;
	q->stream = stream == 1;
	if (!q->stream || (q->form != QUERY_JSON && !has_limit))
		return true;
	reply_problem(r, PROBLEM_INVALID_PARAMETER,
		      "A stream is of format=ndjson or csv, and has no limit.");
	return false;
}

/* What is to be counted instead of listed. */
static bool
read_counting(struct query *q, struct request *r)
{
	static const char *const yes_no[] = {"false", "true"};
	struct slice by, width;
	struct duration d = {0};
	size_t count;
	int has_by = request_query(r, "by", &by), has_width;

	q->by = -1;
	if (has_by < 0 || (has_width = request_query(r, "histogram", &width)) < 0 ||
	    !read_word(r, "count", yes_no, 2, &count))
		return false;
	if (has_by)
		q->by = field_find(by);
	if (has_by && (q->by < FIELD_WRITER || q->by >= FIELD_ANY)) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "by is the name of a field: writer, actor, action, resource, "
			      "outcome, source_ip, trace_id, event_id, event_type or severity.");
		return false;
	}
	if (has_width &&
	    (duration_parse(&d, width) != 0 || d.months || d.ns < 1000000000 || d.ns > INT64_MAX)) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "histogram is how wide a bar is, a second or more: 15m, 1h, 1d.");
		return false;
	}
	q->histogram_ns = (int64_t)d.ns;
	q->count = count == 1 || has_by || has_width;
	if (q->count && q->form != QUERY_JSON) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER, "What is counted comes as JSON.");
		return false;
	}
	return true;
}

bool
query_read(struct query *q, struct request *r)
{
	int has_as_of, has_limit;

	q->limit = USUAL_ROWS;
	q->page_bytes = LIMIT_QUERY_PAGE_BYTES;
	if (!read_times(q, r) || !read_filter(q, r) || !read_form(q, r) || !read_counting(q, r) ||
	    (has_limit = request_query_number(r, "limit", &q->limit)) < 0 ||
	    !read_stream(q, r, has_limit == 1) || request_query(r, "cursor", &q->cursor) < 0 ||
	    (has_as_of = request_query_number(r, "as_of", &q->as_of)) < 0)
		return false;
	q->has_as_of = has_as_of == 1;
	if (q->limit < 1 || q->limit > LIMIT_LIST_ROWS) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER, "limit is a number from 1 to %u.",
			      LIMIT_LIST_ROWS);
		return false;
	}
	if (q->stream && q->certify) {
		reply_problem(
			r, PROBLEM_INVALID_PARAMETER,
			"A certificate is in the place of rows: ask for it without stream, and "
			"for the rows by Stele-Next.");
		return false;
	}
	if (q->stream) {
		q->limit = UINT64_MAX;
		q->page_bytes = LIMIT_QUERY_STREAM_BYTES;
	}
	return true;
}

void
query_refuse(struct request *r, int err)
{
	if (err == STELE_EPERM)
		reply_problem(r, PROBLEM_INSUFFICIENT_SCOPE,
			      "The token may not read every log that is named.");
	else if (err == STELE_ENOTFOUND)
		reply_problem(r, PROBLEM_UNKNOWN_LOG, "There is no log of a name that is named.");
	else if (err == STELE_ELIMIT)
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "More than %u logs are asked for: name fewer, or a narrower pattern.",
			      LIMIT_QUERY_LOGS);
	else
		reply_err(r, err);
}
