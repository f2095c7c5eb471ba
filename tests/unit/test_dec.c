/* Decimal integers: one spelling each. */
#include "proto/dec.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/err.h"

START_TEST(every_length_round_trips)
{
	uint64_t values[64];
	size_t n = 0;

	for (uint64_t p = 1; n < 60; p *= 10) {
		values[n++] = p - 1;
		values[n++] = p;
		values[n++] = p * 9 + p - 1;
		if (p == UINT64_C(10000000000000000000))
			break;
	}
	values[n++] = UINT64_MAX;
	for (size_t i = 0; i < n; i++) {
		char out[DEC_MAX_BYTES], want[32];
		size_t len = dec_format(out, values[i]);
		uint64_t back;
		int m = snprintf(want, sizeof want, "%llu", (unsigned long long)values[i]);

		ck_assert_uint_eq(len, (size_t)m);
		ck_assert_mem_eq(out, want, len);
		ck_assert_int_eq(dec_parse(&back, slice_of(out, len), UINT64_MAX), 0);
		ck_assert_uint_eq(back, values[i]);
	}
}
END_TEST

START_TEST(a_second_spelling_is_refused)
{
	static const char *const bad[] = {"",   "00", "01",  "+1",  "-1",
					  " 1", "1 ", "1.0", "1e3", "0x1"};
	uint64_t v = 77;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(dec_parse(&v, slice_str(bad[i]), UINT64_MAX), STELE_ESYNTAX);
	ck_assert_uint_eq(v, 77);
}
END_TEST

START_TEST(above_the_maximum_is_a_limit)
{
	uint64_t v = 77;

	ck_assert_int_eq(dec_parse(&v, slice_str("256"), 255), STELE_ELIMIT);
	ck_assert_int_eq(dec_parse(&v, slice_str("18446744073709551616"), UINT64_MAX),
			 STELE_ELIMIT);
	ck_assert_int_eq(dec_parse(&v, slice_str("99999999999999999999999"), UINT64_MAX),
			 STELE_ELIMIT);
	ck_assert_uint_eq(v, 77);
	ck_assert_int_eq(dec_parse(&v, slice_str("255"), 255), 0);
	ck_assert_uint_eq(v, 255);
}
END_TEST

START_TEST(padding_writes_exactly_n_digits)
{
	char out[4] = "xxx";

	dec_format_padded(out, 3, 7);
	ck_assert_str_eq(out, "007");
	dec_format_padded(out, 2, 1234);
	ck_assert_str_eq(out, "347");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dec");
	TCase *t = tcase_create("dec");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, every_length_round_trips);
	tcase_add_test(t, a_second_spelling_is_refused);
	tcase_add_test(t, above_the_maximum_is_a_limit);
	tcase_add_test(t, padding_writes_exactly_n_digits);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
