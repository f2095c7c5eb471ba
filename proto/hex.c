/* One digit at a time. */
#include "proto/hex.h"

#include "proto/buf.h"

static const char digits[] = "0123456789abcdef";

void
hex_format(char *out, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

void
buf_put_hex(struct buf *b, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_put_u8(b, (uint8_t)digits[bytes[i] >> 4]);
		buf_put_u8(b, (uint8_t)digits[bytes[i] & 15]);
	}
}
