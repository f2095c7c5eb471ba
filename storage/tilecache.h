/*
 * Verified tiles, kept with all their inner nodes, so that a proof is a few
 * copies. A tile grows while the log does; nodes of perfect subtrees never
 * change, so a cached tile is extended, not replaced.
 */
#ifndef STELE_STORAGE_TILECACHE_H
#define STELE_STORAGE_TILECACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/sha256.h"

struct tilecache;

enum { TILECACHE_TILES = 512 }; /* 8 MiB: 131,072 entries' worth of the hottest tiles */

/* An empty cache, or NULL when memory is out; tiles are allocated as they come. */
struct tilecache *tilecache_new(void);
/* Frees it with its tiles. NULL is fine. */
void tilecache_free(struct tilecache *c);

/*
 * Copies the node at height 0..8 and position i within tile n of a level
 * (position counted at that height) when the cache holds it. Any thread.
 */
bool tilecache_get(struct tilecache *c, uint64_t log_id, unsigned level, uint64_t n,
		   unsigned height, unsigned i, uint8_t out[32]);

/*
 * Puts in the first width hashes of a tile that the caller holds from memory.
 * Any thread; h is the caller's.
 */
void tilecache_put(struct tilecache *c, uint64_t log_id, unsigned level, uint64_t n,
		   const uint8_t (*hashes)[32], unsigned width, struct sha256 *h);

/*
 * Puts in a full tile that was read from disk, if its 256 hashes lead to root:
 * 0, STELE_EVERIFY when they do not, STELE_ENOMEM. Any thread.
 */
int tilecache_put_full(struct tilecache *c, uint64_t log_id, unsigned level, uint64_t n,
		       const uint8_t (*hashes)[32], const uint8_t root[32], struct sha256 *h);

#endif
