/*
 * A reference tree for the Merkle tests: the recursive definitions of RFC 6962
 * section 2.1 over leaf hashes in memory, slow and plain.
 */
#ifndef STELE_TESTS_UNIT_TREE_H
#define STELE_TESTS_UNIT_TREE_H

#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"

struct tree {
	struct sha256 *h;
	uint8_t (*level[24])[SHA256_BYTES]; /* level[k][i]: perfect subtree of height k, index i */
	size_t size;
};

/* A tree of n leaves, leaf i derived from seed and i. */
static inline void
tree_init(struct tree *t, struct sha256 *h, size_t n, uint64_t seed)
{
	memset(t, 0, sizeof *t);
	t->h = h;
	t->size = n;
	for (unsigned k = 0; n >> k; k++)
		t->level[k] = malloc((n >> k) * SHA256_BYTES);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t id[2] = {seed, i};
		sha256_leaf(h, t->level[0][i], slice_of(id, sizeof id));
	}
	for (unsigned k = 1; n >> k; k++) {
		for (size_t i = 0; i < n >> k; i++)
			sha256_node(h, t->level[k][i], t->level[k - 1][2 * i],
				    t->level[k - 1][2 * i + 1]);
	}
}

/* Frees the nodes. */
static inline void
tree_fini(struct tree *t)
{
	for (unsigned k = 0; k < 24; k++)
		free(t->level[k]);
}

/* A merkle_node_fn over a tree. */
static inline int
tree_node(void *ctx, unsigned height, uint64_t index, uint8_t out[SHA256_BYTES])
{
	const struct tree *t = ctx;

	if (index >= t->size >> height)
		abort(); /* asked for a node that is not perfect in this tree */
	memcpy(out, t->level[height][index], SHA256_BYTES);
	return 0;
}

/* The largest power of two smaller than n >= 2. */
static inline size_t
tree_split(size_t n)
{
	size_t k = 1;

	while (2 * k < n)
		k *= 2;
	return k;
}

/* MTH(D[start, end)). */
static inline void
tree_mth(const struct tree *t, size_t start, size_t end, uint8_t out[SHA256_BYTES])
{
	size_t n = end - start, k;
	uint8_t left[SHA256_BYTES], right[SHA256_BYTES];

	if (n == 0) {
		sha256_hash(t->h, out, slice_of(NULL, 0));
	} else if ((n & (n - 1)) == 0) {
		unsigned height = (unsigned)__builtin_ctzll(n);
		memcpy(out, t->level[height][start >> height], SHA256_BYTES);
	} else {
		k = tree_split(n);
		tree_mth(t, start, start + k, left);
		tree_mth(t, start + k, end, right);
		sha256_node(t->h, out, left, right);
	}
}

/* PATH(m, D[start, end)), appended. */
static inline void
tree_path(const struct tree *t, size_t m, size_t start, size_t end, uint8_t (*proof)[SHA256_BYTES],
	  size_t *n)
{
	size_t k;

	if (end - start == 1)
		return;
	k = tree_split(end - start);
	if (m < k) {
		tree_path(t, m, start, start + k, proof, n);
		tree_mth(t, start + k, end, proof[(*n)++]);
	} else {
		tree_path(t, m - k, start + k, end, proof, n);
		tree_mth(t, start, start + k, proof[(*n)++]);
	}
}

/* SUBPROOF(m, D[start, end), b), appended. */
static inline void
tree_subproof(const struct tree *t, size_t m, size_t start, size_t end, int b,
	      uint8_t (*proof)[SHA256_BYTES], size_t *n)
{
	size_t k;

	if (m == end - start) {
		if (!b)
			tree_mth(t, start, end, proof[(*n)++]);
		return;
	}
	k = tree_split(end - start);
	if (m <= k) {
		tree_subproof(t, m, start, start + k, b, proof, n);
		tree_mth(t, start + k, end, proof[(*n)++]);
	} else {
		tree_subproof(t, m - k, start + k, end, 0, proof, n);
		tree_mth(t, start, start + k, proof[(*n)++]);
	}
}

#endif
