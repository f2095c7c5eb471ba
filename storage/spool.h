/*
 * A finished bundle on disk, under DATA/exports/ID/: readable at any offset, the same bytes each
 * time, sealed under a data key of its own in the keyring (KEYRING_EXPORT), so that it can be
 * destroyed for good. The archive is not there as such: the bodies of its files are, and rows that
 * say which file is where; headers and the central directory (proto/zip.h) are made of the rows
 * when they are read.
 *
 *   bodies.0, .1, .2   what the files hold, deflated or not, one after the other
 *   rows               SPOOL_ROW_BYTES for each file, in the archive's order (storage/spoolrow.h)
 *   spool              says how long all that is; its being there is what makes the export finished
 *
 * bodies and rows are streams of boxes (storage/sealedfile.h); so is every range that is read
 * verified. Nothing of an export is in a backup.
 *
 * A spool says for each log of which records it may have payloads. When a purge takes one of
 * these, it destroys the spool (step 6 of storage/purge.h); what is being made or read then fails
 * with STELE_EGONE. Any thread may call; one spool_reader is one thread's at a time.
 */
#ifndef STELE_STORAGE_SPOOL_H
#define STELE_STORAGE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

struct store;

enum { SPOOL_ID_BYTES = 12 }; /* x- and 10 characters of a-z2-7 */

/* Whether this is an export's id. */
bool spool_id_valid(struct slice id);

/* A finished spool, open for reading. */
struct spool_reader;

/*
 * Opens the finished spool of an export. STELE_ENOTFOUND when there is none; STELE_EKEY,
 * STELE_EDAMAGED, STELE_EVERSION, STELE_EIO, STELE_ENOMEM.
 */
int spool_open(struct spool_reader **out, struct store *st, struct slice id);
/* Closes it and wipes its key. NULL may be closed. */
void spool_close(struct spool_reader *r);

/* Bytes of the archive. */
uint64_t spool_bytes(const struct spool_reader *r);

/* SHA-256 of the bundle's tagmanifest-sha256.txt: names these very bytes. The reader's. */
const uint8_t *spool_digest(const struct spool_reader *r);

/*
 * Bytes [from, from + n) of the archive into out, from + n <= spool_bytes(), else STELE_EINVAL.
 * Every box that they lie in is verified first. STELE_EGONE: it was destroyed meanwhile;
 * STELE_EDAMAGED; STELE_EIO; STELE_ENOMEM. A worker thread.
 */
int spool_read(struct spool_reader *r, uint64_t from, void *out, size_t n);

/*
 * Destroys a spool, finished or not: first its key, durably, then its files. Readers of it fail
 * from then on with STELE_EGONE. 0 also when there is none. Errors of keyring_commit; STELE_EIO
 * when a file cannot be removed: its key is gone, and the next start removes it.
 */
int spool_destroy(struct store *st, struct slice id);

/*
 * At start, after recovery: removes what was not finished, with its key; and keys of spools that
 * are not there. STELE_ENOMEM; STELE_EIO when exports/ cannot be read; errors of keyring_commit.
 */
int spool_sweep(struct store *st);

/*
 * Calls fn for each finished spool, in no order, with its id and the bytes that it takes on disk,
 * until that is not 0, which is returned. STELE_EIO.
 */
int spool_each(struct store *st, int (*fn)(void *ctx, struct slice id, uint64_t disk_bytes),
	       void *ctx);

#endif
