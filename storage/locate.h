/*
 * Where a record lies: in a sealed segment or in the WAL. Sealing moves records
 * while they are read, and what they were read from may be gone or written over by
 * then; a read that failed therefore looks again before it calls that damage.
 */
#ifndef STELE_STORAGE_LOCATE_H
#define STELE_STORAGE_LOCATE_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/internal.h"
#include "storage/segment.h"

struct location {
	bool released; /* the newest head covers the index */
	bool found;    /* neither of the next two, for a released one, is damage */
	bool sealed;
	struct sealed segment; /* when sealed */
	struct extent extent;  /* when not */
	uint64_t purge; /* the entry under which its payload goes; 0: none that is under way */
};

/* Where the record at index lies now. Any thread. */
void locate(struct log *log, uint64_t index, struct location *out);

/* Whether the record at index lies elsewhere than it did. Any thread. */
bool location_moved(struct log *log, uint64_t index, const struct location *was);

/*
 * The segment of a location, open, with a reference for the caller. One that is
 * damaged or missing is quarantined: said once, counted, not opened again until it is
 * replaced; STELE_EDAMAGED. Else errors as segcache_get.
 */
int location_open(struct log *log, const struct location *l, struct toolbox *t,
		  struct segment **out);

/* Lifts quarantine from the segment if it is still the log's and was verified whole. */
void location_release(struct log *log, const struct sealed *s);

/* Quarantines the segment if it is still the log's; what is wrong with it, in words. */
void location_quarantine(struct log *log, const struct sealed *s, struct slice why);

#endif
