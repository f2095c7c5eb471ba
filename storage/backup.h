/*
 * A copy of the store while it is in use: everything but keys, in a folder that has the
 * shape of a data directory. docs/formats.md says what its two lists look like.
 *
 * The protocol, in the order it runs:
 *   1. DIR/BACKUP.partial is made and DIR/BACKUP removed: what is there is no backup now
 *   2. the store is pinned: no segment, WAL file or run of keys leaves, no data key is
 *      destroyed; appends, seals and saves go on
 *   3. the catalogue is copied as it was last saved (saves wait for that)
 *   4. every segment with a manifest is linked, or copied on another file system; those
 *      that are there and have the right digest stay. All that the copied catalogue
 *      names is among them, because nothing has left
 *   5. runs of keys, WAL files up to the last commit that was released by now, and the
 *      objects that records up to there name, each checked before it is there
 *   6. the keyring, on request, elsewhere, under another passphrase
 *   7. the store is unpinned; DIR/LIST is written, then DIR/BACKUP with its digest, signed
 *      by the identity: from here on it is a backup
 *   8. files of an earlier backup that LIST does not name are removed, then BACKUP.partial
 * Every file that was copied is flushed and read again from the disk before LIST names
 * it. A crash before 7 leaves a folder without BACKUP; the next backup into it goes on.
 */
#ifndef STELE_STORAGE_BACKUP_H
#define STELE_STORAGE_BACKUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/store.h"

struct backup;

/* What a store owns of it; NULL when memory is out. NULL is fine to free. */
struct backup *backup_new(void);
void backup_free(struct backup *b);

struct backup_request {
	const char *dir;        /* absolute; made when it is not there */
	const char *keyring;    /* absolute path of a file outside dir, or NULL */
	const char *passphrase; /* for it; not NULL when keyring is not */
};

struct backup_state {
	bool running;
	char dir[PATH_MAX];         /* of the one under way or the last one; "" for none */
	int64_t begun_ns, ended_ns; /* wall clock; 0: not yet */
	uint64_t files, bytes;      /* done */
	uint64_t kept;              /* of them: there already, with the right digest */
	uint64_t total_bytes;       /* about so many bytes there are to do */
	uint64_t sequence;          /* of the last commit in it; 0 until that is known */
	int err;                    /* of the last one: 0, or why it is no backup: */
	char why[512];
};

/*
 * Has a backup begin. STELE_EBUSY when one is under way; STELE_EINVAL when a path cannot
 * be used, with why. Strings are copied. Any thread.
 */
int store_backup_start(struct store *st, const struct backup_request *req, struct buf *why);

/* How far it is, or how the last one ended. Any thread. */
void store_backup_get(struct store *st, struct backup_state *out);

/*
 * Makes the backup that was asked for: 1 when there was one, however it ended, else 0.
 * Blocks for as long as copying takes; a thread of its own.
 */
int store_backup_run(struct store *st);

/* One under way ends early, as failed: for shutting down. Any thread. */
void store_backup_stop(struct store *st);

#endif
