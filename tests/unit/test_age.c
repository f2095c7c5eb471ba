/* crypto/age: who is written to, and how long what comes out is. That it opens, and with what, is
 * tests/e2e/exports_test.py's. */
#include "crypto/age.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/init.h"
#include "proto/err.h"

/* Of the age specification's examples. */
static const char known[] = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";

enum { HEADER_BYTES = 22 + 54 + 44 + 48 + 16, TAG = 16 };

START_TEST(a_recipient_is_read_and_every_changed_character_refused)
{
	uint8_t key[AGE_RECIPIENT_BYTES];
	char text[sizeof known];

	ck_assert_int_eq(age_recipient_read(key, slice_str(known)), 0);
	for (size_t i = 0; i < strlen(known); i++) {
		memcpy(text, known, sizeof text);
		text[i] = text[i] == 'q' ? 'p' : 'q';
		ck_assert_int_eq(age_recipient_read(key, slice_str(text)), STELE_ESYNTAX);
		text[i] = 'B'; /* no digit of it, in no case */
		ck_assert_int_eq(age_recipient_read(key, slice_str(text)), STELE_ESYNTAX);
	}
	ck_assert_int_eq(age_recipient_read(key, slice_str("")), STELE_ESYNTAX);
	ck_assert_int_eq(age_recipient_read(key, slice_of(known, strlen(known) - 1)),
			 STELE_ESYNTAX);
}
END_TEST

static size_t
written(size_t n, size_t step)
{
	uint8_t key[1][AGE_RECIPIENT_BYTES], *bytes = calloc(1, n + 1);
	struct age_writer *w;
	struct buf out;
	size_t size;

	ck_assert_int_eq(age_recipient_read(key[0], slice_str(known)), 0);
	buf_init(&out);
	ck_assert_int_eq(age_writer_new(&w, (const uint8_t(*)[AGE_RECIPIENT_BYTES])key, 1, &out),
			 0);
	for (size_t at = 0; at < n; at += step)
		age_writer_put(w, slice_of(bytes + at, step < n - at ? step : n - at), &out);
	age_writer_end(w, &out);
	ck_assert_int_eq(out.err, 0);
	size = out.n;
	age_writer_free(w);
	buf_fini(&out);
	free(bytes);
	return size;
}

START_TEST(chunks_are_full_but_for_the_last_one)
{
	ck_assert_uint_eq(written(0, 1), HEADER_BYTES + TAG);
	ck_assert_uint_eq(written(1, 1), HEADER_BYTES + 1 + TAG);
	ck_assert_uint_eq(written(65536, 1000), HEADER_BYTES + 65536 + TAG);
	ck_assert_uint_eq(written(65537, 65537), HEADER_BYTES + 65537 + 2 * TAG);
	ck_assert_uint_eq(written(3 * 65536, 4096), HEADER_BYTES + 3 * (65536 + TAG));
}
END_TEST

START_TEST(a_key_that_nobody_can_have_is_refused)
{
	static const uint8_t zero[1][AGE_RECIPIENT_BYTES];
	struct age_writer *w;
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(age_writer_new(&w, zero, 1, &out), STELE_EINVAL);
	buf_fini(&out);
}
END_TEST

#include "suite.h"

int
main(void)
{
	const TTest *const tests[] = {
		a_recipient_is_read_and_every_changed_character_refused,
		chunks_are_full_but_for_the_last_one,
		a_key_that_nobody_can_have_is_refused,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("age", tests, sizeof tests / sizeof *tests, 20);
}
