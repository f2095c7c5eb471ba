/*
 * Where the last queries over many logs were in each of them, by the seal of the cursor that they
 * ended with: who goes on with it need not look for these places again. It is only that, and may be
 * lost: then they are found again.
 */
#ifndef STELE_SERVER_QUERY_KEPT_H
#define STELE_SERVER_QUERY_KEPT_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/kdigest.h"

struct many_log;
struct query;

enum { KEPT_QUERIES = 8 }; /* of 48 bytes a log each */

struct query_kept {
	pthread_mutex_t lock;
	uint64_t n; /* that were ever kept */
	struct kept_query {
		uint8_t seal[KDIGEST_BYTES];
		struct many_log *logs; /* NULL: it was taken */
		size_t n;
	} queries[KEPT_QUERIES];
};

/* Empty. */
void query_kept_init(struct query_kept *k);
/* Frees what it has. */
void query_kept_fini(struct query_kept *k);

/* Takes the logs of a query over many, whose cursor was made and which does nothing more. Any
 * thread. */
void query_kept_put(struct query_kept *k, const uint8_t seal[KDIGEST_BYTES], struct query *q);

/* Of a query whose cursor was read: what was kept with it, if that is there. Any thread. */
void query_kept_take(struct query_kept *k, const uint8_t seal[KDIGEST_BYTES], struct query *q);

#endif
