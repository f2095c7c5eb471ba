/*
 * Counters of one loop, written by it alone and read by whoever serves
 * /metrics: relaxed atomics, no lock, no shared line.
 */
#ifndef STELE_SERVER_METRICS_H
#define STELE_SERVER_METRICS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "server/tls_session.h"
#include "server/vendor.h"

enum {
	METRICS_ROUTES = 96,   /* routes and one more for what matched none */
	METRICS_STATUSES = 32, /* distinct statuses that problem_status_line knows */
	METRICS_BUCKETS = 16,  /* latency: 50 us doubling to 0.8 s, then more */
};

struct metrics {
	atomic_ullong requests[METRICS_ROUTES][METRICS_STATUSES];
	atomic_ullong buckets[METRICS_ROUTES][METRICS_BUCKETS];
	atomic_ullong seconds_ns[METRICS_ROUTES];
	atomic_ullong accepted, refused, timeouts, malformed, cut;
	atomic_ullong read_bytes, written_bytes;
	atomic_ullong intake_events[VENDORS], intake_duplicates[VENDORS], intake_unparsed[VENDORS];
	atomic_ullong handshakes, resumed, verified; /* of TLS, done; the same with a certificate */
	atomic_ullong handshakes_failed[TLS_FAILURES];
	atomic_ullong tails, feeds; /* now: tails, and what they follow */
	atomic_ullong tails_opened, tails_dropped, tail_rounds, tail_rows;
	atomic_ullong turns_waited, turns_waiting; /* for one: all that did, and those now */
};

/* One answered request: route is its place in the table, or router_routes for none. */
void metrics_count(struct metrics *m, size_t route, int status, uint64_t ns);

/* Adds n to a counter of the calling thread's own. */
static inline void
metrics_add(atomic_ullong *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* Upper bound of a latency bucket in seconds; the last has none. */
double metrics_bucket_s(size_t bucket);

/* The status counted at that place of the table; 0 when there is none. */
int metrics_status(size_t place);

#endif
