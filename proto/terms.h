/*
 * What an index keeps of a record: its (field, term) pairs. Terms are such that
 * whatever an equality of a filter finds, the index finds by looking up the
 * literal's terms, too (terms_of_literal); the matcher then decides.
 */
#ifndef STELE_PROTO_TERMS_H
#define STELE_PROTO_TERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/arena.h"
#include "proto/field.h"
#include "proto/filter.h"
#include "proto/match.h"
#include "proto/schema.h"
#include "proto/slice.h"

/* A term of a record. Times are not terms: they are in struct terms. */
struct term {
	enum field field;  /* FIELD_WRITER, FIELD_ACTOR to FIELD_SEVERITY */
	struct slice text; /* at most LIMIT_TERM_BYTES; longer values are cut there */
};

struct terms {
	const struct term *items; /* the arena's; each pair once, in the order of field and text */
	size_t n;
	int64_t time_ns;     /* the first event time that the payload says, or the receive time */
	int64_t earliest_ns; /* of all it says: more than one is rare */
	int64_t latest_ns;
	bool has_time;  /* the payload says one */
	int schema;     /* which of the set fits, -1 when none: then only the writer is a term */
	unsigned flags; /* MATCH_NOT_JSON, MATCH_NO_SCHEMA, MATCH_DUPLICATE_NAMES */
};

/* What lists terms, with its working memory. One thread uses it at a time. */
struct term_lister;

/* A lister, freed by term_lister_free; NULL when memory is out. Arguments as for matcher_new. */
struct term_lister *term_lister_new(const struct schema_set *set, int chosen);

/* Frees l; NULL is fine. */
void term_lister_free(struct term_lister *l);

/*
 * All terms of a record. A value's term is its text, and where they differ also
 * the decimal_write() of a text that is a JSON number, and the ipaddr_write() of
 * an address of FIELD_SOURCE_IP. 0 and *out, in the arena; STELE_ENOMEM.
 */
int term_lister_run(struct term_lister *l, const struct match_record *r, struct arena *a,
		    struct terms *out);

/*
 * The terms to look up for an equality with a literal, at most two: a record
 * that matches has one of them. Their number; 0 when an index cannot help (a
 * prefix, a network, an instant, null). Texts are the arena's or the literal's;
 * STELE_ENOMEM is negative.
 */
int terms_of_literal(struct slice texts[2], struct arena *a, const struct filter_literal *literal);

#endif
