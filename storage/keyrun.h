/*
 * A run: idempotency digests of a stretch of commits, sorted, in an immutable
 * file DATA/wal/keys-NNNNNNNN.run behind a Bloom filter (B. Bloom, 1970). It
 * keeps memory flat; it can be made again from the WAL.
 *
 * File: header of 128 bytes (0 magic "stelekey" 8 u32 version 12 u32 features
 * 16 u64 incarnation 24 u32 number 32 u64 last sequence covered 40 u64 count
 * 48 u64 filter bytes 64 SHA-256 of the rest of the file 96.. zero), the filter, then
 * count entries of 32 bytes (digest, u64 log id, u64 index).
 */
#ifndef STELE_STORAGE_KEYRUN_H
#define STELE_STORAGE_KEYRUN_H

#include <stdint.h>

#include "crypto/sha256.h"
#include "storage/keytable.h"

struct keyrun {
	void *map; /* the whole file */
	size_t map_bytes;
	uint64_t count, last_sequence;
	const uint8_t *filter;
	uint64_t filter_bits;
	const uint8_t *entries;
};

/*
 * Writes the table as run `number` covering commits up to last_sequence:
 * durable when it returns 0. STELE_ENOMEM, STELE_ENOSPACE, STELE_EIO.
 */
int keyrun_write(const char *dir, uint32_t number, uint64_t incarnation, uint64_t last_sequence,
		 const struct keytable *t, struct sha256 *h);

/* Maps and checks run `number`: STELE_ENOTFOUND, STELE_EDAMAGED, STELE_EVERSION, STELE_EIO. */
int keyrun_open(struct keyrun *r, const char *dir, uint32_t number, uint64_t incarnation,
		struct sha256 *h);
void keyrun_close(struct keyrun *r);

/* Removes run `number`'s file if there is one. */
int keyrun_remove(const char *dir, uint32_t number);

/* Sets *index when the run holds the digest for the log; returns whether it does. */
bool keyrun_find(const struct keyrun *r, uint64_t log_id, const uint8_t digest[16],
		 uint64_t *index);

#endif
