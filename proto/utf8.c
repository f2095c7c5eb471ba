/* Lengths from the first byte; overlong forms fall to the smallest value of their length. */
#include "proto/utf8.h"

size_t
utf8_decode(uint32_t *code_point, struct slice s)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n;
	uint32_t c;

	if (s.n == 0)
		return 0;
	c = s.p[0];
	if (c < 0x80) {
		*code_point = c;
		return 1;
	}
	n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc0 || c > 0xf7 || n > s.n)
		return 0;
	c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s.p[i] & 0x3f);
	}
	if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code_point = c;
	return n;
}

size_t
utf8_write(uint8_t out[4], uint32_t c)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)(first[n] | c);
	return n;
}

bool
utf8_valid(struct slice s)
{
	while (s.n) {
		uint32_t c;
		uint64_t eight;
		size_t n = 8;

		if (s.n >= 8 && (memcpy(&eight, s.p, 8), (eight & 0x8080808080808080u) == 0))
			; /* ASCII, eight at a time */
		else if ((n = utf8_decode(&c, s)) == 0)
			return false;
		s = slice_of(s.p + n, s.n - n);
	}
	return true;
}

bool
utf8_is_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
	       c == 0x205f || c == 0x3000;
}
