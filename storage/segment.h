/*
 * A sealed segment: the records [first, first + count) of one log in one
 * immutable file, read. The file is LMDB's only as a container of byte streams;
 * docs/architecture.md says what lies where, storage/segfile.h how. It is
 * believed because its SHA-256 is what the signed manifest says, and that is
 * checked before LMDB may look at it.
 *
 * A segment that is open is immutable and may be read by any number of threads,
 * each with its own toolbox. No pointer into the file leaves these functions.
 */
#ifndef STELE_STORAGE_SEGMENT_H
#define STELE_STORAGE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/entry.h"
#include "proto/limits.h"
#include "proto/slice.h"

struct toolbox;

enum { SEGMENT_TILE = 256, SEGMENT_SOFTWARE_BYTES = 31, SEGMENT_NAME_BYTES = 64 };

/* The streams of the file, in the manifest's order. */
enum segment_part {
	SEGMENT_BLOCKS,  /* payloads and salts, compressed and sealed */
	SEGMENT_COLUMNS, /* what entries are rebuilt from, tile by tile */
	SEGMENT_INDEX,   /* where each tile's columns and blocks begin */
	SEGMENT_TILES,   /* entry hashes, and the nodes of height 4 of full tiles */
	SEGMENT_DICT,    /* the dictionary, compressed and sealed; may be empty */
	SEGMENT_KEYS,    /* idempotency digests in order, with their records; may be empty */
	SEGMENT_TERMS,   /* the index, sealed (storage/segterms.h); may be empty */
	SEGMENT_PARTS,
};

/* FIRST-COUNT.GEN: the name of a segment's files, without what follows it. */
struct segment_name {
	uint64_t first, count;
	uint32_t generation; /* from 1 */
};

/* What a manifest says. */
struct segment_facts {
	uint64_t log_id;
	char origin[LIMIT_ORIGIN_BYTES + 1];
	uint64_t first, count; /* first is a multiple of SEGMENT_TILE; count is not 0 */
	uint32_t generation;   /* from 1 */
	uint64_t data_key_id;
	uint64_t ctl;                        /* the latest control entry up to its end */
	uint64_t payload_bytes;              /* sum of its records' sizes, objects included */
	uint64_t purged;                     /* how many of its records are gone */
	uint64_t file_bytes;                 /* of the segment's file */
	int64_t first_time_ns, last_time_ns; /* of its first and last entry */
	uint8_t prev[32];                    /* entry hash of first - 1; for 0 the empty root */
	uint8_t last[32];                    /* entry hash of its last entry */
	uint8_t root[32];                    /* of the tree of first + count entries */
	uint8_t file_hash[32];               /* SHA-256 of the whole file */
	uint8_t part[SEGMENT_PARTS][32];     /* SHA-256 of each stream */
	uint8_t terms_root[32];              /* of the index's pages: storage/segterms.h */
	uint64_t terms_bytes;                /* of its index; from segment_build alone */
	char software[SEGMENT_SOFTWARE_BYTES + 1]; /* version that wrote it */
};

/* A record, going in (segbuild.h) or coming out. */
struct segment_record {
	enum entry_kind kind;
	enum entry_mode mode;
	uint64_t ctl;
	uint64_t size; /* as the entry says: of the payload, not of an object's descriptor */
	int64_t time_ns, retain_until_ns;
	struct slice media_type, writer, event;
	uint8_t leaf[32]; /* entry hash */
	uint8_t salt[16];
	uint8_t commitment[32];
	bool object;          /* the payload lies elsewhere: payload is its descriptor here */
	struct slice payload; /* or descriptor, 1..LIMIT_DESCRIPTOR_BYTES, opaque */
	bool has_key;         /* going in only; out they come by segment_keys */
	uint8_t key[16];      /* digest of its idempotency key */
	const uint8_t *seed; /* 32 bytes (crypto/salt.h) whose salt seed_ordinal is salt; or NULL */
	uint32_t seed_ordinal;
	/*
	 * The payload was purged: no payload, salt, seed, descriptor or key, and the commitment is
	 * stored. Never of a control entry; never an object, even where the payload was one.
	 */
	bool gone;
	uint64_t purge; /* index of the purge entry */
};

struct segment;

/*
 * Opens DIR/FIRST-COUNT.GEN.seg of these facts, which came from a manifest that
 * was verified. The whole file is hashed first: STELE_EDAMAGED when it is not
 * what the facts say, in length, hash, log, range or generation, or its
 * dictionary does not open under the key; STELE_ENOTFOUND, STELE_EIO,
 * STELE_ENOMEM; why says what was tried and what is wrong. The key is copied.
 * *out is one reference.
 */
int segment_open(struct segment **out, const char *dir, const struct segment_facts *facts,
		 const uint8_t data_key[32], struct toolbox *t, struct buf *why);

/* One more reference, or one less: the last one closes the file and wipes the key. Any thread. */
struct segment *segment_ref(struct segment *s);
void segment_unref(struct segment *s);

/*
 * Gives up its dictionary, some 140 KB, until a payload is read again: for one that stays open and
 * is not read. Any thread.
 */
void segment_rest(struct segment *s);
/* Memory of the dictionary; 0 when it rests, or there is none. Any thread. */
size_t segment_dict_bytes(struct segment *s);

