/*
 * Standard padded base64 (RFC 4648 section 4), and base64url without padding; strict when decoding.
 */
#ifndef STELE_PROTO_BASE64_H
#define STELE_PROTO_BASE64_H

#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

/* Characters that n bytes encode to, padding included. */
size_t base64_encoded_len(size_t n);

/*
 * Encodes n bytes at src into dst, which has base64_encoded_len(n) bytes of
 * room; no NUL is written. Returns the characters written.
 */
size_t base64_encode(char *dst, const void *src, size_t n);

/*
 * Decodes text into dst (cap bytes of room) and sets *n_out. Strict: full
 * padding, no white space, unused bits zero. STELE_ESYNTAX when it is not
 * base64, STELE_ELIMIT when dst is too small.
 */
int base64_decode(uint8_t *dst, size_t cap, size_t *n_out, struct slice text);

/*
 * Decodes base64url without padding (RFC 4648 section 5), as base64_decode but for text of at most
 * BASE64URL_CHARS: STELE_ESYNTAX beyond.
 */
enum { BASE64URL_CHARS = 4096 };
int base64url_decode(uint8_t *dst, size_t cap, size_t *n_out, struct slice text);

/* Decodes text that must be exactly n bytes: 0 or STELE_ESYNTAX. */
int base64_decode_exact(uint8_t *dst, size_t n, struct slice text);

#endif
