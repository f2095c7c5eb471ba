/*
 * Lines of a log's files in an evidence bundle (docs/formats.md section 10): of records.ndjson,
 * controls.ndjson, proofs.ndjson and consistency.ndjson. Shape only.
 */
#ifndef STELE_VERIFY_RECORDLINE_H
#define STELE_VERIFY_RECORDLINE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/entry.h"
#include "proto/slice.h"

enum { BUNDLE_INLINE_BYTES = 65536 }; /* a longer payload is a file */

enum record_has {
	RECORD_PAYLOAD,
	RECORD_FILE, /* its payload is files/INDEX.bin */
	RECORD_PURGED,
	RECORD_WITHHELD,
};

enum withheld {
	WITHHELD_NOT_REQUESTED,
	WITHHELD_NOT_PERMITTED,
	WITHHELD_RESTRICTED,
	WITHHELD_UNREADABLE
};

struct record_line {
	struct slice text; /* of the entry */
	struct entry e;
	enum record_has has;
	uint8_t salt[16];
	struct slice payload; /* RECORD_PAYLOAD */
	uint64_t purged;      /* RECORD_PURGED: by the entry of that index */
	enum withheld withheld;
	size_t n_proof;
	uint8_t proof[64][32]; /* of a control entry, or a tip */
	struct buf entry_room, payload_room;
	char scratch[LIMIT_ENTRY_BYTES];
};

/* An empty one, to be read into again and again. */
void record_line_init(struct record_line *r);
void record_line_fini(struct record_line *r);

/*
 * Reads a line of records.ndjson, controls.ndjson; the tip of proofs.ndjson. All point into the
 * line or r. STELE_ESYNTAX, with a phrase in *what; STELE_ENOMEM.
 */
int record_line_read(struct record_line *r, struct slice line, const char **what);
int record_line_control(struct record_line *r, struct slice line, const char **what);
int record_line_tip(struct record_line *r, struct slice line, const char **what);

/* A run: its ends, and the roots on both sides of it. */
struct run_line {
	uint64_t first, last;
	size_t n_left, n_right;
	uint8_t left[64][32], right[64][32];
};

/* Reads a line of proofs.ndjson that is of a run. Errors as above. */
int run_line_read(struct run_line *r, struct slice line, const char **what);

struct growth_line {
	uint64_t from;
	size_t n;
	uint8_t proof[64][32];
};

/* How a log hangs on a checkpoint that was timestamped. */
struct head_line {
	struct slice log;
	bool covered, has_record; /* not covered: there is nothing but the log */
	uint64_t size, record;
	size_t n;
	uint8_t proof[64][32];
	struct buf room; /* of the log's name; the caller inits and finis it */
};

/* Reads a line of timestamps/SIZE.ndjson that is no receipt. Errors as above. */
int head_line_read(struct head_line *h, struct slice line, const char **what);

/* Reads a line of consistency.ndjson. Errors as above. */
int growth_line_read(struct growth_line *g, struct slice line, const char **what);

#endif
