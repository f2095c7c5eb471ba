/*
 * JSON numbers compared exactly, however long: by their digits, never through a
 * double. 9007199254740993 is not 9007199254740992, and 1e2 is 100.
 */
#ifndef STELE_PROTO_DECIMAL_H
#define STELE_PROTO_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"

/*
 * A number as its significant digits: it is 0.d1d2d3... times 10^exponent. The
 * digits stay in the text they were read from, which may have a point among
 * them. Zero has no digits.
 */
struct decimal {
	struct slice digits; /* first to last that is not 0; a point may be inside */
	int64_t exponent;    /* beyond +-2^62 it is held there, which orders it rightly against
				others */
	bool negative;       /* false for zero */
};

/* Reads a whole JSON number (RFC 8259 section 6). False when text is none. */
bool decimal_read(struct decimal *d, struct slice text);

/* Less than 0, 0, or greater than 0 as a is less than, equal to or greater than b. */
int decimal_compare(const struct decimal *a, const struct decimal *b);

/*
 * Appends the one spelling of its value, in which equal numbers are equal text:
 * 4624, -15, 0, 1500 up to 40 digits, else digits without point, e, exponent:
 * 15e-1.
 */
void decimal_write(struct buf *out, const struct decimal *d);

#endif
