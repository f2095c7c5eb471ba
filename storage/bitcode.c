/* A reader looks at 8 bytes at once where there are so many. */
#include "storage/bitcode.h"

#include <string.h>

#include "proto/err.h"
#include "proto/le.h"

void
bitwriter_init(struct bitwriter *w, struct buf *out)
{
	*w = (struct bitwriter){.out = out};
}

void
bitwriter_put(struct bitwriter *w, uint64_t v, unsigned n)
{
	w->waiting |= v << w->n;
	for (w->n += n; w->n >= 8; w->n -= 8) {
		buf_put_u8(w->out, (uint8_t)w->waiting);
		w->waiting >>= 8;
	}
}

unsigned
bitcode_digits(uint64_t v)
{
	return v ? 64u - (unsigned)__builtin_clzll(v) : 0;
}

unsigned
bitcode_bits(uint64_t v, unsigned k)
{
	return 2 * bitcode_digits((v >> k) + 1) - 1 + k;
}

void
bitwriter_put_code(struct bitwriter *w, uint64_t v, unsigned k)
{
	uint64_t q = (v >> k) + 1;
	unsigned m = bitcode_digits(q) - 1;

	bitwriter_put(w, 0, m);
	bitwriter_put(w, 1, 1);
	bitwriter_put(w, q & ((1ull << m) - 1), m);
	bitwriter_put(w, v & ((1ull << k) - 1), k);
}

void
bitwriter_end(struct bitwriter *w)
{
	if (w->n)
		bitwriter_put(w, 0, 8 - w->n);
}

void
bitreader_init(struct bitreader *r, struct slice in)
{
	*r = (struct bitreader){.in = in};
}

enum { LOOK_BITS = 57 };

/* The bits from here on, LOOK_BITS at least as far as there are so many, zeros behind them. */
static uint64_t
look(const struct bitreader *r)
{
	size_t byte = r->at / 8, left = r->in.n - byte;
	uint8_t bytes[8] = {0};

	if (left >= 8)
		return le_get64(r->in.p + byte) >> (r->at % 8);
	if (left)
		memcpy(bytes, r->in.p + byte, left);
	return le_get64(bytes) >> (r->at % 8);
}

static void
pass(struct bitreader *r, unsigned n)
{
	if (n > r->in.n * 8 - r->at) {
		r->bad = true;
		r->at = r->in.n * 8;
	} else {
		r->at += n;
	}
}

uint64_t
bitreader_take(struct bitreader *r, unsigned n)
{
	uint64_t v = look(r) & ((1ull << n) - 1);

	pass(r, n);
	return r->bad ? 0 : v;
}

uint64_t
bitreader_take_code(struct bitreader *r, unsigned k)
{
	uint64_t bits = look(r), q;
	unsigned m = bits ? (unsigned)__builtin_ctzll(bits) : 64;

	if (m + k >= BITCODE_BITS)
		r->bad = true;
	if (r->bad)
		return 0;
	if (2 * m + 1 + k <= LOOK_BITS) { /* as nearly all are */
		pass(r, 2 * m + 1 + k);
		q = (1ull << m | (bits >> (m + 1) & ((1ull << m) - 1))) - 1;
		q = q << k | (bits >> (2 * m + 1) & ((1ull << k) - 1));
		return r->bad ? 0 : q;
	}
	pass(r, m + 1);
	q = (1ull << m | bitreader_take(r, m)) - 1;
	q = q << k | bitreader_take(r, k);
	return r->bad ? 0 : q;
}

int
bitreader_end(struct bitreader *r)
{
	uint64_t left = r->in.n * 8 - r->at;

	return r->bad || left >= 8 || look(r) != 0 ? STELE_ESYNTAX : 0;
}
