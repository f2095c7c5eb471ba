/*
 * The two clocks of a store (storage/clock.h): read from any thread, looked at once a second,
 * saved in DATA/clock, and shown by every commit's frame.
 *
 * Saved with every start, credit, and change of state, and every LIMIT_CLOCK_SAVE_NS; between,
 * each frame carries the lock clock and the era, so that commits need no second flush and a start
 * holds one against the other. It is saved before a commit of its era can be made.
 */
#ifndef STELE_STORAGE_CLOCKS_H
#define STELE_STORAGE_CLOCKS_H

#include <stdint.h>

#include "proto/buf.h"
#include "storage/clock.h"

struct store;

/*
 * What both clocks say now. Any thread, at any time; two calls of one thread never see a clock go
 * back. One read of CLOCK_BOOTTIME and no lock: some 50 ns.
 */
void store_clock_get(struct store *st, struct clock_reading *out);

/* For people and metrics, as the last tick left them: no file is waited for. */
struct clock_info {
	struct clock_reading now;
	int64_t wall_ns, boot_ns; /* read together; boot_ns: CLOCK_BOOTTIME */
	enum clock_cause cause;
	int64_t disagreement_ns;
	bool stepped;                                 /* a step waits to be confirmed: */
	int64_t step_ns, step_stood_ns, step_wait_ns; /* how wide, since when, from then to when */
	int64_t step_since_ns;  /* by boot_ns: no other step of this boot has the same */
	int64_t credit_left_ns; /* of the year's budget */
	int64_t credited_ns;    /* since the process began, all kinds */
	struct clock_limits limits;
};
void store_clock_info(struct store *st, struct clock_info *out);

/* Evidence time follows the step that is seen (clock_confirm), by an operator or a timestamp. Any
 * thread; may wait for a flush: STELE_ENOTFOUND; STELE_EIO, after which the store is read-only. */
int store_clock_confirm(struct store *st, int64_t step_ns, enum clock_by by);

/*
 * Moves the lock clock up to until_ns, as far as clock_credit lets it, and ends a lasting freeze;
 * *moved_ns is by how much. Two principals have agreed to it. It is saved before it is in force:
 * STELE_EREADONLY, STELE_ENOSPACE; STELE_EIO, after which the store is read-only.
 */
int store_clock_credit(struct store *st, int64_t until_ns, int64_t *moved_ns);

/* --- the store's own files ------------------------------------------------------------------ */

struct clocks;

/*
 * Begins the clocks, after recovery and before the first commit; restored: what is there came out
 * of a backup. Errors of clockfile_open and clockfile_write, with why.
 */
int clocks_open(struct store *st, bool restored, struct buf *why);

/* Saves, unless the store is read-only, and forgets them. */
void clocks_close(struct store *st);

/* Looks at the wall clock, says and records what is new, saves when it is time. Any thread:
 * upkeep's, once a second, and whoever confirms a step. May wait for a flush; the first error. */
int clocks_tend(struct store *st);

/*
 * What the frame of the commit of that number says. The writer's, in order of numbers; later
 * commits have no earlier lock clock.
 */
void clocks_stamp(struct store *st, uint64_t sequence, struct clock_mark *out);

#endif
