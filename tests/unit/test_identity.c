/* crypto/identity: made once, the same ever after. */
#include "crypto/identity.h"

#include <check.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "tests/unit/folder.h"

static struct keyfile_seal *plain, *sealed;
static struct sha256 *h;
static struct identity_next next;

START_TEST(an_identity_opens_to_the_same_name_and_key)
{
	struct folder folder;
	struct identity *a, *b;

	folder_init(&folder);
	folder_path(&folder, "identity");
	ck_assert_int_eq(
		identity_create(&a, folder.path, slice_str("ledger.example.com"), sealed, h), 0);
	ck_assert_int_eq(identity_open(&b, &next, folder.path, sealed, h), 0);
	ck_assert(slice_eq_str(signer_vkey(identity_signer(b))->name, "ledger.example.com"));
	ck_assert_mem_eq(signer_vkey(identity_signer(a))->public_key,
			 signer_vkey(identity_signer(b))->public_key, 32);
	identity_unref(b);
	b = NULL;
	ck_assert_int_eq(identity_open(&b, &next, folder.path, plain, h), STELE_EKEY);
	ck_assert_ptr_null(b);
	identity_unref(a);
	folder_fini(&folder);
}
END_TEST

START_TEST(an_identity_is_never_overwritten_and_no_two_are_alike)
{
	struct folder folder;
	struct identity *a, *b, *c = NULL;

	folder_init(&folder);
	ck_assert_int_eq(identity_create(&a, folder_path(&folder, "a"), slice_str("x"), plain, h),
			 0);
	ck_assert_int_eq(identity_create(&c, folder.path, slice_str("x"), plain, h), STELE_EEXIST);
	ck_assert_ptr_null(c);
	ck_assert_int_eq(identity_create(&b, folder_path(&folder, "b"), slice_str("x"), plain, h),
			 0);
	ck_assert_mem_ne(signer_vkey(identity_signer(a))->public_key,
			 signer_vkey(identity_signer(b))->public_key, 32);
	identity_unref(a);
	identity_unref(b);
	folder_fini(&folder);
}
END_TEST

START_TEST(impossible_names_are_refused_and_leave_no_file)
{
	char name[LIMIT_SERVER_NAME_BYTES + 1];
	struct folder folder;
	struct identity *s = NULL;

	memset(name, 'a', sizeof name);
	folder_init(&folder);
	folder_path(&folder, "identity");
	ck_assert_int_eq(identity_create(&s, folder.path, slice_str(""), plain, h), STELE_EINVAL);
	ck_assert_int_eq(identity_create(&s, folder.path, slice_str("a b"), plain, h),
			 STELE_EINVAL);
	ck_assert_int_eq(identity_create(&s, folder.path, slice_of(name, sizeof name), plain, h),
			 STELE_EINVAL);
	ck_assert_int_eq(identity_open(&s, &next, folder.path, plain, h), STELE_ENOTFOUND);
	ck_assert_ptr_null(s);
	ck_assert_int_eq(
		identity_create(&s, folder.path, slice_of(name, sizeof name - 1), plain, h), 0);
	identity_unref(s);
	folder_fini(&folder);
}
END_TEST

START_TEST(a_key_file_that_is_no_identity_is_damage)
{
	uint8_t body[41] = {7, 'a', 'b', 'c', 'd', 'e', 'f', 'g'};
	struct folder folder;
	struct identity *s = NULL;

	folder_init(&folder);
	folder_path(&folder, "identity");
	for (size_t n = 0; n <= sizeof body; n++) {
		ck_assert_int_eq(keyfile_write(folder.path, slice_of(body, n), plain), 0);
		ck_assert_int_eq(identity_open(&s, &next, folder.path, plain, h),
				 n == 40 ? 0 : STELE_EDAMAGED);
	}
	identity_unref(s);
	s = NULL;
	body[3] = ' ';
	ck_assert_int_eq(keyfile_write(folder.path, slice_of(body, 40), plain), 0);
	ck_assert_int_eq(identity_open(&s, &next, folder.path, plain, h), STELE_EDAMAGED);
	ck_assert_ptr_null(s);
	folder_fini(&folder);
}
END_TEST

