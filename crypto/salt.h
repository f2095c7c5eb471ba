/*
 * Salts by the batch: 32 bytes of seed in place of 16 bytes for each of many
 * records. Who has the seed has the salts, so a seed is kept and destroyed with
 * the payloads, as salts are.
 */
#ifndef STELE_CRYPTO_SALT_H
#define STELE_CRYPTO_SALT_H

#include <stdint.h>

enum { SALT_BYTES = 16, SALT_SEED_BYTES = 32 };

/*
 * Salts first to first + n - 1 of a seed: salt i is bytes [16 i, 16 i + 16) of
 * the ChaCha20 keystream (original construction: 64-bit nonce, here zero, and 64-bit block counter
 * from zero) under the seed. Never fails.
 */
void salt_expand(const uint8_t seed[SALT_SEED_BYTES], uint32_t first, uint32_t n,
		 uint8_t out[][SALT_BYTES]);

#endif
