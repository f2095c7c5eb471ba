/*
 * What a query asks the index of a segment (storage/segterms.h): which of its records may match.
 * The parts of a filter that an index answers are equalities of fields and bounds of times; AND of
 * parts needs one of them, OR all. What is found is then looked at like any record.
 */
#ifndef STELE_SERVER_QUERY_INDEX_H
#define STELE_SERVER_QUERY_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/ordset.h"
#include "storage/seek.h"

struct kit;
struct query;
struct query_source;

/* Of the segment that one log of a query is in: which of its records are to be looked at. */
struct query_view {
	struct seek_range range;
	bool known;                             /* the rest is of that range, whatever it has */
	bool usable;                            /* else nothing is known of its records */
	uint64_t step;                          /* of the query, in which this was known to hold */
	struct ordset wanted, unsure, controls; /* which may match; termbuild.h */
	struct segterms_tile *tiles;
};

/*
 * The view of the source's segment that holds all of [first, end), records of one tile: *out is
 * the source's, or NULL when each of them is to be looked at. STELE_ENOMEM, STELE_EIO. A worker
 * thread.
 */
int query_index_view(struct query *q, struct query_source *s, uint64_t first, uint64_t end,
		     struct kit *kit, const struct query_view **out);

/* Frees what it has. */
void query_view_fini(struct query_view *v);

#endif
