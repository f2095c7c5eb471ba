/*
 * A log's policy (worm.md section 1): what `PUT /api/v1/logs/{log}` takes and
 * what entry 0's payload carries.
 */
#ifndef STELE_PROTO_POLICY_H
#define STELE_PROTO_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/duration.h"
#include "proto/entry.h"
#include "proto/slice.h"

struct policy {
	enum entry_mode mode; /* default governance */
	bool public;          /* checkpoint, tiles and entries without a token */
	/* Durations as they were written ("7y"), empty when not set. */
	char retain_default[32], retain_min[32], retain_max[32];
	struct duration default_for; /* parsed form of retain_default */
};

/*
 * Reads a policy from JSON: {"mode","retain":{"default","min","max"},"public"}.
 * Unknown members, wrong types, bad durations, min > default > max and what
 * this version does not offer yet (compliance mode, event_based, dual_control,
 * quota) are refused: STELE_ESYNTAX or STELE_EUNSUPPORTED, and why gets one
 * sentence that says which member and what to do. An empty document is the
 * default policy.
 */
int policy_read(struct policy *p, struct slice json, struct buf *why);

/* Appends the policy's canonical JSON: same members, fixed order, no spaces. */
void policy_write(struct buf *out, const struct policy *p);

/* True when both say the same. */
bool policy_equal(const struct policy *a, const struct policy *b);

/*
 * Sets *until_ns to the end of the default lock of a record written at
 * time_ns, and *locked to whether the policy locks at all. STELE_ELIMIT when
 * the date cannot be represented: never a short lock.
 */
int policy_lock(const struct policy *p, int64_t time_ns, bool *locked, int64_t *until_ns);

#endif
