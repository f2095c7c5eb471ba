/* What is sent to witnesses, byte by byte. */
#include "proto/addcheckpoint.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/limits.h"

#include "suite.h"

#define HASH "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw="

static struct addcheckpoint got;

static int
parses(const char *text)
{
	return addcheckpoint_parse(&got, slice_str(text));
}

START_TEST(a_request_is_taken_apart_and_put_together_again)
{
	static const char text[] = "old 20852014\n" HASH "\n" HASH "\n\na/b\n5\n" HASH "\n\n- x\n";
	struct buf b;

	buf_init(&b);
	ck_assert_int_eq(parses(text), 0);
	ck_assert_uint_eq(got.old, 20852014);
	ck_assert_uint_eq(got.n_hashes, 2);
	ck_assert_uint_eq(got.hashes[1][0], 0x3e);
	ck_assert(slice_eq_str(got.checkpoint, "a/b\n5\n" HASH "\n\n- x\n"));
	addcheckpoint_put(&b, got.old, (const uint8_t(*)[32])got.hashes, got.n_hashes,
			  got.checkpoint);
	ck_assert_str_eq(buf_cstr(&b), text);
	ck_assert_int_eq(parses("old 0\n\nx"), 0);
	ck_assert_uint_eq(got.n_hashes, 0);
	buf_fini(&b);
}
END_TEST

START_TEST(what_is_no_request_is_refused)
{
	static const char *const bad[] = {
		"",
		"old 1",
		"old 1\n",
		"old 1\n\n",
		"old 01\n\nx\n",
		"old -1\n\nx\n",
		"old  1\n\nx\n",
		"Old 1\n\nx\n",
		"old 1 \n\nx\n",
		"old 1\r\n\r\nx\n",
		"old 9007199254740992\n\nx\n",
		"old 1\n" HASH "\nx\n",
		"old 1\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkax=\n\nx\n",
		"old 1\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw\n\nx\n",
		"old 1\n" HASH " \n\nx\n",
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(parses(bad[i]) == STELE_ESYNTAX, "%s", bad[i]);
}
END_TEST

START_TEST(a_request_has_63_hashes_and_a_note_at_most)
{
	struct buf b;
	char *note = calloc(1, LIMIT_NOTE_BYTES + 2);

	buf_init(&b);
	buf_put_str(&b, "old 7\n");
	for (size_t i = 0; i < ADDCHECKPOINT_HASHES; i++)
		buf_put_str(&b, HASH "\n");
	buf_put_str(&b, "\nx\n");
	ck_assert_int_eq(addcheckpoint_parse(&got, buf_slice(&b)), 0);
	ck_assert_uint_eq(got.n_hashes, ADDCHECKPOINT_HASHES);
	b.n -= 3;
	buf_put_str(&b, HASH "\n\nx\n");
	ck_assert_int_eq(addcheckpoint_parse(&got, buf_slice(&b)), STELE_ELIMIT);
	memset(note, 'x', LIMIT_NOTE_BYTES + 1);
	buf_reset(&b);
	buf_put_str(&b, "old 7\n\n");
	buf_put_str(&b, note);
	ck_assert_int_eq(addcheckpoint_parse(&got, buf_slice(&b)), STELE_ELIMIT);
	b.n--;
	ck_assert_int_eq(addcheckpoint_parse(&got, buf_slice(&b)), 0);
	free(note);
	buf_fini(&b);
}
END_TEST

START_TEST(a_size_is_one_number_and_a_newline)
{
	static const char *const bad[] = {
		"", "1", "\n", "01\n", "1\n\n", "1\n2\n", " 1\n", "1\r\n", "9007199254740992\n"};
	uint64_t size = 7;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(addcheckpoint_size(&size, slice_str(bad[i])), STELE_ESYNTAX);
	ck_assert_uint_eq(size, 7);
	ck_assert_int_eq(addcheckpoint_size(&size, slice_str("0\n")), 0);
	ck_assert_uint_eq(size, 0);
	ck_assert_int_eq(addcheckpoint_size(&size, slice_str("9007199254740991\n")), 0);
	ck_assert_uint_eq(size, LIMIT_INTEGER);
}
END_TEST

int
main(void)
{
	const TTest *tests[] = {
		a_request_is_taken_apart_and_put_together_again,
		what_is_no_request_is_refused,
		a_request_has_63_hashes_and_a_note_at_most,
		a_size_is_one_number_and_a_newline,
	};

	return suite_run("addcheckpoint", tests, sizeof tests / sizeof *tests, 30);
}
