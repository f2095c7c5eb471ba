/*
 * A sixteenth of a full level-0 tile: 16 entry hashes and the nodes of height 4
 * that lead from them to the tile's root. A proof out of a sealed tile needs no more,
 * and checks 30 hashes instead of 255.
 */
#ifndef STELE_STORAGE_TILEPART_H
#define STELE_STORAGE_TILEPART_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/sha256.h"

enum { TILEPART_GROUP = 16, TILEPART_NODES = 31 };

/* What was verified last; zeroed it holds nothing. */
struct tilepart {
	uint64_t log_id, tile;
	bool has_upper, has_lower;
	unsigned group;
	uint8_t upper[TILEPART_NODES][32]; /* heights 4 to 8: 16, 8, 4, 2 and 1 nodes */
	uint8_t lower[TILEPART_NODES][32]; /* heights 0 to 4 of the group */
};

/* Whether p holds the nodes above height 3 of the tile with this root. */
bool tilepart_is(const struct tilepart *p, uint64_t log_id, uint64_t tile, const uint8_t root[32]);

/*
 * Takes the 16 nodes of height 4 of a tile if they lead to root: 0, or STELE_EVERIFY and
 * p holds nothing.
 */
int tilepart_take_nodes(struct tilepart *p, uint64_t log_id, uint64_t tile,
			const uint8_t nodes[TILEPART_GROUP][32], const uint8_t root[32],
			struct sha256 *h);

/* Takes a group's 16 entry hashes if they lead to its node: 0, or STELE_EVERIFY. */
int tilepart_take_group(struct tilepart *p, unsigned group,
			const uint8_t leaves[TILEPART_GROUP][32], struct sha256 *h);

/* The group that node i of a height below 4 lies in. */
unsigned tilepart_group(unsigned height, unsigned i);

/*
 * Node i of a height of 0 to 8 within the tile: false when it is below height 4 and its
 * group is not the one that p holds.
 */
bool tilepart_node(const struct tilepart *p, unsigned height, unsigned i, uint8_t out[32]);

#endif
