/*
 * Control entries that lock, hold and let go (formats.md section 1, worm.md): what their JSON
 * payloads say. Only the server writes them, in the log they govern; who reads all of a log's, in
 * order, knows what is locked by what (storage/locks.h).
 *
 *   policy   {"policy":{…}}, in entry 0 with the log's key statement
 *   hold     {"type":"hold","hold":ID,"ranges":[[F,L],…],"open_from":N,"mapping":…,"filter":…}
 *   release  {"type":"release","hold":ID}
 *   extend   {"type":"extend","ranges":[[F,L],…],"until":TIME}, with "shorten":true to shorten
 *   event    {"type":"event","event":NAME,"at":TIME,"until":TIME}
 *   purge    {"type":"purge","ranges":[[F,L],…],…}
 *
 * Ranges are of record indexes, both ends in them, ascending and apart. Who did it stands in "by"
 * and "approved_by", why an extension was made in "reason".
 */
#ifndef STELE_PROTO_CONTROL_H
#define STELE_PROTO_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/entry.h"
#include "proto/policy.h"
#include "proto/slice.h"

enum { CONTROL_HOLD_ID_CHARS = 12 }; /* "h-" and 50 random bits in base32 */

#define CONTROL_OPEN UINT64_MAX /* open_from of what is not open */

struct control_range {
	uint64_t first, last; /* first <= last */
};

struct control {
	uint64_t index; /* of the entry */
	enum entry_kind kind;
	struct policy policy; /* of a policy */
	/* Of a hold: ID and the ranges that this entry adds; everything from open_from on is held,
	 * too, in the place of what earlier entries of it said. Of a release: ID. */
	char hold[CONTROL_HOLD_ID_CHARS + 1];
	uint64_t open_from;
	bool has_mapping;    /* of a hold by filter: how it reads the log's records */
	uint8_t mapping[32]; /* its digest */
	/* Of an extend: the lock of these ends at until_ns, or later, if it does so already; with
	 * shorten, at until_ns. Of a purge: these are gone. */
	struct control_range *ranges;
	size_t n_ranges;
	bool shorten;
	/* Of an event: the lock of what waits for an event of that name, at a lower index, ends at
	 * until_ns, or later, if an earlier entry says so. */
	char event[LIMIT_EVENT_BYTES + 1];
	int64_t at_ns, until_ns;
	size_t n_text;
	char text[]; /* the payload, as it is */
};

/* Whether entries of this kind are for control_read. */
bool control_kind(enum entry_kind kind);

/*
 * Reads the payload of the control entry at index, of a kind that control_kind names; *out is the
 * caller's, for control_free. STELE_ESYNTAX, with a sentence in why, when it is not what the
 * grammar says; members that are not named there are another's. STELE_ENOMEM.
 */
int control_read(struct control **out, enum entry_kind kind, uint64_t index, struct slice json,
		 struct buf *why);

/* NULL is fine. */
void control_free(struct control *c);

/* Appends ranges as JSON: [[F,L],…]. */
void control_put_ranges(struct buf *out, const struct control_range *r, size_t n);

/* Who did it, as principals' ids; approved_by is empty when nobody had to approve. */
struct control_actors {
	struct slice by, approved_by;
};

/* Appends ,"by":"…" and, when there is one, ,"approved_by":"…". */
void control_put_actors(struct buf *out, const struct control_actors *a);

/* Append the payload of a control entry that says so. */
void control_put_policy(struct buf *out, const struct policy *p, const struct control_actors *a);
void control_put_extend(struct buf *out, const struct control_range *r, size_t n, int64_t until_ns,
			bool shorten, struct slice reason, const struct control_actors *a);
void control_put_event(struct buf *out, struct slice name, int64_t at_ns, int64_t until_ns,
		       const struct control_actors *a);
/* What a hold entry says. */
struct control_hold {
	const char *id;
	const struct control_range *r; /* n of them */
	size_t n;
	uint64_t open_from;           /* CONTROL_OPEN: it is not */
	struct slice mapping, filter; /* digests of a hold by filter; empty: it is none */
	struct slice more;            /* further members, each after a comma */
};

/* Appends the payload of a hold entry; of a release entry, with more as above. */
void control_put_hold(struct buf *out, const struct control_hold *h);
void control_put_release(struct buf *out, struct slice id, struct slice more);

/* True for 1 to LIMIT_EVENT_BYTES of printable ASCII but space, quotes and backslashes. */
bool control_event_valid(struct slice name);

#endif
