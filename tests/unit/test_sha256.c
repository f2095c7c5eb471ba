/* crypto/sha256: the standard's own examples, and every prefixed hash against plain concatenation.
 */
#include "crypto/sha256.h"

#include <check.h>
#include <string.h>

enum { LONGEST = 300 };

static struct sha256 *h;
static uint8_t data[LONGEST];

static void
begin(void)
{
	h = sha256_new();
	ck_assert_ptr_nonnull(h);
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (uint8_t)(i * 7 + 1);
}

static void
end(void)
{
	sha256_free(h);
}

static void
hash_is(const char *text, const uint8_t want[SHA256_BYTES])
{
	uint8_t got[SHA256_BYTES];

	sha256_hash(h, got, slice_str(text));
	ck_assert_mem_eq(got, want, sizeof got);
}

/* FIPS 180-4's examples, and the empty message. */
START_TEST(the_standards_examples_come_out)
{
	hash_is("",
		(const uint8_t[]){0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
				  0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
				  0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55});
	hash_is("abc",
		(const uint8_t[]){0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
				  0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
				  0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad});
	hash_is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		(const uint8_t[]){0x24, 0x8d, 0x6a, 0x61, 0xd2, 0x06, 0x38, 0xb8, 0xe5, 0xc0, 0x26,
				  0x93, 0x0c, 0x3e, 0x60, 0x39, 0xa3, 0x3c, 0xe4, 0x59, 0x64, 0xff,
				  0x21, 0x67, 0xf6, 0xec, 0xed, 0xd4, 0x19, 0xdb, 0x06, 0xc1});
}
END_TEST

/* The hash of prefix and the first n bytes of data, copied together. */
static void
plainly(uint8_t out[SHA256_BYTES], const void *prefix, size_t prefix_n, size_t n)
{
	uint8_t all[64 + LONGEST];

	memcpy(all, prefix, prefix_n);
	memcpy(all + prefix_n, data, n);
	sha256_hash(h, out, slice_of(all, prefix_n + n));
}

START_TEST(leaves_and_commitments_of_any_length_are_hashes_behind_their_prefix)
{
	static const uint8_t salt[16] = {9, 8, 7};
	uint8_t prefix[32], got[SHA256_BYTES], want[SHA256_BYTES];

	memcpy(prefix, "stele-payload-1\n", 16);
	memcpy(prefix + 16, salt, 16);
	for (size_t n = 0; n <= LONGEST; n++) {
		struct slice s = slice_of(n ? data : NULL, n);
		sha256_leaf(h, got, s);
		plainly(want, "\0", 1, n);
		ck_assert_mem_eq(got, want, sizeof got);
		sha256_commitment(h, got, salt, s);
		plainly(want, prefix, sizeof prefix, n);
		ck_assert_mem_eq(got, want, sizeof got);
	}
}
END_TEST

START_TEST(a_node_may_be_written_over_either_child)
{
	uint8_t left[SHA256_BYTES], right[SHA256_BYTES], want[SHA256_BYTES];

	memcpy(left, data, sizeof left);
	memcpy(right, data + sizeof left, sizeof right);
	plainly(want, "\1", 1, 2 * SHA256_BYTES);
	sha256_node(h, left, left, right);
	ck_assert_mem_eq(left, want, sizeof want);
	memcpy(left, data, sizeof left);
	sha256_node(h, right, left, right);
	ck_assert_mem_eq(right, want, sizeof want);
}
END_TEST

START_TEST(pieces_of_any_size_give_the_hash_of_the_whole)
{
	uint8_t got[SHA256_BYTES], want[SHA256_BYTES];

	plainly(want, "", 0, LONGEST);
	for (size_t step = 1; step <= LONGEST; step++) {
		sha256_begin(h);
		for (size_t at = 0; at < LONGEST; at += step)
			sha256_update(
				h, slice_of(data + at, LONGEST - at < step ? LONGEST - at : step));
		sha256_end(h, got);
		ck_assert_mem_eq(got, want, sizeof got);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sha256");
	TCase *t = tcase_create("sha256");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, begin, end);
	suite_add_tcase(s, t);
	tcase_add_test(t, the_standards_examples_come_out);
	tcase_add_test(t, leaves_and_commitments_of_any_length_are_hashes_behind_their_prefix);
	tcase_add_test(t, a_node_may_be_written_over_either_child);
	tcase_add_test(t, pieces_of_any_size_give_the_hash_of_the_whole);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
