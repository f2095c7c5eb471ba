/*
 * Integers of as many bytes as they need: seven bits a byte, least significant
 * first, the top bit saying that more follow (LEB128). Segments are full of
 * small numbers. One spelling each: no byte of zeros at the end.
 */
#ifndef STELE_STORAGE_VARINT_H
#define STELE_STORAGE_VARINT_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/bytes.h"

/* Appends v: 1 to 10 bytes. */
static inline void
varint_put(struct buf *out, uint64_t v)
{
	uint8_t p[10];
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		p[n++] = (uint8_t)(v | 0x80);
	p[n++] = (uint8_t)v;
	buf_put(out, p, n);
}

/* Takes one of at most max; anything else makes the reader fail and gives 0. */
static inline uint64_t
varint_take(struct bytes *b, uint64_t max)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64 && b->left; shift += 7) {
		uint8_t c = *b->p++;
		b->left--;
		if ((shift == 63 && c > 1) || (c == 0 && shift))
			break;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c & 0x80)
			continue;
		if (v > max)
			break;
		return v;
	}
	bytes_fail(b);
	return 0;
}

/* Takes n of them: hundreds a tile, of one or two bytes nearly all. */
static inline void
varint_take_many(struct bytes *b, uint64_t max, uint32_t n, uint64_t *out)
{
	for (uint32_t i = 0; i < n;) {
		const uint8_t *p = b->p, *end = p + b->left;
		for (; i < n && end - p >= 2; i++) {
			uint64_t v = p[0];
			size_t length = 1;
			if (v >= 0x80) {
				v = (v & 0x7f) | (uint64_t)p[1] << 7;
				length = 2;
				if (p[1] >= 0x80 || p[1] == 0)
					break;
			}
			if (v > max)
				break;
			out[i] = v;
			p += length;
		}
		b->left = (size_t)(end - p);
		b->p = p;
		if (i < n)
			out[i++] = varint_take(b, max);
	}
}

/* Signed ones, small whatever their sign: 0, -1, 1, -2, … as 0, 1, 2, 3, … */
static inline void
varint_put_signed(struct buf *out, int64_t v)
{
	varint_put(out, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

/* Takes one of them. */
static inline int64_t
varint_take_signed(struct bytes *b)
{
	uint64_t v = varint_take(b, UINT64_MAX);

	return (int64_t)(v >> 1 ^ (0 - (v & 1)));
}

#endif
