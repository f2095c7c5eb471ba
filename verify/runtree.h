/*
 * The root of a tree from a run of its leaves and the complete subtrees on both sides of it
 * (docs/formats.md section 10, proofs.ndjson).
 */
#ifndef STELE_VERIFY_RUNTREE_H
#define STELE_VERIFY_RUNTREE_H

#include <stdbool.h>

#include "crypto/merkle.h"
#include "verify/recordline.h"

struct runtree {
	bool open;
	struct run_line run;
	uint64_t size; /* of the tree */
	struct merkle_frontier tree;
};

/*
 * Begins one: false when it does not lie in a tree of that size, or has not as many roots as it
 * must have.
 */
bool runtree_begin(struct runtree *t, const struct run_line *run, uint64_t size);

/*
 * The root of the first entries, as many as came so far: false when the run does not begin with
 * entry 0.
 */
bool runtree_root_so_far(const struct runtree *t, struct sha256 *h, uint8_t root[SHA256_BYTES]);

/* The next leaf, of that index: false when the run has no more. */
bool runtree_add(struct runtree *t, struct sha256 *h, uint64_t index,
		 const uint8_t leaf[SHA256_BYTES]);

/* Whether all leaves came, and the whole has that root. Ends it. */
bool runtree_end(struct runtree *t, struct sha256 *h, const uint8_t root[SHA256_BYTES]);

/* How many hashes a consistency proof between these sizes has; 1 <= from <= to. */
size_t runtree_consistency_length(uint64_t from, uint64_t to);

#endif
