/*
 * Retention periods (worm.md section 1): 7y, 1mo, 90d, 24h, 30m, 45s, or
 * ISO 8601 (P7Y, P1Y6M, P2W, P10DT12H). Years and months are calendar
 * arithmetic in UTC, the rest is exact. Nothing here ever shortens: overflow
 * is an error, and a day that a month lacks becomes the first of the next.
 */
#ifndef STELE_PROTO_DURATION_H
#define STELE_PROTO_DURATION_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/slice.h"

struct duration {
	uint64_t months; /* calendar months; a year is twelve */
	uint64_t ns;     /* added after the months */
};

/*
 * Reads all of s. Numbers have no sign, fraction or leading zero. In ISO form
 * designators come in order, each at most once, weeks stand alone. Zero is a
 * duration. STELE_ESYNTAX for another spelling, STELE_ELIMIT when it overflows.
 */
int duration_parse(struct duration *d, struct slice s);

/*
 * *out_ns = from_ns + d: months first, keeping the time of day (29 Feb + 1y is
 * 1 Mar, 31 Jan + 1mo is 1 Mar), then the exact part. from_ns must be a valid
 * instant (STELE_EINVAL); a result after TIMESTAMP_MAX_NS is STELE_ELIMIT.
 */
int duration_add(int64_t *out_ns, int64_t from_ns, const struct duration *d);

/*
 * Whether a is at least as long as b, wherever both start: 1y covers 365d, and 365d does not cover
 * 1y, which has a leap day now and then. False also for some that are within days of each other.
 */
bool duration_covers(const struct duration *a, const struct duration *b);

#endif
