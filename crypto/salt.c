/* libsodium's ChaCha20 keystream, sought to the block that a salt lies in. */
#include "crypto/salt.h"

#include <string.h>

#include <sodium.h>

#include "proto/check.h"

enum { BLOCK_BYTES = 64, BLOCK_SALTS = BLOCK_BYTES / SALT_BYTES };

_Static_assert(SALT_SEED_BYTES == crypto_stream_chacha20_KEYBYTES, "seed");

static void
keystream(const uint8_t seed[SALT_SEED_BYTES], uint64_t block, uint8_t *out, size_t n)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

	memset(out, 0, n);
	CHECK(crypto_stream_chacha20_xor_ic(out, out, n, nonce, block, seed) == 0);
}

void
salt_expand(const uint8_t seed[SALT_SEED_BYTES], uint32_t first, uint32_t n,
	    uint8_t out[][SALT_BYTES])
{
	uint32_t skip = first % BLOCK_SALTS;

	if (skip && n) { /* the rest of a block that an earlier salt begins */
		uint32_t take = n < BLOCK_SALTS - skip ? n : BLOCK_SALTS - skip;
		uint8_t block[BLOCK_BYTES];
		keystream(seed, first / BLOCK_SALTS, block, sizeof block);
		memcpy(out, block + (size_t)skip * SALT_BYTES, (size_t)take * SALT_BYTES);
		sodium_memzero(block, sizeof block);
		out += take;
		first += take;
		n -= take;
	}
	if (n)
		keystream(seed, first / BLOCK_SALTS, out[0], (size_t)n * SALT_BYTES);
}
