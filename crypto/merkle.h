/*
 * Merkle tree arithmetic of RFC 6962 section 2.1 and RFC 9162 section 2.1:
 * appending with a compact range, proving from any source of nodes, verifying.
 * Leaf hashes come in (sha256_leaf); no tree is held in memory.
 */
#ifndef STELE_CRYPTO_MERKLE_H
#define STELE_CRYPTO_MERKLE_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/sha256.h"
#include "proto/limits.h"

/*
 * The roots of the perfect subtrees a tree of `size` leaves is made of, left
 * to right from the largest: node[k], the root of 2^k leaves, is meaningful
 * when bit k of size is set. Enough to append and to know the root.
 */
struct merkle_frontier {
	uint64_t size;
	uint8_t node[64][SHA256_BYTES];
};

/* The empty tree. */
void merkle_frontier_init(struct merkle_frontier *f);

/* dst = src, copying only what src's size makes meaningful. */
void merkle_frontier_copy(struct merkle_frontier *dst, const struct merkle_frontier *src);

/* Appends one leaf hash: one node hash on average. size must be below 2^63. */
void merkle_frontier_append(struct sha256 *h, struct merkle_frontier *f,
			    const uint8_t leaf[SHA256_BYTES]);

/* out = the root; SHA-256 of nothing when size is 0. */
void merkle_frontier_root(struct sha256 *h, const struct merkle_frontier *f,
			  uint8_t out[SHA256_BYTES]);

/*
 * Does the proof of n hashes, from the leaf's sibling upward, lead from
 * leaf_hash at index to the root of a tree of size leaves? 0 or STELE_EVERIFY,
 * also when the proof is not exactly as long as it must be or index is not
 * below size. RFC 9162 section 2.1.3.2. The size itself is bound by the
 * checkpoint, not by the proof: one proof can fit several sizes.
 */
int merkle_verify_inclusion(struct sha256 *h, const uint8_t root[SHA256_BYTES], uint64_t index,
			    uint64_t size, const uint8_t leaf_hash[SHA256_BYTES],
			    const uint8_t (*proof)[SHA256_BYTES], size_t n);

/*
 * Does the proof of n hashes show that the tree (to, root2) begins with the
 * tree (from, root1)? 0 or STELE_EVERIFY. Equal sizes need equal roots and an
 * empty proof. From size 0 nothing is proven, so it is refused whatever comes
 * with it; so is from > to. RFC 9162 section 2.1.4.2.
 */
int merkle_verify_consistency(struct sha256 *h, uint64_t from, const uint8_t root1[SHA256_BYTES],
			      uint64_t to, const uint8_t root2[SHA256_BYTES],
			      const uint8_t (*proof)[SHA256_BYTES], size_t n);

/*
 * A source of nodes: out = the root of the perfect subtree over the leaves
 * [index << height, (index + 1) << height), all of which exist in the tree asked
 * about. 0, or a negative error that ends the construction and is returned.
 */
typedef int merkle_node_fn(void *ctx, unsigned height, uint64_t index, uint8_t out[SHA256_BYTES]);

/*
 * The inclusion proof of leaf index in the tree of size leaves: *n hashes, from
 * the leaf's sibling upward, at most 63. O(log size) nodes are asked for.
 * STELE_EINVAL when index is not below size; the source's errors. On failure
 * *n is untouched, the contents of proof are not defined.
 * RFC 9162 section 2.1.3.1.
 */
int merkle_inclusion(struct sha256 *h, merkle_node_fn *fn, void *ctx, uint64_t index, uint64_t size,
		     uint8_t proof[LIMIT_PROOF_HASHES][SHA256_BYTES], size_t *n);

/*
 * The consistency proof between the trees of from and to leaves: *n hashes, 0
 * when the sizes are equal. STELE_EINVAL unless 1 <= from <= to; errors as
 * above. RFC 9162 section 2.1.4.1.
 */
int merkle_consistency(struct sha256 *h, merkle_node_fn *fn, void *ctx, uint64_t from, uint64_t to,
		       uint8_t proof[LIMIT_PROOF_HASHES][SHA256_BYTES], size_t *n);

/* out = the root of the first size leaves, 0 and up; the source's errors. */
int merkle_root_at(struct sha256 *h, merkle_node_fn *fn, void *ctx, uint64_t size,
		   uint8_t out[SHA256_BYTES]);

#endif
