/* Two small trees of 31 nodes, the lower one hanging from a leaf of the upper one. */
#include "storage/tilepart.h"

#include <string.h>

#include "proto/check.h"
#include "proto/err.h"

/* Where the nodes of a height above the 16 begin. */
static const unsigned start[] = {0, 16, 24, 28, 30};

/* The 15 nodes above 16 that are there. */
static void
build(uint8_t tree[TILEPART_NODES][32], struct sha256 *h)
{
	for (unsigned k = 1; k <= 4; k++) {
		for (unsigned i = 0; i < 16u >> k; i++)
			sha256_node(h, tree[start[k] + i], tree[start[k - 1] + 2 * i],
				    tree[start[k - 1] + 2 * i + 1]);
	}
}

bool
tilepart_is(const struct tilepart *p, uint64_t log_id, uint64_t tile, const uint8_t root[32])
{
	return p->has_upper && p->log_id == log_id && p->tile == tile &&
	       memcmp(p->upper[start[4]], root, 32) == 0;
}

int
tilepart_take_nodes(struct tilepart *p, uint64_t log_id, uint64_t tile,
		    const uint8_t nodes[TILEPART_GROUP][32], const uint8_t root[32],
		    struct sha256 *h)
{
	p->log_id = log_id;
	p->tile = tile;
	p->has_lower = false;
	memcpy(p->upper, nodes, sizeof p->upper[0] * TILEPART_GROUP);
	build(p->upper, h);
	p->has_upper = memcmp(p->upper[start[4]], root, 32) == 0;
	return p->has_upper ? 0 : STELE_EVERIFY;
}

int
tilepart_take_group(struct tilepart *p, unsigned group, const uint8_t leaves[TILEPART_GROUP][32],
		    struct sha256 *h)
{
	CHECK(p->has_upper && group < TILEPART_GROUP);
	memcpy(p->lower, leaves, sizeof p->lower[0] * TILEPART_GROUP);
	build(p->lower, h);
	p->group = group;
	p->has_lower = memcmp(p->lower[start[4]], p->upper[group], 32) == 0;
	return p->has_lower ? 0 : STELE_EVERIFY;
}

unsigned
tilepart_group(unsigned height, unsigned i)
{
	CHECK(height < 4);
	return i >> (4 - height);
}

bool
tilepart_node(const struct tilepart *p, unsigned height, unsigned i, uint8_t out[32])
{
	CHECK(p->has_upper && height <= 8 && i < 256u >> height);
	if (height >= 4) {
		memcpy(out, p->upper[start[height - 4] + i], 32);
		return true;
	}
	if (!p->has_lower || p->group != tilepart_group(height, i))
		return false;
	memcpy(out, p->lower[start[height] + (i & ((16u >> height) - 1))], 32);
	return true;
}
