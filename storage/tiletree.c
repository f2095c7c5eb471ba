/* Pairs upon pairs. */
#include "storage/tiletree.h"

#include <string.h>

#include "proto/check.h"

/* out = the root of 16 hashes. */
static void
root_of_16(struct sha256 *h, const uint8_t in[16][32], uint8_t out[32])
{
	uint8_t level[8][32];

	for (int i = 0; i < 8; i++)
		sha256_node(h, level[i], in[2 * i], in[2 * i + 1]);
	for (int n = 4; n; n /= 2) {
		for (int i = 0; i < n; i++)
			sha256_node(h, level[i], level[2 * i], level[2 * i + 1]);
	}
	memcpy(out, level[0], 32);
}

void
tiletree_nodes(struct sha256 *h, const uint8_t leaves[256][32], uint8_t nodes[16][32])
{
	for (int i = 0; i < 16; i++)
		root_of_16(h, leaves + (size_t)16 * i, nodes[i]);
}

void
tiletree_append(struct sha256 *h, struct merkle_frontier *f, const uint8_t nodes[16][32])
{
	uint8_t root[32];
	unsigned k = 8;

	CHECK(f->size % 256 == 0);
	root_of_16(h, nodes, root);
	for (; f->size >> k & 1; k++)
		sha256_node(h, root, f->node[k], root);
	memcpy(f->node[k], root, 32);
	f->size += 256;
}
