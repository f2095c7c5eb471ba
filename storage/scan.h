/*
 * Many records in order, for who looks at each and keeps few: a query. Payloads are authentic by
 * the boxes that they lie in, and a sealed file by its hash, but records are not held against the
 * tree one by one: what is served of one that was found is read again (storage/read.h).
 */
#ifndef STELE_STORAGE_SCAN_H
#define STELE_STORAGE_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/entry.h"
#include "proto/slice.h"

struct log;
struct toolbox;

/* What is known of a record without its entry. Slices are valid until the function returns. */
struct scan_record {
	uint64_t index;
	enum entry_kind kind;
	int64_t time_ns; /* the entry's */
	uint64_t size;   /* of the payload */
	struct slice writer, media_type;
	bool object;          /* the payload lies in a file of its own, and is empty here */
	bool gone;            /* purged, or by an entry that is there already about to be */
	struct slice payload; /* empty when it is gone */
};

/* Takes a record. Not 0 ends the scan with that value. */
typedef int scan_fn(void *ctx, const struct scan_record *r);

/*
 * The records [*at, to) in order; *at moves on behind each that fn took with 0. At most
 * SCAN_RECORDS at once, and to is at most the released size, else STELE_EINVAL. 0; what fn
 * returned; STELE_EDAMAGED of the record at *at, which was said and counted, also when its
 * segment was quarantined; STELE_EIO, STELE_ENOMEM. A worker thread.
 */
int scan_records(struct log *log, uint64_t *at, uint64_t to, struct toolbox *t, scan_fn *fn,
		 void *ctx);

enum { SCAN_RECORDS = 256 }; /* a tile: what is decoded together */

#endif
