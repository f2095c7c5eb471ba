/*
 * One hash table for all nodes: most members of a document are wanted by nobody,
 * and that is one look. The hash sees a name's length, its first 8 and last 8
 * bytes: enough for the few names that people write, and no way for a document
 * to slow it down, since only those names are in the table.
 */
#include "proto/pathtrie.h"

#include <stdlib.h>

#include "proto/err.h"

enum { FIRST_SLOTS = 64 };

/* Up to 8 bytes at p as a number. */
static uint64_t
load8(const uint8_t *p, size_t n, const uint8_t *readable)
{
	uint64_t v = 0;

	if (n >= 8) {
		memcpy(&v, p, 8);
	} else if (readable - p >= 8) {
		memcpy(&v, p, 8);
		v &= (UINT64_C(1) << 8 * n) - 1;
	} else {
		memcpy(&v, p, n);
	}
	return v;
}

static size_t
hash(uint32_t parent, struct slice name, const uint8_t *readable)
{
	uint64_t h = load8(name.p, name.n, readable);

	if (name.n > 8)
		h ^= load8(name.p + name.n - 8, 8, readable) * UINT64_C(0x9e3779b97f4a7c15);
	h ^= (name.n + (uint64_t)parent * 0x10001) * UINT64_C(0xc2b2ae3d27d4eb4f);
	h *= UINT64_C(0xff51afd7ed558ccd);
	return (size_t)(h >> 32);
}

int
pathtrie_init(struct pathtrie *t)
{
	*t = (struct pathtrie){.n = 1, .mask = FIRST_SLOTS - 1};
	t->nodes = calloc(FIRST_SLOTS / 2, sizeof *t->nodes);
	t->table = calloc(FIRST_SLOTS, sizeof *t->table);
	if (!t->nodes || !t->table) {
		pathtrie_fini(t);
		return STELE_ENOMEM;
	}
	return 0;
}

void
pathtrie_fini(struct pathtrie *t)
{
	free(t->nodes);
	free(t->table);
	*t = (struct pathtrie){0};
}

/* The slot that holds the child, or the empty one where it would be. */
static size_t
slot_of(const struct pathtrie *t, uint32_t parent, struct slice name, const uint8_t *readable)
{
	size_t i = hash(parent, name, readable) & t->mask;

	for (; t->table[i]; i = (i + 1) & t->mask) {
		const struct pathnode *node = &t->nodes[t->table[i]];
		if (node->parent == parent && slice_eq(node->name, name))
			break;
	}
	return i;
}

uint32_t
pathtrie_find(const struct pathtrie *t, uint32_t parent, struct slice name, const uint8_t *readable)
{
	return t->table[slot_of(t, parent, name, readable)];
}

/* Twice the room; the tree is as it was when there is none. */
static int
grow(struct pathtrie *t)
{
	size_t slots = 2 * (t->mask + 1);
	struct pathnode *nodes = realloc(t->nodes, slots / 2 * sizeof *nodes);
	uint32_t *table = nodes ? calloc(slots, sizeof *table) : NULL;

	if (nodes)
		t->nodes = nodes;
	if (!table)
		return STELE_ENOMEM;
	free(t->table);
	t->table = table;
	t->mask = slots - 1;
	for (uint32_t i = 1; i < t->n; i++) {
		const struct pathnode *node = &t->nodes[i];
		const uint8_t *end = node->name.p + node->name.n;
		t->table[slot_of(t, node->parent, node->name, end)] = i;
	}
	return 0;
}

int
pathtrie_add(struct pathtrie *t, uint32_t *node, const struct jsonpath *path)
{
	uint32_t at = 0;

	for (size_t i = 0; i < path->n; i++) {
		struct slice name = path->steps[i];
		uint32_t child = pathtrie_find(t, at, name, name.p + name.n);
		if (child == 0) {
			if (t->n == (t->mask + 1) / 2 && grow(t) != 0)
				return STELE_ENOMEM;
			child = (uint32_t)t->n++;
			t->nodes[child] = (struct pathnode){.name = name, .parent = at};
			t->table[slot_of(t, at, name, name.p + name.n)] = child;
		}
		t->nodes[at].inner = true;
		at = child;
	}
	t->nodes[at].wanted = true;
	*node = at;
	return 0;
}
