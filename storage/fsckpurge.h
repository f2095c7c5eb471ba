/*
 * For fsck: whether what is gone and what purge entries say is the same. Segments and WAL tell
 * both, in whatever order they are read; in the end one is held against the other.
 */
#ifndef STELE_STORAGE_FSCKPURGE_H
#define STELE_STORAGE_FSCKPURGE_H

#include <pthread.h>

#include "proto/buf.h"
#include "storage/purgeentry.h"

struct fsck;
struct log;
struct segment;
struct toolbox;

/* Zeroed: empty. Under the mutex of struct fsck. */
struct fsck_purges {
	struct buf gone;    /* of runs of records that are gone */
	struct buf entries; /* of purge entries */
	struct buf
		waiting; /* of objects that are not as they should be: a purge may explain that */
};

/* Frees all of it. */
void fsck_purges_fini(struct fsck_purges *p);

/* Takes a purge entry's payload. STELE_ENOMEM. Any thread. */
int fsck_purges_entry(struct fsck *f, struct log *log, uint64_t index, struct slice payload);

/* Takes what is gone of a segment that was verified. Errors of segment_columns. Any thread. */
int fsck_purges_gone(struct fsck *f, struct log *log, struct segment *s, struct toolbox *t);

/* Takes a finding about the object of a record, to be made in the end. Any thread. */
void fsck_purges_object(struct fsck *f, struct log *log, uint64_t index, const char *where,
			const char *what);

/*
 * All was read: finds records that are gone without an entry that covers them, entries whose
 * records are still there or whose root is another, and objects that nothing explains.
 * STELE_ENOMEM, STELE_EIO.
 */
int fsck_purges_end(struct fsck *f);

#endif
