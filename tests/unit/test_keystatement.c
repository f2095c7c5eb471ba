/* Key statements: four lines, one version, one key type. */
#include "proto/keystatement.h"

#include <check.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/limits.h"

#define VKEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define COSIGNER "example.com/foo+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"

START_TEST(a_statement_round_trips)
{
	struct keystatement k;
	struct buf b;

	buf_init(&b);
	ck_assert_int_eq(keystatement_parse(&k, slice_str("stele key v1\n" VKEY "\n3\n70212\n")),
			 0);
	ck_assert(slice_eq_str(k.key.name, "example.com/foo"));
	ck_assert_uint_eq(k.epoch, 3);
	ck_assert_uint_eq(k.first_size, 70212);
	ck_assert_int_eq(keystatement_put(&b, &k), 0);
	ck_assert(slice_eq_str(buf_slice(&b), "stele key v1\n" VKEY "\n3\n70212\n"));
	buf_reset(&b);
	k.epoch = LIMIT_INTEGER + 1;
	ck_assert_int_eq(keystatement_put(&b, &k), STELE_EINVAL);
	k.epoch = 0;
	k.first_size = LIMIT_INTEGER + 1;
	ck_assert_int_eq(keystatement_put(&b, &k), STELE_EINVAL);
	k.first_size = 1;
	k.key.type = NOTE_ED25519_COSIGNATURE;
	ck_assert_int_eq(keystatement_put(&b, &k), STELE_EINVAL);
	k.key.type = NOTE_ED25519;
	k.key.name = slice_str("a b");
	ck_assert_int_eq(keystatement_put(&b, &k), STELE_EINVAL);
	ck_assert_uint_eq(b.n, 0);
	buf_fini(&b);
}
END_TEST

START_TEST(what_is_no_statement_is_refused)
{
	static const char *const bad[] = {
		"",
		"stele key\n" VKEY "\n0\n1\n",
		"Stele key v1\n" VKEY "\n0\n1\n",
		"stele key v1\n" VKEY "\n0\n",
		"stele key v1\n" VKEY "\n0\n1",
		"stele key v1\n" VKEY "\n0\n1\n\n",
		"stele key v1\n" VKEY "\n0\n1\nx\n",
		"stele key v1\n" VKEY "\n00\n1\n",
		"stele key v1\n" VKEY "\n0\n-1\n",
		"stele key v1\n\n0\n1\n",
		"stele key v1\n" VKEY " \n0\n1\n",
		"stele key v1\n" COSIGNER "\n0\n1\n",
		"stele key v1",
	};
	struct keystatement k = {.epoch = 77};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(keystatement_parse(&k, slice_str(bad[i])) == STELE_ESYNTAX, "%s",
			      bad[i]);
	ck_assert_int_eq(keystatement_parse(&k, slice_str("stele key v2\nanything\n")),
			 STELE_EVERSION);
	ck_assert_uint_eq(k.epoch, 77);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("keystatement");
	TCase *t = tcase_create("keystatement");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, a_statement_round_trips);
	tcase_add_test(t, what_is_no_statement_is_refused);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
