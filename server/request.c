/* Small readers over a request's head. */
#include "server/request.h"

#include <string.h>
#include <strings.h>

#include "proto/dec.h"
#include "proto/err.h"
#include "server/reply.h"
#include "server/access.h"
#include "server/upload.h"

enum {
	ARENA_KEPT_BYTES = 64 << 10, /* what an idle request may hold on to */
	OUT_KEPT_BYTES = 64 << 10,
};

void *
request_state(struct request *r, size_t n)
{
	void *state = arena_alloc(&r->arena, n);

	if (!state) {
		reply_err(r, STELE_ENOMEM);
		return NULL;
	}
	memset(state, 0, n);
	r->state = state;
	return state;
}

void
request_answered(struct request *r)
{
	if (r->arena.used_bytes > ARENA_KEPT_BYTES)
		arena_fini(&r->arena);
	else
		arena_reset(&r->arena);
	if (r->decoded.cap)
		buf_fini(&r->decoded);
	if (r->has_job)
		append_job_fini(&r->job);
	r->has_job = false;
}

void
request_drop_source(struct request *r)
{
	if (r->source)
		r->source_free(r->source);
	r->source = NULL;
	r->left = NULL;
	r->lent = slice_of(NULL, 0);
}

void
request_reset(struct request *r)
{
	if (r->upload)
		upload_abandon(r);
	request_drop_source(r);
	request_answered(r);
	if (r->out.cap > OUT_KEPT_BYTES)
		buf_fini(&r->out);
	buf_reset(&r->out);
	token_unref(r->token);
	r->token = NULL;
	r->route = NULL;
	r->log = NULL;
	r->state = NULL;
	r->status = 0;
	r->retry_after_s = 0;
	r->more_bytes = 0;
	r->close = r->no_body = false;
}

/* The next element of a comma-separated list, without its parameters. */
static struct slice
next_element(struct slice *list)
{
	const uint8_t *comma = memchr(list->p, ',', list->n), *semi;
	struct slice e = slice_of(list->p, comma ? (size_t)(comma - list->p) : list->n);

	list->p += e.n + (comma ? 1 : 0);
	list->n -= e.n + (comma ? 1 : 0);
	semi = memchr(e.p, ';', e.n);
	if (semi)
		e.n = (size_t)(semi - e.p);
	while (e.n && (e.p[0] == ' ' || e.p[0] == '\t'))
		e.p++, e.n--;
	while (e.n && (e.p[e.n - 1] == ' ' || e.p[e.n - 1] == '\t'))
		e.n--;
	return e;
}

bool
request_accepts(const struct request *r, const char *type)
{
	struct slice list = r->http.known[HEADER_ACCEPT];
	size_t n = strlen(type);

	while (list.n) {
		struct slice e = next_element(&list);

		if (e.n == n && strncasecmp((const char *)e.p, type, n) == 0)
			return true;
	}
	return false;
}

static int
hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoding, once (RFC 3986 section 2.1). */
static bool
decode(struct request *r, struct slice in, bool plus_is_space, struct slice *out)
{
	uint8_t *p = arena_alloc(&r->arena, in.n);
	size_t i, n = 0;

	if (!p)
		return false;
	for (i = 0; i < in.n; i++) {
		if (in.p[i] == '%') {
			if (in.n - i < 3 || hex(in.p[i + 1]) < 0 || hex(in.p[i + 2]) < 0)
				return false;
			p[n++] = (uint8_t)(hex(in.p[i + 1]) << 4 | hex(in.p[i + 2]));
			i += 2;
		} else {
			p[n++] = in.p[i] == '+' && plus_is_space ? ' ' : in.p[i];
		}
	}
	*out = slice_of(p, n);
	return true;
}

bool
request_param(struct request *r, size_t i, struct slice *value)
{
	return decode(r, r->param[i], false, value);
}

int
request_query_next(struct request *r, const char *name, struct slice *rest, struct slice *value)
{
	size_t want = strlen(name);

	if (!rest->p)
		*rest = r->http.query;
	while (rest->n) {
		struct slice q = *rest, raw;
		const uint8_t *amp = memchr(q.p, '&', q.n);
		size_t n = amp ? (size_t)(amp - q.p) : q.n;

		*rest = slice_of(q.p + n + (amp ? 1 : 0), q.n - n - (amp ? 1 : 0));
		if (n < want || memcmp(q.p, name, want) != 0 || (n > want && q.p[want] != '='))
			continue;
		raw = n == want ? slice_of("", 0) : slice_of(q.p + want + 1, n - want - 1);
		if (decode(r, raw, true, value))
			return 1;
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "The query parameter %s is not percent-encoded correctly.", name);
		return -1;
	}
	return 0;
}

int
request_query(struct request *r, const char *name, struct slice *value)
{
	struct slice rest = {NULL, 0}, again;
	int found = request_query_next(r, name, &rest, value);

	if (found != 1)
		return found;
	switch (request_query_next(r, name, &rest, &again)) {
	case 0:
		return 1;
	case 1:
		reply_problem(r, PROBLEM_INVALID_PARAMETER, "The query parameter %s comes twice.",
			      name);
	}
	return -1;
}

int
request_query_number(struct request *r, const char *name, uint64_t *value)
{
	struct slice s;
	int found = request_query(r, name, &s);

	if (found <= 0)
		return found;
	if (dec_parse(value, s, LIMIT_INTEGER) == 0)
		return 1;
	reply_problem(r, PROBLEM_INVALID_PARAMETER, "The query parameter %s must be a number.",
		      name);
	return -1;
}

bool
request_page(struct request *r, struct slice *after, uint64_t *limit)
{
	if (request_query(r, "after", after) < 0 || request_query_number(r, "limit", limit) < 0)
		return false;
	if (*limit >= 1 && *limit <= LIMIT_LIST_ROWS)
		return true;
	reply_problem(r, PROBLEM_INVALID_PARAMETER, "limit must be from 1 to %u.", LIMIT_LIST_ROWS);
	return false;
}
