/*
 * Sends NDJSON to a log in batches, several in flight, and never loses count.
 *
 * Each batch carries the idempotency key KEY.OFFSET, where OFFSET is where it
 * begins in the input: a retry, or a later run with the same KEY over the same
 * bytes, stores nothing twice. A batch cut short because a pipe had nothing more
 * yet travels alone, so that whatever fails, everything before the first
 * unacknowledged byte is stored and everything sent after it is recognised.
 */
#ifndef STELE_TOOLS_SENDER_H
#define STELE_TOOLS_SENDER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "tools/cli.h"
#include "tools/cutter.h"

enum { SENDER_MAX_CONNECTIONS = 32, SENDER_MAX_KEY_BYTES = 200 };

struct sender_options {
	const char *log;
	const char *key;      /* at most SENDER_MAX_KEY_BYTES printable ASCII characters */
	bool key_is_new;      /* nobody has used it before: no record can be there already */
	uint64_t connections; /* 1 keeps the input's order */
	uint64_t retry_s;     /* how long one batch is tried after its first failure */
	bool wait_for_server; /* be as patient before the first answer */
	const char *lock;     /* a header field that asks for one; NULL: none */
	bool receipts;        /* ask for and write one receipt a record */
	int receipts_fd;
};

struct sender_result {
	uint64_t sent;       /* records of the input: stored + duplicates + failed */
	uint64_t stored;     /* by this run, each durable and acknowledged */
	uint64_t duplicates; /* the server had them already under the same key */
	uint64_t failed;     /* refused, or of unknown fate when the server went away; and
			      * the line that is no record
			      */
	uint64_t bad_line;   /* number of the line that is no record; 0: none */
	uint64_t bytes;      /* of input, acknowledged */
	uint64_t retries;
	bool any;             /* first and last are meaningful */
	uint64_t first, last; /* lowest and highest index answered */
	uint64_t offset;      /* all input before it is acknowledged: where to resume */
	double seconds;
	struct buf why; /* empty, or why it stopped: one sentence */
};

/*
 * Runs until the input ends or something stops it; what was in flight is
 * always waited for. r is initialised here, its why is the caller's to fini.
 * CLI_DONE, or the exit code that goes with r->why.
 */
int sender_run(struct cli *cli, const struct sender_options *o, struct cutter *cutter,
	       struct sender_result *r);

#endif
