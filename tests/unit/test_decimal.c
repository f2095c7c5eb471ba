/* Numbers of any length, by their digits. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/decimal.h"
#include "tests/unit/suite.h"

static struct decimal
read_number(const char *text)
{
	struct decimal d;

	ck_assert_msg(decimal_read(&d, slice_str(text)), "%s", text);
	return d;
}

static int
compare(const char *a, const char *b)
{
	struct decimal x = read_number(a), y = read_number(b);
	int order = decimal_compare(&x, &y), back = decimal_compare(&y, &x);

	ck_assert((order > 0) == (back < 0) && (order == 0) == (back == 0));
	return (order > 0) - (order < 0);
}

START_TEST(numbers_are_in_order)
{
	static const char *const ascending[] = {
		"-1e999999999999999999999",
		"-1e400",
		"-123456789012345678901234567890",
		"-42.5",
		"-42",
		"-0.1",
		"-1e-400",
		"0",
		"1e-400",
		"0.09999999999999999999999",
		"0.1",
		"1",
		"9",
		"10",
		"41.999999999999999999999",
		"42",
		"9007199254740991",
		"9007199254740992",
		"9007199254740993",
		"9007199254740993.5",
		"1e16",
		"123456789012345678901234567890",
		"123456789012345678901234567891",
		"1e400",
		"1.1e400",
		"1e999999999999999999999",
	};
	enum { N = sizeof ascending / sizeof *ascending };

	for (int i = 0; i < N; i++) {
		for (int j = 0; j < N; j++)
			ck_assert_msg(compare(ascending[i], ascending[j]) == (i > j) - (i < j),
				      "%s %s", ascending[i], ascending[j]);
	}
}
END_TEST

START_TEST(exponents_beyond_64_bits_are_far_away)
{
	static const char *const far[] = {
		"4611686018427387904",  "9223372036854775808",
		"18446744073709551616", "18446744073709551617",
		"99999999999999999999", "340282366920938463463374607431768211456"};
	char text[64];

	for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
		snprintf(text, sizeof text, "1e%s", far[i]);
		ck_assert_int_eq(compare(text, "1e1000000"), 1);
		snprintf(text, sizeof text, "1e-%s", far[i]);
		ck_assert_int_eq(compare(text, "1e-1000000"), -1);
		ck_assert_int_eq(compare(text, "0"), 1);
		snprintf(text, sizeof text, "0.000e%s", far[i]);
		ck_assert_int_eq(compare(text, "0"), 0);
	}
}
END_TEST

START_TEST(one_number_has_many_spellings_and_one_canonical)
{
	static const char *const same[][8] = {
		{"42", "42", "42.0", "4.2e1", "420e-1", "0.42E2", "42.00e+0"},
		{"0", "0", "-0", "0.000", "0e5", "-0.0e-999999999999999999999"},
		{"-15e-1", "-1.5", "-15e-1", "-0.15e1", "-1.50"},
		{"1500", "1500", "1.5e3", "15e2"},
		{"1e-7", "1E-7", "0.0000001", "0.1e-6"},
		{"1e40", "1e40", "10e39"},
		{"9007199254740993", "9007199254740993", "9007199254740993.0"},
	};

	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		for (size_t j = 1; j < 8 && same[i][j]; j++) {
			struct decimal d = read_number(same[i][j]);
			struct buf out;
			buf_init(&out);
			decimal_write(&out, &d);
			ck_assert_msg(slice_eq_str(buf_slice(&out), same[i][0]), "%s", same[i][j]);
			ck_assert_int_eq(compare(same[i][0], same[i][j]), 0);
			buf_fini(&out);
		}
	}
}
END_TEST

START_TEST(what_is_no_json_number_is_none)
{
	static const char *const bad[] = {"",         "-",    "+1",   "01",  "-01",  "1.", ".5",
					  "1e",       "1e+",  "1.e5", "0x1", " 1",   "1 ", "NaN",
					  "Infinity", "1e5x", "1,5",  "--1", "1e5.0"};
	struct decimal d;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!decimal_read(&d, slice_str(bad[i])), "%s", bad[i]);
	ck_assert(!decimal_read(&d, slice_of("1\0", 2)));
	ck_assert(!decimal_read(&d, slice_of(NULL, 0)));
}
END_TEST

START_TEST(a_megabyte_of_digits_is_a_number)
{
	enum { N = 1 << 20 };
	char *a = malloc(N + 1), *b = malloc(N + 1);

	ck_assert(a && b);
	memset(a, '7', N);
	memset(b, '7', N);
	a[N] = b[N] = '\0';
	b[N - 1] = '8';
	ck_assert_int_eq(compare(a, b), -1);
	ck_assert_int_eq(compare(a, a), 0);
	free(a);
	free(b);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		numbers_are_in_order,
		exponents_beyond_64_bits_are_far_away,
		one_number_has_many_spellings_and_one_canonical,
		what_is_no_json_number_is_none,
		a_megabyte_of_digits_is_a_number,
	};

	return suite_run("decimal", tests, sizeof tests / sizeof *tests, 60);
}
