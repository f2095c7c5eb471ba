/* Members of one name in one object, however they are spelled. */
#include <time.h>

#include "proto/err.h"
#include "proto/json.h"
#include "proto/json_duplicates.h"
#include "tests/unit/suite.h"

static bool
twice(struct slice doc)
{
	struct json_scanner *js = json_scanner_new();
	struct json_duplicates d = {0};
	struct json_index x;
	bool found = false;

	ck_assert_int_eq(json_validate(js, doc, NULL), 0);
	ck_assert_int_eq(json_index_make(&x, js, doc.p, doc.n), 0);
	ck_assert_int_eq(json_duplicates_find(&d, &x, &found), 0);
	json_duplicates_fini(&d);
	json_scanner_free(js);
	return found;
}

START_TEST(duplicates_are_found_at_any_depth)
{
	static const char *const with[] = {
		"{\"a\":1,\"a\":1}",
		"{\"a\":1,\"b\":2,\"c\":3,\"a\":4}",
		"[[{\"x\":{\"a\":1,\"b\":[],\"a\":{}}}]]",
		"{\"\":1,\"\" : 2}",
		"{\"a\":1,\"\\u0061\":2}",
		"{\"\\n\":1,\"\\u000a\":2}",
		"{\"a\":{\"b\":1},\"c\":{\"b\":1},\"a\":0}",
		"{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}",
	};
	static const char *const without[] = {
		"1",
		"{}",
		"[]",
		"{\"a\":1,\"A\":1,\"aa\":1,\"\":1}",
		"{\"a\":{\"a\":{\"a\":[{\"a\":1},{\"a\":1}]}}}",
		"{\"a\":\"a\",\"b\":\"a:a\"}",
		"{\"\\\\u0061\":1,\"a\":2}",
	};

	for (size_t i = 0; i < sizeof with / sizeof *with; i++)
		ck_assert_msg(twice(slice_str(with[i])), "%s", with[i]);
	for (size_t i = 0; i < sizeof without / sizeof *without; i++)
		ck_assert_msg(!twice(slice_str(without[i])), "%s", without[i]);
}
END_TEST

START_TEST(one_among_very_many_is_found)
{
	struct buf doc;

	buf_init(&doc);
	buf_put_u8(&doc, '{');
	for (int i = 0; i < 100000; i++)
		buf_printf(&doc, "\"k%d\":0,", i * 7919 % 100003);
	buf_put_str(&doc, "\"x\":1}");
	ck_assert(!twice(buf_slice(&doc)));
	doc.n -= 6;
	buf_put_str(&doc, "\"k7919\":1}");
	ck_assert(twice(buf_slice(&doc)));
	buf_fini(&doc);
}
END_TEST

/*
 * {"12345678Nabcdefgh":0,...}: names that differ in their middle only, which all meet in the
 * table; then, unless it is NULL, one more.
 */
static struct buf
crowd(size_t n, const char *more)
{
	struct buf doc;

	buf_init(&doc);
	buf_put_u8(&doc, '{');
	for (size_t i = 0; i < n; i++)
		buf_printf(&doc, "%s\"12345678%07zuabcdefgh\":0", i ? "," : "", i);
	if (more)
		buf_printf(&doc, ",\"%s\":0", more);
	buf_put_u8(&doc, '}');
	return doc;
}

START_TEST(names_that_meet_in_the_table_are_told_apart)
{
	struct buf none = crowd(40000, NULL), one = crowd(40000, "123456780000000abcdefgh"),
		   escaped = crowd(40000, "1234567800399\\u00399abcdefgh"), few = crowd(20, NULL);
	clock_t start = clock();

	ck_assert(!twice(buf_slice(&none)));
	ck_assert(twice(buf_slice(&one)));
	ck_assert(twice(buf_slice(&escaped)));
	ck_assert(!twice(buf_slice(&few)));
	ck_assert_double_lt((double)(clock() - start) / CLOCKS_PER_SEC, 1.0);
	buf_fini(&none);
	buf_fini(&one);
	buf_fini(&escaped);
	buf_fini(&few);
}
END_TEST

START_TEST(names_with_escapes_stay_where_they_are)
{
	struct buf doc;

	buf_init(&doc);
	buf_put_u8(&doc, '{');
	for (int i = 0; i < 20000; i++)
		buf_printf(&doc, "%s\"\\u006bey \\u0031%d\":0", i ? "," : "", i);
	buf_put_u8(&doc, '}');
	ck_assert(!twice(buf_slice(&doc)));
	doc.n--;
	buf_put_str(&doc, ",\"key 10\":0}");
	ck_assert(twice(buf_slice(&doc)));
	buf_fini(&doc);
}
END_TEST

START_TEST(working_memory_is_used_again)
{
	static const char *const docs[] = {"{\"a\":1,\"\\u0062\":2}", "{\"b\":1}",
					   "{\"a\":1,\"a\":1}", "[]",
					   "{\"\\u0061\":1,\"\\u0062\":2,\"b\":3}"};
	struct json_scanner *js = json_scanner_new();
	struct json_duplicates d = {0};

	for (size_t i = 0; i < 15; i++) {
		struct slice doc = slice_str(docs[i % 5]);
		struct json_index x;
		bool found;
		ck_assert_int_eq(json_index_make(&x, js, doc.p, doc.n), 0);
		ck_assert_int_eq(json_duplicates_find(&d, &x, &found), 0);
		ck_assert_int_eq(found, i % 5 == 2 || i % 5 == 4);
	}
	json_duplicates_fini(&d);
	json_scanner_free(js);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		duplicates_are_found_at_any_depth,
		one_among_very_many_is_found,
		names_that_meet_in_the_table_are_told_apart,
		names_with_escapes_stay_where_they_are,
		working_memory_is_used_again,
	};

	return suite_run("json_duplicates", tests, sizeof tests / sizeof *tests, 60);
}
