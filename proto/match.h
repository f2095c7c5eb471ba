/*
 * Does a record match a filter? The bytes stay as they came: a payload is
 * scanned in place, once, and only what the filter and the schemas name is
 * looked at.
 *
 * Logic has three values. A term over a payload's path is unknown when the
 * payload is not JSON; a term over a field that only a schema can give (actor,
 * action...) is unknown when no schema fits, too. NOT unknown is unknown, false
 * AND unknown is false, true OR unknown is true. Where the whole is unknown the
 * record is unparsed: it might be one of those that were asked for. Event time
 * falls back to receive time and is never unknown, nor are receive time and
 * writer.
 *
 * Terms look at every value that a path or field has: one that fits is enough.
 * = compares texts byte by byte, numbers exactly, instants as instants; NE is
 * true unless EQ is. docs/queries.md has the table.
 */
#ifndef STELE_PROTO_MATCH_H
#define STELE_PROTO_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/filter.h"
#include "proto/schema.h"
#include "proto/slice.h"

enum match_verdict {
	MATCH_NO,
	MATCH_YES,
	MATCH_UNPARSED, /* cannot be told; see above */
};

enum {
	MATCH_NOT_JSON = 1,        /* or nests too deep, or is beyond LIMIT_MATCH_BYTES */
	MATCH_NO_SCHEMA = 2,       /* JSON, and no schema fits */
	MATCH_DUPLICATE_NAMES = 4, /* an object in it has two members of one name */
	MATCH_SKIPPED = 8,         /* was not even parsed: it cannot match */
};

/* What is asked about. */
struct match_record {
	struct slice payload;
	int64_t received_ns; /* the entry's time */
	struct slice writer; /* the entry's */
	bool parsed; /* the caller knows that it is JSON and a schema of the set fits: it may be
			skipped unparsed */
};

struct match_result {
	enum match_verdict verdict;
	unsigned flags; /* MATCH_...; duplicate names are looked for in records that match only */
	int schema;     /* which of the set fits, -1 when none */
};

/* A filter made ready, with its working memory. One thread uses it at a time. */
struct matcher;

/*
 * A matcher, freed by matcher_free; NULL when memory is out. Filter and set must
 * outlive it. chosen is -1 to find the schema of each record by its `when`, or
 * the position in the set of the one that all records are taken to have.
 */
struct matcher *matcher_new(const struct filter *f, const struct schema_set *set, int chosen);

/* Frees m; NULL is fine. */
void matcher_free(struct matcher *m);

/*
 * Decides about one record. 0 and *out; STELE_ENOMEM. Memory is linear in the
 * payload and given back after one of more than LIMIT_RECORD_BYTES; time is
 * linear in it, too, and for what the filter's terms look at times those terms.
 */
int matcher_run(struct matcher *m, const struct match_record *r, struct match_result *out);

#endif
