/*
 * Keyed digests: for what must be found again without being readable
 * (idempotency keys, hashed tokens), and keys derived from keys.
 */
#ifndef STELE_CRYPTO_KDIGEST_H
#define STELE_CRYPTO_KDIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

enum { KDIGEST_BYTES = 16, KDIGEST_KEY_BYTES = 32, KDIGEST_CONTEXT_BYTES = 8 };

/*
 * out = keyed BLAKE2b-128 (RFC 7693) of n parts, each preceded by its length
 * as u64 little-endian, so that ("ab", "c") and ("a", "bc") differ.
 */
void kdigest(uint8_t out[KDIGEST_BYTES], const uint8_t key[KDIGEST_KEY_BYTES],
	     const struct slice *parts, size_t n);

/*
 * out = the subkey number id of key for one purpose, named by ctx: eight
 * bytes, the same for ever (libsodium's crypto_kdf, BLAKE2b).
 */
void kdigest_subkey(uint8_t out[KDIGEST_KEY_BYTES], const uint8_t key[KDIGEST_KEY_BYTES],
		    uint64_t id, const char ctx[KDIGEST_CONTEXT_BYTES]);

#endif
