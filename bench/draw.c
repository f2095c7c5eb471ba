/* splitmix64 (Steele, Lea, Flood 2014): small, seeded, the same everywhere. */
#include "bench/draw.h"

#include <inttypes.h>

uint64_t
draw_next(struct draw *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t
draw_below(struct draw *r, uint64_t n)
{
	return draw_next(r) % n;
}

unsigned
draw_skewed(struct draw *r, unsigned n)
{
	uint64_t a = draw_below(r, n), b = draw_below(r, n);

	return (unsigned)(a < b ? a : b);
}

void
draw_uuid(struct buf *b, struct draw *r)
{
	uint64_t hi = draw_next(r), lo = draw_next(r);

	buf_printf(b, "%08x-%04x-4%03x-%04x-%012" PRIx64, (unsigned)(hi >> 32),
		   (unsigned)(hi >> 16 & 0xffff), (unsigned)(hi & 0xfff),
		   (unsigned)(lo >> 48 & 0x3fff) | 0x8000, lo & 0xffffffffffff);
}

void
draw_id(struct buf *b, uint64_t what, unsigned n)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	struct draw r = {what * 0x2545f4914f6cdd1du};

	for (uint64_t v = 0, i = 0; i < n; i++, v >>= 5) {
		if (i % 12 == 0)
			v = draw_next(&r);
		buf_put_u8(b, (uint8_t)alphabet[v & 31]);
	}
}

void
draw_opaque(struct buf *b, struct draw *r, unsigned n)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (uint64_t v = 0, i = 0; i < n; i++, v >>= 6) {
		if (i % 10 == 0)
			v = draw_next(r);
		buf_put_u8(b, (uint8_t)alphabet[v & 63]);
	}
}

struct draw_instant
draw_instant(size_t i, struct draw *r)
{
	uint64_t us = (uint64_t)i * 700 + draw_below(r, 700);
	uint64_t s = us / 1000000 % 86400;

	return (struct draw_instant){(unsigned)(s / 3600), (unsigned)(s / 60 % 60),
				     (unsigned)(s % 60), (unsigned)(us % 1000000)};
}
