/* One fetched EVP_MD and one EVP_MD_CTX per hasher; init resets, nothing is allocated per hash. */
#include "crypto/sha256.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "proto/check.h"

struct sha256 {
	EVP_MD *md;
	EVP_MD_CTX *ctx;
};

struct sha256 *
sha256_new(void)
{
	struct sha256 *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	h->ctx = EVP_MD_CTX_new();
	if (!h->md || !h->ctx || EVP_DigestInit_ex2(h->ctx, h->md, NULL) != 1) {
		sha256_free(h);
		return NULL;
	}
	return h;
}

void
sha256_free(struct sha256 *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->md);
	free(h);
}

void
sha256_begin(struct sha256 *h)
{
	CHECK(EVP_DigestInit_ex2(h->ctx, NULL, NULL) == 1);
}

void
sha256_update(struct sha256 *h, struct slice data)
{
	CHECK(EVP_DigestUpdate(h->ctx, data.p, data.n) == 1);
}

void
sha256_end(struct sha256 *h, uint8_t out[SHA256_BYTES])
{
	CHECK(EVP_DigestFinal_ex(h->ctx, out, NULL) == 1);
}

void
sha256_hash_parts(struct sha256 *h, uint8_t out[SHA256_BYTES], const struct slice *parts,
		  size_t n_parts)
{
	sha256_begin(h);
	for (size_t i = 0; i < n_parts; i++)
		sha256_update(h, parts[i]);
	sha256_end(h, out);
}

void
sha256_hash(struct sha256 *h, uint8_t out[SHA256_BYTES], struct slice data)
{
	sha256_hash_parts(h, out, &data, 1);
}

void
sha256_leaf(struct sha256 *h, uint8_t out[SHA256_BYTES], struct slice entry)
{
	const struct slice parts[] = {slice_of("\x00", 1), entry};

	sha256_hash_parts(h, out, parts, 2);
}

void
sha256_node(struct sha256 *h, uint8_t out[SHA256_BYTES], const uint8_t left[SHA256_BYTES],
	    const uint8_t right[SHA256_BYTES])
{
	uint8_t block[1 + 2 * SHA256_BYTES];

	block[0] = 1;
	memcpy(block + 1, left, SHA256_BYTES);
	memcpy(block + 1 + SHA256_BYTES, right, SHA256_BYTES);
	sha256_hash(h, out, slice_of(block, sizeof block));
}

void
sha256_commitment_begin(struct sha256 *h, const uint8_t salt[16])
{
	sha256_begin(h);
	sha256_update(h, slice_of("stele-payload-1\n", 16));
	sha256_update(h, slice_of(salt, 16));
}

void
sha256_commitment(struct sha256 *h, uint8_t out[SHA256_BYTES], const uint8_t salt[16],
		  struct slice payload)
{
	sha256_commitment_begin(h, salt);
	sha256_update(h, payload);
	sha256_end(h, out);
}
