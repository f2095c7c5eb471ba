/*
 * At height h the tree of m leaves has m >> h perfect nodes, so the new ones
 * are [m >> h, (m + k) >> h). Only the first of them can have an old child,
 * always the left one, and that is the old frontier's node at the child's height.
 */
#include "crypto/merkle_batch.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"

void
merkle_batch_init(struct merkle_batch *b)
{
	memset(b, 0, sizeof *b);
}

void
merkle_batch_fini(struct merkle_batch *b)
{
	free(b->node);
	merkle_batch_init(b);
}

static int
reserve(struct merkle_batch *b, size_t k)
{
	size_t cap =
		2 * k + 64; /* the sum over all heights of floor((m + k) / 2^h) - floor(m / 2^h) */
	void *p;

	if (cap <= b->cap)
		return 0;
	p = realloc(b->node, cap * sizeof *b->node);
	if (!p)
		return STELE_ENOMEM;
	b->node = p;
	b->cap = cap;
	return 0;
}

/* A node of the new tree that is new or in the old frontier. */
static const uint8_t *
known(const struct merkle_batch *b, unsigned height, uint64_t index)
{
	uint64_t first = b->old.size >> height;

	if (index >= first)
		return b->node[b->start[height] + (index - first)];
	CHECK((first & 1) && index == first - 1);
	return b->old.node[height];
}

const uint8_t *
merkle_batch_node(const struct merkle_batch *b, unsigned height, uint64_t index)
{
	if (height >= b->heights || index < b->old.size >> height || index >= b->now.size >> height)
		return NULL;
	return known(b, height, index);
}

/* Hashes every new perfect node, height by height from the leaves. */
static void
build_nodes(struct sha256 *h, struct merkle_batch *b, const uint8_t (*leaves)[SHA256_BYTES],
	    size_t k)
{
	uint64_t m = b->old.size, end = b->now.size;
	size_t used = k;

	b->start[0] = 0;
	b->start[1] = k;
	b->heights = k ? 1 : 0;
	if (k)
		memcpy(b->node, leaves, k * sizeof *leaves);
	for (unsigned up = 1; up < 64 && m >> up < end >> up; up++) {
		uint64_t i = m >> up;

		CHECK(used + ((end >> up) - i) <= b->cap);
		for (; i < end >> up; i++)
			sha256_node(h, b->node[used++], known(b, up - 1, 2 * i),
				    known(b, up - 1, 2 * i + 1));
		b->heights = up + 1;
		b->start[up + 1] = used;
	}
}

/* The frontier after the batch, the ragged right border, and the root on top of it. */
static void
build_border(struct sha256 *h, struct merkle_batch *b)
{
	uint64_t size = b->now.size;
	unsigned up = 0;

	for (; up < 64 && size >> up; up++) {
		uint8_t *rest = b->ragged[up];

		if (!(size >> up & 1)) {
			memcpy(b->ragged[up + 1], rest, SHA256_BYTES);
			continue;
		}
		memcpy(b->now.node[up], known(b, up, (size >> up) - 1), SHA256_BYTES);
		if (size & ((1ull << up) - 1))
			sha256_node(h, b->ragged[up + 1], b->now.node[up], rest);
		else
			memcpy(b->ragged[up + 1], b->now.node[up], SHA256_BYTES);
	}
	if (size == 0)
		sha256_hash(h, b->root, slice_of(NULL, 0));
	else
		memcpy(b->root, b->ragged[up], SHA256_BYTES);
}

int
merkle_batch_build(struct sha256 *h, struct merkle_batch *b, const struct merkle_frontier *old,
		   const uint8_t (*leaves)[SHA256_BYTES], size_t k)
{
	if (old->size > 1ull << 63 || k > (1ull << 63) - old->size)
		return STELE_ELIMIT;
	if (k > SIZE_MAX / 4 / SHA256_BYTES || reserve(b, k) != 0)
		return STELE_ENOMEM;
	merkle_frontier_copy(&b->old, old);
	b->now.size = old->size + k;
	build_nodes(h, b, leaves, k);
	build_border(h, b);
	return 0;
}

const struct merkle_frontier *
merkle_batch_frontier(const struct merkle_batch *b)
{
	return &b->now;
}

const uint8_t *
merkle_batch_root(const struct merkle_batch *b)
{
	return b->root;
}

void
merkle_batch_proof(const struct merkle_batch *b, uint64_t index,
		   uint8_t proof[LIMIT_PROOF_HASHES][SHA256_BYTES], size_t *n)
{
	uint64_t size = b->now.size, last = size - 1;
	size_t count = 0;

	CHECK(index >= b->old.size && index < size);
	for (unsigned up = 0; last; up++, index >>= 1, last >>= 1) {
		const uint8_t *sibling;

		if (index & 1)
			sibling = known(b, up, index - 1);
		else if (index + 1 < size >> up)
			sibling = known(b, up, index + 1);
		else if (index < last)
			sibling = b->ragged[up];
		else
			continue; /* on the border, with nothing to the right */
		memcpy(proof[count++], sibling, SHA256_BYTES);
	}
	*n = count;
}
