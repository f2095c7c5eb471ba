/* A frontier that begins with the left roots, takes leaves, and then the right roots. */
#include "verify/runtree.h"

#include <string.h>

static bool
bit(uint64_t v, unsigned k)
{
	return v >> k & 1;
}

/* The height of the largest complete subtree that begins at `from` and ends by `to`. */
static unsigned
height(uint64_t from, uint64_t to)
{
	unsigned k = 0;

	while (k < 62 && !bit(from, k) && (UINT64_C(2) << k) <= to - from)
		k++;
	return k;
}

static size_t
count_right(uint64_t from, uint64_t to)
{
	size_t n = 0;

	for (; from < to; n++)
		from += UINT64_C(1) << height(from, to);
	return n;
}

bool
runtree_begin(struct runtree *t, const struct run_line *run, uint64_t size)
{
	size_t n = 0;

	t->open = false;
	if (run->last >= size || run->n_left != (size_t)__builtin_popcountll(run->first) ||
	    run->n_right != count_right(run->last + 1, size))
		return false;
	t->run = *run;
	t->size = size;
	merkle_frontier_init(&t->tree);
	t->tree.size = run->first;
	for (unsigned k = 64; k-- > 0;)
		if (bit(run->first, k))
			memcpy(t->tree.node[k], run->left[n++], SHA256_BYTES);
	t->open = true;
	return true;
}

bool
runtree_add(struct runtree *t, struct sha256 *h, uint64_t index, const uint8_t leaf[SHA256_BYTES])
{
	if (index > t->run.last || index != t->tree.size)
		return false;
	merkle_frontier_append(h, &t->tree, leaf);
	return true;
}

bool
runtree_root_so_far(const struct runtree *t, struct sha256 *h, uint8_t root[SHA256_BYTES])
{
	if (!t->open || t->run.first != 0)
		return false;
	merkle_frontier_root(h, &t->tree, root);
	return true;
}

/* A complete subtree of 2^k leaves, for which the tree's size is a multiple of that. */
static void
add_subtree(struct runtree *t, struct sha256 *h, unsigned k, const uint8_t root[SHA256_BYTES])
{
	uint8_t node[SHA256_BYTES];
	unsigned up = k;

	memcpy(node, root, sizeof node);
	for (; bit(t->tree.size, up); up++)
		sha256_node(h, node, t->tree.node[up], node);
	memcpy(t->tree.node[up], node, sizeof node);
	t->tree.size += UINT64_C(1) << k;
}

bool
runtree_end(struct runtree *t, struct sha256 *h, const uint8_t root[SHA256_BYTES])
{
	uint8_t mine[SHA256_BYTES];

	t->open = false;
	if (t->tree.size != t->run.last + 1)
		return false;
	for (size_t i = 0; i < t->run.n_right; i++)
		add_subtree(t, h, height(t->tree.size, t->size), t->run.right[i]);
	merkle_frontier_root(h, &t->tree, mine);
	return memcmp(mine, root, sizeof mine) == 0;
}

size_t
runtree_consistency_length(uint64_t from, uint64_t to)
{
	uint64_t m = from, n = to; /* of the subtree in question */
	size_t hashes = 0;
	bool whole = true;

	/* RFC 9162 section 2.1.4.1: SUBPROOF(m, D[n], whole) */
	while (m < n) {
		uint64_t k = 1;
		while (k << 1 < n)
			k <<= 1;
		if (m <= k) {
			n = k;
		} else {
			m -= k;
			n -= k;
			whole = false;
		}
		hashes++;
	}
	return hashes + !whole;
}
