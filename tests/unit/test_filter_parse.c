/* Filters: their precedence, their errors with columns, their bounds. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/filter.h"
#include "proto/limits.h"
#include "tests/unit/suite.h"

static struct arena arena;
static struct text_error err;

static int
parse(struct filter *f, const char *text)
{
	return filter_parse(f, &arena, slice_str(text), &err);
}

/* The canonical text of a filter; "" and a note when it is refused. */
static void
assert_reads_as(const char *text, const char *expected)
{
	struct filter f, again;
	struct buf out;

	ck_assert_msg(parse(&f, text) == 0, "%s: column %zu: %s", text, err.column, err.message);
	buf_init(&out);
	filter_print(&out, &f);
	buf_put_u8(&out, 0);
	ck_assert_str_eq((const char *)out.p, expected);
	ck_assert_int_eq(parse(&again, expected), 0);
	ck_assert(filter_equal(&f, &again));
	buf_fini(&out);
}

START_TEST(or_binds_tighter_than_and)
{
	arena_init(&arena);
	assert_reads_as("a=1 AND b=2 OR c=3", "a = 1 AND (b = 2 OR c = 3)");
	assert_reads_as("a=1 OR b=2 AND c=3 OR d=4", "(a = 1 OR b = 2) AND (c = 3 OR d = 4)");
	assert_reads_as("(a=1 AND b=2) OR c=3", "(a = 1 AND b = 2) OR c = 3");
	assert_reads_as("NOT a=1 OR -b=2", "NOT a = 1 OR NOT b = 2");
	assert_reads_as("NOT (a=1 OR b=2)", "NOT (a = 1 OR b = 2)");
	assert_reads_as("-(NOT((a=1)))", "a = 1");
	assert_reads_as("a=1 AND (b=2 AND (c=3)) AND d=4", "a = 1 AND b = 2 AND c = 3 AND d = 4");
	assert_reads_as(" \t\r\n", "");
	assert_reads_as("", "");
	arena_fini(&arena);
}
END_TEST

START_TEST(literals_are_what_they_look_like)
{
	arena_init(&arena);
	assert_reads_as("a=alice", "a = \"alice\"");
	assert_reads_as("a = 'it\"s'", "a = \"it\\\"s\"");
	assert_reads_as("a=\"42\" OR a=42 OR a=042", "a = \"42\" OR a = 42 OR a = \"042\"");
	assert_reads_as("a=true OR a=\"true\" OR a=null", "a = true OR a = \"true\" OR a = null");
	assert_reads_as("a=2026-11-23T15:48:00Z", "a = \"2026-11-23T15:48:00Z\"");
	assert_reads_as("a=system:admin", "a = \"system:admin\"");
	assert_reads_as("a:b:c", "a:\"b:c\"");
	assert_reads_as("a:*", "a:*");
	assert_reads_as("a=al* OR a=\"al*\" OR a=\"al\\*\"",
			"a = \"al*\" OR a = \"al*\" OR a = \"al\\*\"");
	assert_reads_as("source_ip=10.0.0.0/8", "source_ip = \"10.0.0.0/8\"");
	assert_reads_as("a >= -1.5e3 AND b<\"x\"", "a >= -1.5e3 AND b < \"x\"");
	arena_fini(&arena);
}
END_TEST

START_TEST(quotes_make_a_field_a_member)
{
	struct filter f;

	arena_init(&arena);
	ck_assert_int_eq(parse(&f, "actor=\"x\""), 0);
	ck_assert_int_eq(f.root->term.field, FIELD_ACTOR);
	ck_assert_int_eq(parse(&f, "\"actor\"=\"x\""), 0);
	ck_assert_int_eq(f.root->term.field, -1);
	ck_assert_int_eq(parse(&f, "actor.name=\"x\""), 0);
	ck_assert_int_eq(f.root->term.field, -1);
	assert_reads_as("\"actor\"=1 AND actor=1 AND \"other\"=1",
			"\"actor\" = 1 AND actor = 1 AND other = 1");
	arena_fini(&arena);
}
END_TEST

