/* Doubling growth; every append checks the sticky error first. */
#include "proto/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/err.h"

enum { BUF_MIN_BYTES = 256 };

void
buf_init(struct buf *b)
{
	memset(b, 0, sizeof *b);
}

void
buf_fini(struct buf *b)
{
	free(b->p);
	buf_init(b);
}

void
buf_reset(struct buf *b)
{
	b->n = 0;
	b->err = 0;
}

int
buf_reserve(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : BUF_MIN_BYTES;
	uint8_t *p;

	if (b->err)
		return b->err;
	if (b->cap - b->n >= n)
		return 0;
	if (n > SIZE_MAX / 4 || b->n > SIZE_MAX / 4)
		return b->err = STELE_ENOMEM;
	while (cap < b->n + n)
		cap *= 2;
	p = realloc(b->p, cap);
	if (!p)
		return b->err = STELE_ENOMEM;
	b->p = p;
	b->cap = cap;
	return 0;
}

void
buf_put(struct buf *b, const void *p, size_t n)
{
	if (n == 0 || buf_reserve(b, n) != 0)
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

void
buf_put_slice(struct buf *b, struct slice s)
{
	buf_put(b, s.p, s.n);
}

void
buf_put_str(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void
buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

void
buf_put_dec(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t i = sizeof digits;

	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buf_put(b, digits + i, sizeof digits - i);
}

void
buf_put_base64(struct buf *b, const void *p, size_t n)
{
	if (buf_reserve(b, base64_encoded_len(n)) != 0)
		return;
	b->n += base64_encode((char *)b->p + b->n, p, n);
}

void
buf_put_json_str(struct buf *b, struct slice s)
{
	static const char hex[] = "0123456789abcdef";
	size_t start = 0;

	buf_put_u8(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_put(b, s.p + start, i - start);
		start = i + 1;
		if (c == '"' || c == '\\') {
			buf_put(b, (char[]){'\\', (char)c}, 2);
		} else {
			buf_put(b, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
		}
	}
	buf_put(b, s.p + start, s.n - start);
	buf_put_u8(b, '"');
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n >= 0 && buf_reserve(b, (size_t)n + 1) == 0) {
		vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}
