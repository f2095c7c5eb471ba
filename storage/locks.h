/*
 * What is locked in a log, and by what (worm.md section 2). One predicate, used everywhere:
 *
 *   locked <=> it is held, or it waits for its event, or its lock has not ended
 *
 * The state is a fold over the log's control entries, from the first to the last: the writer folds
 * one in before its commit is answered, a start those that the catalogue kept and the WAL has.
 * Safe from any thread.
 */
#ifndef STELE_STORAGE_LOCKS_H
#define STELE_STORAGE_LOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/control.h"
#include "proto/entry.h"

struct locks;
struct ranges;

/* Nothing was said of anything. NULL without memory. */
struct locks *locks_new(void);
void locks_free(struct locks *l);

/* From now on its records stay as control entries do: log_stays. Before anyone looks. */
void locks_keep_all(struct locks *l);

/*
 * Folds in a control entry, which becomes its own. Without memory for it everything is in doubt
 * from then on: no payload may go before a restart. Entries come in the order of their indexes; one
 * that is there already is dropped.
 */
void locks_fold(struct locks *l, struct control *c);

/* The policy of the last policy entry, as long as the log lives; NULL: there was none. */
const struct policy *locks_policy(struct locks *l);

/* The index of that policy entry; 0: the one that founded the log. */
uint64_t locks_policy_index(struct locks *l);

/* Moves on with every entry that is folded in. */
uint64_t locks_generation(struct locks *l);

enum lock_by {
	LOCK_BY_NOTHING,
	LOCK_BY_RETENTION,
	LOCK_BY_HOLD,
	LOCK_BY_EVENT, /* that has not come */
	LOCK_BY_KIND,  /* control entries, and all of `_system`, stay as long as the log */
	LOCK_BY_DOUBT, /* not all control entries could be folded in */
};

struct lock_state {
	enum lock_by by;  /* the strongest reason: of several, the last in the enum's order */
	int64_t until_ns; /* when its retention ends, also when that is over; 0: it has none */
	uint32_t holds;
	uint64_t purged; /* index of the purge entry that took its payload, or 0 */
};

/*
 * The state of the record at index, whose entry says this, at now_ns: by the earlier of both
 * clocks. At until_ns itself the lock is over.
 */
void locks_look(struct locks *l, uint64_t index, const struct entry *e, int64_t now_ns,
		struct lock_state *out);

/* The index of the purge entry that took the record's payload, or 0. */
uint64_t locks_purged(struct locks *l, uint64_t index);

/* A hold of the log. */
struct lock_hold {
	char id[CONTROL_HOLD_ID_CHARS + 1];
	uint64_t placed;    /* index of its first entry */
	uint64_t released;  /* of its release, or 0 */
	uint64_t open_from; /* CONTROL_OPEN: it is not */
	uint64_t records;   /* that it covers below open_from */
	bool has_mapping;   /* a hold by filter: the digest of how it reads the log's records, by */
	uint8_t mapping[32]; /* the first of its entries that says so */
};

/*
 * Calls fn for every hold that is not released and covers the index; with CONTROL_OPEN for every
 * hold there ever was. In order of their ids, until fn is not 0, which is returned.
 */
int locks_each_hold(struct locks *l, uint64_t index,
		    int (*fn)(void *ctx, const struct lock_hold *h), void *ctx);

/* Calls fn for every hold that is not released and covers an index of them, likewise. */
int locks_each_hold_on(struct locks *l, const struct ranges *where,
		       int (*fn)(void *ctx, const struct lock_hold *h), void *ctx);

/* The hold of that id: false when there is none. */
bool locks_hold(struct locks *l, struct slice id, struct lock_hold *out);

/* What a hold covers now, of the first `size` entries. */
struct lock_hold_counts {
	uint64_t set;    /* by what its entries list */
	uint64_t open;   /* besides, from open_from on */
	uint64_t purged; /* of both: gone before */
};

/* All 0 when there is no hold of that id, or it is released. */
void locks_hold_count(struct locks *l, struct slice id, uint64_t size,
		      struct lock_hold_counts *out);

struct lockmap_span;

/*
 * Calls fn for what the map says of all indexes of these ranges, in pieces of which each is said
 * the same, both ends in it, ascending, until fn is not 0, which is returned.
 */
int locks_each_span(struct locks *l, const struct ranges *where,
		    int (*fn)(void *ctx, uint64_t first, uint64_t last,
			      const struct lockmap_span *says),
		    void *ctx);

/* Whether not all that was folded in could be kept for want of memory. */
bool locks_doubt(struct locks *l);

/* Whether an event of that name was recorded, and the latest end that one says. */
bool locks_event(struct locks *l, struct slice name, int64_t *until_ns);

/* The latest end that an extension or an event ever said, also if it was shortened since; or 0. */
int64_t locks_latest(struct locks *l);

/* Whether a policy entry ever let records wait for an event: some may wait still. */
bool locks_wait(struct locks *l);

/*
 * Calls fn for every control entry that was folded in, from the number `from` on (they count from
 * 0), in order. Returns how many there are.
 */
size_t locks_each_control(struct locks *l, size_t from,
			  void (*fn)(void *ctx, const struct control *c), void *ctx);

#endif
