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

/* Four characters, of which the last pad are '='; -1 when one is not of the alphabet. */
static int64_t
quad(const uint8_t *p, size_t pad)
{
	int64_t v = 0;

	for (size_t i = 0; i < 4; i++) {
		int x = i < 4 - pad ? values[p[i]] - 1 : 0;
		if (x < 0)
			return -1;
		v = v << 6 | x;
	}
	return v;
}

int
base64_decode(uint8_t *dst, size_t cap, size_t *n_out, struct slice text)
{
	size_t pad = 0, n;

	if (text.n % 4 != 0)
		return STELE_ESYNTAX;
	if (text.n && text.p[text.n - 1] == '=')
		pad = text.p[text.n - 2] == '=' ? 2 : 1;
	n = text.n / 4 * 3 - pad;
	if (n > cap)
		return STELE_ELIMIT;
	for (size_t i = 0, o = 0; i < text.n; i += 4) {
		size_t here = i + 4 == text.n ? pad : 0;
		int64_t v = quad(text.p + i, here);
		if (v < 0 || (here == 1 && (v & 0xff)) || (here == 2 && (v & 0xffff)))
			return STELE_ESYNTAX;
		dst[o++] = (uint8_t)(v >> 16);
		if (here < 2)
			dst[o++] = (uint8_t)(v >> 8);
		if (here < 1)
			dst[o++] = (uint8_t)v;
	}
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
