/*
 * A run: idempotency digests of a stretch of commits, sorted, in an immutable
 * file DATA/wal/keys-FIRST-LAST.run behind a Bloom filter (B. Bloom, 1970). It
 * keeps memory flat. A run is written from a full table under the next number, and
 * neighbours are merged into one that covers their numbers, so that a look-up asks
 * a dozen of them and not hundreds. They are the only place of keys whose commits
 * have left the WAL; until then they can be made again from it.
 *
 * File: header of 128 bytes (0 magic "stelekey" 8 u32 version 12 u32 features
 * 16 u64 incarnation 24 u32 first number 28 u32 last number 32 u64 last sequence
 * covered 40 u64 count 48 u64 filter bytes 56 i64 newest key's time in ns
 * 64 SHA-256 of the rest of the file 96.. zero), the filter, then count entries of
 * 32 bytes (digest, u64 log id, u64 index).
 */
#ifndef STELE_STORAGE_KEYRUN_H
#define STELE_STORAGE_KEYRUN_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/sha256.h"
#include "storage/keytable.h"

struct keyrun {
	void *map; /* the whole file */
	size_t map_bytes;
	uint32_t first, last; /* numbers covered */
	bool verified;        /* its hash was checked */
	uint64_t count, last_sequence;
	int64_t newest_ns;
	const uint8_t *filter;
	uint64_t filter_bits;
	const uint8_t *entries;
};

/*
 * Writes the table as run `number` covering commits up to last_sequence, the newest
 * of them at newest_ns: durable when it returns 0. STELE_ENOMEM, STELE_ENOSPACE,
 * STELE_EIO.
 */
int keyrun_write(const char *dir, uint32_t number, uint64_t incarnation, uint64_t last_sequence,
		 int64_t newest_ns, const struct keytable *t, struct sha256 *h);

/*
 * Writes one run for the n (2 to KEYRUN_MERGE) neighbours in runs, oldest first, whose
 * files stay. Memory does not grow with them. Errors as keyrun_write.
 */
enum { KEYRUN_MERGE = 4 };
int keyrun_merge(const char *dir, uint64_t incarnation, const struct keyrun *runs, size_t n,
		 struct sha256 *h);

/*
 * Maps the run that covers numbers first to last and checks its header; its hash, too,
 * unless it is larger than KEYRUN_LAZY_BYTES: keyrun_verify is then for a thread that may
 * take its time. STELE_ENOTFOUND, STELE_EDAMAGED, STELE_EVERSION, STELE_EIO.
 */
#define KEYRUN_LAZY_BYTES (8u << 20)
int keyrun_open(struct keyrun *r, const char *dir, uint32_t first, uint32_t last,
		uint64_t incarnation, struct sha256 *h);
/* 0, or STELE_EDAMAGED. */
int keyrun_verify(const struct keyrun *r, struct sha256 *h);
void keyrun_close(struct keyrun *r);

/*
 * The largest `last` of the files whose first number is `first`; 0 when there is none.
 * With first 0: of the lowest first number there is, which is put into *found.
 */
uint32_t keyrun_covering(const char *dir, uint32_t first, uint32_t *found);

/* Removes the file of that run if there is one. STELE_EIO. */
int keyrun_remove(const char *dir, uint32_t first, uint32_t last);

/*
 * Removes files of runs, and unfinished ones, unless keep returns true for their
 * numbers (last 0: an unfinished one). Their number, or STELE_EIO.
 */
int keyrun_clean(const char *dir, bool (*keep)(void *ctx, uint32_t first, uint32_t last),
		 void *ctx);

/* Sets *index when the run holds the digest for the log; returns whether it does. */
bool keyrun_find(const struct keyrun *r, uint64_t log_id, const uint8_t digest[16],
		 uint64_t *index);

#endif
