/*
 * A body with a length that fits beside its head stays there. A longer one is
 * read straight into memory of its own, which grows only as bytes come; so
 * does a chunked one, whose data is copied out of the buffer chunk by chunk.
 */
#include "server/http_body.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"

enum {
	FIRST_BYTES = 1 << 20,   /* trusted to a length before a byte has come */
	CHUNKED_BYTES = 1 << 16, /* first room of a body of unknown length */
	CHUNK_OVERHEAD = 16,     /* raw bytes per body byte: one-byte chunks cost 6 */
	MAX_SIZE_DIGITS = 8,     /* of a chunk's size */
	MAX_SIZE_LINE = 1024,    /* with extensions */
};

static bool
charge(struct http *h, uint64_t bytes)
{
	if (atomic_fetch_add(&h->budget->used_bytes, bytes) + bytes <= h->budget->max_bytes) {
		h->charged_bytes += bytes;
		return true;
	}
	atomic_fetch_sub(&h->budget->used_bytes, bytes);
	return false;
}

static bool
grow(struct http *h, size_t cap)
{
	uint8_t *p;

	CHECK(cap > h->large_cap);
	if (!charge(h, cap - h->large_cap)) {
		http_bad(h, PROBLEM_OVERLOADED, "Too many large bodies at once; send it again.");
		return false;
	}
	p = realloc(h->large, cap);
	if (!p) {
		http_bad(h, PROBLEM_OVERLOADED, "No memory for the body; send it again.");
		return false;
	}
	h->large = p;
	h->large_cap = cap;
	return true;
}

void
http_body_drop(struct http *h)
{
	free(h->large);
	if (h->charged_bytes)
		atomic_fetch_sub(&h->budget->used_bytes, h->charged_bytes);
	h->large = NULL;
	h->large_n = h->large_cap = 0;
	h->charged_bytes = 0;
}

static bool
in_place(const struct http *h)
{
	return !h->chunked && h->head_n + h->length <= LIMIT_HTTP_BUFFER_BYTES;
}

/* What came behind the head moves into memory of its own; nothing can come behind the body. */
static void
start_large(struct http *h)
{
	size_t have = h->n - h->head_n;

	CHECK(have < h->length);
	if (!grow(h, h->length < FIRST_BYTES ? (size_t)h->length : FIRST_BYTES))
		return;
	memcpy(h->large, h->buf + h->head_n, have);
	h->large_n = have;
	h->n = h->used_n = h->head_n;
}

void
http_accept(struct http *h, uint64_t max_bytes)
{
	CHECK(h->state == STEP_HEAD);
	h->max_body = max_bytes;
	h->state = STEP_MORE;
	if (!h->chunked && h->length > max_bytes)
		http_bad(h, PROBLEM_BODY_TOO_LARGE,
			 max_bytes ? "The body is longer than this resource takes."
				   : "This resource takes no body.");
	else if (!h->chunked && !in_place(h))
		start_large(h);
}

static enum http_step
ready(struct http *h, const uint8_t *p, size_t n)
{
	h->body = slice_of(p, n);
	return h->state = STEP_READY;
}

/* Data of a chunk. False: refused. */
static bool
append(struct http *h, const uint8_t *p, size_t n)
{
	size_t cap = h->large_cap ? h->large_cap : CHUNKED_BYTES;

	if (n > h->max_body - h->large_n) {
		http_bad(h, PROBLEM_BODY_TOO_LARGE,
			 h->max_body ? "The body is longer than this resource takes."
				     : "This resource takes no body.");
		return false;
	}
	while (cap - h->large_n < n)
		cap *= 2;
	if (cap > h->large_cap && !grow(h, cap))
		return false;
	memcpy(h->large + h->large_n, p, n);
	h->large_n += n;
	return true;
}

/* RFC 9112 section 7.1: hex digits, extensions that nobody reads, CRLF. */
static bool
read_size(struct http *h, struct slice line)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < line.n && isxdigit(line.p[i]) && i < MAX_SIZE_DIGITS; i++)
		v = v * 16 +
		    (uint64_t)(line.p[i] <= '9' ? line.p[i] - '0' : (line.p[i] | 32) - 'a' + 10);
	if (i == 0 || (i < line.n && line.p[i] != ';'))
		return false;
	for (; i < line.n; i++) {
		if ((line.p[i] < 0x20 && line.p[i] != '\t') || line.p[i] == 0x7f)
			return false;
	}
	h->chunk_left = v;
	h->chunk = v ? CHUNK_DATA : CHUNK_LAST;
	return true;
}

