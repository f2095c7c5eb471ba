/* libsodium's generichash and kdf. */
#include "crypto/kdigest.h"

#include <sodium.h>

#include "proto/check.h"
#include "proto/le.h"

_Static_assert(KDIGEST_KEY_BYTES == crypto_kdf_KEYBYTES, "key");
_Static_assert(KDIGEST_CONTEXT_BYTES == crypto_kdf_CONTEXTBYTES, "context");

void
kdigest(uint8_t out[KDIGEST_BYTES], const uint8_t key[KDIGEST_KEY_BYTES], const struct slice *parts,
	size_t n)
{
	crypto_generichash_state st;

	CHECK(crypto_generichash_init(&st, key, KDIGEST_KEY_BYTES, KDIGEST_BYTES) == 0);
	for (size_t i = 0; i < n; i++) {
		uint8_t len[8];

		le_put64(len, parts[i].n);
		CHECK(crypto_generichash_update(&st, len, sizeof len) == 0);
		CHECK(crypto_generichash_update(&st, parts[i].p, parts[i].n) == 0);
	}
	CHECK(crypto_generichash_final(&st, out, KDIGEST_BYTES) == 0);
	sodium_memzero(&st, sizeof st);
}

void
kdigest_subkey(uint8_t out[KDIGEST_KEY_BYTES], const uint8_t key[KDIGEST_KEY_BYTES], uint64_t id,
	       const char ctx[KDIGEST_CONTEXT_BYTES])
{
	CHECK(crypto_kdf_derive_from_key(out, KDIGEST_KEY_BYTES, id, ctx, key) == 0);
}