/* What it was opened with; the segment's. */
const struct segment_facts *segment_facts(const struct segment *s);

/*
 * The head of its index, the segment's; NULL when it has none, or none of this version, or one that
 * cannot be read (the second function): then all of its records are looked at.
 */
struct segterms;
const struct segterms *segment_terms(const struct segment *s);
bool segment_terms_wrong(const struct segment *s);

/*
 * n entry hashes from index first on, all within the segment, else
 * STELE_EINVAL. As they are stored: the caller holds them against the tree.
 */
int segment_leaves(struct segment *s, uint64_t first, uint32_t n, uint8_t out[][32]);

/*
 * The 16 nodes of height 4 of a full tile: node i is the root of the entries
 * [256 tile + 16 i, + 16). STELE_EINVAL unless the segment holds all entries of
 * that tile. As they are stored.
 */
int segment_nodes(struct segment *s, uint64_t tile, uint8_t out[16][32]);

/*
 * The record at index; slices and seed lie in the arena. The payload was held against the
 * commitment when that is stored; else the commitment was computed from it. Of
 * an object, and of a record that is gone, the stored commitment is given. Whether this is the
 * record of the tree only its entry's hash tells: segment_entry, entry_write, sha256_leaf, against
 * a leaf that was verified. STELE_EINVAL outside the segment; STELE_EDAMAGED; STELE_ENOMEM. Any
 * thread, with its own toolbox.
 */
int segment_read(struct segment *s, uint64_t index, struct toolbox *t, struct arena *a,
		 struct segment_record *out);

/*
 * Moves *index, which lies in the segment, on to the next record that is an object: 0; or 1
 * and *index is the segment's end. Only columns are read. STELE_EINVAL, STELE_EDAMAGED,
 * STELE_ENOMEM.
 */
int segment_next_object(struct segment *s, uint64_t *index, struct toolbox *t);

/*
 * The columns of the record at index alone: all but payload, salt, leaf, and a commitment that
 * is not stored. Slices lie in the toolbox until its next use. STELE_EINVAL, STELE_EDAMAGED,
 * STELE_ENOMEM.
 */
int segment_columns(struct segment *s, uint64_t index, struct toolbox *t,
		    struct segment_record *out);

/* Takes a record; slices are valid until it returns. Not 0 ends the walk with that value. */
typedef int segment_record_fn(void *ctx, uint64_t index, const struct segment_record *r);

/*
 * The records [from, to) in order; both within the segment (to may be its end),
 * else STELE_EINVAL. Whole they are as by segment_read; otherwise salt, seed and leaf are empty,
 * and a commitment is there only when it is stored, unchecked: for who looks at payloads. 0,
 * the function's value, or errors as segment_read.
 */
int segment_each(struct segment *s, uint64_t from, uint64_t to, bool whole, struct toolbox *t,
		 segment_record_fn *fn, void *ctx);

/*
 * segscan.c: what the entries [from, to) are rebuilt from, in order, without payloads: of a record
 * payload, salt, seed and leaf are empty. Errors as segment_each.
 */
int segment_each_entry(struct segment *s, uint64_t from, uint64_t to, struct toolbox *t,
		       segment_record_fn *fn, void *ctx);

/* Takes an idempotency digest and the index of its record. Not 0 ends the walk with that value. */
typedef int segment_key_fn(void *ctx, const uint8_t digest[16], uint64_t index);

/* All idempotency digests in ascending order. 0, the function's value, STELE_EDAMAGED. */
int segment_keys(struct segment *s, segment_key_fn *fn, void *ctx);

/* The record with this digest: STELE_ENOTFOUND when there is none. O(log n). */
int segment_find_key(struct segment *s, const uint8_t digest[16], uint64_t *index);

/*
 * The entry of a record: e's slices are the record's and origin. prev is the
 * entry hash of index - 1. Every part of the record is used but payload, salt and leaf.
 */
void segment_entry(struct entry *e, struct slice origin, uint64_t index, const uint8_t prev[32],
		   const struct segment_record *r);

/* Writes FIRST-COUNT.GEN with a NUL. */
void segment_name_format(char out[SEGMENT_NAME_BYTES], const struct segment_name *name);
/* Reads exactly that spelling: STELE_ESYNTAX for another. */
int segment_name_parse(struct segment_name *name, struct slice s);

/* What a file in a segments folder is, by its name. */
enum segment_file {
	SEGMENT_FILE_DATA,     /* FIRST-COUNT.GEN.seg */
	SEGMENT_FILE_MANIFEST, /* FIRST-COUNT.GEN.manifest */
	SEGMENT_FILE_LEFTOVER, /* ends in .tmp: of a build that did not end */
	SEGMENT_FILE_OTHER,    /* not ours */
};

/* Takes one file; name is NULL for the last two kinds. Not 0 ends the walk with that value. */
typedef int segment_file_fn(void *ctx, enum segment_file kind, const struct segment_name *name,
			    const char *file);

/*
 * Every file of the folder dir (but . and ..), in no order. A crash while a segment is
 * built leaves LEFTOVER files or a DATA file without its MANIFEST, which the
 * caller removes. 0, the function's value, STELE_ENOTFOUND, STELE_EIO.
 */
int segment_list(const char *dir, segment_file_fn *fn, void *ctx);

#endif
