/* Doubling growth; every append checks the sticky error first. */
#include "proto/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/check.h"
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
buf_put_base64url(struct buf *b, const void *p, size_t n)
{
	size_t at = b->n;

	buf_put_base64(b, p, n);
	while (b->n > at && b->p[b->n - 1] == '=')
		b->n--;
	for (; at < b->n; at++)
		b->p[at] = b->p[at] == '+' ? '-' : b->p[at] == '/' ? '_' : b->p[at];
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/*
 * Copies the bytes at p, of which left are there, up to the first that a JSON
 * string must escape (below 0x20, quote, backslash) or the eighth; returns how
 * many. out has room for eight. A borrow may mark bytes above a true hit, never
 * below one, and only the lowest counts.
 */
static size_t
copy_plain(uint8_t *out, const uint8_t *p, size_t left)
{
	uint64_t v = 0, quote, slash, hits;

	memcpy(&v, p, left < 8 ? left : 8);
	memcpy(out, &v, 8);
	quote = v ^ EACH('"');
	slash = v ^ EACH('\\');
	hits = ((v - EACH(0x20)) & ~v) | ((quote - EACH(1)) & ~quote) |
	       ((slash - EACH(1)) & ~slash);
	hits &= EACH(0x80);
	if (hits) /* a short word's missing bytes are zeros, and hit */
		return (size_t)__builtin_ctzll(hits) / 8;
	return 8;
}

static size_t
put_escape(uint8_t *out, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";

	if (c == '"' || c == '\\') {
		out[0] = '\\';
		out[1] = c;
		return 2;
	}
	memcpy(out, "\\u00", 4);
	out[4] = (uint8_t)hex[c >> 4];
	out[5] = (uint8_t)hex[c & 15];
	return 6;
}

/* Receipts quote whole entries: eight bytes at a time, then one escape. */
void
buf_put_json_str(struct buf *b, struct slice s)
{
	enum { ROOM = 16 }; /* a word, an escape, the closing quote */
	size_t i = 0;

	if (buf_reserve(b, s.n + ROOM) != 0)
		return;
	b->p[b->n++] = '"';
	while (i < s.n) {
		size_t plain = copy_plain(b->p + b->n, s.p + i, s.n - i);

		b->n += plain;
		i += plain;
		if (plain == 8 || i == s.n)
			continue;
		b->n += put_escape(b->p + b->n, s.p[i++]);
		if (buf_reserve(b, s.n - i + ROOM) != 0)
			return;
	}
	b->p[b->n++] = '"';
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

const char *
buf_cstr(struct buf *b)
{
	CHECK(buf_reserve(b, 1) == 0);
	b->p[b->n] = '\0';
	return (const char *)b->p;
}
