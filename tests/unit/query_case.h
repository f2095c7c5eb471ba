/*
 * Records and filters of query tests: a filter by its text, a payload at a fence,
 * so that whatever reads behind its end is caught.
 */
#ifndef STELE_TESTS_UNIT_QUERY_CASE_H
#define STELE_TESTS_UNIT_QUERY_CASE_H

#include <check.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/match.h"
#include "tests/unit/fence.h"

/* 2026-11-23T00:00:00Z */
#define QUERY_CASE_RECEIVED_NS INT64_C(1795392000000000000)

/* A schema for made-up records. */
#define QUERY_CASE_SCHEMA                                                                          \
	"{\"name\":\"test\",\"when\":\"v:*\",\"nothing\":[\"-\"],\"fields\":{"                     \
	"\"time\":[{\"path\":\"ms\",\"unit\":\"ms\"},\"at\"],"                                     \
	"\"actor\":[[\"user\",\"as\"],\"uid\"],\"action\":[\"do\"],"                               \
	"\"outcome\":[{\"path\":\"code\",\"map\":{\"2*\":\"success\",\"404\":\"missing\",\"*\":"   \
	"\"failure\"}},{\"value\":\"unsaid\"}],"                                                   \
	"\"severity\":[{\"path\":\"level\",\"map\":{\"1\":\"low\"}},\"grade\"],\"source_ip\":[\"ip\"],\"event_id\":[\"id\"]}}"

struct query_case {
	struct arena arena;
	struct schema schema;
	struct schema_set set;
	uint8_t *fence;
	int chosen; /* -1 */
	bool parsed;
	const char *writer;
};

static inline void
query_case_init(struct query_case *q)
{
	struct buf why;
	int code;

	*q = (struct query_case){.chosen = -1, .writer = "w-1"};
	arena_init(&q->arena);
	buf_init(&why);
	code = schema_read(&q->schema, &q->arena, slice_str(QUERY_CASE_SCHEMA), &why);
	ck_assert_msg(code == 0, "%.*s", (int)why.n, (const char *)why.p);
	buf_fini(&why);
	q->set = (struct schema_set){&q->schema, 1};
	q->fence = fence_new();
}

static inline void
query_case_fini(struct query_case *q)
{
	fence_free(q->fence);
	arena_fini(&q->arena);
}

static inline struct filter
query_case_filter(struct query_case *q, const char *text)
{
	struct text_error err;
	struct filter f;
	int code = filter_parse(&f, &q->arena, slice_str(text), &err);

	ck_assert_msg(code == 0, "%s: column %zu: %s", text, err.column, err.message);
	return f;
}

static inline struct match_result
query_case_run(struct query_case *q, const char *filter, struct slice payload)
{
	struct filter f = query_case_filter(q, filter);
	struct matcher *m = matcher_new(&f, &q->set, q->chosen);
	struct match_record r = {.payload = fence_put(q->fence, payload),
				 .received_ns = QUERY_CASE_RECEIVED_NS,
				 .writer = slice_str(q->writer),
				 .parsed = q->parsed};
	struct match_result result;

	ck_assert_ptr_nonnull(m);
	ck_assert_int_eq(matcher_run(m, &r, &result), 0);
	matcher_free(m);
	return result;
}

/* y, n or u: the verdict on a payload. */
static inline char
query_case_verdict(struct query_case *q, const char *filter, const char *payload)
{
	return "nyu"[query_case_run(q, filter, slice_str(payload)).verdict];
}

/* One row of a table: y, n or u, of a filter on a payload. */
struct query_verdict {
	char expected;
	const char *filter, *payload;
};

#define ASSERT_VERDICT(q, expected, filter, payload)                                               \
	ck_assert_msg(query_case_verdict(q, filter, payload) == (expected),                        \
		      "expected %c: %s on %s", expected, filter, payload)

/* Each of the n rows, by a case of their own. */
static inline void
query_case_verdicts(const struct query_verdict *rows, size_t n)
{
	struct query_case q;

	query_case_init(&q);
	for (size_t i = 0; i < n; i++)
		ASSERT_VERDICT(&q, rows[i].expected, rows[i].filter, rows[i].payload);
	query_case_fini(&q);
}

#endif
