/*
 * A segment's block once its box is open: the salts and payloads of up to 256
 * consecutive records of one tile. Pure: bytes in, views out.
 *
 *   salts:   varint n, each: varint records << 1 | seeded, then
 *            16 bytes for each record, or varint number of its first salt, seed[32]
 *   frames:  varint n, each: varint records, varint packed bytes
 *   packed payloads, frame by frame: each a zstd frame of its own under the segment's
 *            dictionary, so that a record costs its frame and not its block
 *
 * The raw length of a frame is the sum of its records' inline bytes (segtile.h).
 */
#ifndef STELE_STORAGE_SEGBLOCK_H
#define STELE_STORAGE_SEGBLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "storage/segment.h"

struct compress_dict;
struct compressor;

/* A block being gathered. */
struct segblock_writer {
	uint32_t count; /* at most SEGMENT_TILE */
	uint32_t bytes[SEGMENT_TILE];
	uint8_t salt[SEGMENT_TILE][16];
	bool seeded[SEGMENT_TILE];
	uint8_t seed[SEGMENT_TILE][32];
	uint32_t seed_ordinal[SEGMENT_TILE];
	struct buf raw; /* payloads one after the other */
};

/* Adds a record's payload and salt; count is below SEGMENT_TILE. Errors stick to raw. */
void segblock_add(struct segblock_writer *w, const struct segment_record *r);

/*
 * Appends the block to out, in frames of about frame_bytes, and empties w.
 * STELE_ENOMEM, STELE_ELIMIT.
 */
int segblock_write(struct segblock_writer *w, struct compressor *zip,
		   const struct compress_dict *dict, uint32_t frame_bytes, struct buf *out);

/* Frees and wipes. */
void segblock_writer_fini(struct segblock_writer *w);

struct segblock_run {
	uint32_t end; /* ordinal behind its last record, within the block */
	bool seeded;
	uint32_t first;    /* number of its first salt, when seeded */
	const uint8_t *at; /* the seed, or the salts */
};

struct segblock_frame {
	uint32_t first, end; /* ordinals within the block */
	struct slice packed;
};

/* A block being read; points into the bytes it was read from. */
struct segblock {
	uint32_t count, n_runs, n_frames;
	struct segblock_run runs[SEGMENT_TILE];
	struct segblock_frame frames[SEGMENT_TILE];
};

/* Takes a block of count records (1..SEGMENT_TILE) apart: STELE_ESYNTAX when it does not add up. */
int segblock_read(struct segblock *b, uint32_t count, struct slice plain);

/* The salt of record ordinal < count: fills salt, seed (into the block's bytes) and seed_ordinal of
 * r. */
void segblock_salt(const struct segblock *b, uint32_t ordinal, struct segment_record *r);

/* The number of the frame that holds record ordinal < count. */
uint32_t segblock_frame_of(const struct segblock *b, uint32_t ordinal);

#endif
