/*
 * Scrubbing: every sealed segment is read from the disk again and verified like fsck
 * does, one after the other at a pace, while the store is in use, and behind it every chunk
 * of the objects that its records name; at the end those of records that are not sealed. A
 * segment that does not hold is quarantined, an object is counted and said, so that an
 * operator hears of it while a copy still exists.
 *
 * A pass goes through the segments of all logs once. One that is sealed behind it while
 * it runs is the next pass's: it was verified when it was built. The place where a pass
 * is lives in memory only: a restart begins a new one.
 */
#ifndef STELE_STORAGE_SCRUB_H
#define STELE_STORAGE_SCRUB_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/store.h"

struct scrub;

/* What a store owns of it; NULL when memory is out. NULL is fine to free. */
struct scrub *scrub_new(void);
void scrub_free(struct scrub *s);

struct scrub_pass {
	int64_t begun_ns, ended_ns; /* wall clock, ns since 1970; 0: not yet */
	uint64_t segments, bytes;   /* looked at, and their files' bytes */
	uint64_t objects;           /* looked at */
	uint64_t object_bytes;      /* of their payloads */
	uint64_t damaged;           /* of both: segments are in quarantine now */
	uint64_t unread;            /* of both: could not be judged (a read failed, no memory) */
};

struct scrub_state {
	bool running;          /* or asked for */
	uint64_t passes;       /* ended since start */
	uint64_t total_bytes;  /* of all segments' files, now */
	struct scrub_pass now; /* when running */
	struct scrub_pass last;
};

/* How far it is. Any thread. */
void store_scrub_get(struct store *st, struct scrub_state *out);

/*
 * Asks for a whole pass: it begins with the next step, or when the one under way has ended, which
 * may be past what the asker fears for. Any thread.
 */
void store_scrub_start(struct store *st);

/*
 * One segment of the pass under way, or a piece of an object, when the pace allows it, or the begin
 * of the next pass when it is due or asked for. 1 when it looked at something, else 0; *wait_ms is
 * how long the caller is to wait before it calls again, at most LIMIT_SCRUB_IDLE_MS. Reads a
 * segment of the usual size in some tenths of a second and holds no lock meanwhile. A
 * thread of its own.
 */
int store_scrub_step(struct store *st, unsigned *wait_ms);

#endif
