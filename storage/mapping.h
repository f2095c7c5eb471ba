/*
 * How records are read for the index: schemas, and the digest that names them in each segment. An
 * index that was made by another mapping is not used.
 */
#ifndef STELE_STORAGE_MAPPING_H
#define STELE_STORAGE_MAPPING_H

#include <stdint.h>

#include "proto/schema.h"

struct sha256;

enum { MAPPING_DIGEST_BYTES = 32 };

struct mapping {
	struct schema_set set;
	int chosen;         /* as for matcher_new: -1, a record's schema is found by its `when` */
	uint8_t digest[32]; /* of both: whoever has the same digest reads records the same way */
	uint64_t number; /* of all that there ever were in a store (server/schemas.h), from 0 on */
};

/*
 * The digest of a set: SHA-256 of its schemas' canonical JSON, a newline behind each. Of one schema
 * that was chosen: of "chosen\n" and the same of that one. STELE_ENOMEM.
 */
int mapping_digest(uint8_t out[32], const struct schema_set *set, int chosen, struct sha256 *h);

/* The schemas that come with stele, in memory of the arena; NULL without memory. */
struct arena;
const struct mapping *mapping_builtin(struct arena *a, struct sha256 *h);

#endif
