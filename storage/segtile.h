/*
 * The columns of one tile of a segment: what up to 256 entries are rebuilt
 * from, and where their payloads lie. Pure: bytes in, values out.
 *
 *   u8 form: 0, what follows is plain; 1, a varint says how long it is and zstd has it.
 *   strings:  varint n, each u8 length and bytes
 *   groups:   varint n, each: varint records, u8 kind | mode << 4, u8 flags,
 *             signed varint ctl and lock less those of the group before (at first 0),
 *             varint media type and writer and, with flag EVENT, event, as numbers of strings;
 *             with flag GONE, varint index of the purge entry
 *   times:    varint n, each: varint records, varint ns since the time before (at first 0)
 *   sizes:    a varint for each record; for an object's a second one, its descriptor's
 *   stored commitments, 32 bytes for each record that has one
 *   blocks:   varint n, each: varint records, varint bytes of its box; records that are gone lie
 *             in none, and are not counted
 *
 * lock is retain_until less time where flag RETAIN says that there is one.
 */
#ifndef STELE_STORAGE_SEGTILE_H
#define STELE_STORAGE_SEGTILE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/entry.h"
#include "storage/segment.h"

struct compressor;

/* Consecutive records that differ in time, size and commitment only. */
struct segtile_group {
	uint32_t count;
	enum entry_kind kind;
	enum entry_mode mode;
	bool object, retain; /* retain: there is a retain_until */
	bool gone;           /* by the purge entry at index purge */
	uint64_t ctl, purge;
	int64_t lock_ns;
	struct slice media_type, writer, event;
};

struct segtile_block {
	uint32_t count;
	uint32_t box_bytes;
};

/* A tile being made or read; slices of one that was read point into its own bytes. */
struct segtile {
	uint32_t count, n_groups, n_blocks;
	uint32_t n_kept; /* records that are not gone */
	struct segtile_group groups[SEGMENT_TILE];
	uint16_t group_of[SEGMENT_TILE];
	int64_t time_ns[SEGMENT_TILE];
	uint64_t size[SEGMENT_TILE];
	uint32_t inline_bytes[SEGMENT_TILE]; /* what its block holds of a record */
	int16_t stored[SEGMENT_TILE];        /* which stored commitment; -1 for none */
	uint16_t kept[SEGMENT_TILE];         /* ordinals of the records that are not gone */
	uint16_t rank[SEGMENT_TILE];         /* how many of these come before a record */
	struct segtile_block blocks[SEGMENT_TILE];
	struct buf commitments; /* stored ones, 32 bytes each */
	struct buf strings;     /* what the slices of groups point into while it is made */
	struct buf bytes;       /* unpacked, when it came packed */
};

/* An empty tile in memory that may hold anything; bufs were zeroed or used before. */
void segtile_reset(struct segtile *t);
/* Frees its memory. */
void segtile_fini(struct segtile *t);

/*
 * Adds a record; its slices are copied. There are fewer than SEGMENT_TILE. STELE_EINVAL when a
 * field is out of its range or time goes backwards; STELE_ENOMEM.
 */
int segtile_add(struct segtile *t, const struct segment_record *r);

/* Adds a block of the next count records that are not gone; never more blocks than these. */
void segtile_add_block(struct segtile *t, uint32_t count, uint32_t box_bytes);

/* Appends the columns; with zstd where that halves them. STELE_ENOMEM, STELE_ELIMIT. */
int segtile_write(struct segtile *t, struct compressor *zip, struct buf *out);

/*
 * Reads the columns of a tile of count records, all of bytes. Every number
 * is in its range, and counts add up. STELE_ESYNTAX, STELE_ENOMEM. bytes must
 * outlive what is read.
 */
int segtile_read(struct segtile *t, uint32_t count, struct compressor *zip, struct slice bytes);

/* The record i < count, but for what lies elsewhere: leaf, salt, payload, and a commitment that
 * is not stored, which are zero. */
void segtile_get(const struct segtile *t, uint32_t i, struct segment_record *out);

/* Whether the commitment of such a record is stored. */
static inline bool
segtile_stores(bool object, bool gone, uint64_t size)
{
	return object || gone || size > LIMIT_DERIVED_BYTES;
}

#endif
