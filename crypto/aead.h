/*
 * Authenticated encryption: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03)
 * with a random 192-bit nonce stored in front, so that no counter must survive
 * a crash.
 */
#ifndef STELE_CRYPTO_AEAD_H
#define STELE_CRYPTO_AEAD_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/random.h"
#include "proto/slice.h"

enum {
	AEAD_KEY_BYTES = 32,
	AEAD_NONCE_BYTES = 24,
	AEAD_TAG_BYTES = 16,
	AEAD_OVERHEAD = AEAD_NONCE_BYTES + AEAD_TAG_BYTES,
};

/*
 * Seals plain under key, bound to the associated data ad, which is not stored:
 * out gets plain.n + AEAD_OVERHEAD bytes, nonce || ciphertext || tag. The
 * nonce comes from rnd. out must not overlap plain. Never fails.
 */
void aead_seal(uint8_t *out, const uint8_t key[AEAD_KEY_BYTES], struct slice plain, struct slice ad,
	       struct random_stream *rnd);

/*
 * Opens a box made by aead_seal: out gets box.n - AEAD_OVERHEAD bytes and must
 * not overlap box. STELE_EVERIFY when the box is too short, or was not sealed
 * under this key with this ad; out then holds no plaintext (zeros, or what it held).
 */
int aead_open(uint8_t *out, const uint8_t key[AEAD_KEY_BYTES], struct slice box, struct slice ad);

#endif
