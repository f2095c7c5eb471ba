/*
 * Server-sent events (HTML Living Standard, section 9.2.6) from bytes as they come, in any pieces.
 */
#ifndef STELE_TOOLS_SSE_H
#define STELE_TOOLS_SSE_H

#include <stdbool.h>

#include "proto/buf.h"
#include "proto/slice.h"

enum { SSE_MAX_BYTES = 32 << 20 }; /* of one event: a record's payload in JSON's escapes fits */

/* Takes an event: its name, "message" when it has none, and its data. False ends the reading. */
typedef bool sse_fn(void *ctx, struct slice name, struct slice data);

struct sse {
	sse_fn *take;
	void *ctx;
	struct buf id; /* of the last event that was whole, given or not: what to come back with */
	struct buf line, name, data, next_id;
	bool has_id, has_data, after_cr;
};

/* Nothing has come yet. */
void sse_init(struct sse *e, sse_fn *take, void *ctx);
void sse_fini(struct sse *e);

/* Another connection: forgets an event that is not whole. */
void sse_restart(struct sse *e);

/*
 * Gives every event that these bytes complete; the id is set before. 0; 1 when take ended it;
 * STELE_ELIMIT: an event is too large; STELE_ENOMEM.
 */
int sse_feed(struct sse *e, struct slice bytes);

#endif
