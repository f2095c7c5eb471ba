/*
 * UTF-8 (RFC 3629), one code point at a time: for the short texts whose
 * characters matter. Event payloads are validated in bulk by the JSON scan.
 */
#ifndef STELE_PROTO_UTF8_H
#define STELE_PROTO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

/*
 * The code point at the start of s, and its length of 1 to 4 bytes; 0 when s is
 * empty or does not begin with one (overlong forms, surrogates and values above
 * U+10FFFF are none), and then *code_point is untouched.
 */
size_t utf8_decode(uint32_t *code_point, struct slice s);

/* Writes a code point that is none of a surrogate as UTF-8; the bytes written, 1 to 4. */
size_t utf8_write(uint8_t out[4], uint32_t code_point);

/* True when all of s is UTF-8; a NUL is a character like others. */
bool utf8_valid(struct slice s);

/* White_Space of the Unicode character database, version 15. */
bool utf8_is_space(uint32_t code_point);

#endif
