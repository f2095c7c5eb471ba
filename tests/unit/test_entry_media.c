/* Content-Type down to essence and charset. */
#include "proto/entry.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

START_TEST(essence_and_charset_stay)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"application/json", "application/json"},
		{"Application/JSON", "application/json"},
		{" text/plain ", "text/plain"},
		{"text/plain;charset=utf-8", "text/plain; charset=utf-8"},
		{"text/plain ; Charset=\"UTF-8\"", "text/plain; charset=UTF-8"},
		{"text/plain; format=flowed; charset=us-ascii; x=y",
		 "text/plain; charset=us-ascii"},
		{"multipart/form-data; boundary=\"a;charset=x\\\"\"", "multipart/form-data"},
		{"application/cloudevents+json;", "application/cloudevents+json"},
		{"application/vnd.api+json;;profile=\"\"\t", "application/vnd.api+json"},
		{"a/b; x=\"\xc3\xa9\"", "a/b"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char out[128] = {0};
		size_t n = 0;
		ck_assert_msg(
			entry_media_type_normalise(out, sizeof out, &n, slice_str(rows[i].in)) == 0,
			"%s", rows[i].in);
		ck_assert_uint_eq(n, strlen(rows[i].want));
		ck_assert_str_eq(out, rows[i].want);
		ck_assert_int_eq(entry_media_type_normalise(out, n, &n, slice_of(out, n)), 0);
		ck_assert_str_eq(out, rows[i].want);
	}
}
END_TEST

START_TEST(what_is_no_media_type_is_refused)
{
	static const char *const bad[] = {
		"",
		" ",
		"text",
		"text/",
		"/plain",
		"text /plain",
		"text/pl ain",
		"text/plain x",
		"text/plain; charset",
		"text/plain; charset=",
		"text/plain; =x",
		"text/plain; a =b",
		"text/plain; a= b",
		"text/plain; charset=\"\"",
		"text/plain; charset=\"a b\"",
		"text/plain; charset=\"a\\b\"",
		"text/plain; a=\"b",
		"text/plain; a=\"b\\",
		"text/plain; a=\"b\\\"",
		"text/plain; a=\"\x01\"",
		"text/plain; a=\"\\\x01\"",
		"text/plain; charset=a; charset=a",
		"text/plain, text/html",
		"text/pl\xc3\xa9",
		"text/\"plain\"",
		"text/plain\n",
		"text/plain; a=\"b\"c",
	};
	char out[128] = "kept";
	size_t n = 77;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(entry_media_type_normalise(out, sizeof out, &n, slice_str(bad[i])) ==
				      STELE_ESYNTAX,
			      "%s", bad[i]);
	ck_assert_int_eq(entry_media_type_normalise(out, sizeof out, &n, slice_of("a/b\0", 4)),
			 STELE_ESYNTAX);
	ck_assert_int_eq(entry_media_type_normalise(out, sizeof out, &n, slice_of(NULL, 0)),
			 STELE_ESYNTAX);
	ck_assert_str_eq(out, "kept");
	ck_assert_uint_eq(n, 77);
}
END_TEST

START_TEST(the_result_is_bounded)
{
	char in[200] = "application/", out[200];
	size_t n = 77;

	memset(in + 12, 'x', LIMIT_MEDIA_TYPE_BYTES + 1 - 12);
	ck_assert_int_eq(entry_media_type_normalise(out, sizeof out, &n, slice_str(in)),
			 STELE_ELIMIT);
	in[LIMIT_MEDIA_TYPE_BYTES] = '\0';
	ck_assert_int_eq(
		entry_media_type_normalise(out, LIMIT_MEDIA_TYPE_BYTES - 1, &n, slice_str(in)),
		STELE_ELIMIT);
	ck_assert_uint_eq(n, 77);
	ck_assert_int_eq(entry_media_type_normalise(out, sizeof out, &n, slice_str(in)), 0);
	ck_assert_uint_eq(n, LIMIT_MEDIA_TYPE_BYTES);
	strcat(in, "; charset=utf-8");
	ck_assert_int_eq(entry_media_type_normalise(out, sizeof out, &n, slice_str(in)),
			 STELE_ELIMIT);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("entry_media");
	TCase *t = tcase_create("entry_media");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, essence_and_charset_stay);
	tcase_add_test(t, what_is_no_media_type_is_refused);
	tcase_add_test(t, the_result_is_bounded);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
