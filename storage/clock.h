/*
 * Two clocks that a store tells its time by, as a state machine: readings of the machine's clocks
 * go in, times, a state and what is to be recorded come out. Pure: no file, no clock of its own.
 *
 * Evidence time says when: UTC, begun from the wall clock, carried by CLOCK_BOOTTIME and slewed
 * towards the wall clock by at most 1 part in CLOCK_SLEW (500 ppm, as adjtime(3) does). A wall
 * clock that is CLOCK_STEP_NS off or more has stepped: that is not followed until it is confirmed,
 * by an operator, by a trusted timestamp (server/timestamps_step.h), or because it stays there for
 * as long as the step is wide (10 minutes at least, a day at most). A confirmed step forward is
 * taken at once; after one backward evidence time runs at half its speed until the wall clock has
 * caught up. It never decreases.
 *
 * The lock clock decides whether a lock is over, and nothing else. Within a boot it moves as
 * CLOCK_BOOTTIME does, and the wall clock does not enter. From one boot to another nothing is known
 * but the wall clock: its gap is credited, so much at once and so much within a year. It is not
 * held below evidence time: a wall clock set back would slow it then. A lock is over when both say
 * so (clock_passed), so that whichever is behind makes locks longer, and never shorter.
 *
 * What disagrees with the wall clock warns, and then freezes. Frozen, nothing may be purged,
 * shortened or credited; appends, reads and holds go on. A freeze by disagreement ends with it; one
 * because the saved state was missing or contradicted what commits show lasts until it is
 * thawed (clock_credit), which takes two principals (server/res_clock.c).
 *
 * Times are nanoseconds since 1970, saturating. (worm.md section 4; docs/operations.md, "Clocks")
 */
#ifndef STELE_STORAGE_CLOCK_H
#define STELE_STORAGE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"

enum { CLOCK_SLEW = 2000, CLOCK_BACK = 2 }; /* one part in so many */
enum { CLOCK_BUCKETS = 13, CLOCK_EVENTS = 8, CLOCK_BOOT_ID_BYTES = 16 };

#define CLOCK_STEP_NS LIMIT_CLOCK_STEP_NS

enum clock_state { CLOCK_OK, CLOCK_WARN, CLOCK_FROZEN, CLOCK_STATES };

/* Why the state is not CLOCK_OK. From CLOCK_MISSING on it lasts until the clocks are thawed. */
enum clock_cause {
	CLOCK_NO_CAUSE,
	CLOCK_DISAGREES, /* with the wall clock */
	CLOCK_STEPPED,   /* the wall clock has stepped, and nobody has confirmed it yet */
	CLOCK_MISSING,   /* there are commits, but no saved state */
	CLOCK_DAMAGED,   /* the saved state cannot be read, or is another store's */
	CLOCK_STALE,     /* commits show a later state than the saved one */
	CLOCK_AHEAD, /* the saved state knows of commits that are not there, or of later times */
	CLOCK_BOOT_BACK, /* the same boot, but less time since its begin */
	CLOCK_RESTORED,  /* a backup was restored */
	CLOCK_CAUSES,
};

/* What moved a clock. */
enum clock_by {
	CLOCK_BY_START, /* the wall clock, between two boots */
	CLOCK_BY_PERSISTENCE,
	CLOCK_BY_OPERATOR,
	CLOCK_BY_APPROVAL,  /* two principals */
	CLOCK_BY_TIMESTAMP, /* a trusted RFC 3161 token that says what the wall clock does */
};

/* What both clocks say at an instant. */
struct clock_reading {
	int64_t evidence_ns, lock_ns;
	enum clock_state state;
};

/* The later of both: what a retention period is counted from. */
int64_t clock_later(const struct clock_reading *r);

/* The earlier of both: a lock is over when it has come, and the clocks are not frozen. */
int64_t clock_earlier(const struct clock_reading *r);

/*
 * True when a lock that ends at until_ns is over: when both clocks have reached it. Never when
 * frozen.
 */
bool clock_passed(const struct clock_reading *r, int64_t until_ns);

/* Readings of the machine's clocks, taken together. */
struct clock_now {
	int64_t wall_ns;                      /* CLOCK_REALTIME */
	int64_t boot_ns;                      /* CLOCK_BOOTTIME */
	uint8_t boot_id[CLOCK_BOOT_ID_BYTES]; /* zeros: unknown, and then never the same */
};

struct clock_limits {
	int64_t warn_ns, freeze_ns; /* disagreement beyond which the state is so */
	int64_t credit_each_ns;     /* for one gap between two boots */
	int64_t credit_year_ns;     /* for all gaps within any 365 days */
};

