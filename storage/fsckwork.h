/*
 * What the parts of fsck share: storage/fsck.c and storage/fsckseg.c.
 */
#ifndef STELE_STORAGE_FSCKWORK_H
#define STELE_STORAGE_FSCKWORK_H

#include "storage/fsck.h"
#include "storage/fsck_objects.h"
#include "storage/fsckpurge.h"
#include "storage/internal.h"

struct fsck {
	const struct fsck_options *opts;
	struct fsck_result *result; /* under mu while segments are checked */
	struct store *st;           /* bare: keys and WAL, nothing replayed */
	struct toolbox *t;
	struct toolbox *looker; /* for objects: t holds the block that names them */
	struct merkle_batch batch;
	struct buf why;
	uint64_t total_bytes, segment_bytes;
	struct buf broken;  /* u64 ids of logs with missing commits: reported once */
	pthread_mutex_t mu; /* findings and result */
	struct fsck_objects objects;
	struct fsck_purges purges; /* under mu */
	pthread_mutex_t looking;   /* objects: one is read at a time */
	bool blind; /* what could not be read may name objects; under mu while segments are checked
		     */
	int err;    /* an object could not be looked at: the run ends */
};

/* Reports one finding: what is wrong, and printf-like where. Any thread. */
void fsck_find(struct fsck *f, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Tells how many bytes are done. Any thread. */
void fsck_progress(struct fsck *f, uint64_t done_bytes);

/*
 * Takes every log's sealed part into the bare store and verifies every byte of every
 * segment and manifest, on as many threads as opts says. 0 when it could look; STELE_EIO,
 * STELE_ENOMEM.
 */
int fsck_segments(struct fsck *f);

/* For catalog_each: whether a segment that the catalogue lists is the one that was found. */
int fsck_listed(void *f, struct slice key, struct slice value);

#endif
