/*
 * A body with a length that fits beside its head stays there. A longer one is
 * read straight into memory of its own, which grows only as bytes come; so
 * does a chunked one, which llhttp takes apart in between.
 */
#include "server/http_body.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"

enum {
	FIRST_BYTES = 1 << 20,   /* trusted to a length before a byte has come */
	CHUNKED_BYTES = 1 << 16, /* first room of a body of unknown length */
	CHUNK_OVERHEAD = 16,     /* raw bytes per body byte: one-byte chunks cost 6 */
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

bool
http_body_append(struct http *h, const char *p, size_t n)
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

static enum http_step
chunked_step(struct http *h)
{
	uint8_t *from = h->buf + h->head_n;
	size_t n = h->n - h->head_n;
	llhttp_errno_t err = llhttp_execute(&h->parser, (const char *)from, n);

	if (h->complete && (err == HPE_PAUSED || err == HPE_PAUSED_UPGRADE)) {
		size_t taken = (size_t)((const uint8_t *)llhttp_get_error_pos(&h->parser) - from);

		CHECK(taken <= n);
		memmove(from, from + taken, n - taken);
		h->n = h->head_n + n - taken;
		return ready(h, h->large ? h->large : from, h->large_n);
	}
	if (err != HPE_OK)
		return http_parse_failed(h);
	h->n = h->head_n;
	h->raw_bytes += n;
	if (h->raw_bytes > h->large_n * (uint64_t)CHUNK_OVERHEAD + CHUNKED_BYTES)
		return http_bad(h, PROBLEM_MALFORMED_HTTP,
				"The chunks have more framing than content.");
	return h->state;
}

enum http_step
http_body_step(struct http *h)
{
	if (h->chunked)
		return h->n > h->head_n ? chunked_step(h) : h->state;
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
