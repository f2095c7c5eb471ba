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

bool
http_body_charge(struct http *h, uint64_t bytes)
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
	if (!http_body_charge(h, cap - h->large_cap)) {
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
	h->large = h->window = NULL;
	h->large_n = h->large_cap = h->window_n = h->window_cap = 0;
	h->charged_bytes = h->streamed_bytes = h->max_stream = 0;
	h->streaming = false;
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

void
http_accept_stream(struct http *h, uint64_t gather_bytes, uint64_t max_bytes)
{
	/* so that nothing can have come behind a body that is not gathered */
	CHECK(h->state == STEP_HEAD && gather_bytes >= LIMIT_HTTP_BUFFER_BYTES &&
	      max_bytes >= gather_bytes);
	h->max_stream = max_bytes;
	if (h->chunked || h->length <= gather_bytes || h->length > max_bytes) {
		http_accept(h, h->chunked || h->length <= gather_bytes ? gather_bytes : max_bytes);
		return;
	}
	h->streaming = true;
	h->state = STEP_PIECE;
}

struct slice
http_piece(struct http *h, uint8_t **gathered)
{
	struct slice piece =
		h->large ? slice_of(h->large, h->large_n) : slice_of(h->window, h->window_n);

	CHECK(h->state == STEP_PIECE);
	*gathered = h->large;
	if (h->charged_bytes)
		atomic_fetch_sub(&h->budget->used_bytes, h->charged_bytes);
	h->charged_bytes = 0;
	h->large = NULL;
	h->large_n = h->large_cap = h->window_n = 0;
	h->streamed_bytes += piece.n;
	return piece;
}

void
http_window(struct http *h, uint8_t *p, size_t cap)
{
	size_t have = h->chunked ? 0 : h->n - h->head_n; /* what came with the head */

	CHECK(h->state == STEP_PIECE && h->window_n == 0 && cap >= LIMIT_HTTP_BUFFER_BYTES);
	h->window = p;
	h->window_cap = cap;
	if (have) {
		memcpy(p, h->buf + h->head_n, have);
		h->window_n = have;
		h->n = h->used_n = h->head_n;
	}
	h->state = STEP_MORE;
}

static enum http_step
ready(struct http *h, const uint8_t *p, size_t n)
{
	h->body = slice_of(p, n);
	return h->state = STEP_READY;
}

static void
too_long(struct http *h)
{
	http_bad(h, PROBLEM_BODY_TOO_LARGE,
		 h->max_body ? "The body is longer than this resource takes."
			     : "This resource takes no body.");
}

/* Data of a chunk into the window: how much of it fits; a full window is a piece. */
static size_t
stream(struct http *h, const uint8_t *p, size_t n)
{
	size_t room = h->window_cap - h->window_n;

	n = n < room ? n : room;
	if (n > h->max_stream - h->streamed_bytes - h->window_n) {
		too_long(h);
		return 0;
	}
	memcpy(h->window + h->window_n, p, n);
	h->window_n += n;
	if (n == 0)
		h->state = STEP_PIECE;
	return n;
}

/* Data of a chunk: how much of it was taken; 0 when it is refused, or must wait. */
static size_t
append(struct http *h, const uint8_t *p, size_t n)
{
	size_t cap = h->large_cap ? h->large_cap : CHUNKED_BYTES;

	if (h->streaming)
		return stream(h, p, n);
	if (n > h->max_body - h->large_n) {
		h->streaming = h->max_stream > 0;
		if (h->streaming)
			h->state = STEP_PIECE;
		else
			too_long(h);
		return 0;
	}
	while (cap - h->large_n < n)
		cap *= 2;
	if (cap > h->large_cap && !grow(h, cap))
		return 0;
	memcpy(h->large + h->large_n, p, n);
	h->large_n += n;
	return n;
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
	n = append(h, p, n);
	h->chunk_left -= n;
	if (n && h->chunk_left == 0)
		h->chunk = CHUNK_END;
	return n;
}

/* More framing than any sender has reason for. */
static bool
wasteful(const struct http *h)
{
	uint64_t data = h->streamed_bytes + h->window_n + h->large_n;

	return h->raw_bytes > data * (uint64_t)CHUNK_OVERHEAD + CHUNKED_BYTES;
}

static enum http_step
chunked_step(struct http *h)
{
	uint8_t *from = h->buf + h->head_n;
	size_t n = h->n - h->head_n, at = 0, used;

	h->complete = false;
	while (at < n && !h->complete && (used = take_piece(h, from + at, n - at)) > 0 &&
	       h->state == STEP_MORE)
		at += used;
	if (h->state == STEP_BAD)
		return STEP_BAD;
	memmove(from, from + at, n - at);
	h->n -= at;
	if (h->complete && h->streaming)
		return ready(h, h->window, h->window_n);
	if (h->complete)
		return ready(h, h->large ? h->large : from, h->large_n);
	h->raw_bytes += at;
	if (wasteful(h))
		return http_bad(h, PROBLEM_MALFORMED_HTTP,
				"The chunks have more framing than content.");
	return h->state;
}

/* A body of known length on its way through windows. */
static enum http_step
window_step(struct http *h)
{
	if (h->streamed_bytes + h->window_n == h->length)
		return ready(h, h->window, h->window_n);
	return h->state = h->window_n == h->window_cap ? STEP_PIECE : STEP_MORE;
}

enum http_step
http_body_step(struct http *h)
{
	if (h->chunked)
		return chunked_step(h);
	if (h->streaming)
		return window_step(h);
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
	uint64_t left;
	size_t room;

	if (h->state == STEP_BAD || h->state == STEP_PIECE)
		return 0;
	if (h->state == STEP_MORE && h->streaming && !h->chunked) {
		left = h->length - h->streamed_bytes - h->window_n;
		room = h->window_cap - h->window_n;
		*p = h->window + h->window_n;
		return left < room ? (size_t)left : room;
	}
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
	if (h->state == STEP_MORE && h->streaming && !h->chunked)
		h->window_n += n;
	else if (h->state == STEP_MORE && h->large && !h->chunked)
		h->large_n += n;
	else
		h->n += n;
	CHECK(h->n <= LIMIT_HTTP_BUFFER_BYTES && h->large_n <= h->large_cap &&
	      h->window_n <= h->window_cap);
}
