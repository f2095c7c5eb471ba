/* Instants in the spellings of producers, and what is none. */
#include "proto/err.h"
#include "proto/instant.h"
#include "proto/timestamp.h"
#include "tests/unit/suite.h"

static int64_t
read_ns(const char *text)
{
	int64_t ns = -1;

	return instant_read(&ns, slice_str(text), INSTANT_GUESS) == 0 ? ns : -1;
}

START_TEST(one_instant_has_many_spellings)
{
	static const char *const same[] = {
		"2020-09-20T01:02:03Z",
		"2020-09-20t01:02:03z",
		"2020-09-20 01:02:03",
		"2020-09-20T01:02:03.000Z",
		"2020-09-20T01:02:03,0",
		"2020-09-20T03:02:03+02:00",
		"2020-09-20T03:02:03+0200",
		"2020-09-20T03:02:03 +02",
		"2020-09-19T20:32:03-04:30",
		"2020-09-20 01:02:03 UTC",
		"2020-09-20T01:02:03GMT",
		"2020-09-20T01:02:03.0000000009Z",
		"1600563723",
		"1600563723.0000000001",
		"1600563723000",
		"1600563723000.0",
		"1.600563723e15",
		"1600563723000000000",
	};

	for (size_t i = 0; i < sizeof same / sizeof *same; i++)
		ck_assert_msg(read_ns(same[i]) == INT64_C(1600563723000000000), "%s", same[i]);
	ck_assert_int_eq(read_ns("2020-09-20"), INT64_C(1600560000000000000));
	ck_assert_int_eq(read_ns("2020-09-20T01:02Z"), INT64_C(1600563720000000000));
	ck_assert_int_eq(read_ns("2020-09-20T01:02:03.123456789Z"), INT64_C(1600563723123456789));
	ck_assert_int_eq(read_ns("2016-12-31T23:59:60Z"), read_ns("2017-01-01"));
}
END_TEST

START_TEST(a_zone_is_assumed_where_none_is_written)
{
	int64_t ns;

	ck_assert_int_eq(instant_read_text(&ns, slice_str("2020-09-20"), 120), 0);
	ck_assert_int_eq(ns, INT64_C(1600560000000000000) - 7200 * INT64_C(1000000000));
	ck_assert_int_eq(instant_read_text(&ns, slice_str("2020-09-20T00:00Z"), 120), 0);
	ck_assert_int_eq(ns, INT64_C(1600560000000000000));
}
END_TEST

START_TEST(what_is_no_instant_is_refused)
{
	static const char *const bad[] = {
		"",
		"2020-09",
		"2020-9-20",
		"2020-09-20T",
		"2020-09-20T01",
		"2020-09-20T01:02:03.Z",
		"2020-09-20T01:02:61Z",
		"2020-09-20T24:00:00Z",
		"2020-09-20T01:60:00Z",
		"2020-02-30",
		"2021-02-29",
		"2020-13-01",
		"2020-00-01",
		"2020-01-00",
		"2020-09-20T01:02:03+2",
		"2020-09-20T01:02:03+24:00",
		"2020-09-20T01:02:03+02:60",
		"2020-09-20T01:02:03+02:",
		"2020-09-20T01:02:03ZZ",
		"2020-09-20  01:02:03",
		" 2020-09-20",
		"2020-09-20 ",
		"Sep 20 01:02:03",
		"1969-12-31",
		"1970-01-01T00:00:00+00:01",
		"2262-01-01",
		"2261-12-31T23:59:59-00:01",
		"-1",
		"1e400",
		"9223372036854775807",
		"NaN",
		"0x10",
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(read_ns(bad[i]) == -1, "%s", bad[i]);
	ck_assert_int_eq(instant_read_text(&(int64_t){0}, slice_of("2020-09-20\0T", 12), 0),
			 STELE_ESYNTAX);
}
END_TEST

START_TEST(the_ends_of_time_are_exact)
{
	ck_assert_int_eq(read_ns("1970-01-01"), 0);
	ck_assert_int_eq(read_ns("1969-12-31T23:30:00-00:30"), 0);
	ck_assert_int_eq(read_ns("0"), 0);
	ck_assert_int_eq(read_ns("-0.0e5"), 0);
	ck_assert_int_eq(read_ns("2261-12-31T23:59:59.999999999Z"), TIMESTAMP_MAX_NS);
	ck_assert_int_eq(read_ns("2262-01-01T00:59:59+01:00"),
			 TIMESTAMP_MAX_NS / 1000000000 * 1000000000);
	ck_assert_int_eq(read_ns("9214646399999999999"), TIMESTAMP_MAX_NS);
	ck_assert_int_eq(read_ns("9214646400000000000"), -1);
}
END_TEST

START_TEST(units_are_told_by_size_unless_said)
{
	int64_t ns;

	ck_assert_int_eq(read_ns("99999999999"), -1); /* seconds: the year 5138 */
	ck_assert_int_eq(read_ns("9214646399"), INT64_C(9214646399000000000));
	ck_assert_int_eq(read_ns("100000000000"), INT64_C(100000000000000000)); /* ms */
	ck_assert_int_eq(read_ns("99999999999999"), -1);                        /* ms: 5138 again */
	ck_assert_int_eq(read_ns("99999999999999999"), -1);
	ck_assert_int_eq(read_ns("100000000000000"), INT64_C(100000000000000000));
	ck_assert_int_eq(read_ns("100000000000000000"), INT64_C(100000000000000000));
	ck_assert_int_eq(instant_read_number(&ns, slice_str("12.5"), INSTANT_MS), 0);
	ck_assert_int_eq(ns, 12500000);
	ck_assert_int_eq(instant_read_number(&ns, slice_str("12.5"), INSTANT_US), 0);
	ck_assert_int_eq(ns, 12500);
	ck_assert_int_eq(instant_read_number(&ns, slice_str("12.5"), INSTANT_NS), 0);
	ck_assert_int_eq(ns, 12);
	ck_assert_int_eq(instant_read_number(&ns, slice_str("1e-30"), INSTANT_S), 0);
	ck_assert_int_eq(ns, 0);
	ck_assert_int_eq(instant_read_number(&ns, slice_str("0.000000001"), INSTANT_S), 0);
	ck_assert_int_eq(ns, 1);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		one_instant_has_many_spellings,     a_zone_is_assumed_where_none_is_written,
		what_is_no_instant_is_refused,      the_ends_of_time_are_exact,
		units_are_told_by_size_unless_said,
	};

	return suite_run("instant", tests, sizeof tests / sizeof *tests, 60);
}
