/* A bucket is the value's highest bit and the six bits below it. */
#include "bench/histogram.h"

#include <string.h>

void
histogram_init(struct histogram *h)
{
	memset(h, 0, sizeof *h);
}

static unsigned
bucket_of(uint64_t v)
{
	unsigned top = 63u - (unsigned)__builtin_clzll(v | 1);
	unsigned shift = top > HISTOGRAM_SUB_BITS ? top - HISTOGRAM_SUB_BITS : 0;

	return (shift << HISTOGRAM_SUB_BITS) + (unsigned)(v >> shift);
}

static uint64_t
upper_edge(unsigned bucket)
{
	unsigned group = bucket >> HISTOGRAM_SUB_BITS;
	unsigned shift = group > 1 ? group - 1 : 0;
	uint64_t mantissa = bucket - (shift << HISTOGRAM_SUB_BITS);

	return ((mantissa + 1) << shift) - 1;
}

void
histogram_record(struct histogram *h, uint64_t value)
{
	h->count++;
	if (value > h->max)
		h->max = value;
	h->buckets[bucket_of(value)]++;
}

uint64_t
histogram_quantile(const struct histogram *h, double q)
{
	uint64_t seen = 0, rank = (uint64_t)(q * (double)h->count);

	if ((double)rank < q * (double)h->count)
		rank++;
	if (rank == 0)
		rank = 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen >= rank) {
			uint64_t edge = upper_edge(i);
			return edge < h->max ? edge : h->max;
		}
	}
	return h->max;
}
