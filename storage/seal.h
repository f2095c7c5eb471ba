/*
 * Sealing: a log's unsealed records become segments, and the WAL files they were in
 * are let go. Beside the writer, in a thread of its own; nothing here delays a commit
 * but a moment under the store's lock.
 *
 * The protocol, in the order it runs:
 *   1. a data key for the new segment is made and flushed with the keyring
 *   2. the segment is built, flushed, read back and verified (storage/segbuild.h)
 *   3. the list in memory switches: readers find the new segment from here on
 *   4. the catalogue is saved with the new list: from here on a start finds it too
 *   5. the files and data keys of what was replaced are destroyed
 *   6. WAL files that no unsealed record, dictionary or idempotency key needs, and that
 *      the saved catalogue does not need either, leave the row (storage/wal.h)
 * A crash before 4 leaves a segment that no catalogue knows, a crash before the end of 5
 * one that was replaced: seal_clean removes both at start, with a line.
 */
#ifndef STELE_STORAGE_SEAL_H
#define STELE_STORAGE_SEAL_H

#include "storage/store.h"

struct sealer;

/* What a store owns of it; NULL when memory is out. NULL is fine to free. */
struct sealer *sealer_new(void);
void sealer_free(struct sealer *s);

/*
 * Between the two no segment is built, replaced or removed. A seal under way is waited
 * for: seconds. Any thread that is not sealing.
 */
void sealer_lock(struct sealer *s);
void sealer_unlock(struct sealer *s);

/* DATA/segments/LOG into dir, made when it is not there: 0, STELE_ELIMIT, STELE_ENOSPACE,
   STELE_EIO. */
int seal_dir(struct log *log, char *dir, size_t cap);

struct buf;
struct purging;
struct sealed;
struct segment_facts;

/*
 * Steps 1 to 3 for a segment of the list, again and as its own next generation, without the
 * payloads that go (storage/purge.h). *out is what is there now. STELE_EBUSY when it was replaced
 * meanwhile; STELE_ECLOSED; errors of segment_build, with why.
 */
int seal_thin(struct log *log, const struct sealed *old, const struct purging *thin,
	      struct segment_facts *out, struct buf *why);

/* What of a log's replaced segments has not left. */
struct seal_left {
	uint64_t keys;  /* data keys not destroyed */
	uint64_t files; /* segments whose files are there */
	uint64_t
		linked; /* files of all logs that had other links when they left, since the start */
};

/*
 * Step 5 for what a saved catalogue does not name any more, and what is left of one log. The n
 * data keys at ids go along, unless a backup is being made: *pinned. Errors of keyring_commit.
 */
int seal_let_leave(struct log *log, const uint64_t *ids, size_t n, bool *pinned,
		   struct seal_left *left);

/* Destroys n data keys, durably. Errors of keyring_commit. */
int seal_drop_keys(struct store *st, const uint64_t *ids, size_t n);

/*
 * sealclean.c. At start, after recovery: removes segment files and data keys that no log's
 * list names, each with a line. STELE_EPERM for a file that is immutable and stays so, with
 * why; STELE_EIO; STELE_ENOMEM; errors of keyring_commit.
 */
int seal_clean(struct store *st, struct buf *why);

#endif
