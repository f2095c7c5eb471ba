/* Durations: both spellings, the calendar never landing earlier, overflow never a short lock. */
#include "proto/duration.h"

#include <check.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/timestamp.h"

static void
assert_sum(const char *from, const char *period, const char *want)
{
	struct duration d;
	char out[TIMESTAMP_BYTES + 1] = {0};
	int64_t ns;

	ck_assert_int_eq(timestamp_parse(&ns, slice_str(from)), 0);
	ck_assert_int_eq(duration_parse(&d, slice_str(period)), 0);
	ck_assert_int_eq(duration_add(&ns, ns, &d), 0);
	timestamp_format(out, ns);
	ck_assert_str_eq(out, want);
}

START_TEST(every_unit_is_what_it_says)
{
	static const struct {
		const char *text;
		uint64_t months, seconds;
	} rows[] = {
		{"7y", 84, 0},          {"1mo", 1, 0},
		{"90d", 0, 90 * 86400}, {"24h", 0, 86400},
		{"30m", 0, 1800},       {"45s", 0, 45},
		{"0s", 0, 0},           {"P7Y", 84, 0},
		{"P1Y6M", 18, 0},       {"P2W", 0, 14 * 86400},
		{"PT12H", 0, 43200},    {"PT1M", 0, 60},
		{"P1M", 1, 0},          {"P1Y2M3DT4H5M6S", 14, 3 * 86400 + 4 * 3600 + 5 * 60 + 6},
		{"P1DT1S", 0, 86401},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct duration d = {9, 9};
		ck_assert_int_eq(duration_parse(&d, slice_str(rows[i].text)), 0);
		ck_assert_uint_eq(d.months, rows[i].months);
		ck_assert_uint_eq(d.ns, rows[i].seconds * 1000000000);
	}
}
END_TEST

START_TEST(another_spelling_is_refused)
{
	static const char *const bad[] = {
		"",      "7",     "y",       "7Y",     "7 y",   " 7y",          "7y ",    "-7y",
		"+7y",   "07y",   "7.5y",    "7w",     "7ms",   "1y6mo",        "7min",   "P",
		"PT",    "P1",    "P1S",     "P1H",    "PT1D",  "PT1Y",         "P1YT",   "P1M1Y",
		"P1Y1Y", "P1D1W", "P1Y1W",   "P1WT1H", "P1.5Y", "P-1Y",         "PT1S1H", "p1y",
		"P1y",   "P1YT1", "PT1HT1M", "P01Y",   "1 d",   "\xe2\x88\x9e",
	};
	struct duration d = {7, 7};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(duration_parse(&d, slice_str(bad[i])) == STELE_ESYNTAX, "%s", bad[i]);
	ck_assert_int_eq(duration_parse(&d, slice_of("1y\0", 3)), STELE_ESYNTAX);
	ck_assert_uint_eq(d.months, 7);
}
END_TEST

START_TEST(numbers_that_overflow_are_a_limit)
{
	static const char *const bad[] = {
		"99999999999999999999y",
		"1537228672809129302y",
		"18446744073709551616s",
		"18446744074s",
		"213504d",
		"P213503DT23H35M",
		"P213503DT86400000S",
	};
	struct duration d = {7, 7};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(duration_parse(&d, slice_str(bad[i])) == STELE_ELIMIT, "%s", bad[i]);
	ck_assert_uint_eq(d.months, 7);
	ck_assert_uint_eq(d.ns, 7);
}
END_TEST

START_TEST(the_calendar_never_lands_earlier)
{
	assert_sum("2024-02-29T12:00:00.000000001Z", "1y", "2025-03-01T12:00:00.000000001Z");
	assert_sum("2024-02-29T12:00:00.000000000Z", "4y", "2028-02-29T12:00:00.000000000Z");
	assert_sum("2026-01-31T23:59:59.999999999Z", "1mo", "2026-03-01T23:59:59.999999999Z");
	assert_sum("2024-01-31T00:00:00.000000000Z", "1mo", "2024-03-01T00:00:00.000000000Z");
	assert_sum("2026-03-31T00:00:00.000000000Z", "1mo", "2026-05-01T00:00:00.000000000Z");
	assert_sum("2026-10-31T00:00:00.000000000Z", "1mo", "2026-12-01T00:00:00.000000000Z");
	assert_sum("2026-12-31T00:00:00.000000000Z", "1mo", "2027-01-31T00:00:00.000000000Z");
	assert_sum("2026-11-30T00:00:00.000000000Z", "P1M", "2026-12-30T00:00:00.000000000Z");
	assert_sum("2026-11-23T15:48:00.123456789Z", "7y", "2033-11-23T15:48:00.123456789Z");
	assert_sum("2026-01-31T00:00:00.000000000Z", "P1M1D", "2026-03-02T00:00:00.000000000Z");
	assert_sum("2026-01-31T00:00:00.000000000Z", "0s", "2026-01-31T00:00:00.000000000Z");
}
END_TEST