/* A line at p of which n bytes are there: its length with CRLF, 0 when more must come. */
static size_t
take_size(struct http *h, const uint8_t *p, size_t n)
{
	const uint8_t *lf = memchr(p, '\n', n);
	size_t len = lf ? (size_t)(lf - p) + 1 : 0;

	if ((lf ? len : n) > MAX_SIZE_LINE)
		http_bad(h, PROBLEM_MALFORMED_HTTP, "A chunk's size line is too long.");
	else if (lf && (len < 2 || lf[-1] != '\r' || !read_size(h, slice_of(p, len - 2))))
		http_bad(h, PROBLEM_MALFORMED_HTTP, "A chunk's size is not valid.");
	return len;
}

static size_t
take_crlf(struct http *h, const uint8_t *p, size_t n)
{
	if (p[0] != '\r' || (n > 1 && p[1] != '\n')) {
		http_bad(h, PROBLEM_MALFORMED_HTTP,
			 h->chunk == CHUNK_LAST ? "Trailer fields are not accepted."
						: "A chunk does not end where its size says.");
		return 0;
	}
	if (n < 2)
		return 0;
	if (h->chunk == CHUNK_LAST)
		h->complete = true;
	h->chunk = CHUNK_SIZE;
	return 2;
}

/* The next piece at p: how many bytes it used, 0 when more must come. */
static size_t
take_piece(struct http *h, const uint8_t *p, size_t n)
{
	if (h->chunk == CHUNK_SIZE)
		return take_size(h, p, n);
	if (h->chunk != CHUNK_DATA)
		return take_crlf(h, p, n);
	if (n > h->chunk_left)
		n = (size_t)h->chunk_left;
	if (!append(h, p, n))
		return 0;
	h->chunk_left -= n;
	if (h->chunk_left == 0)
		h->chunk = CHUNK_END;
	return n;
}

static enum http_step
chunked_step(struct http *h)
{
	uint8_t *from = h->buf + h->head_n;
	size_t n = h->n - h->head_n, at = 0, used;

	h->complete = false;
	while (at < n && !h->complete && (used = take_piece(h, from + at, n - at)) > 0 &&
	       h->state != STEP_BAD)
		at += used;
	if (h->state == STEP_BAD)
		return STEP_BAD;
	memmove(from, from + at, n - at);
	h->n -= at;
	if (h->complete)
		return ready(h, h->large ? h->large : from, h->large_n);
	h->raw_bytes += at;
	if (h->raw_bytes > h->large_n * (uint64_t)CHUNK_OVERHEAD + CHUNKED_BYTES)
		return http_bad(h, PROBLEM_MALFORMED_HTTP,
				"The chunks have more framing than content.");
	return h->state;
}

enum http_step
http_body_step(struct http *h)
{
	if (h->chunked)
		return chunked_step(h);
	if (!h->large) {
		if (h->n - h->head_n < h->length)
			return h->state;
		h->used_n = h->head_n + (size_t)h->length;
		return ready(h, h->buf + h->head_n, (size_t)h->length);
	}
	if (h->large_n == h->length)
		return ready(h, h->large, h->large_n);
	if (h->large_n == h->large_cap) {
		uint64_t cap = (uint64_t)h->large_cap * 2;

		if (!grow(h, (size_t)(cap < h->length ? cap : h->length)))
			return STEP_BAD;
	}
	return h->state;
}

size_t
http_room(struct http *h, uint8_t **p)
{
	if (h->state == STEP_BAD)
		return 0;
	if (h->state == STEP_MORE && h->large && !h->chunked) {
		*p = h->large + h->large_n;
		return h->large_cap - h->large_n;
	}
	*p = h->buf + h->n;
	return LIMIT_HTTP_BUFFER_BYTES - h->n;
}

void
http_fill(struct http *h, size_t n)
{
	if (h->state == STEP_MORE && h->large && !h->chunked)
		h->large_n += n;
	else
		h->n += n;
	CHECK(h->n <= LIMIT_HTTP_BUFFER_BYTES && h->large_n <= h->large_cap);
}
