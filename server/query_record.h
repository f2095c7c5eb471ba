/*
 * Who asked what: records of `_access` (docs/formats.md). The filter is said by its digest: what
 * was looked for may be as private as what was found.
 */
#ifndef STELE_SERVER_QUERY_RECORD_H
#define STELE_SERVER_QUERY_RECORD_H

#include <stdbool.h>
#include <stdint.h>

struct feed;
struct query;
struct request;

/* A page of a query was made; or, unless it is NULL, a certificate of that digest. */
void query_record(const struct request *r, const struct query *q, const uint8_t certificate[32]);

/* A tail begins to follow f; or ends, after so many rows. The loop's thread. */
void query_record_tail(const struct request *r, const struct feed *f, uint64_t rows, bool begins);

#endif
