/* QR codes, against one that other readers have read. */
#include "tools/qr.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "suite.h"

START_TEST(a_short_text_is_the_code_that_readers_read)
{
	/* "stele", version 1, level M, with four modules of margin */
	static const char want[] = "                             \n"
				   "                             \n"
				   "    █▀▀▀▀▀█ ▀▀█▀▀ █▀▀▀▀▀█    \n"
				   "    █ ███ █ ▄▄▄▀▀ █ ███ █    \n"
				   "    █ ▀▀▀ █ █▄█▄▀ █ ▀▀▀ █    \n"
				   "    ▀▀▀▀▀▀▀ █ ▀▄█ ▀▀▀▀▀▀▀    \n"
				   "    ▀▄  █▄▀██▄ █▄▀▀█▀█▄ ▀    \n"
				   "    ▀█ ▄ ▄▀█▄ █▀ ▄█▀█▀ █▄    \n"
				   "      ▀ ▀ ▀ ██▄ ███  ▄▄▀▀    \n"
				   "    █▀▀▀▀▀█ ▀█ ▄█▀ ▄   █     \n"
				   "    █ ███ █ ▀▀▀█▄ ▀▀▀▄ ▄█    \n"
				   "    █ ▀▀▀ █    ▀ ▄█▀█▀       \n"
				   "    ▀▀▀▀▀▀▀ ▀ ▀ ▀▀▀▀    ▀    \n"
				   "                             \n"
				   "                             \n";
	struct buf out;
	struct qr q;

	buf_init(&out);
	ck_assert_int_eq(qr_init(&q, "stele"), 0);
	ck_assert_uint_eq(q.width, 21);
	qr_put_blocks(&out, &q);
	buf_put_u8(&out, 0);
	ck_assert_str_eq((char *)out.p, want);
	qr_fini(&q);
	buf_fini(&out);
}
END_TEST

/* Every dark module, and no other, is a square of the path. */
START_TEST(the_svg_has_the_same_modules)
{
	unsigned squares = 0, dark = 0;
	struct buf out;
	struct qr q;

	buf_init(&out);
	ck_assert_int_eq(qr_init(&q, "stele"), 0);
	qr_put_svg(&out, &q);
	buf_put_u8(&out, 0);
	for (const char *p = (char *)out.p; (p = strstr(p, "h1v1h-1z")); p++)
		squares++;
	for (unsigned i = 0; i < q.width * q.width; i++) {
		char move[32];
		snprintf(move, sizeof move, "M%u %uh1v1", i % q.width + QR_QUIET,
			 i / q.width + QR_QUIET);
		ck_assert((strstr((char *)out.p, move) != NULL) == (q.module[i] == 1));
		dark += q.module[i];
	}
	ck_assert_uint_eq(squares, dark);
	ck_assert_ptr_nonnull(strstr((char *)out.p, "viewBox=\"0 0 29 29\""));
	qr_fini(&q);
	buf_fini(&out);
}
END_TEST

START_TEST(a_text_that_does_not_fit_is_refused)
{
	char *text = malloc(4000);
	struct qr q;

	memset(text, 'x', 3999);
	text[3999] = 0;
	ck_assert_int_eq(qr_init(&q, text), STELE_ELIMIT);
	qr_fini(&q);
	text[2000] = 0;
	ck_assert_int_eq(qr_init(&q, text), 0);
	qr_fini(&q);
	free(text);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_short_text_is_the_code_that_readers_read,
		the_svg_has_the_same_modules,
		a_text_that_does_not_fit_is_refused,
	};

	return suite_run("qr", tests, sizeof tests / sizeof *tests, 30);
}