START_TEST(exact_units_are_exact)
{
	assert_sum("2024-02-28T00:00:00.000000000Z", "1d", "2024-02-29T00:00:00.000000000Z");
	assert_sum("2024-02-28T00:00:00.000000000Z", "366d", "2025-02-28T00:00:00.000000000Z");
	assert_sum("2026-12-31T23:59:59.999999999Z", "1s", "2027-01-01T00:00:00.999999999Z");
}
END_TEST

START_TEST(a_sum_past_the_range_is_a_limit)
{
	struct duration d;
	int64_t out = 77, from = INT64_C(1795448880000000000); /* 2026 */

	static const char *const far[] = {"236y", "3000y", "86000d", "100000000000y", "200000d"};

	for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
		ck_assert_int_eq(duration_parse(&d, slice_str(far[i])), 0);
		ck_assert_int_eq(duration_add(&out, from, &d), STELE_ELIMIT);
	}
	d = (struct duration){0, 1};
	ck_assert_int_eq(duration_add(&out, TIMESTAMP_MAX_NS, &d), STELE_ELIMIT);
	ck_assert_int_eq(duration_add(&out, -1, &d), STELE_EINVAL);
	ck_assert_int_eq(duration_add(&out, TIMESTAMP_MAX_NS + 1, &d), STELE_EINVAL);
	ck_assert(out == 77);
	ck_assert_int_eq(duration_add(&out, TIMESTAMP_MAX_NS - 1, &d), 0);
	ck_assert(out == TIMESTAMP_MAX_NS);
}
END_TEST

START_TEST(a_longer_period_never_ends_earlier)
{
	for (int64_t day = 0; day < 1500; day++) {
		int64_t last = -1;
		for (uint64_t months = 0; months < 60; months++) {
			struct duration d = {months, 0};
			int64_t end;
			if (duration_add(&end, day * TIMESTAMP_DAY_NS, &d) != 0 || end <= last)
				ck_abort_msg("day %d + %d months", (int)day, (int)months);
			last = end;
		}
	}
}
END_TEST

static bool
covers(const char *a, const char *b)
{
	struct duration x, y;

	ck_assert_int_eq(duration_parse(&x, slice_str(a)), 0);
	ck_assert_int_eq(duration_parse(&y, slice_str(b)), 0);
	return duration_covers(&x, &y);
}

START_TEST(one_period_covers_another_wherever_both_start)
{
	static const char *const all[] = {
		"0s",   "1h",  "28d",   "29d",   "30d",  "31d",   "32d",   "1mo",   "59d",
		"2mo",  "62d", "6mo",   "180d",  "186d", "364d",  "365d",  "366d",  "1y",
		"13mo", "4y",  "1461d", "1464d", "7y",   "P1Y1D", "PT25H", "2562d", "2555d"};
	enum { N = sizeof all / sizeof *all };
	unsigned found = 0;

	for (size_t i = 0; i < N; i++) {
		ck_assert(covers(all[i], all[i]));
		for (size_t k = 0; k < N; k++) {
			struct duration a, b;
			if (!covers(all[i], all[k]))
				continue;
			found++;
			ck_assert_int_eq(duration_parse(&a, slice_str(all[i])), 0);
			ck_assert_int_eq(duration_parse(&b, slice_str(all[k])), 0);
			for (int64_t day = 0; day < 4 * 366; day++) { /* from 2027 on */
				int64_t from = (day + 20819) * TIMESTAMP_DAY_NS, x, y;
				ck_assert_int_eq(duration_add(&x, from, &a), 0);
				ck_assert_int_eq(duration_add(&y, from, &b), 0);
				ck_assert_msg(x >= y, "%s does not cover %s", all[i], all[k]);
			}
		}
	}
	ck_assert_uint_gt(found, N * N / 3);
	ck_assert(covers("1y", "365d") && !covers("365d", "1y") && covers("366d", "1y"));
	ck_assert(covers("1mo", "28d") && !covers("1mo", "29d") && covers("31d", "1mo"));
	ck_assert(covers("7y", "90d") && !covers("90d", "7y"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("duration");
	TCase *t = tcase_create("duration");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, every_unit_is_what_it_says);
	tcase_add_test(t, another_spelling_is_refused);
	tcase_add_test(t, numbers_that_overflow_are_a_limit);
	tcase_add_test(t, the_calendar_never_lands_earlier);
	tcase_add_test(t, exact_units_are_exact);
	tcase_add_test(t, a_sum_past_the_range_is_a_limit);
	tcase_add_test(t, a_longer_period_never_ends_earlier);
	tcase_add_test(t, one_period_covers_another_wherever_both_start);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
