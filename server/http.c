/*
 * The way of a request: lines are scanned as they come (nothing lenient gets
 * further), a complete head goes through llhttp in one piece, then the rules
 * of RFC 9112 that llhttp leaves to its user. Bodies: server/http_body.c.
 */
#include "server/http.h"

#include <string.h>
#include <strings.h>

#include <llhttp.h>

#include "proto/check.h"
#include "server/http_body.h"

static const struct {
	size_t n;
	const char *name;
	enum header field;
} field_names[] = {
	{4, "host", HEADER_HOST},
	{14, "content-length", HEADER_CONTENT_LENGTH},
	{12, "content-type", HEADER_CONTENT_TYPE},
	{16, "content-encoding", HEADER_CONTENT_ENCODING},
	{17, "transfer-encoding", HEADER_TRANSFER_ENCODING},
	{13, "authorization", HEADER_AUTHORIZATION},
	{6, "accept", HEADER_ACCEPT},
	{6, "prefer", HEADER_PREFER},
	{6, "expect", HEADER_EXPECT},
	{5, "range", HEADER_RANGE},
	{8, "if-range", HEADER_IF_RANGE},
	{13, "if-none-match", HEADER_IF_NONE_MATCH},
	{15, "idempotency-key", HEADER_IDEMPOTENCY_KEY},
	{15, "upload-complete", HEADER_UPLOAD_COMPLETE},
	{13, "upload-offset", HEADER_UPLOAD_OFFSET},
	{13, "upload-length", HEADER_UPLOAD_LENGTH},
};

enum http_step
http_bad(struct http *h, enum problem problem, const char *detail)
{
	h->problem = problem;
	h->detail = detail;
	return h->state = STEP_BAD;
}

static enum http_step
malformed(struct http *h, const char *detail)
{
	return http_bad(h, PROBLEM_MALFORMED_HTTP, detail);
}

void
http_init(struct http *h, struct arena *arena, struct http_budget *budget)
{
	memset(h, 0, offsetof(struct http, buf));
	h->arena = arena;
	h->budget = budget;
}

void
http_fini(struct http *h)
{
	http_body_drop(h);
	http_init(h, h->arena, h->budget);
}

static bool
too_much_head(struct http *h)
{
	if (!h->fields_n && h->scanned_n > LIMIT_HTTP_TARGET_BYTES + 64) {
		http_bad(h, PROBLEM_TARGET_TOO_LONG, "The request line may have 4096 bytes.");
		return true;
	}
	if (h->fields_n && h->scanned_n - h->fields_n > LIMIT_HTTP_HEADER_BYTES) {
		http_bad(h, PROBLEM_HEADERS_TOO_LARGE,
			 "All header fields together may have 16384 bytes.");
		return true;
	}
	return false;
}

/* One line, its LF included, at h->line_n. Returns false when it is refused. */
static bool
scan_line(struct http *h, size_t n)
{
	const uint8_t *line = h->buf + h->line_n;

	if (n < 2 || line[n - 2] != '\r') {
		malformed(h, "A line ends in LF without CR.");
		return false;
	}
	if (memchr(line, '\r', n - 2)) {
		malformed(h, "A line holds a CR that ends nothing.");
		return false;
	}
	if (n > 2 && h->fields_n && (line[0] == ' ' || line[0] == '\t')) {
		malformed(h, "A header field is folded over lines.");
		return false;
	}
	return true;
}

/* Looks for the end of the head in what is new; sets head_n. False: refused, or not there yet. */
static bool
scan_head(struct http *h)
{
	while (h->scanned_n < h->n) {
		const uint8_t *from = h->buf + h->scanned_n;
		const uint8_t *lf = memchr(from, '\n', h->n - h->scanned_n);
		size_t line_n = h->line_n;

		h->scanned_n = lf ? (size_t)(lf - h->buf) + 1 : h->n;
		if (too_much_head(h))
			return false;
		if (!lf)
			return false;
		if (!scan_line(h, h->scanned_n - line_n))
			return false;
		h->line_n = h->scanned_n;
		if (h->scanned_n - line_n > 2) {
			if (!h->fields_n)
				h->fields_n = h->scanned_n;
		} else if (h->fields_n) {
			h->head_n = h->scanned_n;
			return true;
		} else { /* an empty line before a request is skipped (RFC 9112 section 2.2) */
			h->n -= h->scanned_n;
			memmove(h->buf, h->buf + h->scanned_n, h->n);
			h->scanned_n = h->line_n = 0;
		}
	}
	return false;
}

static int
on_url(llhttp_t *parser, const char *at, size_t n)
{
	struct http *h = parser->data;

	if (!h->target.p)
		h->target.p = (const uint8_t *)at;
	h->target.n += n;
	return 0;
}

static int
on_field(llhttp_t *parser, const char *at, size_t n)
{
	struct http *h = parser->data;

	if (h->n_fields == LIMIT_HTTP_HEADERS) {
		http_bad(h, PROBLEM_HEADERS_TOO_LARGE, "A request may have 64 header fields.");
		return HPE_USER;
	}
	h->fields[h->n_fields++] = (struct http_field){.name = slice_of(at, n)};
	return 0;
}

