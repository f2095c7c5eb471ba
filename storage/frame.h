/*
 * Commit frames: what one group commit wrote, for all logs it touched. A frame
 * describes itself; recovery, reading, fsck and a replica all read this form.
 * Pure: bytes in, views out. Integers are little-endian.
 *
 * Frame header, FRAME_HEADER_BYTES:
 *   0 magic "stelecmt"   8 u32 version     12 u32 required features (0)
 *  16 u64 incarnation   24 u64 sequence    32 hash of the previous frame
 *  64 u64 body bytes    72 u32 sections    76 u32 era of the clocks
 *  80 i64 wall clock ns 88 i64 lock clock ns 96 hash = SHA-256(header[0..96) || body)
 *
 * Section (one log's part), SECTION_HEADER_BYTES, then its parts in order:
 *   0 u32 bytes          4 u32 name bytes (0 unless first is 0)
 *   8 u64 log id        16 u64 first index 24 u32 count      28 u32 groups
 *  32 u32 blocks        36 u32 keys        40 u32 dictionaries (0 or 1)
 *  44 u32 epoch         48 i64 time ns     56 u64 data key id
 *  64 root after this commit               96 u32 meta bytes (header .. objects)
 * 100 u32 boxes bytes  104 u32 objects    108 u32 zero (to 112)
 *   name | groups | block directory | sizes u32[count] |
 *   objects (u32 ordinal, u64 size, 32 commitment)[objects] | boxes |
 *   entry hashes 32[count] | keys (u32 ordinal, 16 digest)[keys]
 *
 * An object is a record whose payload lies in a file of its own (storage/object.h): its
 * block holds a descriptor, sizes that descriptor's length, and objects what the entry says.
 */
#ifndef STELE_STORAGE_FRAME_H
#define STELE_STORAGE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/bytes.h"
#include "proto/entry.h"
#include "proto/slice.h"

enum {
	FRAME_HEADER_BYTES = 128,
	FRAME_HASHED_BYTES = 96, /* of the header, before its own hash */
	FRAME_ALIGN = 4096,      /* frames begin at multiples of it: no acknowledged byte shares a
				    sector with a write in flight */
	FRAME_VERSION = 4,
	SECTION_HEADER_BYTES = 112,
	SECTION_KEY_BYTES = 20,
	SECTION_BLOCK_BYTES = 20,
	SECTION_OBJECT_BYTES = 44,
};

struct frame_header {
	uint64_t incarnation, sequence;
	uint8_t prev[32];
	uint64_t body_bytes;
	uint32_t n_sections, era; /* era: storage/clock.h; never 0 */
	int64_t wall_ns, lock_ns; /* when it was made */
	uint8_t hash[32];
};

/* Consecutive records that differ only in what the entry derives. */
struct frame_group {
	uint32_t count;
	enum entry_kind kind;
	enum entry_mode mode;
	uint64_t ctl;
	int64_t retain_until_ns;
	struct slice media_type, writer, event;
};

/* How a block carries its records' salts. */
enum frame_salts {
	FRAME_SALTS_EXPLICIT = 0, /* 16 bytes for each: of records that came one by one */
	FRAME_SALTS_SEED = 1,     /* 32 bytes from which all expand (crypto/salt.h): of a batch */
};

/* Payloads compressed together, then sealed with their salts: salts or seed || packed. */
struct frame_block {
	uint32_t count, dict, raw_bytes, box_bytes;
	enum frame_salts salts; /* of a dictionary's block: explicit, since it has none */
};

/* Bytes of salts or seed before the packed payloads of a block. */
size_t frame_salts_bytes(const struct frame_block *blk);

/* A record whose payload is an object: what cannot be derived from its block. */
struct frame_object {
	uint32_t ordinal; /* of the record, in its section */
	uint64_t size;    /* payload bytes */
	uint8_t commitment[32];
};

/* A section as it lies in memory; slices point into the bytes it was read from. */
struct frame_section {
	uint32_t bytes; /* of the whole section */
	uint64_t log_id, first;
	uint32_t count, n_groups, n_blocks, n_keys, n_dicts, n_objects, epoch;
	int64_t time_ns;
	uint64_t data_key_id;
	uint8_t root[32];
	uint32_t meta_bytes, boxes_bytes;
	struct slice name, groups, blocks, sizes, objects; /* in the meta part */
	struct slice boxes, leaves, keys; /* empty when only the meta part was read */
};

/* Writes the header with every field but the hash into out. */
void frame_header_write(uint8_t out[FRAME_HEADER_BYTES], const struct frame_header *h);

/*
 * Reads a header: STELE_ESYNTAX when it is none (magic), STELE_EVERSION on
 * another version or unknown feature bits, STELE_ELIMIT when its body is
 * larger than limit_bytes. The hash is not checked here.
 */
int frame_header_read(struct frame_header *h, struct slice s, uint64_t limit_bytes);

/* Appends a group to buf; group_read takes the next one off b. */
void frame_group_write(struct buf *out, const struct frame_group *g);
int frame_group_read(struct frame_group *g, struct bytes *b);

/* Appends a block's directory entry; block i of a section (i < n_blocks). */
void frame_block_write(struct buf *out, const struct frame_block *blk);
struct frame_block frame_block_at(const struct frame_section *s, uint32_t i);

/* Bytes that record i of a section has in its block (i < count). */
uint32_t frame_size_at(const struct frame_section *s, uint32_t i);

/* Appends an object's row; row i of a section (i < n_objects), in order of ordinals. */
void frame_object_write(struct buf *out, const struct frame_object *o);
struct frame_object frame_object_at(const struct frame_section *s, uint32_t i);

/* The row of record ordinal: true and *o, or false when its payload is in its block. */
bool frame_object_find(const struct frame_section *s, uint32_t ordinal, struct frame_object *o);

/* Payload bytes of a section's records from number `from` on. */
uint64_t frame_payload_bytes(const struct frame_section *s, uint32_t from);

/* Fills the SECTION_HEADER_BYTES at out from s (its slices are not written). */
void frame_section_header_write(uint8_t out[SECTION_HEADER_BYTES], const struct frame_section *s);

/*
 * Reads a section's header and meta part from the start of bytes: counts agree
 * with each other, groups, blocks and sizes add up, objects are in order. STELE_ESYNTAX otherwise.
 * Slices boxes, leaves and keys stay empty.
 */
int frame_section_read_meta(struct frame_section *s, struct slice bytes);

/* The same for a whole section, which must lie at the start of bytes. */
int frame_section_read(struct frame_section *s, struct slice bytes);

/* Offsets of parts within a section, from its meta part alone. */
uint64_t frame_leaves_at(const struct frame_section *s);

/* The box of block i, and where it begins within boxes. */
struct slice frame_box_at(const struct frame_section *s, uint32_t i, uint64_t *offset);

/*
 * Associated data that ties a block's box to its place: log id, first index,
 * count, dictionary, raw bytes, form of its salts. For a dictionary's box count is 0.
 */
enum { FRAME_AD_BYTES = 32 };
void frame_box_ad(uint8_t ad[FRAME_AD_BYTES], uint64_t log_id, uint64_t first,
		  const struct frame_block *blk);

#endif
