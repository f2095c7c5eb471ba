/* crypto/kdigest: parts are told apart, keys and contexts separate. */
#include "crypto/kdigest.h"

#include <check.h>

#include "crypto/init.h"

static const uint8_t key[KDIGEST_KEY_BYTES] = {7};

static void
digest2(uint8_t out[KDIGEST_BYTES], const uint8_t k[KDIGEST_KEY_BYTES], const char *a,
	const char *b)
{
	const struct slice parts[] = {slice_str(a), slice_str(b)};

	kdigest(out, k, parts, 2);
}

START_TEST(the_same_parts_give_the_same_digest)
{
	uint8_t x[KDIGEST_BYTES], y[KDIGEST_BYTES];

	digest2(x, key, "log", "key-1");
	digest2(y, key, "log", "key-1");
	ck_assert_mem_eq(x, y, sizeof x);
}
END_TEST

START_TEST(moving_a_byte_between_parts_changes_the_digest)
{
	uint8_t x[KDIGEST_BYTES], y[KDIGEST_BYTES];

	digest2(x, key, "ab", "c");
	digest2(y, key, "a", "bc");
	ck_assert_mem_ne(x, y, sizeof x);
	digest2(y, key, "abc", "");
	ck_assert_mem_ne(x, y, sizeof x);
	kdigest(y, key, (struct slice[]){slice_str("abc")}, 1);
	digest2(x, key, "abc", "");
	ck_assert_mem_ne(x, y, sizeof x);
}
END_TEST

START_TEST(another_key_gives_another_digest)
{
	uint8_t x[KDIGEST_BYTES], y[KDIGEST_BYTES];
	uint8_t other[KDIGEST_KEY_BYTES] = {8};

	digest2(x, key, "a", "b");
	digest2(y, other, "a", "b");
	ck_assert_mem_ne(x, y, sizeof x);
}
END_TEST

/* Pins the construction: a change would lose every stored digest and derived key. */
START_TEST(digest_and_subkey_are_what_they_always_were)
{
	static const uint8_t digest[KDIGEST_BYTES] = {0x1f, 0xf7, 0xc7, 0xed, 0x90, 0xf2,
						      0xfb, 0x1c, 0x2c, 0x3f, 0x3b, 0xc9,
						      0xe9, 0x31, 0x26, 0x98};
	static const uint8_t subkey_head[8] = {0xb7, 0x60, 0x3c, 0x2e, 0xcf, 0xac, 0xa5, 0x22};
	uint8_t x[KDIGEST_BYTES], sub[KDIGEST_KEY_BYTES];

	digest2(x, key, "log", "key-1");
	ck_assert_mem_eq(x, digest, sizeof x);
	kdigest_subkey(sub, key, 3, "tailkey1");
	ck_assert_mem_eq(sub, subkey_head, sizeof subkey_head);
}
END_TEST

START_TEST(subkeys_differ_by_number_and_by_purpose)
{
	uint8_t a[KDIGEST_KEY_BYTES], b[KDIGEST_KEY_BYTES];

	kdigest_subkey(a, key, 1, "purposeA");
	kdigest_subkey(b, key, 2, "purposeA");
	ck_assert_mem_ne(a, b, sizeof a);
	kdigest_subkey(b, key, 1, "purposeB");
	ck_assert_mem_ne(a, b, sizeof a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("kdigest");
	TCase *t = tcase_create("kdigest");
	SRunner *r = srunner_create(s);
	int failed;

	if (crypto_init() != 0)
		return 1;
	suite_add_tcase(s, t);
	tcase_add_test(t, the_same_parts_give_the_same_digest);
	tcase_add_test(t, moving_a_byte_between_parts_changes_the_digest);
	tcase_add_test(t, another_key_gives_another_digest);
	tcase_add_test(t, digest_and_subkey_are_what_they_always_were);
	tcase_add_test(t, subkeys_differ_by_number_and_by_purpose);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
