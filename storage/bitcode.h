/*
 * Numbers in as few bits as they need: a stream of bits, the lowest of a byte first, and in it
 * exponential Golomb codes (J. Teuhola, "A compression method for clustered bit-vectors", 1978),
 * which are short for small numbers and never long for large ones. Pure: bytes in, values out.
 *
 * The code of order k of v: with q = (v >> k) + 1 of m + 1 binary digits, m zeros, a one, the m
 * lower digits of q, the k lower digits of v.
 */
#ifndef STELE_STORAGE_BITCODE_H
#define STELE_STORAGE_BITCODE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"

enum { BITCODE_BITS = 48 }; /* of a number, at most */

/* Appends bits to out, whose errors stick. */
struct bitwriter {
	struct buf *out;
	uint64_t waiting; /* fewer than 8 bits */
	unsigned n;
};

/* Begins at the end of out, which is the caller's. */
void bitwriter_init(struct bitwriter *w, struct buf *out);

/* The n lower bits of v, n at most BITCODE_BITS; v has no others. */
void bitwriter_put(struct bitwriter *w, uint64_t v, unsigned n);

/* The code of order k of v, which is below 1 << BITCODE_BITS - 1. */
void bitwriter_put_code(struct bitwriter *w, uint64_t v, unsigned k);

/* Fills the last byte with zeros. */
void bitwriter_end(struct bitwriter *w);

/* How many digits v has: 0 for 0. */
unsigned bitcode_digits(uint64_t v);

/* How many bits that code has. */
unsigned bitcode_bits(uint64_t v, unsigned k);

/* Takes bits; what is asked for beyond the end is an error that sticks, and zeros. */
struct bitreader {
	struct slice in;
	uint64_t at; /* in bits */
	bool bad;
};

/* At the first bit of in, which must outlive it. */
void bitreader_init(struct bitreader *r, struct slice in);

/* The next n bits, n at most BITCODE_BITS. */
uint64_t bitreader_take(struct bitreader *r, unsigned n);

/* The next code, of order k; one that is longer than any number's is an error. */
uint64_t bitreader_take_code(struct bitreader *r, unsigned k);

/* 0 when all was there, and what is left is less than a byte of zeros: else STELE_ESYNTAX. */
int bitreader_end(struct bitreader *r);

#endif
