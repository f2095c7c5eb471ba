/*
 * Few records of a segment as runs, each a power of two of records that lie in a row: the number of
 * a run has fewer bits than that of a record, and who looks at what was found finds it there.
 *
 * One run is of 64 records, two are of 32, three and four of 16, up to 64 of one: whatever they
 * are, they lead to at most 64 records. The last run of a segment may be cut short.
 *
 *   one: its number, in as many bits as the number of the segment's last run has
 *   several, n: code of order 0 of n - 2; then for each the code of order k of what lies between it
 *   and the one before, k being one less than the digits of (runs in the segment) / (n + 1), or 0
 */
#ifndef STELE_STORAGE_RUNS_H
#define STELE_STORAGE_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/bitcode.h"
#include "storage/ordset.h"

enum { RUNS_DIGITS = 6, RUNS_RECORDS = 1 << RUNS_DIGITS };

struct runs {
	uint32_t count;  /* the segment's records */
	uint32_t n;      /* 1 to RUNS_RECORDS */
	unsigned digits; /* each is of 1 << digits records */
	uint32_t number[RUNS_RECORDS];
};

/*
 * The runs that n ordinals, ascending, lie in, of a segment of count records. False when they are
 * none, or so many, or lie in such rows, that a posting says them as shortly (storage/posting.h).
 */
bool runs_of(struct runs *r, const uint32_t *ordinals, size_t n, uint32_t count);

/* Appends them. */
void runs_put(struct bitwriter *w, const struct runs *r);

/* Reads one run, or several, of a segment of count records: STELE_ESYNTAX. */
int runs_take(struct bitreader *in, bool several, uint32_t count, struct runs *r);

/* Run i is of the records [*from, *end). */
void runs_range(const struct runs *r, size_t i, uint32_t *from, uint32_t *end);

#endif
