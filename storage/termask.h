/*
 * Which records of a segment may match a filter, as its index has it: the parts that it answers
 * are equalities of fields and bounds of times; AND of parts needs one of them, OR all. The same
 * for who has the segment and for who was shown some of its index (storage/certcheck.h).
 */
#ifndef STELE_STORAGE_TERMASK_H
#define STELE_STORAGE_TERMASK_H

#include <stdbool.h>

#include "proto/field.h"
#include "proto/slice.h"
#include "storage/ordset.h"

struct filter;
struct segterms;

/* Adds to *set the records that may have the term; not 0 ends it with that value. */
typedef int termask_find_fn(void *ctx, enum field field, struct slice text, struct ordset *set);

struct termask {
	const struct segterms *terms; /* the index's head */
	termask_find_fn *find;
	void *ctx;
};

/* Whether an index could help with such a filter at all. */
bool termask_helps(const struct filter *f);

/*
 * Every record that is sure and matches is in *set, which the caller then has to ordset_fini; or
 * *all, and there is none. Lookups come in an order that filter and answers alone decide.
 * STELE_ENOMEM; what find returned.
 */
int termask_run(const struct termask *a, const struct filter *f, bool *all, struct ordset *set);

#endif
