/* Base64: RFC 4648's vectors, every length, and one spelling of every byte string. */
#include "proto/base64.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

START_TEST(the_rfcs_vectors_hold)
{
	static const char *const rows[][2] = {{"", ""},
					      {"f", "Zg=="},
					      {"fo", "Zm8="},
					      {"foo", "Zm9v"},
					      {"foob", "Zm9vYg=="},
					      {"fooba", "Zm9vYmE="},
					      {"foobar", "Zm9vYmFy"}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char out[16] = {0};
		ck_assert_uint_eq(base64_encode(out, rows[i][0], strlen(rows[i][0])),
				  strlen(rows[i][1]));
		ck_assert_str_eq(out, rows[i][1]);
		ck_assert_uint_eq(base64_encoded_len(strlen(rows[i][0])), strlen(rows[i][1]));
	}
}
END_TEST

START_TEST(every_length_and_byte_round_trips)
{
	for (size_t n = 0; n < 600; n++) {
		uint8_t *bytes = malloc(n ? n : 1), *back = malloc(n ? n : 1);
		char *text = malloc(n ? base64_encoded_len(n)
				      : 1); /* exact: ASan sees every step beyond */
		size_t len, got;

		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)(i * 167 + n * 31);
		len = base64_encode(text, bytes, n);
		ck_assert_uint_eq(len, base64_encoded_len(n));
		ck_assert_int_eq(base64_decode(back, n, &got, slice_of(text, len)), 0);
		ck_assert_uint_eq(got, n);
		ck_assert(memcmp(back, bytes, n) == 0);
		ck_assert_int_eq(base64_decode_exact(back, n, slice_of(text, len)), 0);
		if (n) {
			ck_assert_int_eq(base64_decode(back, n - 1, &got, slice_of(text, len)),
					 STELE_ELIMIT);
			ck_assert_int_eq(base64_decode_exact(back, n - 1, slice_of(text, len)),
					 STELE_ESYNTAX);
		}
		free(bytes);
		free(back);
		free(text);
	}
}
END_TEST

START_TEST(every_four_characters_decode_to_what_encodes_to_them_or_not_at_all)
{
	uint8_t bytes[3];
	char text[4], again[4];
	size_t n, accepted = 0;

	for (unsigned a = 0; a < 256; a++) {
		for (unsigned b = 0; b < 256; b++) {
			for (unsigned where = 0; where < 3; where++) {
				memcpy(text, "QUJD", 4);
				text[where] = (char)a;
				text[where + 1] = (char)b;
				if (base64_decode(bytes, 3, &n, slice_of(text, 4)) != 0)
					continue;
				accepted++;
				if (base64_encode(again, bytes, n) != 4 ||
				    memcmp(text, again, 4) != 0)
					ck_abort_msg("%.4s", text);
			}
		}
	}
	/* two digits anywhere; or, last, one of sixteen that end in zero bits, and padding */
	ck_assert_uint_eq(accepted, 3 * 64 * 64 + 16);
}
END_TEST

START_TEST(what_is_not_base64_is_refused)
{
	static const char *const bad[] = {
		"Z",          "Zg",     "Zg=",   "Zg===",    "=",    "====", "Z===", "Zm9v====",
		"Zg==Zm9v",   "Zm9v\n", "Zm 9v", "Zm9v Zm9", "Zm9-", "Zm9_", "Zh==", "Zm9=",
		"\xc3\xa9Zm", "Zm=v",   "=m9v",  "Z=A=",     "=mA=", "=A==", "Z\nE="};
	uint8_t out[16] = {77};
	size_t n = 77;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(base64_decode(out, sizeof out, &n, slice_str(bad[i])) ==
				      STELE_ESYNTAX,
			      "%s", bad[i]);
	ck_assert_uint_eq(n, 77);
	ck_assert_int_eq(base64_decode(out, sizeof out, &n, slice_of(NULL, 0)), 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("base64");
	TCase *t = tcase_create("base64");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, the_rfcs_vectors_hold);
	tcase_add_test(t, every_length_and_byte_round_trips);
	tcase_add_test(t, every_four_characters_decode_to_what_encodes_to_them_or_not_at_all);
	tcase_add_test(t, what_is_not_base64_is_refused);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
