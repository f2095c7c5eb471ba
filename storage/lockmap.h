/*
 * What control entries say of each index of a log, folded together: how many holds cover it, what
 * its lock became, whether it is gone. Spans in order, from 0 to the end of all indexes; two that
 * say the same are one. Pure.
 */
#ifndef STELE_STORAGE_LOCKMAP_H
#define STELE_STORAGE_LOCKMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/ranges.h"

struct lockmap_span {
	uint64_t first;   /* it ends where the next one begins */
	uint64_t purged;  /* index of the purge entry, or 0: it is there */
	int64_t until_ns; /* 0: nothing was said of the lock's end */
	uint32_t holds;
	bool fixed; /* until_ns stands in the place of what the entry says; else the later counts */
};

struct lockmap {
	struct lockmap_span *spans; /* n >= 1, but before the first change; with room for cap */
	size_t n, cap;
};

/* One change of all indexes of some ranges. */
struct lockmap_change {
	enum {
		LOCKMAP_HOLD,    /* one hold more */
		LOCKMAP_RELEASE, /* one fewer */
		LOCKMAP_EXTEND,  /* ends at until_ns, or later */
		LOCKMAP_SHORTEN, /* ends at until_ns */
		LOCKMAP_PURGE,   /* gone by the entry `purged` */
	} kind;
	int64_t until_ns;
	uint64_t purged;
};

/* Frees the memory; it says nothing of anything then. A map of zeros is such a one. */
void lockmap_fini(struct lockmap *m);

/*
 * Makes the change, in time proportional to the ranges and the spans between the first and the last
 * of them; those behind move in memory. STELE_ENOMEM: nothing is changed.
 */
int lockmap_apply(struct lockmap *m, const struct ranges *where,
		  const struct lockmap_change *change);

/* What it says of an index; first and the next span's tell for which ones else. */
struct lockmap_span lockmap_at(const struct lockmap *m, uint64_t index);

/* Where the span of an index ends: the first of the next, or UINT64_MAX. */
uint64_t lockmap_end_of(const struct lockmap *m, uint64_t index);

/* How many indexes of these ranges are gone. */
uint64_t lockmap_purged(const struct lockmap *m, const struct ranges *where);

/* When a lock ends whose entry says retain_until_ns (0: it says nothing). 0: it does not lock. */
int64_t lockmap_end(const struct lockmap_span *s, int64_t retain_until_ns);

#endif
