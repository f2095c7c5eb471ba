/*
 * A level-0 tile's own small tree: 256 entry hashes, 16 nodes of height 4, one
 * root of height 8 (RFC 6962 section 2.1).
 */
#ifndef STELE_STORAGE_TILETREE_H
#define STELE_STORAGE_TILETREE_H

#include <stdint.h>

#include "crypto/merkle.h"
#include "crypto/sha256.h"

/* The nodes of height 4 of a full tile: 240 hashes. */
void tiletree_nodes(struct sha256 *h, const uint8_t leaves[256][32], uint8_t nodes[16][32]);

/* Appends a full tile, by its nodes of height 4, to a tree whose size is a multiple of 256. */
void tiletree_append(struct sha256 *h, struct merkle_frontier *f, const uint8_t nodes[16][32]);

#endif
