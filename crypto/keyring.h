/*
 * The keyring: every data key and every log's signing seeds, in one key file
 * (crypto/keyfile.h), held in memory whole. A key is committed before anything
 * is written under it; destroying one is what makes a purge real.
 *
 * Body, little-endian: u32 version (1), u64 next key id, u32 data keys, u32 seeds;
 * a data key is u64 key id, u64 log id, u32 kind, u32 epoch, key[32], in order of
 * key id; a seed is u64 log id, u32 epoch, seed[32], u8 length, log name, in
 * order of log id and epoch.
 */
#ifndef STELE_CRYPTO_KEYRING_H
#define STELE_CRYPTO_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/keyfile.h"
#include "proto/limits.h"
#include "proto/slice.h"

enum keyring_kind {
	KEYRING_TAIL = 1, /* what a log's WAL sections are sealed under, for one tail epoch */
	KEYRING_SEGMENT =
		2, /* what one generation of a segment is sealed under; epoch: its number */
};

/* Key ids are never 0 and never used twice, not even for a log that was dropped. */
struct keyring_data {
	uint64_t key_id;
	uint64_t log_id;
	enum keyring_kind kind;
	uint32_t epoch;
	uint8_t key[32];
};

/* From which a log's signing key of one epoch is made (crypto/sign.h). */
struct keyring_seed {
	uint64_t log_id;
	uint32_t epoch;
	uint8_t seed[32];
	char name[LIMIT_LOG_NAME_BYTES + 1]; /* of the log, NUL-terminated */
};

/* Not for two threads at once. */
struct keyring;

/*
 * Opens the keyring at path; when there is none and create is true, writes an
 * empty one. The seal stays the caller's and must outlive the keyring. Errors
 * as keyfile_read and keyfile_write; STELE_EDAMAGED and STELE_EVERSION for the
 * body; STELE_EINVAL for a path above LIMIT_PATH_BYTES.
 */
int keyring_open(struct keyring **out, const char *path, struct keyfile_seal *seal, bool create);

/* Wipes and frees it; what was not committed is forgotten. */
void keyring_free(struct keyring *kr);

/*
 * Makes a data key of kind KEYRING_TAIL and a signing seed for this log and
 * epoch, in memory only: commit before use. *key_id is the data key's.
 * STELE_EEXIST when the log has this epoch; STELE_EINVAL for an empty name or
 * one above LIMIT_LOG_NAME_BYTES; STELE_ELIMIT; STELE_ENOMEM.
 */
int keyring_add_log(struct keyring *kr, uint64_t log_id, struct slice name, uint32_t epoch,
		    uint64_t *key_id);

/*
 * Makes a data key of kind KEYRING_SEGMENT for a log, in memory only: commit before
 * use. *key_id is its id. STELE_ELIMIT; STELE_ENOMEM.
 */
int keyring_add_segment(struct keyring *kr, uint64_t log_id, uint32_t generation, uint64_t *key_id);

/* Destroys one data key, in memory. Harmless when there is none of that id. */
void keyring_drop_data(struct keyring *kr, uint64_t key_id);

/* Destroys all keys of a log, in memory: for one whose creation failed. Harmless when it has none.
 */
void keyring_drop_log(struct keyring *kr, uint64_t log_id);

/* Makes the file what memory is, durably and atomically. Errors as keyfile_write. */
int keyring_commit(struct keyring *kr);

/* The data key of this id, or the seed of this log and epoch; NULL when there is none.
 * Valid until the keyring changes. O(log n). */
const struct keyring_data *keyring_find_data(const struct keyring *kr, uint64_t key_id);
const struct keyring_seed *keyring_find_seed(const struct keyring *kr, uint64_t log_id,
					     uint32_t epoch);

/* All of them in the order of the file: *n, and the first. Valid until the keyring changes. */
const struct keyring_data *keyring_each_data(const struct keyring *kr, size_t *n);
const struct keyring_seed *keyring_each_seed(const struct keyring *kr, size_t *n);

#endif
