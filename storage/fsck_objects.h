/*
 * fsck's part about objects: each one that a record names, and files that none does.
 */
#ifndef STELE_STORAGE_FSCK_OBJECTS_H
#define STELE_STORAGE_FSCK_OBJECTS_H

#include "proto/buf.h"
#include "storage/object.h"

struct fsck_objects {
	struct buf named; /* ids that records name, OBJECT_ID_BYTES each */
	/* Where, and what is wrong: with the object of a record, or, log NULL, with a file. */
	void (*finding)(void *ctx, struct log *log, uint64_t index, const char *where,
			const char *what);
	void *ctx;
};

/*
 * Checks the object of the record at index, every byte of it, and remembers its
 * id. Findings go to o->finding. STELE_ENOMEM; STELE_EIO.
 */
int fsck_objects_check(struct fsck_objects *o, struct store *st, struct log *log, uint64_t index,
		       struct slice descriptor, const uint8_t salt[16],
		       const uint8_t commitment[32], struct toolbox *t);

/*
 * After the last record: files below objects/ that no record names and no marker
 * of an unfinished commit explains. STELE_EIO; STELE_ENOMEM.
 */
int fsck_objects_strays(struct fsck_objects *o, const struct store *st);

#endif
