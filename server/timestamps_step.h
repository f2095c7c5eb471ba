/*
 * A step of the wall clock, and what authorities say of it (docs/timestamps.md): the wall clock is
 * right when a trusted one, asked after the step was seen, says the same time. Then evidence time
 * follows it. No timestamp moves the lock clock.
 */
#ifndef STELE_SERVER_TIMESTAMPS_STEP_H
#define STELE_SERVER_TIMESTAMPS_STEP_H

#include <stdbool.h>
#include <stdint.h>

struct authority;
struct clock_info;
struct tsp_token;

/* Which step it was; none where none waited. */
struct step {
	bool waits;
	int64_t since_ns; /* by CLOCK_BOOTTIME */
};

/* The one that waits now. */
struct step step_now(const struct clock_info *now);

/* Whether both are the same one. */
bool step_same(struct step a, struct step b);

/*
 * Whether a wall clock that says wall_ns is less than LIMIT_CLOCK_STEP_NS off the authority's for
 * sure: took_ns is how long ago it was asked, and its token was made somewhere between.
 */
bool step_agrees(const struct tsp_token *said, int64_t wall_ns, int64_t took_ns);

/*
 * a has given a token, which is recorded. It confirms the step for which a was asked when that
 * still waits, and the wall clock agrees; what keeps it from that is said. The thread of
 * server/timestamps.h.
 */
void step_confirm(struct authority *a, const struct tsp_token *said);

#endif