START_TEST(errors_say_where_and_what_was_expected)
{
	static const struct {
		const char *text, *expected;
		size_t column;
	} bad[] = {
		{"actor", "expected one of = != < <= > >= :", 6},
		{"actor = ", "expected a value", 9},
		{"= 1", "expected a field, or a path", 1},
		{"a = 1 b = 2", "expected AND, OR (in capitals) or the end", 7},
		{"a = 1 and b = 2", "expected AND, OR (in capitals)", 7},
		{"a = 1 AND", "expected a field, or a path", 10},
		{"a = 1 OR OR b = 2", "expected a field, or a path", 10},
		{"(a = 1", "expected a ) for this parenthesis", 1},
		{"(a = 1 b", "expected AND, OR or )", 8},
		{"a = 1)", "expected AND, OR", 6},
		{"()", "expected a field, or a path", 2},
		{"NOT NOT a = 1", "expected a field, or a path", 5},
		{"a = (b OR c)", "expected a value", 5},
		{"a = AND", "expected a value; quote it", 5},
		{"a = *x", "expected a * at the end only", 5},
		{"a = \"*x\"", "expected a * at the end only", 6},
		{"\xc3\xa9 = \"x", "expected a quote that ends", 5},
		{"a = 1 AND \xc3\xa9 =! 2", "expected a value", 14},
		{"a.0 = 1", "expected a name: elements of arrays", 3},
		{"a[0] = 1", "expected one of", 2},
		{"f(x) = 1", "expected one of", 2},
		{"a == 1", "expected a value", 4},
		{"a <> 1", "expected a value", 4},
		{"time = x", "expected a time from 1970", 8},
		{"time = 2026*", "expected a time", 8},
		{"time:*", "expected = != < <= > or >=", 6},
		{"receive_time = 1969-12-31", "expected a time", 16},
		{"source_ip < 10.0.0.0", "expected = != or :", 13},
		{"any > 5", "expected = != or :", 7},
		{"a < true", "expected a text, a number or a time", 5},
		{"a >= b*", "expected no *", 6},
		{"a = 1e1000001", "expected a number with a smaller exponent", 5},
		{"a = \"\xff\"", "expected UTF-8", 6},
		{"a = \xff", "expected UTF-8", 5},
		{"a = \x01", "expected a value", 5},
	};
	struct filter f;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_msg(parse(&f, bad[i].text) == STELE_ESYNTAX, "%s", bad[i].text);
		ck_assert_msg(err.column == bad[i].column && strncmp(err.message, bad[i].expected,
								     strlen(bad[i].expected)) == 0,
			      "%s: column %zu: %s", bad[i].text, err.column, err.message);
	}
	arena_fini(&arena);
}
END_TEST

/* n times `open`, then `middle`, then n times `close`. */
static char *
repeated(const char *open, size_t n, const char *middle, const char *close)
{
	size_t length = n * (strlen(open) + strlen(close)) + strlen(middle) + 1;
	char *text = malloc(length), *at = text;

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, open);
	at = stpcpy(at, middle);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, close);
	return text;
}

static void
assert_parses(int code, char *text)
{
	struct filter f;

	ck_assert_msg(parse(&f, text) == code, "%.40s... gives another code: %s", text,
		      err.message);
	free(text);
}

#define QUOTES                                                                                     \
	"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""

START_TEST(filters_are_bounded)
{
	arena_init(&arena);
	assert_parses(0, repeated("a=1 OR ", LIMIT_FILTER_TERMS - 1, "b=2", ""));
	assert_parses(STELE_ELIMIT, repeated("a=1 OR ", LIMIT_FILTER_TERMS, "b=2", ""));
	assert_parses(STELE_ELIMIT,
		      repeated("a=1 OR ", 9000, "b=2", "")); /* 10,000 terms are 70 KB */
	assert_parses(0,
		      repeated("(a=1) OR NOT b=2 OR -(c=3) OR ", 100, "d=4", "")); /* none deep */
	assert_parses(0, repeated("(", LIMIT_FILTER_DEPTH, "b=2", ")"));
	assert_parses(STELE_ELIMIT, repeated("(", LIMIT_FILTER_DEPTH + 1, "b=2", ")"));
	assert_parses(STELE_ELIMIT, repeated("(", 60000, "b=2", ""));
	assert_parses(STELE_ELIMIT, repeated("NOT (", 13000, "b=2", ""));
	assert_parses(0, repeated("a=1 AND b=2 OR (", 15, "b=2", ")")); /* each opens two levels */
	assert_parses(STELE_ELIMIT, repeated("a=1 AND b=2 OR (", 17, "b=2 AND c=3", ")"));
	assert_parses(0, repeated(" ", LIMIT_FILTER_BYTES - 3, "a=1", ""));
	assert_parses(STELE_ELIMIT, repeated(" ", LIMIT_FILTER_BYTES - 2, "a=1", ""));
	/* short as it is written, long as it is printed */
	assert_parses(STELE_ELIMIT, repeated("a='" QUOTES "' OR ", 999, "b=2", ""));
	arena_fini(&arena);
}
END_TEST

START_TEST(memory_is_linear_in_the_text)
{
	char *text = repeated("a='b' OR ", LIMIT_FILTER_TERMS - 1, "b=2", "");
	struct filter f;

	arena_init(&arena);
	ck_assert_int_eq(parse(&f, text), 0);
	ck_assert_uint_le(arena.used_bytes, 500 * LIMIT_FILTER_TERMS);
	free(text);
	arena_fini(&arena);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		or_binds_tighter_than_and,    literals_are_what_they_look_like,
		quotes_make_a_field_a_member, errors_say_where_and_what_was_expected,
		filters_are_bounded,          memory_is_linear_in_the_text,
	};

	return suite_run("filter_parse", tests, sizeof tests / sizeof *tests, 60);
}
