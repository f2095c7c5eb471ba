/* UTF-8: every code point, and nothing else. */
#include "proto/utf8.h"

#include <check.h>
#include <stdlib.h>

static size_t
encode(uint8_t out[4], uint32_t c)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (c & 0x3f));
	return 4;
}

START_TEST(every_code_point_reads_back_and_surrogates_do_not)
{
	for (uint32_t c = 0; c < 0x110000; c++) {
		bool surrogate = c >= 0xd800 && c <= 0xdfff;
		uint32_t got = 0x7fffffff;
		uint8_t text[4], written[4];
		size_t n = encode(text, c);

		if (utf8_decode(&got, slice_of(text, n)) != (surrogate ? 0 : n) ||
		    (!surrogate && got != c))
			ck_abort_msg("U+%04X", (unsigned)c);
		if (utf8_decode(&got, slice_of(text, n - 1)) != 0)
			ck_abort_msg("U+%04X cut short", (unsigned)c);
		if (utf8_write(written, c) != n || memcmp(written, text, n) != 0)
			ck_abort_msg("U+%04X is written otherwise", (unsigned)c);
	}
}
END_TEST

START_TEST(every_two_bytes_that_begin_nothing_are_refused)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xfe",
		"\xff",
		"\xc3\x28",
		"\xe2\x28\xa1",
		"\xe2\x82\x28",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xc3\xc3",
	};
	uint32_t c = 77;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_uint_eq(utf8_decode(&c, slice_str(bad[i])), 0);
	ck_assert_uint_eq(c, 77);
}
END_TEST

START_TEST(white_space_is_unicodes)
{
	unsigned n = 0;

	for (uint32_t c = 0; c < 0x110000; c++)
		n += utf8_is_space(c);
	ck_assert_uint_eq(n, 25); /* PropList.txt: 25 code points */
	ck_assert(utf8_is_space(0x3000) && utf8_is_space(0xa0) && !utf8_is_space(0x200b));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("utf8");
	TCase *t = tcase_create("utf8");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, every_code_point_reads_back_and_surrogates_do_not);
	tcase_add_test(t, every_two_bytes_that_begin_nothing_are_refused);
	tcase_add_test(t, white_space_is_unicodes);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
