/*
 * Appending what comes by a vendor path (server/vendor.h): many events in a body that some program
 * makes in its own way. Whoever sends it drops for good what is refused for good, so that no event
 * refuses the others, and nothing is refused for want of room:
 *
 *   - an event that cannot be read is stored as it came, as application/octet-stream: unparsed.
 *     Metrics count it, and a record of `_system` says where it is;
 *   - a body that cannot be taken apart is one such event;
 *   - what is no fault of the sender is 503 (or 429), with Retry-After, and comes again: an event
 *     that is there already is not stored twice.
 *
 * Events go to the writer in rounds, so that a large body neither fills a commit nor memory: a
 * round that fails leaves those before it stored, and the retry finds them.
 *
 *   res_X_post -> intake_run -> worker: decode, open, next ... -> writer -> worker: next ... ->
 * answer
 */
#ifndef STELE_SERVER_INTAKE_H
#define STELE_SERVER_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/arena.h"
#include "proto/slice.h"
#include "server/witnesses.h"
#include "server/problem.h"

enum { INTAKE_ID_PARTS = 2 };

struct append_item;
struct deposit;
struct kit;
struct request;

struct intake_event {
	struct slice payload; /* of the body; 1 byte at least */
	bool parsed;          /* JSON that is what the path is for; else it is kept as bytes */
	/*
	 * What makes it the same event when it comes again, beside its bytes: the producer's id.
	 * None: its place in the body, and the body's bytes.
	 */
	size_t n_id;
	struct slice id[INTAKE_ID_PARTS];
};

struct intake {
	/*
	 * The adapter's; a worker calls the first two. open looks at the body: it may set `whole`,
	 * or refuse it with intake_refuse. STELE_ENOMEM.
	 */
	int (*open)(struct request *r, struct intake *in, struct kit *kit);
	/* The next event; what it needs beside the body lies in the arena: 1, 0 at the end,
	   STELE_ENOMEM. */
	int (*next)(struct intake *in, struct kit *kit, struct arena *a, struct intake_event *e);
	/* The answer in the producer's dialect, once all are stored. */
	void (*answer)(struct request *r, const struct intake *in);
	void *state;

	/* for the adapter to read */
	struct slice body;  /* decoded, if it could be */
	uint64_t count;     /* events that are in the log now */
	uint64_t duplicate; /* of them, those that were there before */
	uint64_t unparsed;  /* of them, those that could not be read */

	/* inside */
	unsigned vendor; /* number of the route's path: 1 << this is its bit */
	bool whole;      /* the body is one event that cannot be read */
	bool ended;      /* no event is left */
	enum problem problem;
	const char *detail;
	int err;
	bool has_body_key;
	uint8_t body_key[16];
	uint64_t number;          /* of the next event in the body */
	struct append_item *wait; /* one that was read and needs a round of its own, when */
	bool waits;
	struct deposit *deposit; /* of the round's event, when it is too large for a block */
	bool stored;             /* its record is */
	uint64_t end;            /* behind the highest index of its events */
	struct witness_wait quorum;
	uint64_t new_unparsed, first_unparsed, last_unparsed;
};

/*
 * Takes r, whose body is complete, and answers it. in is zeroed but for what is the adapter's, and
 * lives as long as r.
 */
void intake_run(struct request *r, struct intake *in);

/* In open: the body is refused, and its sender at fault. The detail is static. */
void intake_refuse(struct intake *in, enum problem problem, const char *detail);

#endif
