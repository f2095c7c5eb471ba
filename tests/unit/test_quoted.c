/* Strings in quotes: what they say, where they are refused, and that writing reads back. */
#include "proto/err.h"
#include "proto/quoted.h"
#include "tests/unit/suite.h"

static struct arena arena;
static struct text_error err;

static int
read_string(struct slice *s, bool *star, const char *text, size_t *at)
{
	*at = 0;
	return quoted_read(s, star, &arena, slice_str(text), at, &err);
}

START_TEST(strings_say_what_their_escapes_say)
{
	static const char *const cases[][2] = {
		{"\"\"", ""},
		{"'it\"s'", "it\"s"},
		{"\"it's\"", "it's"},
		{"\"\\\"\\'\\\\\\/\\*\\b\\f\\n\\r\\t\"", "\"'\\/*\b\f\n\r\t"},
		{"\"\\u00e9\\u0041\\uD83D\\uDE00\"", "\xc3\xa9"
						     "A\xf0\x9f\x98\x80"},
		{"\"\xe6\x97\xa5\" rest", "\xe6\x97\xa5"},
	};
	struct slice s;
	size_t at;
	bool star;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_assert_int_eq(read_string(&s, &star, cases[i][0], &at), 0);
		ck_assert_msg(slice_eq_str(s, cases[i][1]) && !star, "%s", cases[i][0]);
	}
	ck_assert_uint_eq(at, 5);
	ck_assert_int_eq(read_string(&s, &star, "\"\\u0000\"", &at), 0);
	ck_assert(s.n == 1 && s.p[0] == 0);
	arena_fini(&arena);
}
END_TEST

START_TEST(a_star_at_the_end_is_told_apart)
{
	struct slice s;
	size_t at;
	bool star;

	arena_init(&arena);
	ck_assert_int_eq(read_string(&s, &star, "\"ab*\"", &at), 0);
	ck_assert(slice_eq_str(s, "ab") && star && at == 5);
	ck_assert_int_eq(read_string(&s, &star, "\"ab\\*\"", &at), 0);
	ck_assert(slice_eq_str(s, "ab*") && !star);
	ck_assert_int_eq(read_string(&s, NULL, "\"a*b*\"", &at), 0);
	ck_assert(slice_eq_str(s, "a*b*"));
	ck_assert_int_eq(read_string(&s, &star, "\"a*b\"", &at), STELE_ESYNTAX);
	ck_assert_uint_eq(err.offset, 2);
	ck_assert_int_eq(read_string(&s, &star, "\"a**\"", &at), STELE_ESYNTAX);
	arena_fini(&arena);
}
END_TEST

START_TEST(what_is_no_string_is_refused_where_it_is_wrong)
{
	static const struct {
		const char *text;
		size_t offset, column;
	} bad[] = {
		{"\"abc", 0, 1},
		{"\"abc'", 0, 1},
		{"\"\xc3\xa9\\q\"", 3, 3},
		{"\"a\\", 2, 3},
		{"\"\\u12\"", 1, 2},
		{"\"\\ud800\"", 1, 2},
		{"\"\\ud800\\u0041\"", 1, 2},
		{"\"\\udc00\"", 1, 2},
		{"\"a\x1f\"", 2, 3},
		{"\"\xff\"", 1, 2},
		{"\"\xed\xa0\x80\"", 1, 2},
		{"\"\\u12g4\"", 1, 2},
	};
	struct slice s;
	size_t at;

	arena_init(&arena);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_int_eq(read_string(&s, NULL, bad[i].text, &at), STELE_ESYNTAX);
		ck_assert_msg(err.offset == bad[i].offset && err.column == bad[i].column,
			      "%s: %zu %zu", bad[i].text, err.offset, err.column);
		ck_assert_uint_eq(at, 0);
	}
	arena_fini(&arena);
}
END_TEST

START_TEST(what_is_written_reads_back)
{
	uint8_t all[0x80 + 2];
	struct slice s;
	struct buf out;
	size_t at = 0;
	bool star;

	for (size_t i = 0; i < 0x80; i++)
		all[i] = (uint8_t)i;
	all[0x80] = 0xc3;
	all[0x81] = 0xa9;
	arena_init(&arena);
	buf_init(&out);
	quoted_write(&out, slice_of(all, sizeof all));
	ck_assert_int_eq(quoted_read(&s, &star, &arena, buf_slice(&out), &at, &err), 0);
	ck_assert(slice_eq(s, slice_of(all, sizeof all)) && !star && at == out.n);
	buf_fini(&out);
	arena_fini(&arena);
}
END_TEST

START_TEST(many_strings_take_memory_for_themselves_only)
{
	enum { N = 10000 };
	char text[3 * N + 1];
	struct slice s;

	for (size_t i = 0; i < N; i++)
		memcpy(text + 3 * i, "\"a\"", 3);
	arena_init(&arena);
	for (size_t at = 0; at < 3 * N;)
		ck_assert_int_eq(quoted_read(&s, NULL, &arena, slice_of(text, 3 * N), &at, &err),
				 0);
	ck_assert_uint_le(arena.used_bytes, 16 * N);
	arena_fini(&arena);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		strings_say_what_their_escapes_say,
		a_star_at_the_end_is_told_apart,
		what_is_no_string_is_refused_where_it_is_wrong,
		what_is_written_reads_back,
		many_strings_take_memory_for_themselves_only,
	};

	return suite_run("quoted", tests, sizeof tests / sizeof *tests, 60);
}
