/*
 * Where a log's unsealed records lie: one extent per commit that touched the
 * log, in order. 48 bytes a commit, not a record. Extents leave at the front when
 * a sealed segment holds all of theirs.
 */
#ifndef STELE_STORAGE_TAIL_H
#define STELE_STORAGE_TAIL_H

#include <stddef.h>
#include <stdint.h>

#include "storage/wal.h"

struct extent {
	uint64_t first; /* index of its first record */
	uint32_t count;
	uint32_t bytes;     /* of the section */
	uint32_t leaves_at; /* where its entry hashes begin, within the section */
	uint32_t objects;   /* how many of its records are objects */
	struct wal_pos at;  /* of the section, not of the frame */
	int64_t time_ns;    /* of its records; 0: the section says it */
};

struct tail {
	struct extent *extents;
	size_t n, cap;
	uint64_t dropped; /* extents that have left: the ordinal of extents[0] */
};

/* No extents; allocates nothing. */
void tail_init(struct tail *t);
/* Frees the memory; as after tail_init. */
void tail_fini(struct tail *t);

/* Room for one more extent, so that tail_add cannot fail: 0 or STELE_ENOMEM. */
int tail_reserve(struct tail *t);
void tail_add(struct tail *t, const struct extent *e);

/* Lets go of the extents whose records all lie below index `end`. */
void tail_drop(struct tail *t, uint64_t end);

/* The extent that holds index, or NULL. */
const struct extent *tail_find(const struct tail *t, uint64_t index);

#endif
