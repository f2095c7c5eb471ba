/* bench/answer: an answer ends where its Content-Length says, however it arrives. */
#include "bench/answer.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

static const char whole[] = "HTTP/1.1 201 Created\r\nServer: x\r\ncontent-LENGTH: 5\r\n\r\nhello";

START_TEST(a_whole_answer_is_complete_at_once)
{
	struct answer a = {0};

	ck_assert_int_eq(answer_take(&a, (const uint8_t *)whole, sizeof whole - 1), 1);
	ck_assert_uint_eq(a.status, 201);
	ck_assert_uint_eq(a.total_bytes, sizeof whole - 1);
	ck_assert_str_eq(a.excerpt, "");
}
END_TEST

START_TEST(an_answer_cut_anywhere_is_complete_with_its_last_byte)
{
	for (size_t cut = 1; cut < sizeof whole - 1; cut++) {
		struct answer a = {0};
		uint8_t buf[256];
		size_t kept, rest = sizeof whole - 1 - cut;
		ck_assert_int_eq(answer_take(&a, (const uint8_t *)whole, cut), 0);
		kept = answer_kept(&a, buf);
		memcpy(buf + kept, whole + cut, rest);
		ck_assert_int_eq(answer_take(&a, buf, kept + rest), 1);
		ck_assert_uint_eq(a.status, 201);
		answer_reset(&a);
	}
}
END_TEST

START_TEST(more_than_one_answer_is_refused)
{
	struct answer a = {0};
	char two[2 * sizeof whole];

	strcpy(two, whole);
	strcat(two, "H");
	ck_assert_int_eq(answer_take(&a, (const uint8_t *)two, strlen(two)), STELE_ESYNTAX);
	answer_reset(&a);
	ck_assert_int_eq(answer_take(&a, (const uint8_t *)two, sizeof whole - 3), 0);
	ck_assert_int_eq(answer_take(&a, (const uint8_t *)two + sizeof whole - 3, 3),
			 STELE_ESYNTAX);
}
END_TEST

START_TEST(a_refusal_keeps_what_it_said)
{
	static const char text[] = "HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\n{\"busy\"\n}";
	struct answer a = {0};

	ck_assert_int_eq(answer_take(&a, (const uint8_t *)text, sizeof text - 1), 1);
	ck_assert_uint_eq(a.status, 503);
	ck_assert_str_eq(a.excerpt, "{\"busy\" }");
}
END_TEST

START_TEST(what_is_not_such_an_answer_is_refused)
{
	static const char *const bad[] = {
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct answer a = {0};
		int got = answer_take(&a, (const uint8_t *)bad[i], strlen(bad[i]));
		ck_assert_msg(got == STELE_ESYNTAX, "%s", bad[i]);
	}
}
END_TEST

START_TEST(a_head_without_end_is_refused)
{
	static uint8_t text[ANSWER_HEAD_BYTES + 1];
	struct answer a = {0};

	memset(text, 'a', sizeof text);
	ck_assert_int_eq(answer_take(&a, text, ANSWER_HEAD_BYTES), 0);
	ck_assert_uint_eq(answer_kept(&a, text), ANSWER_HEAD_BYTES);
	ck_assert_int_eq(answer_take(&a, text, sizeof text), STELE_ELIMIT);
	answer_reset(&a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("answer");
	TCase *t = tcase_create("answer");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_test(t, a_whole_answer_is_complete_at_once);
	tcase_add_test(t, an_answer_cut_anywhere_is_complete_with_its_last_byte);
	tcase_add_test(t, more_than_one_answer_is_refused);
	tcase_add_test(t, a_refusal_keeps_what_it_said);
	tcase_add_test(t, what_is_not_such_an_answer_is_refused);
	tcase_add_test(t, a_head_without_end_is_refused);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
