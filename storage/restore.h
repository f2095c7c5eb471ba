/*
 * A store from a backup, with no server: what storage/backup.h made, copied back and
 * opened as something that says of itself that it was restored.
 *
 * Records that were acknowledged after the backup are lost with their indexes, and the logs'
 * keys have signed trees that hold them. So no log goes on under its old key: each gets
 * the key of a new epoch, with a number that what is lost cannot have had, which speaks from one
 * entry behind the backup on, and its first entry there is of the kind `restore`: it carries the
 * new key's statement, says which backup this is, and names the newest checkpoint that is known and
 * what is lost by it. (design.md section 2, promise 2; worm.md section 3)
 *
 * The protocol, in the order it runs:
 *   1. BACKUP is verified under the identity, and LIST by the digest in it
 *   2. DATA/RESTORE.partial is made: nothing but a restore opens the directory from now on
 *   3. every file that LIST names is copied, flushed, read again, held against its digest
 *   4. the key files are copied to DATA/keys
 *   5. the store is opened and replayed; it must end with the commit that BACKUP names, and
 *      the keyring must hold every key that it needs
 *   6. the newest checkpoints are verified, each under its log's keys
 *   7. the keyring is committed with the new epochs, then the `restore` entries are
 *   8. purges that are known to be later than the backup are done again (storage/purge.h)
 *   9. the store is closed, and RESTORE.partial removed
 * The clocks of what was opened at 5 are frozen at the last commit's (storage/clock.h): a backup
 * has none. A crash before 9 leaves a directory that only the same restore takes: it begins again
 * at 1, keeping the files that are there and right. No checkpoint of a new key leaves before 9.
 */
#ifndef STELE_STORAGE_RESTORE_H
#define STELE_STORAGE_RESTORE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "storage/store.h"

/* What became of one log. Strings are valid during the call. */
struct restore_log {
	const char *name;
	uint64_t size;   /* entries in the backup; the index of the `restore` entry */
	uint64_t newest; /* size of the newest checkpoint given for it; 0: none */
	uint32_t epoch;  /* of the new key */
};

/* A purge that is known from elsewhere: its entry, verified by who gives it. */
struct restore_purge {
	char log[LIMIT_LOG_NAME_BYTES + 1];
	uint64_t entry; /* index of the purge entry, in the log as it was */
	struct slice payload;
	uint8_t key[32]; /* of the log, by which it is known; and what its statement says: */
	uint64_t epoch, first_size;
};

struct restore_options {
	const char *backup;  /* the folder of the backup */
	const char *dir;     /* the data directory: new, empty, or an unfinished restore */
	const char *keyring; /* the keyring's file; the identity is in the same with ".identity" */
	const char *passphrase;          /* seals both, and then those in DATA; NULL: not sealed */
	const struct slice *checkpoints; /* signed notes, the newest known, one a log or more */
	size_t n_checkpoints;
	const struct restore_purge *purges; /* to be done again, where the backup is older */
	size_t n_purges;
	/*
	 * Once the identity is known, before anything of the store is changed: whether the purges
	 * are to be believed. An error ends the restore, with why. With purges it is given, and
	 * so is `purged`.
	 */
	int (*check_purges)(void *ctx, const char *identity_vkey, struct buf *why);
	/* A purge was done again, by the entry `again`; 0 records: nothing of it was there. */
	void (*purged)(void *ctx, const struct restore_purge *p, uint64_t again, uint64_t records);
	void (*progress)(void *ctx, uint64_t done_bytes, uint64_t total_bytes); /* NULL: none */
	void (*restored)(void *ctx, const struct restore_log *log);             /* at the end */
	void (*say)(void *ctx, enum store_level level, const char *line);
	void *ctx;
};

struct restore_result {
	char server[LIMIT_SERVER_NAME_BYTES + 1];
	uint64_t files, bytes;
	uint64_t kept; /* of the files: there already, by an earlier try */
	uint64_t logs;
	uint64_t commit;            /* the backup's last */
	int64_t begun_ns, ended_ns; /* of the backup */
};

/*
 * Does it. 0; STELE_EEXIST when dir holds something else; STELE_ENOTFOUND when something
 * is missing; STELE_EVERIFY when a signature does not hold or a checkpoint contradicts the
 * backup; STELE_EDAMAGED when bytes are not what was signed; STELE_EKEY for the key files;
 * STELE_EBUSY, STELE_ENOSPACE, STELE_EIO, STELE_ENOMEM; why says what and what to do.
 */
int store_restore(const struct restore_options *o, struct restore_result *result, struct buf *why);

#endif
