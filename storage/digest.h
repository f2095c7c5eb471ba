/*
 * Keyed digests by which idempotency keys are remembered. Their key is the store's, of an epoch of
 * LIMIT_DIGEST_EPOCH_S; two epochs are alive, the one that new digests are made in and the one
 * before, as long as what it made must be recognised. When a key leaves the keyring, digests
 * that are still about, in WAL files and in backups, say nothing any more. Inside storage/ only.
 */
#ifndef STELE_STORAGE_DIGEST_H
#define STELE_STORAGE_DIGEST_H

#include <stdint.h>

struct store;

enum { DIGEST_EPOCHS = 2 };

struct digest_keys {
	unsigned n;                     /* 1..DIGEST_EPOCHS once the store is open */
	uint8_t key[DIGEST_EPOCHS][32]; /* the newest first */
	uint64_t id[DIGEST_EPOCHS];     /* in the keyring */
	int64_t begun_ns;               /* the newest; at full hours */
};

/* Takes the keys from the keyring, and makes the first one: errors of keyring_commit. */
int digest_open(struct store *st);

/*
 * Begins the next epoch when it is due, durably, and destroys the key before the one that now
 * ends. Upkeep's; errors of keyring_commit, after which the old epoch goes on.
 */
int digest_tend(struct store *st);

/* The keys now, copied: the caller wipes them. Any thread. */
void digest_keys_get(struct store *st, struct digest_keys *out);

/* Until when a digest made now may mean something, ns since 1970. Any thread. */
int64_t digest_means_until_ns(struct store *st);

/* What is remembered of log_key_digest's result in a log, under key number epoch. */
void digest_make(uint8_t out[16], const struct digest_keys *keys, unsigned epoch, uint64_t log_id,
		 const uint8_t key[16]);

#endif
