/* crypto/identity: made once, the same ever after. */
#include "crypto/identity.h"

#include <check.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "tests/unit/folder.h"

static struct keyfile_seal *plain, *sealed;
static struct sha256 *h;

START_TEST(an_identity_opens_to_the_same_name_and_key)
{
	struct folder folder;
	struct signer *a, *b;

	folder_init(&folder);
	folder_path(&folder, "identity");
	ck_assert_int_eq(
		identity_create(&a, folder.path, slice_str("ledger.example.com"), sealed, h), 0);
	ck_assert_int_eq(identity_open(&b, folder.path, sealed, h), 0);
	ck_assert(slice_eq_str(signer_vkey(b)->name, "ledger.example.com"));
	ck_assert_mem_eq(signer_vkey(a)->public_key, signer_vkey(b)->public_key, 32);
	signer_free(b);
	b = NULL;
	ck_assert_int_eq(identity_open(&b, folder.path, plain, h), STELE_EKEY);
	ck_assert_ptr_null(b);
	signer_free(a);
	folder_fini(&folder);
}
END_TEST

START_TEST(an_identity_is_never_overwritten_and_no_two_are_alike)
{
	struct folder folder;
	struct signer *a, *b, *c = NULL;

	folder_init(&folder);
	ck_assert_int_eq(identity_create(&a, folder_path(&folder, "a"), slice_str("x"), plain, h),
			 0);
	ck_assert_int_eq(identity_create(&c, folder.path, slice_str("x"), plain, h), STELE_EEXIST);
	ck_assert_ptr_null(c);
	ck_assert_int_eq(identity_create(&b, folder_path(&folder, "b"), slice_str("x"), plain, h),
			 0);
	ck_assert_mem_ne(signer_vkey(a)->public_key, signer_vkey(b)->public_key, 32);
	signer_free(a);
	signer_free(b);
	folder_fini(&folder);
}
END_TEST

START_TEST(impossible_names_are_refused_and_leave_no_file)
{
	char name[LIMIT_SERVER_NAME_BYTES + 1];
	struct folder folder;
	struct signer *s = NULL;

	memset(name, 'a', sizeof name);
	folder_init(&folder);
	folder_path(&folder, "identity");
	ck_assert_int_eq(identity_create(&s, folder.path, slice_str(""), plain, h), STELE_EINVAL);
	ck_assert_int_eq(identity_create(&s, folder.path, slice_str("a b"), plain, h),
			 STELE_EINVAL);
	ck_assert_int_eq(identity_create(&s, folder.path, slice_of(name, sizeof name), plain, h),
			 STELE_EINVAL);
	ck_assert_int_eq(identity_open(&s, folder.path, plain, h), STELE_ENOTFOUND);
	ck_assert_ptr_null(s);
	ck_assert_int_eq(
		identity_create(&s, folder.path, slice_of(name, sizeof name - 1), plain, h), 0);
	signer_free(s);
	folder_fini(&folder);
}
END_TEST

START_TEST(a_key_file_that_is_no_identity_is_damage)
{
	uint8_t body[41] = {7, 'a', 'b', 'c', 'd', 'e', 'f', 'g'};
	struct folder folder;
	struct signer *s = NULL;

	folder_init(&folder);
	folder_path(&folder, "identity");
	for (size_t n = 0; n <= sizeof body; n++) {
		ck_assert_int_eq(keyfile_write(folder.path, slice_of(body, n), plain), 0);
		ck_assert_int_eq(identity_open(&s, folder.path, plain, h),
				 n == 40 ? 0 : STELE_EDAMAGED);
	}
	signer_free(s);
	s = NULL;
	body[3] = ' ';
	ck_assert_int_eq(keyfile_write(folder.path, slice_of(body, 40), plain), 0);
	ck_assert_int_eq(identity_open(&s, folder.path, plain, h), STELE_EDAMAGED);
	ck_assert_ptr_null(s);
	folder_fini(&folder);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("identity");
	TCase *t = tcase_create("identity");
	SRunner *r = srunner_create(s);
	int failed;

	h = sha256_new();
	if (crypto_init() != 0 || !h || keyfile_seal_new(&plain, NULL) != 0 ||
	    keyfile_seal_new(&sealed, "correct horse") != 0)
		return 1;
	suite_add_tcase(s, t);
	tcase_add_test(t, an_identity_opens_to_the_same_name_and_key);
	tcase_add_test(t, an_identity_is_never_overwritten_and_no_two_are_alike);
	tcase_add_test(t, impossible_names_are_refused_and_leave_no_file);
	tcase_add_test(t, a_key_file_that_is_no_identity_is_damage);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	keyfile_seal_free(plain);
	keyfile_seal_free(sealed);
	sha256_free(h);
	return failed != 0;
}
