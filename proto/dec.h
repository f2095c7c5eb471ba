/*
 * Decimal integers as every text format of ours has them: 0|[1-9][0-9]*.
 */
#ifndef STELE_PROTO_DEC_H
#define STELE_PROTO_DEC_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/slice.h"

enum { DEC_MAX_BYTES = 20 }; /* digits of 2^64 - 1 */

/* Writes v without leading zeros or NUL into out; returns the digits written. */
size_t dec_format(char out[DEC_MAX_BYTES], uint64_t v);

/* Writes exactly n digits of v, zero-padded on the left; digits above are dropped. */
void dec_format_padded(char *out, size_t n, uint64_t v);

/*
 * Reads all of s as one integer. STELE_ESYNTAX when it is not of the grammar
 * (empty, a sign, a leading zero, anything else), STELE_ELIMIT when above max.
 */
int dec_parse(uint64_t *v, struct slice s, uint64_t max);

/* Two digits: "00" to "99", one after the other. For writers that know their widths. */
extern const char dec_pairs[201];

/* Writes v, below 100 (not checked), as two digits. */
static inline void
dec_put2(char *out, uint32_t v)
{
	memcpy(out, dec_pairs + 2 * v, 2);
}

/* Digits at the start of s: 0..s.n. */
size_t dec_span(struct slice s);

#endif
