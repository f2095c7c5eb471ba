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
#include "storage/wal.h"

struct toolbox {
	struct sha256 *sha;
	struct compressor *zip;
	struct random_stream random;
	struct buf packed; /* compressed bytes on their way in or out */
	struct buf plain;  /* decrypted or joined payloads */

	/* The section and block read last: neighbours are likely wanted next. */
	struct section_memo {
		uint64_t log_id; /* 0: none */
		struct wal_pos at;
		struct buf meta;
		struct frame_section section; /* points into meta */
		bool has_block;
		uint32_t block, block_ordinal; /* and the ordinal of its first record */
		struct buf salts, payloads;
	} memo;
};

#endif
