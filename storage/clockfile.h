/*
 * DATA/clock: where the clocks stood when they were last saved (storage/clock.h). Two slots of
 * CLOCKFILE_SLOT_BYTES, one a page, are written in turn, so that a write that is cut off leaves the
 * one before it. Little-endian:
 *
 *   0 magic "steleclk"    8 u32 version      12 u32 zero        16 u64 incarnation of the store
 *  24 u64 number of the write                32 boot id (16)    48 i64 CLOCK_BOOTTIME ns
 *  56 i64 wall clock ns  64 i64 evidence ns  72 i64 lock clock ns
 *  80 u64 last commit    88 u32 era          92 u8 state 93 u8 cause, zero to 96
 *  96 u64 bucket        104 i64 credits[13], zero to 480       480 SHA-256 of the first 480
 */
#ifndef STELE_STORAGE_CLOCKFILE_H
#define STELE_STORAGE_CLOCKFILE_H

#include <stdint.h>

#include "crypto/sha256.h"
#include "storage/clock.h"

enum { CLOCKFILE_SLOT_BYTES = 512, CLOCKFILE_APART = 4096, CLOCKFILE_VERSION = 1 };

struct clockfile {
	int fd;
	uint64_t incarnation;
	uint64_t number;  /* of the newest write */
	unsigned damaged; /* slots that were written and are not readable, when it was opened */
	struct sha256 *sha;
};

/*
 * Opens the file in the folder, making it when there is none, and reads what was saved last.
 * STELE_ENOTFOUND: nothing was; STELE_EDAMAGED: what was cannot be read, or is another store's;
 * STELE_EVERSION: by a later version; with these three it is open, and can be written.
 * STELE_EIO, STELE_ENOSPACE, STELE_ENOMEM, STELE_EPERM: it is not.
 */
int clockfile_open(struct clockfile *f, const char *dir, uint64_t incarnation,
		   struct clock_saved *out);

/* Saves, durably, in the place of what was saved before the last time. STELE_EIO,
 * STELE_ENOSPACE. */
int clockfile_write(struct clockfile *f, const struct clock_saved *s);

/* Closes it; one that is not open is fine. */
void clockfile_close(struct clockfile *f);

#endif