static int
on_value(llhttp_t *parser, const char *at, size_t n)
{
	struct http *h = parser->data;

	if (h->n_fields == 0)
		return HPE_USER;
	while (n && (at[n - 1] == ' ' || at[n - 1] == '\t'))
		n--;
	h->fields[h->n_fields - 1].value = slice_of(at, n);
	return 0;
}

/* Bodies never go through llhttp: 1 tells it that there is none. */
static int
on_headers_complete(llhttp_t *parser)
{
	struct http *h = parser->data;

	h->keep_alive = llhttp_should_keep_alive(parser);
	return 1;
}

static int
on_message_complete(llhttp_t *parser)
{
	struct http *h = parser->data;

	h->complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_field,
	.on_header_value = on_value,
	.on_headers_complete = on_headers_complete,
	.on_message_complete = on_message_complete,
};

/* An unknown but well-formed method is answered 501, anything else is not HTTP. */
static enum http_step
bad_method(struct http *h)
{
	size_t i;

	for (i = 0; i < 32 && h->buf[i] >= 'A' && h->buf[i] <= 'Z'; i++)
		;
	if (i == 0 || h->buf[i] != ' ')
		return malformed(h, "The request line does not begin with a method.");
	return http_bad(h, PROBLEM_UNKNOWN_METHOD, "Use GET, HEAD, POST, PUT, PATCH or DELETE.");
}

static enum http_step
parse_failed(struct http *h, const llhttp_t *parser)
{
	if (h->state == STEP_BAD)
		return STEP_BAD;
	switch (llhttp_get_errno(parser)) {
	case HPE_INVALID_METHOD:
		return bad_method(h);
	case HPE_INVALID_VERSION:
	case HPE_PAUSED_H2_UPGRADE:
		return http_bad(h, PROBLEM_HTTP_VERSION, "Send the request as HTTP/1.1.");
	default:
		return malformed(h, parser->reason && *parser->reason
					    ? parser->reason
					    : "The request does not match HTTP's grammar.");
	}
}

static int
field_of(struct slice name)
{
	size_t i;

	for (i = 0; i < sizeof field_names / sizeof *field_names; i++) {
		const char *want = field_names[i].name;

		if (field_names[i].n == name.n && (want[0] | 32) == (name.p[0] | 32) &&
		    strncasecmp(want, (const char *)name.p, name.n) == 0)
			return (int)field_names[i].field;
	}
	return -1;
}

/* Lists may come in several fields: one value, as RFC 9110 section 5.2 says. */
static bool
join(struct http *h, struct slice *known, struct slice more)
{
	uint8_t *p = arena_alloc(h->arena, known->n + 2 + more.n);

	if (!p) {
		http_bad(h, PROBLEM_OVERLOADED, "No memory for the request.");
		return false;
	}
	memcpy(p, known->p, known->n);
	memcpy(p + known->n, ", ", 2);
	memcpy(p + known->n + 2, more.p, more.n);
	*known = slice_of(p, known->n + 2 + more.n);
	return true;
}

static bool
sort_fields(struct http *h)
{
	size_t i;

	for (i = 0; i < h->n_fields; i++) {
		struct slice value = h->fields[i].value;
		int f = field_of(h->fields[i].name);

		if (h->fields[i].name.n == 0) {
			malformed(h, "A header field has no name.");
			return false;
		}
		if (!value.p)
			value = h->fields[i].value = slice_of("", 0);
		if (f < 0)
			continue;
		if (!h->known[f].p) {
			h->known[f] = value;
		} else if (f == HEADER_ACCEPT || f == HEADER_PREFER) {
			if (!join(h, &h->known[f], value))
				return false;
		} else {
			malformed(h, "A header field that may come once comes twice.");
			return false;
		}
	}
	return true;
}

static bool
is_word(struct slice s, const char *word)
{
	return s.n == strlen(word) && strncasecmp((const char *)s.p, word, s.n) == 0;
}

/* RFC 9112 section 6: one way only to say where the body ends. */
static bool
frame_body(struct http *h)
{
	struct slice length = h->known[HEADER_CONTENT_LENGTH];
	struct slice coding = h->known[HEADER_TRANSFER_ENCODING];
	size_t i;

	if (length.p && coding.p) {
		malformed(h, "Content-Length and Transfer-Encoding exclude each other.");
		return false;
	}
	h->chunked = coding.p && is_word(coding, "chunked") && h->http_1_1;
	if (coding.p && !h->chunked) {
		malformed(h, "The only Transfer-Encoding is chunked, and only in HTTP/1.1.");
		return false;
	}
	if (length.p && (length.n == 0 || length.n > 18)) {
		malformed(h, "Content-Length is not a number.");
		return false;
	}
	for (i = 0; i < length.n; i++) {
		if (length.p[i] < '0' || length.p[i] > '9') {
			malformed(h, "Content-Length is not a number.");
			return false;
		}
		h->length = h->length * 10 + (uint64_t)(length.p[i] - '0');
	}
	return true;
}

