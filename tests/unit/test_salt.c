/* Salts from a seed: a published keystream, and the same salts wherever one begins. */
#include <string.h>

#include "crypto/init.h"
#include "crypto/salt.h"
#include "fence.h"
#include "suite.h"

/* draft-agl-tls-chacha20poly1305-04 section 7: zero key, zero nonce. */
START_TEST(salts_are_the_published_keystream)
{
	static const uint8_t stream[64] = {
		0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53,
		0x86, 0xbd, 0x28, 0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36,
		0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7, 0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48,
		0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37, 0x6a, 0x43, 0xb8, 0xf4,
		0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86};
	static const uint8_t seed[SALT_SEED_BYTES];
	uint8_t salts[4][SALT_BYTES];

	salt_expand(seed, 0, 4, salts);
	ck_assert_mem_eq(salts, stream, sizeof stream);
}
END_TEST

START_TEST(any_part_of_the_row_is_the_same_as_in_the_whole)
{
	uint8_t seed[SALT_SEED_BYTES], all[100][SALT_BYTES];
	uint8_t *fence = fence_new();

	memset(seed, 7, sizeof seed);
	salt_expand(seed, 0, 100, all);
	for (uint32_t first = 0; first < 100; first++) {
		for (uint32_t n = 0; first + n <= 100; n++) {
			/* the fence: nothing is written behind the last one */
			uint8_t *at = fence - (size_t)n * SALT_BYTES;
			salt_expand(seed, first, n, (uint8_t(*)[SALT_BYTES])at);
			ck_assert_mem_eq(at, all[first], (size_t)n * SALT_BYTES);
		}
	}
	fence_free(fence);
}
END_TEST

START_TEST(another_seed_or_place_gives_other_salts)
{
	uint8_t seed[SALT_SEED_BYTES] = {0}, a[SALT_BYTES], b[SALT_BYTES];

	salt_expand(seed, 5, 1, &a);
	salt_expand(seed, UINT32_MAX, 1, &b);
	ck_assert_mem_ne(a, b, sizeof a);
	seed[31] = 1;
	salt_expand(seed, 5, 1, &b);
	ck_assert_mem_ne(a, b, sizeof a);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		salts_are_the_published_keystream,
		any_part_of_the_row_is_the_same_as_in_the_whole,
		another_seed_or_place_gives_other_salts,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("salt", tests, sizeof tests / sizeof *tests, 30);
}
