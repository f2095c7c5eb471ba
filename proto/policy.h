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

/*
 * Acts on a log that need a second principal when its policy says so (worm.md section 2), by
 * the names they have in `_system`.
 */
enum policy_act {
	POLICY_CHANGE = 1 << 0,  /* "policy.change", where it makes the policy weaker */
	POLICY_RELEASE = 1 << 1, /* "hold.release" */
	POLICY_PURGE = 1 << 2,   /* "purge" */
	POLICY_SHORTEN = 1 << 3, /* "retain.shorten": always, whatever the policy says */
};

struct policy {
	enum entry_mode mode;  /* default governance */
	bool public;           /* checkpoint, tiles and entries without a token */
	bool event_based;      /* a record may wait for an event before its lock begins to end */
	unsigned dual_control; /* of enum policy_act */
	uint64_t quota_bytes, quota_records; /* of what is kept at once; 0: no bound */
	/* Of governance: compliance begins then, unless it is called off before. 0: it does not. */
	int64_t compliance_from_ns;
	/* Durations as they were written ("7y"), empty when not set, and what they mean. */
	char retain_default[32], retain_min[32], retain_max[32];
	struct duration default_for, min_for, max_for;
};

/*
 * Reads a policy from JSON: {"mode","retain":{"default","min","max"},"event_based",
 * "dual_control":[…],"quota":{"bytes","records"},"public"}, and "compliance_from" when the server
 * itself wrote it. Unknown members, wrong types, bad durations, min > default > max, compliance
 * without a max and a quota are refused: STELE_ESYNTAX, and why gets one sentence
 * that says which member and what to do. An empty document is the default policy.
 */
int policy_read(struct policy *p, struct slice json, struct buf *why);

/* Appends the policy's canonical JSON: same members, fixed order, no spaces. */
void policy_write(struct buf *out, const struct policy *p);

/* True when both say the same. */
bool policy_equal(const struct policy *a, const struct policy *b);

/* The mode at that instant: compliance, once its beginning has come. */
enum entry_mode policy_mode(const struct policy *p, int64_t now_ns);

/* The policy as it is at that instant: one whose compliance has begun has that mode, and no
 * beginning to come. */
struct policy policy_at(const struct policy *p, int64_t now_ns);

/*
 * Whether `next` protects less than `old` what is written under it: another mode, a shorter or
 * missing period, a longest one that is shorter, fewer acts under dual control. A period is shorter
 * unless it covers the other wherever both start (proto/duration.h). what, unless NULL, gets one
 * sentence that names the first such member.
 */
bool policy_weakens(const struct policy *old, const struct policy *next, struct buf *what);

/* A lock as an append asks for it. */
struct policy_wish {
	enum {
		POLICY_WISH_DEFAULT, /* what the policy says */
		POLICY_WISH_UNTIL,   /* until_ns */
		POLICY_WISH_FOR,     /* period */
		POLICY_WISH_EVENT,   /* until an event of that name, and then the default period */
	} kind;
	int64_t until_ns;
	struct duration period;
	struct slice event; /* 1..LIMIT_EVENT_BYTES */
};

/* What the entry of a record says of its lock. */
struct policy_lock {
	enum entry_mode mode; /* ENTRY_MODE_NONE: nothing locks it */
	int64_t until_ns;     /* 0 when it waits for an event */
};

/*
 * The lock of a record written at now_ns, by the later of both clocks, of the wish (NULL: the
 * default). STELE_ELIMIT when the date cannot be represented: never a short lock.
 * STELE_EPERM when the policy does not offer what is wished for; why, unless NULL, gets one
 * sentence: an end outside [now + min, now + max], or not after now; mode none; an event where none
 * is offered, or without a default period.
 */
int policy_lock(const struct policy *p, const struct policy_wish *wish, int64_t now_ns,
		struct policy_lock *out, struct buf *why);

/*
 * Whether a lock written at from_ns may end at until_ns: STELE_EPERM when that is beyond the
 * longest period, with why; STELE_ELIMIT.
 */
int policy_allows_until(const struct policy *p, int64_t from_ns, int64_t until_ns, struct buf *why);

/* "policy.change", … of one act; and back: 0 for another word. */
const char *policy_act_name(enum policy_act act);
unsigned policy_act_parse(struct slice s);

#endif
