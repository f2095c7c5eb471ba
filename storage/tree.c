/* Arrays that only grow; the partial tile starts over at every 256th entry. */
#include "storage/tree.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"

void
tree_init(struct tree *t)
{
	memset(t, 0, sizeof *t);
}

void
tree_fini(struct tree *t)
{
	free(t->partial.hash);
	for (int i = 0; i < TREE_LEVELS; i++)
		free(t->up[i].hash);
	tree_init(t);
}

static int
level_reserve(struct tree_level *l, size_t n)
{
	size_t cap = l->cap ? l->cap : 4;
	uint8_t(*p)[32];

	if (n <= l->cap)
		return 0;
	while (cap < n)
		cap *= 2;
	p = realloc(l->hash, cap * sizeof *p);
	if (!p)
		return STELE_ENOMEM;
	l->hash = p;
	l->cap = cap;
	return 0;
}

/* Entries the partial tile holds at most while k are added. */
static size_t
partial_need(const struct tree *t, uint64_t k)
{
	uint64_t n = t->size % TREE_TILE + k;

	return n < TREE_TILE ? (size_t)n : TREE_TILE;
}

bool
tree_has_room(const struct tree *t, uint64_t k)
{
	bool room = partial_need(t, k) <= t->partial.cap;

	for (int i = 0; i < TREE_LEVELS; i++)
		room &= ((t->size + k) >> (8 * (i + 1))) <= t->up[i].cap;
	return room;
}

int
tree_reserve(struct tree *t, uint64_t k)
{
	int err = level_reserve(&t->partial, partial_need(t, k));

	for (int i = 0; err == 0 && i < TREE_LEVELS; i++)
		err = level_reserve(&t->up[i], (size_t)((t->size + k) >> (8 * (i + 1))));
	return err;
}

void
tree_add(struct tree *t, const uint8_t (*leaves)[32], size_t k, const struct merkle_batch *b)
{
	uint64_t size = t->size + k;
	size_t keep = size % TREE_TILE;

	CHECK(tree_has_room(t, k));
	if (keep > k) {
		memcpy(t->partial.hash + t->partial.n, leaves, k * 32);
	} else if (keep) {
		memcpy(t->partial.hash, leaves + (k - keep), keep * 32);
	}
	t->partial.n = keep;
	for (int i = 0; i < TREE_LEVELS; i++) {
		struct tree_level *l = &t->up[i];
		for (uint64_t n = size >> (8 * (i + 1)); l->n < n; l->n++) {
			const uint8_t *node = merkle_batch_node(b, (unsigned)(8 * (i + 1)), l->n);
			CHECK(node);
			memcpy(l->hash[l->n], node, 32);
		}
	}
	t->size = size;
}
