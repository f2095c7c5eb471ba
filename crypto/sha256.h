/*
 * SHA-256 (FIPS 180-4) by OpenSSL, with one state for each thread of work, and
 * the two tree hashes of RFC 6962 section 2.1.
 */
#ifndef STELE_CRYPTO_SHA256_H
#define STELE_CRYPTO_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

enum { SHA256_BYTES = 32 };

/* A hasher: not shared between threads; new and free at a thread's start and end. */
struct sha256;

/* A new hasher, or NULL when memory is out. */
struct sha256 *sha256_new(void);
void sha256_free(struct sha256 *h);

/* out = SHA-256(data). */
void sha256_hash(struct sha256 *h, uint8_t out[SHA256_BYTES], struct slice data);

/* out = SHA-256(parts[0] || parts[1] || ...), n_parts of them. */
void sha256_hash_parts(struct sha256 *h, uint8_t out[SHA256_BYTES], const struct slice *parts,
		       size_t n_parts);

/* Incremental: begin, any number of updates, end. */
void sha256_begin(struct sha256 *h);
void sha256_update(struct sha256 *h, struct slice data);
void sha256_end(struct sha256 *h, uint8_t out[SHA256_BYTES]);

/* Leaf hash: SHA-256(0x00 || entry). RFC 6962 section 2.1. */
void sha256_leaf(struct sha256 *h, uint8_t out[SHA256_BYTES], struct slice entry);

/* Interior node: SHA-256(0x01 || left || right); out may be left or right. RFC 6962 section 2.1. */
void sha256_node(struct sha256 *h, uint8_t out[SHA256_BYTES], const uint8_t left[SHA256_BYTES],
		 const uint8_t right[SHA256_BYTES]);

/*
 * Commitment to a payload: SHA-256("stele-payload-1\n" || salt || payload).
 * formats.md section 1.
 */
void sha256_commitment(struct sha256 *h, uint8_t out[SHA256_BYTES], const uint8_t salt[16],
		       struct slice payload);

/* The same in pieces: begin, sha256_update with the payload, sha256_end. */
void sha256_commitment_begin(struct sha256 *h, const uint8_t salt[16]);

#endif
