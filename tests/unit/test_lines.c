/* Lines with a sticky error. */
#include "proto/lines.h"

#include <check.h>
#include <stdlib.h>

#include "proto/err.h"

#define HASH "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

START_TEST(lines_come_in_order_and_end)
{
	struct lines l;
	uint8_t hash[32];

	lines_init(&l, slice_str("first\n\n42\nindex 7\n" HASH "\nword\n"));
	ck_assert(slice_eq_str(lines_take(&l), "first"));
	ck_assert_uint_eq(lines_take(&l).n, 0);
	ck_assert_uint_eq(lines_take_integer(&l), 42);
	ck_assert_uint_eq(lines_take_integer_after(&l, "index "), 7);
	lines_take_hash(&l, hash);
	ck_assert_uint_eq(hash[31], 31);
	ck_assert_int_eq(lines_end(&l), STELE_ESYNTAX);
	lines_expect(&l, "word");
	ck_assert_int_eq(lines_end(&l), 0);
}
END_TEST

START_TEST(what_was_not_asked_for_sticks)
{
	static const char *const texts[] = {"no newline", "", "042\n", "9007199254740992\n",
					    "x 1\n"};
	struct lines l;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		lines_init(&l, slice_str(texts[i]));
		ck_assert_uint_eq(lines_take_integer(&l), 0);
		ck_assert_int_eq(lines_err(&l), STELE_ESYNTAX);
		ck_assert_uint_eq(lines_take(&l).n, 0);
		ck_assert_int_eq(lines_end(&l), STELE_ESYNTAX);
	}
	lines_init(&l, slice_str("line\nno newline"));
	ck_assert_uint_eq(lines_take(&l).n, 4);
	ck_assert_uint_eq(lines_take(&l).n, 0);
	ck_assert_int_eq(lines_err(&l), STELE_ESYNTAX);
	lines_init(&l, slice_str("abc\nd\n"));
	ck_assert_uint_eq(lines_take_after(&l, "abd").n, 0);
	ck_assert_int_eq(lines_err(&l), STELE_ESYNTAX);
	lines_init(&l, slice_str("words\nd\n"));
	lines_expect(&l, "word");
	lines_expect(&l, "d");
	ck_assert_int_eq(lines_err(&l), STELE_ESYNTAX);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("lines");
	TCase *t = tcase_create("lines");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, lines_come_in_order_and_end);
	tcase_add_test(t, what_was_not_asked_for_sticks);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
