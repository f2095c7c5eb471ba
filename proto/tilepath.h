/*
 * Paths of tiles (C2SP tlog-tiles; formats.md section 3), below /logs/{log}/tile/:
 * <L>/<N>[.p/<W>] for hashes, entries/<N>[.p/<W>] for entry bundles. N is in
 * zero-padded groups of three digits, all but the last with an x before it.
 */
#ifndef STELE_PROTO_TILEPATH_H
#define STELE_PROTO_TILEPATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

enum {
	TILEPATH_FULL = 256, /* hashes or entries in a full tile */
	TILEPATH_MAX_LEVEL = 63,
	TILEPATH_BYTES = 48, /* entries/x009/x007/x199/x254/x740/991.p/255 with room */
};

struct tilepath {
	bool entries;   /* an entry bundle; then level is 0 */
	unsigned level; /* 0..TILEPATH_MAX_LEVEL */
	uint64_t n;     /* which tile of the level; 0..LIMIT_INTEGER */
	unsigned width; /* 1..TILEPATH_FULL */
};

/* Writes the path without NUL and returns its length; the members are checked. */
size_t tilepath_format(char out[TILEPATH_BYTES], const struct tilepath *t);

/* Reads all of s: exactly what tilepath_format writes, else STELE_ESYNTAX. */
int tilepath_parse(struct tilepath *t, struct slice s);

/*
 * How many hashes tile n of a level has in a tree of that size: TILEPATH_FULL,
 * 1..255 for the last, partial one, 0 when there is no such tile. An entry
 * bundle is as wide as the tile of level 0.
 */
unsigned tilepath_width(uint64_t size, unsigned level, uint64_t n);

#endif
