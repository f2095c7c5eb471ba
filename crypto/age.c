/* Header, then chunks: a file key wrapped for each recipient, and a stream under a key made of it.
 */
#include "crypto/age.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/check.h"
#include "proto/err.h"

enum {
	FILE_KEY_BYTES = 16,
	KEY_BYTES = 32,
	TAG_BYTES = 16,
	NONCE_BYTES = 12, /* of ChaCha20-Poly1305 */
	SALT_BYTES = 16,  /* of the payload's key */
};

struct age_writer {
	uint8_t key[KEY_BYTES];
	uint8_t nonce[NONCE_BYTES]; /* a counter of 11 bytes, and 1 for the last chunk */
	size_t n;
	uint8_t chunk[AGE_CHUNK_BYTES];
};

/* --- Bech32 ------------------------------------------------------------------------------------
 */

static uint32_t
polymod_step(uint32_t c, uint8_t value)
{
	static const uint32_t generator[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
					      0x2a1462b3};
	uint32_t top = c >> 25;

	c = (c & 0x1ffffff) << 5 ^ value;
	for (unsigned i = 0; i < 5; i++)
		c ^= top >> i & 1 ? generator[i] : 0;
	return c;
}

int
age_recipient_read(uint8_t out[AGE_RECIPIENT_BYTES], struct slice text)
{
	static const char digits[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l", hrp[] = "age";
	uint8_t bytes[AGE_RECIPIENT_BYTES];
	uint32_t c = 1, bits = 0;
	unsigned n_bits = 0;
	size_t n = 0;

	if (text.n != AGE_RECIPIENT_CHARS || memcmp(text.p, "age1", 4) != 0)
		return STELE_ESYNTAX;
	for (size_t i = 0; i < 3; i++)
		c = polymod_step(c, (uint8_t)(hrp[i] >> 5));
	c = polymod_step(c, 0);
	for (size_t i = 0; i < 3; i++)
		c = polymod_step(c, hrp[i] & 31);
	for (size_t i = 4; i < text.n; i++) {
		const char *at = text.p[i] ? strchr(digits, text.p[i]) : NULL;
		if (!at)
			return STELE_ESYNTAX;
		c = polymod_step(c, (uint8_t)(at - digits));
		if (i >= text.n - 6) /* the checksum */
			continue;
		bits = bits << 5 | (uint32_t)(at - digits);
		n_bits += 5;
		if (n_bits >= 8 && n < sizeof bytes) {
			n_bits -= 8;
			bytes[n++] = (uint8_t)(bits >> n_bits);
		}
	}
	if (c != 1 || n != sizeof bytes || (bits & ((1u << n_bits) - 1)) != 0)
		return STELE_ESYNTAX;
	memcpy(out, bytes, sizeof bytes);
	return 0;
}

/* --- keys --------------------------------------------------------------------------------------
 */

/* HKDF-SHA-256 (RFC 5869) for one block of output. */
static void
hkdf(uint8_t out[KEY_BYTES], struct slice secret, struct slice salt, const char *info)
{
	uint8_t prk[32], last = 1;
	crypto_auth_hmacsha256_state h;

	crypto_auth_hmacsha256_init(&h, salt.p, salt.n);
	crypto_auth_hmacsha256_update(&h, secret.p, secret.n);
	crypto_auth_hmacsha256_final(&h, prk);
	crypto_auth_hmacsha256_init(&h, prk, sizeof prk);
	crypto_auth_hmacsha256_update(&h, (const uint8_t *)info, strlen(info));
	crypto_auth_hmacsha256_update(&h, &last, 1);
	crypto_auth_hmacsha256_final(&h, out);
	sodium_memzero(prk, sizeof prk);
	sodium_memzero(&h, sizeof h);
}

/* Base64 without padding. */
static void
put_base64(struct buf *b, const uint8_t *p, size_t n)
{
	char text[sodium_base64_ENCODED_LEN(64, sodium_base64_VARIANT_ORIGINAL_NO_PADDING)];

	CHECK(n <= 64);
	buf_put_str(b, sodium_bin2base64(text, sizeof text, p, n,
					 sodium_base64_VARIANT_ORIGINAL_NO_PADDING));
}

/* -> X25519 SHARE, and the file key under a key that the recipient alone can make, too. */
static int
put_stanza(struct buf *b, const uint8_t recipient[AGE_RECIPIENT_BYTES],
	   const uint8_t file_key[FILE_KEY_BYTES])
{
	static const uint8_t nonce[NONCE_BYTES];
	uint8_t secret[32], shared[32], salt[64], key[KEY_BYTES], box[FILE_KEY_BYTES + TAG_BYTES];
	int rc;

	randombytes_buf(secret, sizeof secret);
	crypto_scalarmult_base(salt, secret);
	memcpy(salt + 32, recipient, 32);
	rc = crypto_scalarmult(shared, secret, recipient); /* a point of low order: nobody's */
	if (rc == 0) {
		hkdf(key, slice_of(shared, sizeof shared), slice_of(salt, sizeof salt),
		     "age-encryption.org/v1/X25519");
		crypto_aead_chacha20poly1305_ietf_encrypt(box, NULL, file_key, FILE_KEY_BYTES, NULL,
							  0, NULL, nonce, key);
		buf_put_str(b, "-> X25519 ");
		put_base64(b, salt, 32);
		buf_put_u8(b, '\n');
		put_base64(b, box, sizeof box);
		buf_put_u8(b, '\n');
	}
	sodium_memzero(secret, sizeof secret);
	sodium_memzero(shared, sizeof shared);
	sodium_memzero(key, sizeof key);
	return rc == 0 ? 0 : STELE_EINVAL;
}

/* The header's last line: what is before it was written by who knew the file key. */
static void
put_mac(struct buf *b, size_t from, const uint8_t file_key[FILE_KEY_BYTES])
{
	uint8_t key[KEY_BYTES], mac[32];

	buf_put_str(b, "---");
	hkdf(key, slice_of(file_key, FILE_KEY_BYTES), slice_of("", 0), "header");
	if (!b->err)
		crypto_auth_hmacsha256(mac, b->p + from, b->n - from, key);
	buf_put_u8(b, ' ');
	if (!b->err)
		put_base64(b, mac, sizeof mac);
	buf_put_u8(b, '\n');
	sodium_memzero(key, sizeof key);
}

/* --- the file ----------------------------------------------------------------------------------
 */

int
age_writer_new(struct age_writer **out, const uint8_t (*recipients)[AGE_RECIPIENT_BYTES], size_t n,
	       struct buf *header)
{
	struct age_writer *w = calloc(1, sizeof *w);
	uint8_t file_key[FILE_KEY_BYTES], salt[SALT_BYTES];
	size_t from = header->n;
	int err = w ? 0 : STELE_ENOMEM;

	randombytes_buf(file_key, sizeof file_key);
	randombytes_buf(salt, sizeof salt);
	buf_put_str(header, "age-encryption.org/v1\n");
	for (size_t i = 0; err == 0 && i < n; i++)
		err = put_stanza(header, recipients[i], file_key);
	if (err == 0) {
		put_mac(header, from, file_key);
		buf_put(header, salt, sizeof salt);
		hkdf(w->key, slice_of(file_key, sizeof file_key), slice_of(salt, sizeof salt),
		     "payload");
		err = header->err;
	}
	sodium_memzero(file_key, sizeof file_key);
	if (err == 0)
		*out = w;
	else
		age_writer_free(w);
	return err;
}

static void
count_up(uint8_t nonce[NONCE_BYTES])
{
	size_t i = NONCE_BYTES - 1;

	do
		i--;
	while (++nonce[i] == 0 && i > 0);
}

static void
put_chunk(struct age_writer *w, bool last, struct buf *out)
{
	w->nonce[NONCE_BYTES - 1] = last;
	if (!out->err && buf_reserve(out, w->n + TAG_BYTES) == 0) {
		crypto_aead_chacha20poly1305_ietf_encrypt(out->p + out->n, NULL, w->chunk, w->n,
							  NULL, 0, NULL, w->nonce, w->key);
		out->n += w->n + TAG_BYTES;
	}
	count_up(w->nonce);
	w->n = 0;
}

/* A full chunk waits for a byte behind it: the last one may be full, and says that it is. */
void
age_writer_put(struct age_writer *w, struct slice bytes, struct buf *out)
{
	while (bytes.n) {
		size_t n = AGE_CHUNK_BYTES - w->n;
		if (n == 0) {
			put_chunk(w, false, out);
			continue;
		}
		n = n < bytes.n ? n : bytes.n;
		memcpy(w->chunk + w->n, bytes.p, n);
		w->n += n;
		bytes = slice_of(bytes.p + n, bytes.n - n);
	}
}

void
age_writer_end(struct age_writer *w, struct buf *out)
{
	put_chunk(w, true, out);
}

void
age_writer_free(struct age_writer *w)
{
	if (!w)
		return;
	sodium_memzero(w, sizeof *w);
	free(w);
}
