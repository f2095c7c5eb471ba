/* The fewer runs there are, the longer they may be; how long they are, their number says. */
#include "storage/runs.h"

#include "proto/err.h"
#include "storage/posting.h"

/* Of n runs, so that n of them have at most RUNS_RECORDS. */
static unsigned
digits_of(uint32_t n)
{
	return RUNS_DIGITS - bitcode_digits(n - 1);
}

static uint32_t
runs_in(uint32_t count, unsigned digits)
{
	return ((count - 1) >> digits) + 1;
}

static unsigned
order_of(const struct runs *r)
{
	unsigned k = bitcode_digits(runs_in(r->count, r->digits) / (r->n + 1));

	return k ? k - 1 : 0;
}

static uint64_t
bits_of(const struct runs *r)
{
	unsigned k = order_of(r);
	uint64_t bits = bitcode_bits(r->n - 2, 0);
	uint32_t low = 0;

	for (size_t i = 0; i < r->n; i++) {
		bits += bitcode_bits(r->number[i] - low, k);
		low = r->number[i] + 1;
	}
	return bits;
}

bool
runs_of(struct runs *r, const uint32_t *ordinals, size_t n, uint32_t count)
{
	if (n == 0 || n > RUNS_RECORDS)
		return false;
	r->count = count;
	/* the longest ones: what has fewer of them would have been taken before */
	for (r->digits = RUNS_DIGITS;; r->digits--) {
		r->n = 0;
		for (size_t i = 0; i < n; i++) {
			uint32_t number = ordinals[i] >> r->digits;

			if (r->n == 0 || r->number[r->n - 1] != number)
				r->number[r->n++] = number;
		}
		if (digits_of(r->n) >= r->digits)
			break;
	}
	return r->n == 1 || bits_of(r) < posting_bits(ordinals, n, count);
}

void
runs_put(struct bitwriter *w, const struct runs *r)
{
	unsigned k = order_of(r);
	uint32_t low = 0;

	if (r->n == 1) {
		bitwriter_put(w, r->number[0], bitcode_digits(runs_in(r->count, RUNS_DIGITS) - 1));
		return;
	}
	bitwriter_put_code(w, r->n - 2, 0);
	for (size_t i = 0; i < r->n; i++) {
		bitwriter_put_code(w, r->number[i] - low, k);
		low = r->number[i] + 1;
	}
}

int
runs_take(struct bitreader *in, bool several, uint32_t count, struct runs *r)
{
	uint64_t n = several ? bitreader_take_code(in, 0) + 2 : 1, low = 0;
	uint32_t all;
	unsigned k;

	if (in->bad || n > RUNS_RECORDS)
		return STELE_ESYNTAX;
	r->count = count;
	r->n = (uint32_t)n;
	r->digits = digits_of(r->n);
	all = runs_in(count, r->digits);
	k = several ? order_of(r) : 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t number = several ? low + bitreader_take_code(in, k)
					  : bitreader_take(in, bitcode_digits(all - 1));

		if (in->bad || number >= all)
			return STELE_ESYNTAX;
		r->number[i] = (uint32_t)number;
		low = number + 1;
	}
	return 0;
}

void
runs_range(const struct runs *r, size_t i, uint32_t *from, uint32_t *end)
{
	uint32_t n = 1u << r->digits;

	*from = r->number[i] << r->digits;
	*end = r->count - *from < n ? r->count : *from + n;
}
