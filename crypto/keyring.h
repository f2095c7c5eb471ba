/*
 * The keyring: every data key and every log's signing seeds, in one key file
 * (crypto/keyfile.h), held in memory whole. A key is committed before anything
 * is written under it; destroying one is what makes a purge real.
 *
 * Body, little-endian: u32 version (3), u64 next key id, u32 data keys, u32 seeds;
 * a data key is u64 key id, u64 log id, u32 kind, u32 epoch, key[32], in order of
 * key id; a seed is u64 log id, u32 epoch, u64 first size, u8 state (0: signs,
 * 1: ended, 2: prepared; 4 more when it is stated), seed[32] or, of an ended one, public
 * key[32], u8 length, log name, and the statement[68] when it is stated, in order of log id and
 * epoch. Version 2 has no statements, and is else the same. A log's epochs ascend from 0, most
 * often by one; one of them signs, those before it have ended, and one after it may be prepared.
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
	KEYRING_DIGEST = 3, /* what idempotency keys are digested with, in all logs, for a time;
			       epoch: the hour since 1970 in which that began; log id 0 */
	KEYRING_EXPORT = 4, /* what a finished bundle is sealed under (storage/spool.h); log id and
			       epoch 0 */
};

/* Key ids are never 0 and never used twice, not even for a log that was dropped. */
struct keyring_data {
	uint64_t key_id;
	uint64_t log_id;
	enum keyring_kind kind;
	uint32_t epoch;
	uint8_t key[32];
};

/* Of a key statement: the key ID of the identity that made it, and its signature. */
enum { KEYRING_STATEMENT_BYTES = 4 + 64 };

/*
 * From which a log's signing key of one epoch is made (crypto/sign.h); of an epoch that
 * has ended, what is left: the public key, to verify what was signed in it.
 */
struct keyring_seed {
	uint64_t log_id;
	uint32_t epoch;
	uint64_t first_size; /* of the tree from which on it speaks for the log */
	bool ended, prepared;
	bool stated;            /* the server's identity has signed the key statement */
	uint8_t seed[32];       /* zeros when ended */
	uint8_t public_key[32]; /* zeros when not */
	uint8_t statement[KEYRING_STATEMENT_BYTES]; /* zeros when not stated */
	char name[LIMIT_LOG_NAME_BYTES + 1];        /* of the log, NUL-terminated */
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
 * Makes a data key of kind KEYRING_TAIL and the signing seed of epoch 0, which speaks
 * from size 1 on, in memory only: commit before use. *key_id is the data key's.
 * STELE_EEXIST when there are seeds of the log; STELE_EINVAL for an empty name or
 * one above LIMIT_LOG_NAME_BYTES; STELE_ELIMIT; STELE_ENOMEM.
 */
int keyring_add_log(struct keyring *kr, uint64_t log_id, struct slice name, uint64_t *key_id);

/*
 * Makes the seed of the log's next epoch, which would speak from a tree of first_size entries
 * on, in memory only: commit before use. Its number is one more than that of the epoch that signs,
 * or at_least where that is more. The epoch that signs goes on until keyring_begin_epoch;
 * one that was prepared before is replaced. STELE_ENOTFOUND when the log has no seeds;
 * STELE_EINVAL when first_size is not above that of the epoch that signs; STELE_ELIMIT;
 * STELE_ENOMEM.
 */
int keyring_prepare_epoch(struct keyring *kr, uint64_t log_id, uint64_t first_size,
			  uint64_t at_least);

/*
 * Ends the log's epoch and begins the prepared one, in memory only. Of the ended one only the
 * public key is left; the data key stays. STELE_ENOTFOUND when none is prepared.
 */
int keyring_begin_epoch(struct keyring *kr, uint64_t log_id);

/*
 * Keeps the key statement of an epoch, or of the prepared one, in memory only: whoever is the
 * server's identity later, it stays as it was made. STELE_ENOTFOUND; STELE_EEXIST when there is
 * one.
 */
int keyring_state(struct keyring *kr, uint64_t log_id, uint32_t epoch,
		  const uint8_t statement[KEYRING_STATEMENT_BYTES]);

/* The seed prepared for the log, NULL when there is none. Valid until the keyring changes. */
const struct keyring_seed *keyring_prepared(const struct keyring *kr, uint64_t log_id);

/*
 * Makes a data key for a log, or for the store (log id 0), in memory only: commit before
 * use. *key_id is its id, above all there were. STELE_ELIMIT; STELE_ENOMEM.
 */
int keyring_add_data(struct keyring *kr, uint64_t log_id, enum keyring_kind kind, uint32_t epoch,
		     uint64_t *key_id);

/* Destroys one data key, in memory. Harmless when there is none of that id. */
void keyring_drop_data(struct keyring *kr, uint64_t key_id);

/* Destroys all keys of a log, in memory: for one whose creation failed. Harmless when it has none.
 */
void keyring_drop_log(struct keyring *kr, uint64_t log_id);

/* Makes the file what memory is, durably and atomically. Errors as keyfile_write. */
int keyring_commit(struct keyring *kr);

/*
 * The data key of this id, NULL when there is none; the seeds of a log, *n of them, in order
 * of epoch: the last is the one that signs, and a prepared one is not among them. Valid until the
 * keyring changes. O(log n).
 */
const struct keyring_data *keyring_find_data(const struct keyring *kr, uint64_t key_id);
const struct keyring_seed *keyring_find_seeds(const struct keyring *kr, uint64_t log_id, size_t *n);

/* All of them in the order of the file: *n, and the first. Valid until the keyring changes. */
const struct keyring_data *keyring_each_data(const struct keyring *kr, size_t *n);
const struct keyring_seed *keyring_each_seed(const struct keyring *kr, size_t *n);

#endif
