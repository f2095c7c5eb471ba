/*
 * Making a spool (storage/spool.h): bodies in whatever order they come, rows in the archive's.
 * Inside storage/ only; one thread.
 *
 *   spool_make_begin -> spool_cover, bodies, kept rows ... -> rows in order -> spool_make_end
 *
 * and spool_make_free, which removes what was not ended. A body is one part of one of SPOOL_BODIES
 * files, written in a single pass: several may be open at once, one in each.
 */
#ifndef STELE_STORAGE_SPOOLMAKE_H
#define STELE_STORAGE_SPOOLMAKE_H

#include "storage/spoolkeep.h"

struct spool_maker;

/* Makes key and folder. STELE_EEXIST: there is a spool of that id, or one is being made;
 * STELE_EREADONLY, STELE_ENOSPACE, STELE_EIO, STELE_ENOMEM. */
int spool_make_begin(struct spool_maker **out, struct store *st, struct slice id);

/*
 * From now on payloads of these records may be in it: to be said before one is read. Whatever takes
 * one away from then on destroys the spool, and every call below fails with STELE_EGONE.
 */
int spool_cover(struct spool_maker *m, uint64_t log_id, uint64_t first, uint64_t last);

/* Begins a body, deflated or as it comes; its bytes; its end, which fills in all of the row but the
 * path's place in the archive. STELE_EGONE, STELE_EREADONLY, STELE_ENOSPACE, STELE_EIO. */
int spool_body_begin(struct spool_maker *m, unsigned stream, bool deflated);
int spool_body_put(struct spool_maker *m, unsigned stream, struct slice s);
int spool_body_end(struct spool_maker *m, unsigned stream, const char *path, struct spool_row *row);
/* What was begun is no file after all: its bytes stay, and no row will name them. */
void spool_body_drop(struct spool_maker *m, unsigned stream);

/* Keeps a row for later; how many are kept; the i-th, once none is kept any more. */
int spool_keep(struct spool_maker *m, const struct spool_row *row);
uint64_t spool_kept(const struct spool_maker *m);
int spool_kept_row(struct spool_maker *m, uint64_t i, struct spool_row *row);

/* The next file of the archive. Errors as of bodies; STELE_ELIMIT beyond LIMIT_BUNDLE_FILES. */
int spool_place(struct spool_maker *m, const struct spool_row *row);

/* Whether it was destroyed: then that is why anything else failed. */
bool spool_lost(const struct spool_maker *m);

/* Bytes on disk so far, about. */
uint64_t spool_made_bytes(const struct spool_maker *m);

/* All files are placed: makes it durable, and a spool. *bytes is the archive's length, *files how
 * many are in it. */
int spool_make_end(struct spool_maker *m, const uint8_t digest[32], uint64_t *bytes,
		   uint64_t *files);

/* Frees it; what was not ended is destroyed. NULL may be freed. */
void spool_make_free(struct spool_maker *m);

#endif
