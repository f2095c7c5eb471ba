/*
 * Lines, a chunk at a time: one index for some hundred lines, small enough to
 * stay in the cache until they are walked. A chunk that the fast path does not
 * accept is read again, line by line, by the grammar, which decides.
 */
#include "proto/err.h"
#include "proto/json.h"
#include "proto/json_error.h"
#include "proto/json_grammar.h"
#include "proto/json_index.h"
#include "proto/json_walk.h"
#include "proto/limits.h"

enum { CHUNK_BYTES = 128 << 10 };

struct split {
	struct json_scanner *js;
	struct slice body;
	struct slice *lines;
	size_t cap;
	size_t n;
	struct json_error *err;
};

/* Where the line at from ends: at its LF, or at to. */
static size_t
line_end(struct slice body, size_t from, size_t to)
{
	const uint8_t *lf = memchr(body.p + from, '\n', to - from);

	return lf ? (size_t)(lf - body.p) : to;
}

/* Where the chunk at from ends: behind an LF or at the end; one line at least. */
static size_t
chunk_end(struct slice body, size_t from)
{
	const uint8_t *lf;

	if (body.n - from <= CHUNK_BYTES)
		return body.n;
	lf = memrchr(body.p + from, '\n', CHUNK_BYTES);
	if (lf)
		return (size_t)(lf - body.p) + 1;
	from = line_end(body, from + CHUNK_BYTES, body.n);
	return from < body.n ? from + 1 : from;
}

/* The record in a line that ends at to. */
static struct slice
record(struct slice body, size_t from, size_t to)
{
	if (to > from && body.p[to - 1] == '\r')
		to--;
	return slice_of(body.p + from, to - from);
}

static bool
is_blank(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\r')
			return false;
	}
	return true;
}

/* Takes the lines in [from, to) when all is well; false, s->n anything, when not. */
static bool
take_chunk(struct split *s, size_t from, size_t to)
{
	struct slice chunk = slice_of(s->body.p + from, to - from);
	const uint32_t *at, *next;
	struct json_index x;

	if (json_index_make(&x, s->js, chunk.p, chunk.n) != 0 || !json_walk_escapes(chunk))
		return false;
	at = x.at;
	for (size_t start = 0, end; at < x.end; start = end + 1) {
		end = line_end(chunk, start, chunk.n);
		if (*at >= end)
			continue; /* blank */
		next = json_walk_value(&x, at, 0);
		if (!next || next[-1] >= end || (next < x.end && *next < end))
			return false;
		at = next;
		if (s->n == s->cap)
			return false;
		s->lines[s->n] = record(chunk, start, end);
		if (s->lines[s->n++].n > LIMIT_RECORD_BYTES)
			return false;
	}
	return true;
}

/* Takes the lines in [from, to) with all due care. */
static int
read_chunk(struct split *s, size_t from, size_t to)
{
	for (size_t end; from < to; from = end + 1) {
		struct slice line;
		const char *message;
		size_t offset;
		int code;

		end = line_end(s->body, from, to);
		line = record(s->body, from, end);
		if (is_blank(line))
			continue;
		if (s->n == s->cap)
			return json_error_set(s->err, STELE_ELIMIT, s->body, from,
					      "too many records");
		if (line.n > LIMIT_RECORD_BYTES)
			return json_error_set(s->err, STELE_ELIMIT, s->body, from,
					      "a record is too large");
		code = json_grammar_check(line, &offset, &message);
		if (code)
			return json_error_set(s->err, code, s->body, from + offset, message);
		s->lines[s->n++] = line;
	}
	return 0;
}

int
json_ndjson_split(struct json_scanner *js, struct slice body, struct slice *lines, size_t cap,
		  size_t *n, struct json_error *err)
{
	struct split s = {.js = js, .body = body, .lines = lines, .cap = cap, .err = err};
	size_t to;

	for (size_t from = 0; from < body.n; from = to) {
		size_t before = s.n;
		to = chunk_end(body, from);
		if (to - from <= LIMIT_RECORD_BYTES + 2 && take_chunk(&s, from, to))
			continue;
		s.n = before;
		int code = read_chunk(&s, from, to);
		if (code)
			return code;
	}
	*n = s.n;
	return 0;
}
