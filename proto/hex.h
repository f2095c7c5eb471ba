/* Bytes as hex digits, two each, lower case. */
#ifndef STELE_PROTO_HEX_H
#define STELE_PROTO_HEX_H

#include <stddef.h>
#include <stdint.h>

struct buf;

/* Writes n bytes as 2 n digits and a NUL into out, which has room for 2 n + 1. */
void hex_format(char *out, const uint8_t *bytes, size_t n);

/* Appends the 2 n digits. */
void buf_put_hex(struct buf *b, const uint8_t *bytes, size_t n);

#endif
