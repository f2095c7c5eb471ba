/*
 * One WAL file: its name, its header block, and how it comes to be.
 * Header: 0 magic "stelewal"  8 u32 version  12 u32 features  16 u64 incarnation
 * 24 u32 file number  28 u32 zero  32 u64 file bytes  40.. zero  64 SHA-256 of the first 64.
 */
#ifndef STELE_STORAGE_WALFILE_H
#define STELE_STORAGE_WALFILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "crypto/sha256.h"

enum { WALFILE_USED = 96 }; /* bytes of the header block; the rest is zero */

/* What the one who prewrites a file should know of the writer, whose thread changes it. */
struct walfile_pace {
	atomic_bool hurry;   /* it waits for this file, or the program ends */
	atomic_ullong bytes; /* used of the file before this one */
};

/* Writes "DIR/00000001.wal" into out, cap bytes; STELE_ELIMIT when it does not fit. */
int walfile_name(char *out, size_t cap, const char *dir, uint32_t number);

/*
 * Makes file `number` of `bytes` bytes, all written and flushed, under a
 * temporary name first. With pace not NULL it writes in small flushed steps so
 * that commits to the file before it hardly wait, with pauses while it is well
 * ahead of them, and with neither once there is hurry. Returns its descriptor (read and write), or
 * an error: STELE_ENOSPACE, STELE_EIO. Nothing is left behind on failure.
 */
int walfile_create(const char *dir, uint32_t number, uint64_t bytes, uint64_t incarnation,
		   const struct walfile_pace *pace, struct sha256 *h);

/*
 * Makes file `number` out of DIR/spare.wal: its header is overwritten and flushed,
 * then it is renamed. A descriptor, or STELE_ENOTFOUND when there is no spare file
 * of that size (one of another size is removed), STELE_EIO.
 */
int walfile_reuse(const char *dir, uint32_t number, uint64_t bytes, uint64_t incarnation,
		  struct sha256 *h);

/* Renames file `number` to DIR/spare.wal, over one that is there, or removes it. STELE_EIO. */
int walfile_spare(const char *dir, uint32_t number, bool keep);

/* Bytes of DIR/spare.wal; 0 when there is none. */
uint64_t walfile_spare_bytes(const char *dir);

/*
 * Opens and checks file `number`: a descriptor, *bytes set; or STELE_ENOTFOUND,
 * STELE_EDAMAGED, STELE_EVERSION, STELE_EIO.
 */
int walfile_open(const char *dir, uint32_t number, uint64_t incarnation, uint64_t *bytes,
		 struct sha256 *h);

#endif
