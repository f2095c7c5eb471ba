/*
 * Appending many leaves at once, with a proof for each: every new node is
 * hashed once, and a proof is O(log n) copies. The writer's hot path.
 */
#ifndef STELE_CRYPTO_MERKLE_BATCH_H
#define STELE_CRYPTO_MERKLE_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/merkle.h"
#include "crypto/sha256.h"
#include "proto/limits.h"

/*
 * The last batch built: reused, it allocates only when a batch is the largest
 * yet. Read it through the functions below.
 */
struct merkle_batch {
	struct merkle_frontier old; /* before */
	struct merkle_frontier now; /* after */
	uint8_t root[SHA256_BYTES]; /* of now */
	/*
	 * ragged[h]: the root of the leaves after the last perfect subtree of height
	 * h, that is of [now.size >> h << h, now.size), where there are any.
	 */
	uint8_t ragged[65][SHA256_BYTES];
	uint8_t (*node)[SHA256_BYTES]; /* new perfect nodes, height by height */
	size_t cap;                    /* nodes allocated */
	size_t start[65];              /* height h is node[start[h]] to node[start[h + 1] - 1] */
	unsigned heights;              /* heights that have new nodes */
};

/* An empty batch; allocates nothing. Until the first build it may only be built or finished. */
void merkle_batch_init(struct merkle_batch *b);
void merkle_batch_fini(struct merkle_batch *b);

/*
 * Appends k leaf hashes (0 and up) to the tree of *old, which is copied and not
 * changed: about k + log2(size) node hashes. STELE_ENOMEM; STELE_ELIMIT when
 * the tree would pass 2^63 leaves. On failure the batch may only be built again
 * or finished.
 */
int merkle_batch_build(struct sha256 *h, struct merkle_batch *b, const struct merkle_frontier *old,
		       const uint8_t (*leaves)[SHA256_BYTES], size_t k);

/* The frontier and the root after the batch; valid until the next build. */
const struct merkle_frontier *merkle_batch_frontier(const struct merkle_batch *b);
const uint8_t *merkle_batch_root(const struct merkle_batch *b);

/*
 * The inclusion proof of a leaf of this batch in the tree after it; index must
 * be in [old size, new size). *n hashes (at most 63), from the sibling upward.
 */
void merkle_batch_proof(const struct merkle_batch *b, uint64_t index,
			uint8_t proof[LIMIT_PROOF_HASHES][SHA256_BYTES], size_t *n);

/*
 * The 32-byte root of the perfect subtree [index << height, (index + 1) << height)
 * when this batch completed it; NULL when it was complete before or is not yet.
 * The new nodes of one height lie one after the other in memory.
 */
const uint8_t *merkle_batch_node(const struct merkle_batch *b, unsigned height, uint64_t index);

#endif