/* Origin form, or absolute form of which the authority is dropped (RFC 9112 section 3.2). */
static bool
split_target(struct http *h)
{
	struct slice t = h->target;
	const uint8_t *q;
	size_t n = 0;

	if (t.n > LIMIT_HTTP_TARGET_BYTES) {
		http_bad(h, PROBLEM_TARGET_TOO_LONG, "The target may have 4096 bytes.");
		return false;
	}
	if (t.n > 7 && strncasecmp((const char *)t.p, "http://", 7) == 0)
		n = 7;
	if (t.n > 8 && strncasecmp((const char *)t.p, "https://", 8) == 0)
		n = 8;
	if (n) {
		for (; n < t.n && !memchr("/?#", t.p[n], 3); n++)
			;
		t = n < t.n ? slice_of(t.p + n, t.n - n) : slice_of("/", 1);
	}
	if (t.n == 0 || t.p[0] != '/' || memchr(t.p, '#', t.n)) {
		malformed(h, "The request target must be a path.");
		return false;
	}
	q = memchr(t.p, '?', t.n);
	h->path = q ? slice_of(t.p, (size_t)(q - t.p)) : t;
	h->query = q ? slice_of(q + 1, (size_t)(t.p + t.n - q) - 1) : slice_of("", 0);
	return true;
}

static enum method
method_of(uint8_t m)
{
	switch (m) {
	case HTTP_GET:
		return METHOD_GET;
	case HTTP_HEAD:
		return METHOD_HEAD;
	case HTTP_POST:
		return METHOD_POST;
	case HTTP_PUT:
		return METHOD_PUT;
	case HTTP_PATCH:
		return METHOD_PATCH;
	case HTTP_DELETE:
		return METHOD_DELETE;
	default:
		return METHOD_OTHER;
	}
}

/* What llhttp leaves to its user. */
static bool
check_head(struct http *h, const llhttp_t *parser)
{
	h->method = method_of(parser->method);
	if (parser->http_major != 1 || parser->http_minor > 1) {
		http_bad(h, PROBLEM_HTTP_VERSION, "Send the request as HTTP/1.1.");
		return false;
	}
	h->http_1_1 = parser->http_minor == 1;
	if (!sort_fields(h) || !frame_body(h) || !split_target(h))
		return false;
	if (h->http_1_1 && !h->known[HEADER_HOST].p) {
		malformed(h, "An HTTP/1.1 request must have a Host field.");
		return false;
	}
	if (h->http_1_1 && h->known[HEADER_EXPECT].p) {
		if (!is_word(h->known[HEADER_EXPECT], "100-continue")) {
			http_bad(h, PROBLEM_EXPECTATION_FAILED,
				 "The only expectation is 100-continue.");
			return false;
		}
		h->expect_continue = true;
	}
	return true;
}

static enum http_step
parse_head(struct http *h)
{
	llhttp_errno_t err;
	llhttp_t parser;

	if (memcmp(h->buf, "PRI ", 4) == 0) /* HTTP/2's preface (RFC 9113 section 3.4) */
		return http_bad(h, PROBLEM_HTTP_VERSION, "Send the request as HTTP/1.1.");
	llhttp_init(&parser, HTTP_REQUEST, &settings);
	parser.data = h;
	err = llhttp_execute(&parser, (const char *)h->buf, h->head_n);
	if (err != HPE_OK && err != HPE_PAUSED && err != HPE_PAUSED_UPGRADE)
		return parse_failed(h, &parser);
	if (!h->complete)
		return malformed(h, "The head does not end where its lines end.");
	if (!check_head(h, &parser))
		return STEP_BAD;
	h->used_n = h->head_n + (http_whole(h) ? (size_t)h->length : 0);
	return h->state = STEP_HEAD;
}

enum http_step
http_step(struct http *h)
{
	if (h->state != STEP_MORE)
		return h->state;
	if (h->head_n)
		return http_body_step(h);
	if (scan_head(h))
		return parse_head(h);
	return h->state;
}

void
http_next(struct http *h)
{
	size_t rest;

	CHECK(h->used_n <= h->n);
	rest = h->n - h->used_n;
	if (rest)
		memmove(h->buf, h->buf + h->used_n, rest);
	http_body_drop(h);
	memset(h->known, 0, sizeof h->known);
	h->state = STEP_MORE;
	h->target = h->body = slice_of(NULL, 0);
	h->n_fields = h->line_n = h->scanned_n = h->fields_n = h->head_n = h->used_n = 0;
	h->length = h->raw_bytes = 0;
	h->expect_continue = h->chunked = h->complete = false;
	h->chunk = CHUNK_SIZE;
	h->n = rest;
}

bool
http_idle(const struct http *h)
{
	return h->n == 0 && h->head_n == 0;
}

bool
http_whole(const struct http *h)
{
	return !h->chunked && h->length <= h->n - h->head_n;
}

bool
http_field_find(const struct http *h, const char *name, struct slice *value)
{
	size_t i;

	for (i = 0; i < h->n_fields; i++) {
		if (is_word(h->fields[i].name, name)) {
			*value = h->fields[i].value;
			return true;
		}
	}
	return false;
}