/* The i-th of a row of successors, in place of id. */
static struct identity *
succeeded(struct identity *id, int64_t time_ns)
{
	struct identity *to = NULL;

	ck_assert_int_eq(identity_succeed(&to, id, time_ns, h), 0);
	identity_unref(id);
	return to;
}

START_TEST(successions_and_a_prepared_one_lie_in_the_file)
{
	struct identity_next prepared = {NULL, 7, 1234}, got = {NULL, 0, 0};
	struct identity *id, *again;
	struct folder folder;

	folder_init(&folder);
	folder_path(&folder, "identity");
	ck_assert_int_eq(identity_create(&id, folder.path, slice_str("x"), sealed, h), 0);
	for (size_t n = 0; n < 3; n++) {
		ck_assert_int_eq(identity_succeed(&prepared.identity, id, 5000, h), 0);
		for (unsigned with = 0; with < 2; with++) {
			ck_assert_int_eq(
				identity_write(folder.path, id, with ? &prepared : NULL, sealed),
				0);
			ck_assert_int_eq(identity_open(&again, &got, folder.path, sealed, h), 0);
			ck_assert_str_eq(identity_vkey(again), identity_vkey(id));
			ck_assert_uint_eq(identity_row(again)->n, n + 1);
			ck_assert_uint_eq(identity_row(again)->pinned, n);
			for (size_t i = 0; i < n; i++)
				ck_assert(slice_eq(identity_succession(again, i),
						   identity_succession(id, i)));
			ck_assert((got.identity != NULL) == with);
			if (with) {
				ck_assert_uint_eq(got.log_id, 7);
				ck_assert_uint_eq(got.index, 1234);
				ck_assert_str_eq(identity_vkey(got.identity),
						 identity_vkey(prepared.identity));
				ck_assert_uint_eq(identity_row(got.identity)->n, n + 2);
			}
			identity_unref(again);
			identity_unref(got.identity);
		}
		identity_unref(prepared.identity);
		id = succeeded(id, 5000); /* each a little later all the same */
		ck_assert_int_eq(identity_row(id)->of[n].until_ns, 5000 + (int64_t)n);
	}
	identity_unref(id);
	folder_fini(&folder);
}
END_TEST

/* Cut off, longer, or with any one byte changed, it is none, or says who it is by itself. */
START_TEST(no_byte_of_a_body_with_successions_may_change)
{
	struct identity_next prepared = {NULL, 1, 2}, got;
	struct identity *id, *again;
	struct folder folder;
	struct buf body;
	int err;

	folder_init(&folder);
	folder_path(&folder, "identity");
	ck_assert_int_eq(identity_create(&id, folder.path, slice_str("x"), plain, h), 0);
	id = succeeded(id, 5000);
	ck_assert_int_eq(identity_succeed(&prepared.identity, id, 6000, h), 0);
	ck_assert_int_eq(identity_write(folder.path, id, &prepared, plain), 0);
	buf_init(&body);
	ck_assert_int_eq(keyfile_read(folder.path, &body, plain), 0);
	for (size_t i = 0; i < body.n; i++) {
		bool where =
			i >= body.n - identity_succession(prepared.identity, 1).n - 2 - 32 - 16 &&
			i < body.n - identity_succession(prepared.identity, 1).n - 2 - 32;
		body.p[i] ^= 0x40;
		ck_assert_int_eq(keyfile_write(folder.path, buf_slice(&body), plain), 0);
		got.identity = NULL;
		err = identity_open(&again, &got, folder.path, plain, h);
		ck_assert_msg(where ? err == 0 : err == STELE_EDAMAGED || err == STELE_EVERSION,
			      "byte %zu", i);
		if (where) {
			identity_unref(again);
			identity_unref(got.identity);
		}
		body.p[i] ^= 0x40;
	}
	for (size_t n = 35; n < body.n; n++) {
		ck_assert_int_eq(keyfile_write(folder.path, slice_of(body.p, n), plain), 0);
		ck_assert_int_eq(identity_open(&again, &got, folder.path, plain, h),
				 STELE_EDAMAGED);
	}
	keyfile_wipe(&body);
	identity_unref(prepared.identity);
	identity_unref(id);
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
	tcase_set_timeout(t, 120);
	tcase_add_test(t, successions_and_a_prepared_one_lie_in_the_file);
	tcase_add_test(t, no_byte_of_a_body_with_successions_may_change);
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
