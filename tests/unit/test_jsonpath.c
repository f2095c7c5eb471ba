/* Paths: what is one, and that it reads back as it was. */
#include <stdio.h>

#include "proto/err.h"
#include "proto/jsonpath.h"
#include "proto/limits.h"
#include "tests/unit/suite.h"

static struct arena arena;
static struct text_error err;

START_TEST(paths_are_read_and_written)
{
	static const char *const cases[][3] = {
		{"user.name", "user|name", "user.name"},
		{"@timestamp", "@timestamp", "@timestamp"},
		{"a-b._c.$d.#e.f/g", "a-b|_c|$d|#e|f/g", "a-b._c.$d.#e.f/g"},
		{"annotations.\"authorization.k8s.io/decision\"",
		 "annotations|authorization.k8s.io/decision",
		 "annotations.\"authorization.k8s.io/decision\""},
		{"'a b'.\"0\".\"AND\".x", "a b|0|AND|x", "\"a b\".\"0\".\"AND\".x"},
		{"a.AND", "a|AND", "a.\"AND\""},
		{"\"plain\"", "plain", "plain"},
		{"\"\".\"-x\"", "|-x", "\"\".\"-x\""},
		{"a.-b", "a|-b", "a.\"-b\""},
		{"\xc3\xa9.\"*\"", "\xc3\xa9|*", "\xc3\xa9.\"\\*\""},
		{"a.b = 1", "a|b", "a.b"},
	};

	arena_init(&arena);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct jsonpath path;
		struct buf out;
		bool quoted;
		size_t at = 0;
		ck_assert_msg(jsonpath_read(&path, &quoted, &arena, slice_str(cases[i][0]), &at,
					    &err) == 0,
			      "%s: %s", cases[i][0], err.message);
		ck_assert_int_eq(quoted, cases[i][0][0] == '"' || cases[i][0][0] == '\'');
		buf_init(&out);
		for (size_t j = 0; j < path.n; j++) {
			buf_put_str(&out, j ? "|" : "");
			buf_put_slice(&out, path.steps[j]);
		}
		ck_assert_msg(slice_eq_str(buf_slice(&out), cases[i][1]), "%s", cases[i][0]);
		buf_reset(&out);
		jsonpath_write(&out, &path);
		ck_assert_msg(slice_eq_str(buf_slice(&out), cases[i][2]), "%s", cases[i][0]);
		buf_fini(&out);
	}
	arena_fini(&arena);
}
END_TEST

START_TEST(what_is_no_path_is_refused)
{
	static const struct {
		const char *text;
		size_t offset;
	} bad[] = {{"", 0},    {".", 0},     {"a.", 2},   {"a..b", 2},  {"-a", 0},
		   {"AND", 0}, {"a.0", 2},   {"0", 0},    {"a.(b)", 2}, {"\"a", 0},
		   {"=", 0},   {"a.\"b", 2}, {"\xff", 0}, {"a.\xe6", 2}};

	arena_init(&arena);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct jsonpath path;
		size_t at = 0;
		ck_assert_int_eq(
			jsonpath_read(&path, NULL, &arena, slice_str(bad[i].text), &at, &err),
			STELE_ESYNTAX);
		ck_assert_msg(err.offset == bad[i].offset, "%s: %zu", bad[i].text, err.offset);
		ck_assert_uint_eq(at, 0);
	}
	arena_fini(&arena);
}
END_TEST

START_TEST(a_path_has_a_bounded_number_of_names)
{
	char text[2 * LIMIT_PATH_STEPS + 2];
	struct jsonpath path;
	size_t at = 0;

	arena_init(&arena);
	for (size_t i = 0; i <= LIMIT_PATH_STEPS; i++)
		memcpy(text + 2 * i, "a.", 2);
	ck_assert_int_eq(jsonpath_read(&path, NULL, &arena,
				       slice_of(text, 2 * LIMIT_PATH_STEPS - 1), &at, &err),
			 0);
	ck_assert_uint_eq(path.n, LIMIT_PATH_STEPS);
	at = 0;
	ck_assert_int_eq(jsonpath_read(&path, NULL, &arena,
				       slice_of(text, 2 * LIMIT_PATH_STEPS + 1), &at, &err),
			 STELE_ELIMIT);
	arena_fini(&arena);
}
END_TEST

START_TEST(equal_paths_have_equal_names)
{
	static const struct slice ab[] = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"b", 1}};
	static const struct slice ac[] = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"c", 1}};
	struct jsonpath one = {ab, 2}, other = {ac, 2}, shorter = {ab, 1};

	ck_assert(jsonpath_equal(&one, &one));
	ck_assert(!jsonpath_equal(&one, &other));
	ck_assert(!jsonpath_equal(&one, &shorter) && !jsonpath_equal(&shorter, &one));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {paths_are_read_and_written, what_is_no_path_is_refused,
				      a_path_has_a_bounded_number_of_names,
				      equal_paths_have_equal_names};

	return suite_run("jsonpath", tests, sizeof tests / sizeof *tests, 60);
}
