/*
 * Hashers, codecs and scratch memory of one thread of work, so that nothing is
 * allocated per record. Its parts are used by storage/ only.
 */
#ifndef STELE_STORAGE_TOOLBOX_H
#define STELE_STORAGE_TOOLBOX_H

#include "crypto/random.h"
#include "crypto/sha256.h"
#include "proto/buf.h"
#include "storage/compress.h"
#include "storage/frame.h"
#include "storage/segblock.h"
#include "storage/segtile.h"
#include "storage/tilepart.h"
#include "storage/wal.h"

struct toolbox {
	struct sha256 *sha;
	struct compressor *zip;
	struct random_stream random;
	struct buf packed; /* compressed bytes on their way in or out */
	struct buf plain;  /* decrypted or joined payloads */
	struct buf salts;  /* expanded from a seed */

	/* The section and block read last: neighbours are likely wanted next. */
	struct section_memo {
		uint64_t log_id; /* 0: none */
		struct wal_pos at;
		struct buf meta;
		struct frame_section section; /* points into meta */
		bool has_block;
		uint32_t block, block_ordinal; /* and the ordinal of its first record */
		struct buf box, salts, payloads;
	} memo;

	struct tilepart part; /* of a sealed tile: hashes verified last */

	/* The same of the segment read last, each part only within the part before. */
	struct segment_memo {
		bool has_tile, has_block, has_frame;
		uint8_t file_hash[32]; /* which segment */
		uint64_t tile;         /* within it, from 0 */
		uint32_t block,
			first;  /* of the tile; and the ordinal in the tile of its first record */
		uint32_t frame; /* of the block */
		uint64_t blocks_at; /* of the tile, in the stream */
		struct buf column_bytes, box, joined, payloads;
		struct segtile columns;
		struct segblock opened;    /* points into box */
		uint32_t at[SEGMENT_TILE]; /* of each record of the tile in its frame's payloads */
	} segment;
};

#endif
