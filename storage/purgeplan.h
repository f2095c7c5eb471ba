/*
 * What of a log's payloads may go now, and what stays and why (worm.md section 3). The predicate of
 * storage/locks.h over every record in segments; what is not sealed yet is not looked at. Nothing
 * is changed.
 */
#ifndef STELE_STORAGE_PURGEPLAN_H
#define STELE_STORAGE_PURGEPLAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/ranges.h"

struct toolbox;

struct purgeplan_wish {
	uint64_t from, to;         /* records [from, to); to may be beyond what is sealed */
	int64_t now_ns;            /* by the earlier of both clocks */
	size_t max_ranges;         /* at most so many: the plan then ends at `looked` */
	const struct ranges *only; /* unless NULL, of these records alone */
	bool unlocked; /* also what never had a retention: without it only what is over goes */
	/* Unless NULL, called for each record that stays, in order, with what locks it. */
	void (*stays)(void *ctx, uint64_t index, const struct lock_state *s);
	void *ctx;
	const atomic_bool *stop; /* unless NULL: STELE_ECLOSED once it is set */
};

struct purgeplan {
	uint64_t generation; /* of the locks it was made under */
	uint64_t looked;     /* records up to this index were looked at, from wish.from on */
	uint64_t sealed;     /* the end of what could be looked at */
	struct ranges go;
	uint64_t records, bytes; /* that go: how many, and of their payloads as they came */
	/* How many stay, by what locks them first; by nothing: what never had a retention. */
	uint64_t stay[LOCK_BY_DOUBT + 1];
	uint64_t first[LOCK_BY_DOUBT + 1]; /* and the first such record, where there is one */
	uint64_t stay_bytes;
	uint64_t gone;   /* whose payloads went before */
	int64_t next_ns; /* the first end of a retention that is not over, where nothing else locks;
			    0: there is none */
	int64_t last_ns; /* and the last end of one that is not over, of all that stay */
};

/*
 * Makes the plan; purgeplan_fini frees it, also after an error. STELE_EDAMAGED when a segment
 * cannot be read, with why; STELE_EIO, STELE_ENOMEM, STELE_ECLOSED. A worker thread: it reads the
 * columns of all segments in the range.
 */
int purgeplan_make(struct purgeplan *plan, struct log *log, const struct purgeplan_wish *wish,
		   struct toolbox *t, struct buf *why);
void purgeplan_fini(struct purgeplan *plan);

#endif
