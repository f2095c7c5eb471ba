/* Table-driven; the decoder refuses every second spelling of the same bytes. */
#include "proto/base64.h"

#include "proto/err.h"
#include "proto/le.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t
base64_encoded_len(size_t n)
{
	return (n + 2) / 3 * 4;
}

size_t
base64_encode(char *dst, const void *src, size_t n)
{
	const uint8_t *s = src;
	char *d = dst;
	size_t i = 0;

	for (; i + 8 <= n; i += 6, d += 8) { /* eight bytes are loaded, six of them used */
		uint64_t v = be_get64(s + i);
		for (int k = 0; k < 8; k++)
			d[k] = alphabet[v >> (58 - 6 * k) & 63];
	}
	for (; i + 3 <= n; i += 3) {
		uint32_t v = (uint32_t)s[i] << 16 | (uint32_t)s[i + 1] << 8 | s[i + 2];
		*d++ = alphabet[v >> 18];
		*d++ = alphabet[v >> 12 & 63];
		*d++ = alphabet[v >> 6 & 63];
		*d++ = alphabet[v & 63];
	}
	if (i < n) {
		uint32_t v = (uint32_t)s[i] << 16;
		if (i + 1 < n)
			v |= (uint32_t)s[i + 1] << 8;
		*d++ = alphabet[v >> 18];
		*d++ = alphabet[v >> 12 & 63];
		*d++ = i + 1 < n ? alphabet[v >> 6 & 63] : '=';
		*d++ = '=';
	}
	return (size_t)(d - dst);
}

/* A character's value and one; 0 for what is not of the alphabet. */
static const uint8_t values[256] = {
	['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,
	['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14,
	['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21,
	['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28,
	['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35,
	['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42,
	['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49,
	['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
	['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
	['/'] = 64,
};

/* A character's six bits; all ones when it is not of the alphabet. */
static inline uint32_t
bits(uint8_t c)
{
	return (uint32_t)values[c] - 1;
}

/* Four characters as three bytes; beyond 0xffffff when one of them is not of the alphabet. */
static inline uint32_t
quad(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	return a << 18 | b << 12 | c << 6 | d;
}

/* The last four characters, of which one or two are '='. */
static int
decode_padded(uint8_t *dst, const uint8_t *p, size_t pad)
{
	uint32_t v = quad(bits(p[0]), bits(p[1]), pad == 1 ? bits(p[2]) : 0, 0);

	if (v > 0xffffff || (v & (pad == 1 ? 0xff : 0xffff)))
		return STELE_ESYNTAX;
	dst[0] = (uint8_t)(v >> 16);
	if (pad == 1)
		dst[1] = (uint8_t)(v >> 8);
	return 0;
}

int
base64_decode(uint8_t *dst, size_t cap, size_t *n_out, struct slice text)
{
	size_t pad = 0, n, whole, o = 0;

	if (text.n % 4 != 0)
		return STELE_ESYNTAX;
	if (text.n && text.p[text.n - 1] == '=')
		pad = text.p[text.n - 2] == '=' ? 2 : 1;
	n = text.n / 4 * 3 - pad;
	if (n > cap)
		return STELE_ELIMIT;
	whole = pad ? text.n - 4 : text.n;
	for (size_t i = 0; i < whole; i += 4, o += 3) {
		const uint8_t *p = text.p + i;
		uint32_t v = quad(bits(p[0]), bits(p[1]), bits(p[2]), bits(p[3]));
		if (v > 0xffffff)
			return STELE_ESYNTAX;
		dst[o] = (uint8_t)(v >> 16);
		dst[o + 1] = (uint8_t)(v >> 8);
		dst[o + 2] = (uint8_t)v;
	}
	if (pad && decode_padded(dst + o, text.p + whole, pad) != 0)
		return STELE_ESYNTAX;
	*n_out = n;
	return 0;
}

int
base64_decode_exact(uint8_t *dst, size_t n, struct slice text)
{
	size_t got;

	if (text.n != base64_encoded_len(n))
		return STELE_ESYNTAX;
	if (base64_decode(dst, n, &got, text) != 0 || got != n)
		return STELE_ESYNTAX;
	return 0;
}

int
base64url_decode(uint8_t *dst, size_t cap, size_t *n_out, struct slice text)
{
	char std[BASE64URL_CHARS + 3];
	size_t i;

	if (text.n > BASE64URL_CHARS || text.n % 4 == 1)
		return STELE_ESYNTAX;
	for (i = 0; i < text.n; i++) {
		char c = (char)text.p[i];

		if (c == '+' || c == '/' || c == '=')
			return STELE_ESYNTAX;
		std[i] = c == '-' ? '+' : c == '_' ? '/' : c;
	}
	while (i % 4)
		std[i++] = '=';
	return base64_decode(dst, cap, n_out, slice_of(std, i));
}
