/*
 * Reading what was released. Everything is verified before it is returned:
 * bytes that do not hash to the tree are STELE_EDAMAGED, counted and said,
 * never an answer. Worker threads: these read files (but for _cached).
 */
#ifndef STELE_STORAGE_READ_H
#define STELE_STORAGE_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/entry.h"
#include "proto/limits.h"
#include "storage/log.h"
#include "storage/store.h"

/* Hashers, codecs and scratch of one thread of work. Not shared. */
struct toolbox;
struct toolbox *toolbox_new(void);
void toolbox_free(struct toolbox *t);

/* A record as read; slices lie in the arena given to read_record. */
struct record {
	struct slice text;    /* exact entry bytes */
	struct entry entry;   /* the same, parsed; its slices lie in the arena */
	struct slice payload; /* of an object: its descriptor, for object_open */
	bool object;          /* its payload is in a file of its own: storage/object.h */
	uint8_t salt[16];
	uint8_t leaf[32]; /* entry hash */
	bool gone;        /* purged: no payload, no salt */
	uint64_t purge;   /* index of the purge entry */
};

/* A proof: hashes from the leaf's side upward (RFC 9162 sections 2.1.3, 2.1.4). */
struct proof {
	uint8_t hash[LIMIT_PROOF_HASHES][32];
	size_t n;
};

/*
 * The record at index. STELE_ENOTFOUND when index is not below the released
 * size; STELE_EGONE when its payload was purged: read_entry says by which entry;
 * STELE_EDAMAGED; STELE_EIO; STELE_ENOMEM.
 */
int read_record(struct store *st, struct log *log, uint64_t index, struct toolbox *t,
		struct arena *a, struct record *out);

/* The same, but of a record that is gone all there still is: for whoever asks for the entry. */
int read_entry(struct store *st, struct log *log, uint64_t index, struct toolbox *t,
	       struct arena *a, struct record *out);

/*
 * The first record at or after index `from` whose payload is an object.
 * STELE_ENOTFOUND when there is none below the released size; else as read_record.
 */
int read_next_object(struct store *st, struct log *log, uint64_t from, struct toolbox *t,
		     struct arena *a, struct record *out);

/* Inclusion of index in the tree of size: index < size <= released, else STELE_EINVAL. */
int read_inclusion(struct store *st, struct log *log, uint64_t index, uint64_t size,
		   struct toolbox *t, struct proof *out);

/* The same when memory alone can answer, else STELE_EBUSY: for a loop thread. */
int read_inclusion_cached(struct store *st, struct log *log, uint64_t index, uint64_t size,
			  struct toolbox *t, struct proof *out);

/* Consistency between sizes: 1 <= from <= to <= released, else STELE_EINVAL. */
int read_consistency(struct store *st, struct log *log, uint64_t from, uint64_t to,
		     struct toolbox *t, struct proof *out);

/* The root of the tree of the first size entries: size <= released, else STELE_EINVAL. */
int read_root(struct store *st, struct log *log, uint64_t size, struct toolbox *t,
	      uint8_t root[32]);

/*
 * Appends the width hashes of tile n at a level (C2SP tlog-tiles). width is
 * 1..256 and must not pass the released size, else STELE_ENOTFOUND.
 */
int read_tile(struct store *st, struct log *log, unsigned level, uint64_t n, unsigned width,
	      struct toolbox *t, struct buf *out);

/* Appends entry bundle n: width times (u16 big-endian length, entry). As read_tile. */
int read_bundle(struct store *st, struct log *log, uint64_t n, unsigned width, struct toolbox *t,
		struct buf *out);

#endif
