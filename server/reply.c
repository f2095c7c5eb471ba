/*
 * One buffer holds head and body; Content-Length's digits are filled in at the
 * end, right-aligned: spaces before a field's value mean nothing.
 */
#include "server/reply.h"

#include <stdarg.h>
#include <stdio.h>

#include "proto/check.h"
#include "proto/err.h"
#include "server/request.h"
#include "server/router.h"
#include "server/server.h"

enum {
	HEAD_BYTES = 1024, /* a head and a small answer */
	DETAIL_BYTES = 512,
};

static void
begin(struct request *r, int status, struct slice line, bool has_length, const char *type)
{
	struct buf *b = &r->out;

	CHECK(r->status == 0);
	r->status = status;
	buf_reserve(b, HEAD_BYTES);
	buf_put_slice(b, line);
	r->length_at = has_length ? b->n - PROBLEM_LENGTH_DIGITS : 0;
	if (type) {
		buf_put_str(b, "\r\nContent-Type: ");
		buf_put_str(b, type);
	}
	buf_put_slice(b, r->date);
	if (r->server->demo)
		buf_put_str(b, "\r\nStele-Demo: true");
	if (r->close)
		buf_put_str(b, "\r\nConnection: close");
	else if (!r->http.http_1_1)
		buf_put_str(b, "\r\nConnection: keep-alive");
}

void
reply_begin(struct request *r, int status, const char *type)
{
	/* 204 and 304 have no body, nor a length of one */
	begin(r, status, problem_status_line(status), status != 204 && status != 304, type);
}

void
reply_header_slice(struct request *r, const char *name, struct slice value)
{
	struct buf *b = &r->out;

	buf_put_str(b, "\r\n");
	buf_put_str(b, name);
	buf_put_str(b, ": ");
	buf_put_slice(b, value);
}

void
reply_header(struct request *r, const char *name, const char *value)
{
	reply_header_slice(r, name, slice_str(value));
}

struct buf *
reply_body(struct request *r)
{
	buf_put_str(&r->out, "\r\n\r\n");
	r->body_at = r->out.n;
	return &r->out;
}

/* What is left to say when there is no memory to say it in. */
static void
no_memory(struct request *r)
{
	static const char last_words[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
					 "Retry-After: 1\r\nConnection: close\r\n\r\n";

	buf_reset(&r->out);
	buf_put_str(&r->out, last_words);
	r->status = 503;
	r->close = true;
	request_drop_source(r);
}

void
reply_end(struct request *r)
{
	struct buf *b = &r->out;
	size_t at = r->length_at + PROBLEM_LENGTH_DIGITS;
	uint64_t n;

	if (b->err) {
		no_memory(r);
	} else if (r->length_at) {
		n = b->n - r->body_at + r->more_bytes;
		do {
			b->p[--at] = (uint8_t)('0' + n % 10);
			n /= 10;
		} while (n);
		CHECK(at > r->length_at);
		if (r->no_body) {
			b->n = r->body_at;
			request_drop_source(r);
		}
	}
	r->send(r);
}

/* --- in chunks ------------------------------------------------------------------------------ */

enum { CHUNK_DIGITS = REPLY_CHUNK_HEAD - 2 };

bool
reply_begin_chunked(struct request *r, const char *type)
{
	static const struct slice line = {(const uint8_t *)"HTTP/1.1 200 OK", 15};

	if (!r->http.http_1_1) {
		reply_problem(
			r, PROBLEM_HTTP_VERSION,
			"What has no end in sight comes in chunks: send the request as HTTP/1.1.");
		return false;
	}
	r->close = true;
	begin(r, 200, line, false, type);
	reply_header(r, "Transfer-Encoding", "chunked");
	return true;
}

size_t
reply_chunk_begin(struct buf *b)
{
	size_t at = b->n;

	buf_put(b, "00000000\r\n", REPLY_CHUNK_HEAD);
	return at;
}

void
reply_chunk_end(struct buf *b, size_t at)
{
	size_t n;

	if (b->err)
		return;
	n = b->n - at - REPLY_CHUNK_HEAD;
	CHECK(n > 0 && n <= UINT32_MAX); /* an empty one would be the last */
	for (int i = CHUNK_DIGITS; i-- > 0; n >>= 4)
		b->p[at + (size_t)i] = (uint8_t) "0123456789abcdef"[n & 15];
	buf_put_str(b, "\r\n");
}

void
reply_chunk_last(struct buf *b)
{
	buf_put_str(b, "0\r\n\r\n");
}

/* --- whole --------------------------------------------------------------------------------- */

void
reply_bytes(struct request *r, int status, const char *type, struct slice body)
{
	reply_begin(r, status, type);
	buf_put_slice(reply_body(r), body);
	reply_end(r);
}

static struct buf *
problem_start(struct request *r, enum problem p, const char *detail)
{
	struct buf *b = &r->out;
	unsigned wait = r->retry_after_s ? r->retry_after_s : problem_retry_after_s(p);

	reply_begin(r, problem_status(p), "application/problem+json");
	if (wait)
		buf_printf(b, "\r\nRetry-After: %u", wait);
	if (p == PROBLEM_UNAUTHORIZED)
		reply_header(r, "WWW-Authenticate", "Bearer realm=\"stele\"");
	if (p == PROBLEM_UNSUPPORTED_ENCODING)
		reply_header(r, "Accept-Encoding", "gzip, zstd");
	if (p == PROBLEM_METHOD_NOT_ALLOWED)
		reply_header(r, "Allow", router_allow(r->http.path));
	reply_body(r);
	problem_begin(b, p, detail);
	return b;
}

struct buf *
reply_problem_begin(struct request *r, enum problem p, const char *fmt, ...)
{
	char detail[DETAIL_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	return problem_start(r, p, detail);
}

void
reply_problem_end(struct request *r)
{
	buf_put_u8(&r->out, '}');
	reply_end(r);
}

void
reply_problem(struct request *r, enum problem p, const char *fmt, ...)
{
	char detail[DETAIL_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	problem_start(r, p, detail);
	reply_problem_end(r);
}

void
reply_err(struct request *r, int err)
{
	enum problem p = problem_of_err(err);

	switch (p) {
	case PROBLEM_OVERLOADED:
		reply_problem(r, p,
			      "The queue is full. Nothing was stored: send it again after "
			      "the time in Retry-After.");
		break;
	case PROBLEM_READ_ONLY:
		reply_problem(r, p,
			      "A write or flush failed and nothing more is written until "
			      "an operator restarts the server. Nothing of this was "
			      "acknowledged; reads go on.");
		break;
	case PROBLEM_LOW_SPACE:
		reply_problem(r, p,
			      "Free disk space is below the operator's limit. Nothing was "
			      "stored; reads go on. Free some space, then send it again.");
		break;
	case PROBLEM_SHUTTING_DOWN:
		reply_problem(r, p, "Nothing was stored: send it again when the server is back.");
		break;
	case PROBLEM_PURGED:
		reply_problem(
			r, p,
			"The payload was purged, and what repeats it is not stored again: its "
			"idempotency key is still known.");
		break;
	case PROBLEM_DAMAGED:
		reply_problem(r, p,
			      "The stored bytes do not match their hash and are not "
			      "served. Run `stele fsck` and restore from a copy.");
		break;
	default:
		reply_problem(r, p, "The operation failed: %s. The server's own log says more.",
			      stele_strerror(err));
	}
}
