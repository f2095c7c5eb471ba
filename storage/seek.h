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

/* A place between two records of a log, and when they were received as far as that was seen. */
struct seek_place {
	uint64_t index;   /* of the record behind it */
	int64_t at_ns;    /* its time, at the earliest; INT64_MAX: there is none */
	int64_t below_ns; /* the time of the one before it, at the latest; -1: there is none */
	bool unsure;      /* those right before it cannot be read, and some may be as late */
};

/*
 * Where in a log a time begins: of the records [low, high) the first that was received then or
 * later, or high. Times never go back in a log, so halving finds it: by the manifests of segments,
 * the columns of the one that the time is in, the sections of the WAL. What cannot be read has the
 * time of its segment's first record, or of what is before it. high is at most the released size,
 * and what is below low was received before. STELE_EIO, STELE_EKEY, STELE_ENOMEM. A worker thread.
 */
int seek_time(struct log *log, int64_t time_ns, uint64_t low, uint64_t high, struct toolbox *t,
	      struct seek_place *out);

#endif
