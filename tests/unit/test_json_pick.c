/* Members of an object and elements of an array: what comes out, what is refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "tests/unit/fence.h"

enum { CAP = 8 };

static struct json_scanner *js;
static uint8_t *fence;
static struct arena arena;
static const char *const names[] = {"id", "source", "type"};
static struct slice values[3];
static bool present[3];

static void
set_up(void)
{
	fence = fence_new();
	js = json_scanner_new();
	ck_assert_ptr_nonnull(js);
	arena_init(&arena);
}

static void
tear_down(void)
{
	json_scanner_free(js);
	arena_fini(&arena);
	fence_free(fence);
}

static int
pick(const char *doc)
{
	return json_pick(js, fence_put(fence, slice_str(doc)), names, 3, &arena, values, present);
}

START_TEST(members_are_picked_at_the_top_level_only)
{
	ck_assert_int_eq(
		pick("{\"x\":{\"id\":\"no\",\"type\":[1]},\"source\" : \"s\" ,\"id\":\"a\"}"), 0);
	ck_assert(present[0] && present[1] && !present[2]);
	ck_assert(slice_eq_str(values[0], "a") && slice_eq_str(values[1], "s"));
	ck_assert_int_eq(values[0].p[1], 0);
	ck_assert_int_eq(pick(" { } "), 0);
	ck_assert(!present[0] && !present[1] && !present[2]);
	ck_assert_int_eq(pick("{\"idx\":1,\"i\":2,\"\":3,\"id\\u0000\":4,\"ID\":5,\"x\":\"id\"}"),
			 0);
	ck_assert(!present[0]);
	ck_assert_int_eq(pick("{\"x\":1,\"x\":2,\"id\":\"\"}"), 0);
	ck_assert(present[0] && values[0].n == 0);
}
END_TEST

START_TEST(names_and_values_are_unescaped)
{
	ck_assert_int_eq(
		pick("{\"\\u0069d\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"type\":"
		     "\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\xc3\xa9\\\"\",\"source\":\"\\u0000\"}"),
		0);
	ck_assert(present[0] && slice_eq_str(values[0], "\"\\/\b\f\n\r\t"));
	ck_assert(slice_eq_str(values[2], "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xa9\""));
	ck_assert(values[1].n == 1 && values[1].p[0] == 0);
	ck_assert_int_eq(
		pick("{\"id\":"
		     "\"\\u007f\\u0080\\u07ff\\u0800\\uffff\\ud800\\udc00\\udbff\\udfff\"}"),
		0);
	ck_assert(slice_eq_str(values[0],
			       "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80"
			       "\xf4\x8f\xbf\xbf"));
}
END_TEST

START_TEST(what_cannot_be_picked_is_refused)
{
	static const char *const bad[] = {
		"{\"id\":1}",
		"{\"id\":null}",
		"{\"id\":{}}",
		"{\"id\":[\"a\"]}",
		"{\"id\":\"a\",\"id\":\"a\"}",
		"{\"id\":\"a\",\"\\u0069d\":\"a\"}",
		"[]",
		"\"id\"",
		"1",
		"",
		"{\"id\":\"a\"",
		"{\"id\":\"a\"}}",
		"{\"id\":\"\\ud800\"}",
		"{\"x\":tru}",
	};
	char deep[] =
		"{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[";

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(pick(bad[i]) == STELE_ESYNTAX, "%s", bad[i]);
	ck_assert_int_eq(pick(deep), STELE_ELIMIT);
}
END_TEST

START_TEST(an_array_is_split_into_its_elements)
{
	struct slice e[CAP];
	size_t n = 99;

	ck_assert_int_eq(json_array_split(js, slice_str(" [ ] "), e, 0, &n, NULL), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(json_array_split(js, slice_str("[1]"), e, 1, &n, NULL), 0);
	ck_assert(n == 1 && slice_eq_str(e[0], "1"));
	ck_assert_int_eq(
		json_array_split(
			js, slice_str("[ {\"a\" : [1, 2]} ,\"]\\\"\"\n, [ [] ]\r\t,null,-1e5 ]\n"),
			e, CAP, &n, NULL),
		0);
	ck_assert_uint_eq(n, 5);
	ck_assert(slice_eq_str(e[0], "{\"a\" : [1, 2]}") && slice_eq_str(e[1], "\"]\\\"\""));
	ck_assert(slice_eq_str(e[2], "[ [] ]") && slice_eq_str(e[3], "null"));
	ck_assert(slice_eq_str(e[4], "-1e5"));
}
END_TEST

static void
assert_not_split(const char *doc, size_t cap, int code, uint64_t offset)
{
	struct json_error err = {0};
	struct slice e[CAP];
	size_t n = 99;

	ck_assert_msg(json_array_split(js, fence_put(fence, slice_str(doc)), e, cap, &n, &err) ==
			      code,
		      "%s", doc);
	ck_assert_uint_eq(n, 99);
	ck_assert_msg(err.offset == offset, "%s: %d", doc, (int)err.offset);
	ck_assert_uint_eq(err.line, 1);
	ck_assert_ptr_nonnull(err.message);
}

START_TEST(what_is_no_valid_array_is_refused)
{
	char deep[2 * LIMIT_JSON_DEPTH + 3] = "";

	assert_not_split("{}", CAP, STELE_ESYNTAX, 0);
	assert_not_split("1", CAP, STELE_ESYNTAX, 0);
	assert_not_split("", CAP, STELE_ESYNTAX, 0);
	assert_not_split("[", CAP, STELE_ESYNTAX, 1);
	assert_not_split("]", CAP, STELE_ESYNTAX, 0);
	assert_not_split("[1,]", CAP, STELE_ESYNTAX, 3);
	assert_not_split("[1", CAP, STELE_ESYNTAX, 2);
	assert_not_split("[1,", CAP, STELE_ESYNTAX, 3);
	assert_not_split("[1}", CAP, STELE_ESYNTAX, 2);
	assert_not_split("[1]]", CAP, STELE_ESYNTAX, 3);
	assert_not_split("[][]", CAP, STELE_ESYNTAX, 2);
	assert_not_split("[1:2]", CAP, STELE_ESYNTAX, 2);
	assert_not_split("[\"\\q\"]", CAP, STELE_ESYNTAX, 2);
	assert_not_split("[1, 2, 3]", 2, STELE_ELIMIT, 7);
	assert_not_split("[1, 2, 3", 2, STELE_ESYNTAX, 8);
	memset(deep, '[', LIMIT_JSON_DEPTH + 1);
	memset(deep + LIMIT_JSON_DEPTH + 1, ']', LIMIT_JSON_DEPTH + 1);
	assert_not_split(deep, CAP, STELE_ELIMIT, LIMIT_JSON_DEPTH);
}
END_TEST

int
main(void)
{
	SRunner *runner;
	Suite *suite = suite_create("json_pick");
	TCase *tc = tcase_create("json_pick");
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, members_are_picked_at_the_top_level_only);
	tcase_add_test(tc, names_and_values_are_unescaped);
	tcase_add_test(tc, what_cannot_be_picked_is_refused);
	tcase_add_test(tc, an_array_is_split_into_its_elements);
	tcase_add_test(tc, what_is_no_valid_array_is_refused);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
