/* crypto/aead: what is sealed opens, and nothing else does. */
#include "crypto/aead.h"

#include <check.h>

#include "crypto/init.h"
#include "proto/err.h"

static const uint8_t key[AEAD_KEY_BYTES] = {1, 2, 3};
static struct random_stream rnd;

START_TEST(a_box_opens_to_what_was_sealed)
{
	uint8_t plain[300], box[sizeof plain + AEAD_OVERHEAD], back[sizeof plain];
	struct slice ad = slice_str("commit 7");

	memset(plain, 0xa5, sizeof plain);
	for (size_t n = 0; n <= sizeof plain; n += 13) {
		aead_seal(box, key, slice_of(plain, n), ad, &rnd);
		ck_assert_int_eq(aead_open(back, key, slice_of(box, n + AEAD_OVERHEAD), ad), 0);
		ck_assert_mem_eq(back, plain, n);
	}
}
END_TEST

START_TEST(no_flipped_bit_opens_and_no_plaintext_gets_out)
{
	uint8_t box[11 + AEAD_OVERHEAD], back[11];
	struct slice ad = slice_str("ad");

	aead_seal(box, key, slice_str("eleven char"), ad, &rnd);
	memset(back, 0x77, sizeof back);
	for (size_t bit = 0; bit < 8 * sizeof box; bit++) {
		box[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(aead_open(back, key, slice_of(box, sizeof box), ad),
				 STELE_EVERIFY);
		box[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t i = 0; i < sizeof back; i++)
		ck_assert_uint_eq(back[i], 0);
	ck_assert_int_eq(aead_open(back, key, slice_of(box, sizeof box), ad), 0);
}
END_TEST

START_TEST(another_key_other_associated_data_or_a_cut_box_is_refused)
{
	uint8_t box[5 + AEAD_OVERHEAD], back[5];
	uint8_t other[AEAD_KEY_BYTES] = {9};
	struct slice ad = slice_str("ad"), whole = slice_of(box, sizeof box);

	aead_seal(box, key, slice_str("hello"), ad, &rnd);
	ck_assert_int_eq(aead_open(back, other, whole, ad), STELE_EVERIFY);
	ck_assert_int_eq(aead_open(back, key, whole, slice_str("ae")), STELE_EVERIFY);
	ck_assert_int_eq(aead_open(back, key, whole, slice_of(NULL, 0)), STELE_EVERIFY);
	for (size_t n = 0; n < sizeof box; n++)
		ck_assert_int_eq(aead_open(back, key, slice_of(box, n), ad), STELE_EVERIFY);
}
END_TEST

START_TEST(sealing_twice_gives_different_boxes)
{
	uint8_t a[5 + AEAD_OVERHEAD], b[5 + AEAD_OVERHEAD];

	aead_seal(a, key, slice_str("hello"), slice_of(NULL, 0), &rnd);
	aead_seal(b, key, slice_str("hello"), slice_of(NULL, 0), &rnd);
	ck_assert_mem_ne(a, b, AEAD_NONCE_BYTES);
	ck_assert_mem_ne(a + AEAD_NONCE_BYTES, b + AEAD_NONCE_BYTES, 5);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("aead");
	TCase *t = tcase_create("aead");
	SRunner *r = srunner_create(s);
	int failed;

	if (crypto_init() != 0)
		return 1;
	random_stream_init(&rnd);
	suite_add_tcase(s, t);
	tcase_add_test(t, a_box_opens_to_what_was_sealed);
	tcase_add_test(t, no_flipped_bit_opens_and_no_plaintext_gets_out);
	tcase_add_test(t, another_key_other_associated_data_or_a_cut_box_is_refused);
	tcase_add_test(t, sealing_twice_gives_different_boxes);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	random_stream_fini(&rnd);
	return failed != 0;
}
