/*
 * Which records of a log a query need not look at: the index of the segment that holds them, if
 * that may be believed now. Nothing here reads a record.
 */
#ifndef STELE_STORAGE_SEEK_H
#define STELE_STORAGE_SEEK_H

#include <stdbool.h>
#include <stdint.h>

struct log;
struct segment;
struct toolbox;

/* The range that a look was about, and of which generation it is. */
struct seek_range {
	uint64_t first, count;
	uint32_t generation;
};

/*
 * The segment that holds the record at index: *range, and *out open, with a reference for the
 * caller, or NULL when it is damaged. STELE_ENOTFOUND when it is not sealed, or something of the
 * log is being purged: then each record is to be asked for (storage/scan.h). STELE_EIO, STELE_EKEY,
 * STELE_ENOMEM. A worker thread.
 */
int seek_open(struct log *log, uint64_t index, struct toolbox *t, struct seek_range *range,
	      struct segment **out);

/* Whether that is still so: no purge has begun, no other generation is there. Any thread. */
bool seek_holds(struct log *log, const struct seek_range *range);

#endif
