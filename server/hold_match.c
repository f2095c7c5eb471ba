/* The matcher of proto/match.h, for holds. */
#include "server/hold_match.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/filter.h"
#include "proto/match.h"
#include "server/mapping.h"
#include "storage/read.h"

struct hold_matcher {
	struct arena arena; /* the filter's, and its text */
	struct filter filter;
	struct matcher *matcher;
};

/* A filter without a matter: an alias in it would be a text that nobody meant. */
static int
no_alias(void *ctx, struct slice name, const struct slice **values, size_t *n)
{
	(void)ctx;
	(void)name;
	(void)values;
	(void)n;
	return STELE_EPERM;
}

int
hold_filter_check(struct slice text, const struct filter_aliases *aliases, struct buf *expanded,
		  struct buf *why)
{
	static const struct filter_aliases none = {no_alias, NULL};
	struct text_error e = {0};
	struct filter filter;
	struct arena arena;
	int err;

	arena_init(&arena);
	err = filter_parse_with(&filter, &arena, text, aliases ? aliases : &none, &e);
	if (err == 0 && expanded)
		filter_print(expanded, &filter);
	if (err == STELE_ESYNTAX || err == STELE_ELIMIT)
		buf_printf(why, "The filter, at character %zu: %s.", e.column, e.message);
	arena_fini(&arena);
	return err;
}

static int
ready(struct hold_matcher *m, const struct mapping *mapping, const struct hold *h)
{
	size_t n = strlen(h->filter);
	const char *text = arena_dup(&m->arena, h->filter, n + 1);
	const struct filter_simple simple = {
		.has_from = h->from_ns != 0,
		.has_to = h->to_ns != 0,
		.from_ns = h->from_ns,
		.to_ns = h->to_ns,
		.filter = slice_of(text, n),
	};
	struct text_error e;
	int err = text ? filter_build(&m->filter, &m->arena, &simple, &e) : STELE_ENOMEM;

	if (err != 0)
		return err;
	m->matcher = matcher_new(&m->filter, &mapping->set, mapping->chosen);
	return m->matcher ? 0 : STELE_ENOMEM;
}

int
hold_matcher_new(struct hold_matcher **out, const struct mapping *mapping, const struct hold *h)
{
	struct hold_matcher *m = calloc(1, sizeof *m);
	int err;

	if (!m)
		return STELE_ENOMEM;
	arena_init(&m->arena);
	err = ready(m, mapping, h);
	if (err == 0)
		*out = m;
	else
		hold_matcher_free(m);
	return err;
}

void
hold_matcher_free(struct hold_matcher *m)
{
	if (!m)
		return;
	matcher_free(m->matcher);
	arena_fini(&m->arena);
	free(m);
}

int
hold_matcher_run(struct hold_matcher *m, const struct record *r, enum hold_verdict *out)
{
	const struct match_record record = {
		.payload =
			r->object ? slice_of("", 0) : r->payload, /* no JSON: it cannot be told */
		.received_ns = r->entry.time_ns,
		.writer = r->entry.writer,
	};
	struct match_result result;
	int err = matcher_run(m->matcher, &record, &result);

	if (err == 0)
		*out = result.verdict == MATCH_NO    ? HOLD_NOT
		       : result.verdict == MATCH_YES ? HOLD_MATCHED
						     : HOLD_UNPARSED;
	return err;
}
