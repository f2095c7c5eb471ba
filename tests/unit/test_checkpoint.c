/* Checkpoints: the specification's example, extension lines, every wrong line refused. */
#include "proto/checkpoint.h"

#include <check.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/limits.h"

#define ROOT "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="
#define BODY "example.com/behind-the-sofa\n20852163\n" ROOT "\n"

START_TEST(the_specifications_example_round_trips)
{
	struct checkpoint c;
	struct buf b;

	buf_init(&b);
	ck_assert_int_eq(checkpoint_parse(&c, slice_str(BODY)), 0);
	ck_assert(slice_eq_str(c.origin, "example.com/behind-the-sofa"));
	ck_assert_uint_eq(c.size, 20852163);
	ck_assert_uint_eq(c.root[0], 0x0a);
	ck_assert_uint_eq(c.extensions.n, 0);
	ck_assert_int_eq(checkpoint_put(&b, c.origin, c.size, c.root), 0);
	ck_assert(slice_eq_str(buf_slice(&b), BODY));
	buf_fini(&b);
}
END_TEST

START_TEST(extension_lines_are_kept_as_they_are)
{
	struct checkpoint c;

	ck_assert_int_eq(checkpoint_parse(&c, slice_str(BODY "one\ntwo three\n")), 0);
	ck_assert(slice_eq_str(c.extensions, "one\ntwo three\n"));
}
END_TEST

START_TEST(what_is_no_checkpoint_is_refused)
{
	static const char *const bad[] = {
		"",
		"\n",
		"o\n1\n",
		"o\n1\n" ROOT,
		"\n1\n" ROOT "\n",
		"o\n0\n" ROOT "\n",
		"o\n01\n" ROOT "\n",
		"o\n-1\n" ROOT "\n",
		"o\n\n" ROOT "\n",
		"o\n1 \n" ROOT "\n",
		"o\n9007199254740992\n" ROOT "\n",
		"o\n1\n\n",
		"o\n1\nAAAA\n",
		"o\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n",
		"o\n1\n" ROOT " \n",
		"o\n1\n" ROOT "\n\n",
		"o\n1\n" ROOT "\na\n\nb\n",
		"o\n1\n" ROOT "\nno newline",
		"o\r\n1\n" ROOT "\n",
	};
	struct checkpoint c = {.size = 77};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(checkpoint_parse(&c, slice_str(bad[i])) == STELE_ESYNTAX, "%s",
			      bad[i]);
	ck_assert_uint_eq(c.size, 77);
}
END_TEST

START_TEST(the_writer_refuses_what_the_reader_would)
{
	uint8_t root[32] = {0};
	struct buf b;

	buf_init(&b);
	ck_assert_int_eq(checkpoint_put(&b, slice_str(""), 1, root), STELE_EINVAL);
	ck_assert_int_eq(checkpoint_put(&b, slice_str("a\nb"), 1, root), STELE_EINVAL);
	ck_assert_int_eq(checkpoint_put(&b, slice_str("a"), 0, root), STELE_EINVAL);
	ck_assert_int_eq(checkpoint_put(&b, slice_str("a"), LIMIT_INTEGER + 1, root), STELE_EINVAL);
	ck_assert_uint_eq(b.n, 0);
	ck_assert_int_eq(checkpoint_put(&b, slice_str("a"), LIMIT_INTEGER, root), 0);
	buf_fini(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("checkpoint");
	TCase *t = tcase_create("checkpoint");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, the_specifications_example_round_trips);
	tcase_add_test(t, extension_lines_are_kept_as_they_are);
	tcase_add_test(t, what_is_no_checkpoint_is_refused);
	tcase_add_test(t, the_writer_refuses_what_the_reader_would);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
