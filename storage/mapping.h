/*
 * How records are read for the index: schemas, and the digest that names them in each segment. An
 * index that was made by another mapping is not used.
 */
#ifndef STELE_STORAGE_MAPPING_H
#define STELE_STORAGE_MAPPING_H

#include <stdint.h>

#include "proto/schema.h"

struct sha256;

struct mapping {
	const struct schema_set *set;
	int chosen;         /* as for matcher_new */
	uint8_t digest[32]; /* of both: whoever has the same digest reads records the same way */
};

/*
 * out = SHA-256 of the schemas' canonical JSON, in order, a newline behind each: of a mapping with
 * none chosen. STELE_ENOMEM.
 */
int mapping_digest(uint8_t out[32], const struct schema_set *set, struct sha256 *h);

/* The schemas that come with stele, in memory of the arena; NULL without memory. */
struct arena;
const struct mapping *mapping_builtin(struct arena *a, struct sha256 *h);

#endif
