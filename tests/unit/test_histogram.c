/* bench/histogram: every quantile of every range within a bucket's width. */
#include "bench/histogram.h"

#include <check.h>

static struct histogram h;

START_TEST(an_empty_histogram_answers_zero)
{
	histogram_init(&h);
	ck_assert_uint_eq(histogram_quantile(&h, 0.5), 0);
	ck_assert_uint_eq(histogram_quantile(&h, 1), 0);
}
END_TEST

START_TEST(a_lone_value_is_every_quantile_whatever_its_size)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t v = UINT64_C(1) << bit;
		for (int d = -1; d <= 1; d++) {
			histogram_init(&h);
			histogram_record(&h, v + (uint64_t)d);
			ck_assert_uint_eq(histogram_quantile(&h, 0), v + (uint64_t)d);
			ck_assert_uint_eq(histogram_quantile(&h, 0.5), v + (uint64_t)d);
			ck_assert_uint_eq(histogram_quantile(&h, 1), v + (uint64_t)d);
		}
	}
}
END_TEST

START_TEST(small_values_are_exact)
{
	histogram_init(&h);
	for (uint64_t v = 1; v <= 100; v++)
		histogram_record(&h, v);
	for (uint64_t v = 1; v <= 100; v++)
		ck_assert_uint_eq(histogram_quantile(&h, ((double)v - 0.5) / 100), v);
}
END_TEST

START_TEST(large_values_are_known_to_a_64th_and_never_below)
{
	const uint64_t unit = 1237;

	histogram_init(&h);
	for (uint64_t v = 1; v <= 100000; v++)
		histogram_record(&h, v * unit);
	for (uint64_t v = 1000; v <= 100000; v += 777) {
		uint64_t got = histogram_quantile(&h, ((double)v - 0.5) / 100000);
		ck_assert_uint_ge(got, v * unit);
		ck_assert_uint_le(got, v * unit + v * unit / 64 + unit);
	}
	ck_assert_uint_eq(histogram_quantile(&h, 1), 100000 * unit);
}
END_TEST

START_TEST(one_slow_answer_in_a_thousand_is_p999_and_not_p99)
{
	histogram_init(&h);
	for (unsigned i = 0; i < 998; i++)
		histogram_record(&h, 10);
	histogram_record(&h, 5000000);
	histogram_record(&h, 5000000);
	ck_assert_uint_eq(histogram_quantile(&h, 0.99), 10);
	ck_assert_uint_ge(histogram_quantile(&h, 0.999), 5000000);
	ck_assert_uint_eq(h.max, 5000000);
	ck_assert_uint_eq(h.count, 1000);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("histogram");
	TCase *t = tcase_create("histogram");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_test(t, an_empty_histogram_answers_zero);
	tcase_add_test(t, a_lone_value_is_every_quantile_whatever_its_size);
	tcase_add_test(t, small_values_are_exact);
	tcase_add_test(t, large_values_are_known_to_a_64th_and_never_below);
	tcase_add_test(t, one_slow_answer_in_a_thousand_is_p999_and_not_p99);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
