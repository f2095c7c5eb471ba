/*
 * A latency histogram of fixed size: 64 buckets for each power of two, so
 * that any quantile is known to 1.6 percent whatever the range (the layout
 * of HdrHistogram). Recording is a few instructions and never allocates.
 */
#ifndef STELE_BENCH_HISTOGRAM_H
#define STELE_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_SUB_BITS = 6,
	HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

struct histogram {
	uint64_t count;
	uint64_t max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Empties h. */
void histogram_init(struct histogram *h);

/* Counts one value, of any unit. */
void histogram_record(struct histogram *h, uint64_t value);

/*
 * The smallest recorded value that at least the share q (0 to 1) of all
 * values do not exceed, rounded up to its bucket's edge and never above the
 * maximum. 0 when nothing was recorded.
 */
uint64_t histogram_quantile(const struct histogram *h, double q);

#endif
