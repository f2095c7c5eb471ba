/*
 * A byte reader with a sticky error: callers read in straight lines and check
 * once, at the end, with bytes_err() or bytes_end(). After an error every read
 * gives zero or an empty slice. Integers are little-endian.
 */
#ifndef STELE_PROTO_BYTES_H
#define STELE_PROTO_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

struct bytes {
	const uint8_t *p; /* next byte; the memory stays its owner's */
	size_t left;      /* bytes from p on; 0 once in error */
	int err;          /* 0, or STELE_ESYNTAX once a read went past the end */
};

/* A reader over s, which must outlive it and the slices taken from it. */
void bytes_init(struct bytes *b, struct slice s);

/* The next 1, 2, 4 or 8 bytes as an unsigned integer. */
uint8_t bytes_u8(struct bytes *b);
uint16_t bytes_u16(struct bytes *b);
uint32_t bytes_u32(struct bytes *b);
uint64_t bytes_u64(struct bytes *b);

/* The next n bytes, pointing into the memory being read. */
struct slice bytes_take(struct bytes *b, size_t n);

/* Copies the next n bytes to dst; zeroes dst when there are fewer. */
void bytes_copy(struct bytes *b, void *dst, size_t n);

/* Marks the reader as failed, for a caller that found a value it cannot accept. */
void bytes_fail(struct bytes *b);

/* Bytes not yet read: 0 once in error. */
static inline size_t
bytes_left(const struct bytes *b)
{
	return b->left;
}

/* 0, or STELE_ESYNTAX when a read went past the end or bytes_fail was called. */
static inline int
bytes_err(const struct bytes *b)
{
	return b->err;
}

/* As bytes_err, and STELE_ESYNTAX too when bytes are left over. */
int bytes_end(const struct bytes *b);

#endif
