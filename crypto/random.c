/* Refills 4 KiB at a time: one ChaCha20 call for 250 salts. */
#include "crypto/random.h"

#include <string.h>

#include <sodium.h>

#include "proto/check.h"

_Static_assert(RANDOM_KEY_BYTES == crypto_stream_chacha20_KEYBYTES, "ChaCha20 key");

void
random_bytes(void *p, size_t n)
{
	randombytes_buf(p, n);
}

void
random_base32(char *out, size_t n)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
	uint8_t bytes[RANDOM_TEXT_CHARS];

	CHECK(n <= sizeof bytes);
	random_bytes(bytes, n);
	for (size_t i = 0; i < n; i++)
		out[i] = alphabet[bytes[i] % 32];
	explicit_bzero(bytes, sizeof bytes);
}

void
random_stream_init(struct random_stream *s)
{
	memset(s, 0, sizeof *s);
	random_bytes(s->key, sizeof s->key);
	s->until_reseed_bytes = RANDOM_RESEED_BYTES;
}

void
random_stream_fini(struct random_stream *s)
{
	sodium_memzero(s, sizeof *s);
}

/* Fresh OS bytes are mixed into the key rather than replacing it: neither source alone decides. */
static void
reseed(struct random_stream *s)
{
	uint8_t fresh[RANDOM_KEY_BYTES];

	random_bytes(fresh, sizeof fresh);
	for (size_t i = 0; i < sizeof fresh; i++)
		s->key[i] ^= fresh[i];
	sodium_memzero(fresh, sizeof fresh);
	s->until_reseed_bytes = RANDOM_RESEED_BYTES;
}

static void
refill(struct random_stream *s)
{
	static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

	if (s->until_reseed_bytes < sizeof s->buf)
		reseed(s);
	CHECK(crypto_stream_chacha20(s->buf, sizeof s->buf, nonce, s->key) == 0);
	memcpy(s->key, s->buf, sizeof s->key);
	memset(s->buf, 0, sizeof s->key);
	s->left = sizeof s->buf - sizeof s->key;
	s->until_reseed_bytes -= sizeof s->buf;
}

/* Moves n <= left bytes out and wipes them; inlined so that a constant n costs two moves. */
static inline void
hand_out(struct random_stream *s, uint8_t *out, size_t n)
{
	uint8_t *from = s->buf + sizeof s->buf - s->left;

	memcpy(out, from, n);
	memset(from, 0, n);
	s->left -= n;
}

void
random_stream_take(struct random_stream *s, void *p, size_t n)
{
	uint8_t *out = p;

	if (n == 16 && s->left >= 16) { /* a salt: nearly every call */
		hand_out(s, out, 16);
		return;
	}
	while (n) {
		size_t m;

		if (s->left == 0)
			refill(s);
		m = n < s->left ? n : s->left;
		hand_out(s, out, m);
		out += m;
		n -= m;
	}
}
