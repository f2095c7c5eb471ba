/* libsodium's XChaCha20-Poly1305 (IETF construction), nonce in front. */
#include "crypto/aead.h"

#include <sodium.h>

#include "proto/check.h"
#include "proto/err.h"

_Static_assert(AEAD_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");
_Static_assert(AEAD_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(AEAD_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");

void
aead_seal(uint8_t *out, const uint8_t key[AEAD_KEY_BYTES], struct slice plain, struct slice ad,
	  struct random_stream *rnd)
{
	random_stream_take(rnd, out, AEAD_NONCE_BYTES);
	CHECK(crypto_aead_xchacha20poly1305_ietf_encrypt(out + AEAD_NONCE_BYTES, NULL, plain.p,
							 plain.n, ad.p, ad.n, NULL, out, key) == 0);
}

/* libsodium checks the tag before it writes plaintext, and zeroes out when the tag is wrong. */
int
aead_open(uint8_t *out, const uint8_t key[AEAD_KEY_BYTES], struct slice box, struct slice ad)
{
	if (box.n < AEAD_OVERHEAD)
		return STELE_EVERIFY;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, box.p + AEAD_NONCE_BYTES,
						       box.n - AEAD_NONCE_BYTES, ad.p, ad.n, box.p,
						       key) != 0)
		return STELE_EVERIFY;
	return 0;
}
