/*
 * Which records of a log a request of erasure is about: those that it names, or that match its
 * filter. Control entries and what is gone already are none of them.
 */
#ifndef STELE_SERVER_ERASURE_FIND_H
#define STELE_SERVER_ERASURE_FIND_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "storage/ranges.h"

struct hold_matcher;
struct log;
struct mapping;
struct store;
struct toolbox;

struct erasure_find {
	struct ranges named;          /* where it looks; ends in LIMIT_INTEGER: to the log's end */
	struct hold_matcher *matcher; /* NULL: whatever is named */
	uint64_t at;                  /* the next one that is looked at */
	size_t range;                 /* of named, which one that is in */
	struct ranges found;
	uint64_t looked; /* records that it looked at */
	uint64_t unread; /* of them: which ones it could not read as the filter asks */
	uint64_t gone;   /* not of them: purged before */
};

/*
 * With a filter: its text is needed no longer then. STELE_ESYNTAX, STELE_ELIMIT with why;
 * STELE_ENOMEM.
 */
int erasure_find_filter(struct erasure_find *f, const struct mapping *mapping, const char *filter,
			struct buf *why);

/*
 * The next LIMIT_HOLD_STEP_RECORDS of them: 1 when there are more, 0 at the end. STELE_ENOTFOUND
 * when the log has not all that is named; STELE_ELIMIT when more than LIMIT_ERASURE_RANGES ranges
 * were found; STELE_EDAMAGED of a record that is named and cannot be read; STELE_EIO, STELE_ENOMEM.
 * A worker thread.
 */
int erasure_find_step(struct erasure_find *f, struct store *st, struct log *log, struct toolbox *t);

/* One of zeros is fine. */
void erasure_find_fini(struct erasure_find *f);

#endif
