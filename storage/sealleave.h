/*
 * Segments that were replaced and are on their way out: their files and keys go once a saved
 * catalogue knows the new list (storage/seal.h, step 5). The sealer's, under its lock.
 */
#ifndef STELE_STORAGE_SEALLEAVE_H
#define STELE_STORAGE_SEALLEAVE_H

#include "storage/internal.h"
#include "storage/segment.h"

struct seal_left;

struct leaving {
	struct log *log;
	struct segment_name name;
	uint64_t data_key_id; /* 0: destroyed already */
	uint64_t after_save;  /* number of the save that must be done */
	bool purged;          /* payloads of it were */
};

struct sealleave {
	struct leaving *p;
	size_t n, cap;
	bool stuck;      /* a file that should have left could not: said once */
	uint64_t linked; /* files that had other links when they left */
};

/* Frees it; as zeroed. */
void sealleave_fini(struct sealleave *s);

/* Room for n more, so that noting them cannot fail: 0 or STELE_ENOMEM. */
int sealleave_reserve(struct sealleave *s, size_t n);

/*
 * Notes a segment that is replaced; purged: payloads of it went. The store's lock is held, and room
 * was reserved.
 */
void sealleave_note(struct sealleave *s, struct log *log, const struct sealed *old, bool purged);

/*
 * Destroys what a saved catalogue does not name any more, unless the store is pinned. What is
 * immutable and may not be made otherwise stays, and so does its key, unless it was purged.
 */
int sealleave_go(struct sealleave *s, struct store *st);

/* What is left of one log. */
void sealleave_count(const struct sealleave *s, const struct log *log, struct seal_left *left);

#endif
