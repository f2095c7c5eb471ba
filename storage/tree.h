/*
 * What memory keeps of a log's Merkle tree: the hashes of the level-0 tile that
 * is still filling, and every hash of the levels above (one per 256 entries).
 * Level-0 hashes of full tiles stay in the WAL and are checked against these.
 */
#ifndef STELE_STORAGE_TREE_H
#define STELE_STORAGE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/merkle_batch.h"

enum { TREE_TILE = 256, TREE_LEVELS = 5 }; /* levels 1..5 reach 2^48 entries */

struct tree_level {
	uint8_t (*hash)[32]; /* hash[i]: root of the full tile i of the level below */
	size_t n, cap;
};

struct tree {
	uint64_t size;
	struct tree_level partial;         /* entry hashes from size & ~255 on */
	struct tree_level up[TREE_LEVELS]; /* up[0] is level 1 */
};

/* The empty tree; allocates nothing. */
void tree_init(struct tree *t);
/* Frees the memory; as after tree_init. */
void tree_fini(struct tree *t);

/* Memory for k more entries, so that tree_add cannot fail: 0 or STELE_ENOMEM. */
int tree_reserve(struct tree *t, uint64_t k);

/* Whether tree_reserve(t, k) would have to move memory that readers look at. */
bool tree_has_room(const struct tree *t, uint64_t k);

/* Adds the k entries that b was built from; room was reserved. */
void tree_add(struct tree *t, const uint8_t (*leaves)[32], size_t k, const struct merkle_batch *b);

#endif
