/* Ranges: the examples of RFC 9110 section 14.1.2, and everything that is not one range. */
#include "server/range.h"

#include <check.h>
#include <stdlib.h>

static void
assert_part(const char *value, uint64_t size, uint64_t want_from, uint64_t want_n)
{
	uint64_t from = 77, n = 77;

	ck_assert_msg(range_read(slice_str(value), size, &from, &n) == RANGE_PART, "%s", value);
	ck_assert_uint_eq(from, want_from);
	ck_assert_uint_eq(n, want_n);
}

START_TEST(one_range_is_cut_to_what_there_is)
{
	assert_part("bytes=0-499", 10000, 0, 500);
	assert_part("bytes=500-999", 10000, 500, 500);
	assert_part("bytes=-500", 10000, 9500, 500);
	assert_part("bytes=9500-", 10000, 9500, 500);
	assert_part("bytes=0-0", 1, 0, 1);
	assert_part("bytes=0-99999", 10, 0, 10);
	assert_part("bytes=-99999", 10, 0, 10);
	assert_part("bytes=9-9", 10, 9, 1);
	assert_part("bytes=0-18446744073709551615", 10, 0, 10);
}
END_TEST

START_TEST(a_range_outside_cannot_be_satisfied)
{
	static const char *const rows[] = {"bytes=10-", "bytes=10-20", "bytes=-0",
					   "bytes=18446744073709551615-"};
	uint64_t from = 77, n = 77;
	size_t i;

	for (i = 0; i < 4; i++)
		ck_assert_int_eq(range_read(slice_str(rows[i]), 10, &from, &n),
				 RANGE_UNSATISFIABLE);
	ck_assert_int_eq(range_read(slice_str("bytes=0-"), 0, &from, &n), RANGE_UNSATISFIABLE);
	ck_assert_int_eq(range_read(slice_str("bytes=-1"), 0, &from, &n), RANGE_UNSATISFIABLE);
	ck_assert_uint_eq(from, 77);
	ck_assert_uint_eq(n, 77);
}
END_TEST

START_TEST(anything_else_is_ignored)
{
	static const char *const rows[] = {
		"",
		"bytes",
		"bytes=",
		"bytes=-",
		"bytes=a-b",
		"bytes=5",
		"bytes=5-4",
		"bytes=1-2,",
		"bytes=1-2,4-5",
		"items=0-1",
		"bytes= 0-1",
		"bytes=0 -1",
		"bytes=--1",
		"bytes=+1-2",
		"bytes=00-1",
		"bytes=0-99999999999999999999",
	};
	uint64_t from = 77, n = 77;
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_msg(range_read(slice_str(rows[i]), 10, &from, &n) == RANGE_WHOLE, "%s",
			      rows[i]);
	ck_assert_uint_eq(from, 77);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("range");
	TCase *t = tcase_create("range");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, one_range_is_cut_to_what_there_is);
	tcase_add_test(t, a_range_outside_cannot_be_satisfied);
	tcase_add_test(t, anything_else_is_ignored);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