/* What commits show: the newest one's number and what its frame says. All zero: no commits. */
struct clock_mark {
	uint64_t sequence;
	uint32_t era; /* 0: unknown */
	int64_t wall_ns, lock_ns;
};

/* The state as it is kept (storage/clockfile.h). */
struct clock_saved {
	struct clock_now now; /* when it was saved */
	int64_t evidence_ns, lock_ns;
	uint32_t era;      /* moves on with every start and credit: the newest commit knows of none
			      later than the newest saved state */
	uint64_t sequence; /* of the last commit that was made, or on its way */
	enum clock_state state;
	enum clock_cause cause;
	uint64_t bucket;                /* of 30 days of lock clock, the newest one's number */
	int64_t credits[CLOCK_BUCKETS]; /* given in that one and those before it */
};

/* Something to be recorded. */
struct clock_event {
	enum clock_event_kind {
		CLOCK_EVENT_STATE,  /* was, state, cause */
		CLOCK_EVENT_STEP,   /* the wall clock is by_ns ahead: it was seen */
		CLOCK_EVENT_BACK,   /* that step is gone again */
		CLOCK_EVENT_FOLLOW, /* evidence time follows it: by */
		CLOCK_EVENT_CREDIT, /* by_ns for a gap of gap_ns: by */
	} kind;
	enum clock_state was, state;
	enum clock_cause cause;
	enum clock_by by;
	int64_t by_ns, gap_ns;
	int64_t wall_ns, evidence_ns, lock_ns; /* after it */
};

/* Where the clocks stand and how they move on: enough to read them at any later instant. */
struct clock_line {
	int64_t boot_ns; /* from then on */
	int64_t evidence_ns, lock_ns;
	int64_t slew_ns;  /* that evidence time is still to be moved by, either way */
	uint32_t slew_in; /* one part of it in so many */
	uint32_t era;
	enum clock_state state;
};

/* What the clocks say at boot_ns; before the line's begin, what they say there. */
void clock_read(const struct clock_line *line, int64_t boot_ns, struct clock_reading *out);

struct clock {
	struct clock_limits limits;
	struct clock_line line;
	struct clock_now last; /* the newest reading */
	enum clock_cause cause;
	int64_t disagreement_ns; /* of the clock that is further off, then */
	bool stepped;            /* the wall clock is step_ns ahead, unconfirmed */
	bool backing;            /* a step backward was confirmed */
	int64_t step_ns, step_since_ns, offset_ns; /* since by boot_ns; wall minus boot then */
	uint64_t bucket;
	int64_t credits[CLOCK_BUCKETS];
	struct clock_event events[CLOCK_EVENTS]; /* the caller takes them, and sets n_events 0 */
	size_t n_events;
};

/* What a start finds. */
struct clock_found {
	const struct clock_saved *saved; /* NULL: none that can be read */
	enum clock_cause trouble;        /* then: CLOCK_MISSING, CLOCK_DAMAGED, CLOCK_RESTORED */
	struct clock_mark mark;
	int64_t floor_ns; /* the newest entry's time */
};

/*
 * Begins. With neither state nor commits both clocks are the wall clock's. The state must be saved
 * before the next commit.
 */
void clock_start(struct clock *c, const struct clock_limits *limits,
		 const struct clock_found *found, const struct clock_now *now);

/* Looks at the wall clock: once a second or so. Times go on between by the line. */
void clock_tick(struct clock *c, const struct clock_now *now);

/*
 * Evidence time follows the step that is seen: STELE_ENOTFOUND when there is none, or when it is
 * another one (clock_same_step) than step_ns, which whoever confirms has seen.
 */
int clock_confirm(struct clock *c, const struct clock_now *now, int64_t step_ns, enum clock_by by);

/*
 * The lock clock is moved up to until_ns, but not beyond evidence time or the wall clock, and
 * never back; a lasting freeze ends. Begins an era: the state must be saved before anybody reads
 * the line. Returns by how much it was moved.
 */
int64_t clock_credit(struct clock *c, const struct clock_now *now, int64_t until_ns);

/* What of the year's budget is left. */
int64_t clock_credit_left(const struct clock *c);

/* What is to be saved, at that instant. */
void clock_save(const struct clock *c, const struct clock_now *now, uint64_t sequence,
		struct clock_saved *out);

/* Whether what somebody has seen is the step that there is. */
bool clock_same_step(int64_t seen_ns, int64_t step_ns);

/* How long a step of that width must stand to be followed, in ns. */
int64_t clock_persistence(int64_t step_ns);

/* Words for records and people: "frozen", "stale-state", "operator". */
const char *clock_state_name(enum clock_state state);
const char *clock_cause_name(enum clock_cause cause);
const char *clock_by_name(enum clock_by by);

#endif
