/* Instants against the C library's calendar, and every wrong spelling refused. */
#include "proto/timestamp.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/err.h"

static void
assert_both_ways(int64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	char out[TIMESTAMP_BYTES + 1] = {0}, want[64], date[32];
	struct tm tm;
	int64_t back = -1;

	gmtime_r(&seconds, &tm);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(want, sizeof want, "%s.%09dZ", date, (int)(ns % 1000000000));
	timestamp_format(out, ns);
	if (strcmp(out, want) != 0)
		ck_abort_msg("%s, not %s", out, want);
	if (timestamp_parse(&back, slice_of(out, TIMESTAMP_BYTES)) != 0 || back != ns)
		ck_abort_msg("%s does not read back", out);
}

START_TEST(every_day_of_the_range_agrees_with_gmtime)
{
	for (int64_t day = 0; day * TIMESTAMP_DAY_NS <= TIMESTAMP_MAX_NS; day++) {
		assert_both_ways(day * TIMESTAMP_DAY_NS);
		assert_both_ways((day + 1) * TIMESTAMP_DAY_NS - 1);
	}
}
END_TEST

START_TEST(random_instants_agree_with_gmtime)
{
	uint64_t x = 88172645463325252;

	for (int i = 0; i < 200000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		assert_both_ways((int64_t)(x % ((uint64_t)TIMESTAMP_MAX_NS + 1)));
	}
}
END_TEST

START_TEST(the_bounds_are_where_the_header_says)
{
	char out[TIMESTAMP_BYTES];
	int64_t ns;

	timestamp_format(out, TIMESTAMP_MAX_NS);
	ck_assert_mem_eq(out, "2261-12-31T23:59:59.999999999Z", TIMESTAMP_BYTES);
	timestamp_format(out, 0);
	ck_assert_mem_eq(out, "1970-01-01T00:00:00.000000000Z", TIMESTAMP_BYTES);
	ck_assert_int_eq(timestamp_parse(&ns, slice_str("1969-12-31T23:59:59.999999999Z")),
			 STELE_ESYNTAX);
	ck_assert_int_eq(timestamp_parse(&ns, slice_str("2262-01-01T00:00:00.000000000Z")),
			 STELE_ESYNTAX);
}
END_TEST

START_TEST(dates_that_do_not_exist_are_refused)
{
	static const char *const bad[] = {
		"2026-02-29T00:00:00.000000000Z", "2100-02-29T00:00:00.000000000Z",
		"2026-04-31T00:00:00.000000000Z", "2026-00-01T00:00:00.000000000Z",
		"2026-13-01T00:00:00.000000000Z", "2026-01-00T00:00:00.000000000Z",
		"2026-01-32T00:00:00.000000000Z", "2026-01-01T24:00:00.000000000Z",
		"2026-01-01T00:60:00.000000000Z", "2026-12-31T23:59:60.000000000Z",
	};
	int64_t ns = 77;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(timestamp_parse(&ns, slice_str(bad[i])), STELE_ESYNTAX);
	ck_assert(ns == 77);
	ck_assert_int_eq(timestamp_parse(&ns, slice_str("2024-02-29T00:00:00.000000000Z")), 0);
	ck_assert_int_eq(timestamp_parse(&ns, slice_str("2000-02-29T00:00:00.000000000Z")), 0);
}
END_TEST

START_TEST(another_spelling_is_refused)
{
	static const char *const bad[] = {
		"",
		"2026-11-23T15:48:00Z",
		"2026-11-23T15:48:00.123Z",
		"2026-11-23T15:48:00.12345678Z",
		"2026-11-23T15:48:00.1234567890Z",
		"2026-11-23T15:48:00.123456789+",
		"2026-11-23t15:48:00.123456789Z",
		"2026-11-23 15:48:00.123456789Z",
		"2026-11-23T15:48:00.123456789z",
		"2026-11-23T15:48:00,123456789Z",
		"+026-11-23T15:48:00.123456789Z",
		"2026-1 -23T15:48:00.123456789Z",
		" 2026-11-23T15:48:00.12345678Z",
	};
	int64_t ns;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(timestamp_parse(&ns, slice_str(bad[i])), STELE_ESYNTAX);
}
END_TEST

START_TEST(people_may_leave_out_the_fraction)
{
	static const struct {
		const char *text;
		int64_t ns; /* -1: refused */
	} rows[] = {
		{"1970-01-01T00:00:01Z", 1000000000},
		{"1970-01-01T00:00:01.5Z", 1500000000},
		{"1970-01-01T00:00:01.000000001Z", 1000000001},
		{"1970-01-01T00:00:01.12345678Z", 1123456780},
		{"2261-12-31T23:59:59.999999999Z", TIMESTAMP_MAX_NS},
		{"1970-01-01T00:00:01.Z", -1},
		{"1970-01-01T00:00:01,5Z", -1},
		{"1970-01-01T00:00:01.1234567890Z", -1},
		{"1970-01-01T00:00:01.-5Z", -1},
		{"1970-01-01T00:00:01", -1},
		{"1970-01-01T00:00:01.5", -1},
		{"1970-01-01T00:00:01z", -1},
		{"1970-01-01t00:00:01Z", -1},
		{"1970-01-01T00:00:01+00:00", -1},
		{"1970-01-01T00:00Z", -1},
		{"1970-01-01", -1},
		{"1970-01-01Z", -1},
		{"1970-02-30T00:00:00Z", -1},
		{"2262-01-01T00:00:00Z", -1},
		{"Z", -1},
		{"", -1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t ns = 7;
		int err = timestamp_read(&ns, slice_str(rows[i].text));
		ck_assert_msg(err == (rows[i].ns < 0 ? STELE_ESYNTAX : 0), "%s", rows[i].text);
		ck_assert_int_eq(ns, err ? 7 : rows[i].ns);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("timestamp");
	TCase *t = tcase_create("timestamp");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, every_day_of_the_range_agrees_with_gmtime);
	tcase_add_test(t, random_instants_agree_with_gmtime);
	tcase_add_test(t, the_bounds_are_where_the_header_says);
	tcase_add_test(t, dates_that_do_not_exist_are_refused);
	tcase_add_test(t, another_spelling_is_refused);
	tcase_add_test(t, people_may_leave_out_the_fraction);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
