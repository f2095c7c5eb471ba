/*
 * What a segment's boxes are sealed with: the segment's own data key, and the
 * place of the box as associated data. Inside storage/ only.
 */
#ifndef STELE_STORAGE_SEGSEAL_H
#define STELE_STORAGE_SEGSEAL_H

#include <stdint.h>

#include "crypto/aead.h"
#include "storage/segment.h"

enum segment_box {
	SEGMENT_BOX_BLOCK = 1,
	SEGMENT_BOX_DICT,
	SEGMENT_BOX_TERMS_HEAD,
	SEGMENT_BOX_TERMS, /* a page */
	SEGMENT_BOX_POSTING,
};

enum { SEGMENT_AD_BYTES = 28 };

/* Log id, index of the first record, records, kind of box; of all but blocks the whole
 * segment's. */
void segment_box_ad(uint8_t ad[SEGMENT_AD_BYTES], uint64_t log_id, uint64_t first, uint64_t count,
		    enum segment_box kind);

/* Where entry hash ordinal lies in the tiles: full ones have 256 hashes and 16 nodes. */
static inline uint64_t
segment_leaf_at(uint64_t ordinal)
{
	return ordinal / SEGMENT_TILE * ((SEGMENT_TILE + 16) * 32) + ordinal % SEGMENT_TILE * 32;
}

/* An entry of the index: where columns and blocks of a tile begin; one more says where they end. */
enum { SEGMENT_INDEX_BYTES = 16, SEGMENT_KEY_BYTES = 20 };

struct segfile;
struct segment;
struct toolbox;

/* A tile's columns into t->segment.columns, checked: STELE_EDAMAGED, STELE_ENOMEM. */
int segment_load_tile(struct segment *s, uint64_t tile, struct toolbox *t);

/* The container of an open segment, and its data key of 32 bytes; the segment's. */
const struct segfile *segment_file(const struct segment *s);
const uint8_t *segment_data_key(const struct segment *s);

/* DIR/FIRST-COUNT.GEN and suffix, at out of PATH_MAX bytes: STELE_ELIMIT when it does not fit. */
int segment_path(char *out, const char *dir, const struct segment_facts *facts, const char *suffix);

/*
 * Hashes a file of exactly facts->file_bytes, from the disk when the page cache does not
 * have it. STELE_EDAMAGED on another length; STELE_ENOTFOUND; STELE_EIO.
 */
int segment_hash_file(const char *path, uint64_t file_bytes, struct toolbox *t, uint8_t hash[32]);

#endif
