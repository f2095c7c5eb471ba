/*
 * Records that certainly cannot match, told from their bytes alone: what a filter
 * asks for must stand in the payload as it is, unless it is spelled with escapes.
 */
#ifndef STELE_PROTO_MATCH_SKIP_H
#define STELE_PROTO_MATCH_SKIP_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/filter.h"
#include "proto/schema.h"

enum { MATCH_SKIP_NEEDLES = 8 };

struct match_skip {
	struct slice needles[MATCH_SKIP_NEEDLES]; /* the filter's; every match has one of them */
	size_t n;                                 /* 0: nothing can be told */
	size_t worth;                             /* how selective they are thought to be */
};

/* What every record that matches has in its bytes, under any schema of the set. */
void match_skip_init(struct match_skip *skip, const struct filter *f, const struct schema_set *set);

/* True when a payload, which is JSON, cannot match. */
bool match_skip_sure(const struct match_skip *skip, struct slice payload);

#endif
