/*
 * What the parts of verify/logcheck.c share: one log of a bundle under way.
 */
#ifndef STELE_VERIFY_LOGWORK_H
#define STELE_VERIFY_LOGWORK_H

#include "verify/bundlework.h"
#include "verify/logrange.h"
#include "verify/recordline.h"
#include "verify/runtree.h"

/* A control entry, as far as the order of all entries needs it. */
struct control_seen {
	uint64_t index, ctl;
	int64_t time_ns;
	uint8_t leaf[SHA256_BYTES], prev[SHA256_BYTES];
};

struct logcheck {
	struct bundle_work *w;
	struct archive_log *files;
	struct bundle_log *log;
	const struct bundledoc_log *doc;
	struct findings *f;
	struct sha256 *h;
	struct rules *rules;
	struct record_line line;
	char path[PARTS][FINDING_PATH_BYTES]; /* of each file, once it was named */
	struct control_seen *controls;
	size_t n_controls, next_control; /* next: in the order of all */
	size_t next_older;
	/* the entry before, in that order */
	bool has_before;
	uint64_t before, nearest; /* nearest: control entry */
	int64_t before_ns;
	uint8_t before_leaf[SHA256_BYTES];
	/* records */
	struct stream *proofs;
	struct runtree tree;
	struct logrange range;
	size_t next_payload; /* file */
	uint64_t records, payloads, purged, withheld, bytes;
	bool lost;    /* lines of runs and runs of records do not go together */
	bool stopped; /* a line could not be read: no more of this log's can */
};

/* Nothing can be said: memory is out, or the file cannot be read. */
void logwork_stop(struct logcheck *c, int err);

/* A place in one of the log's files. */
struct place logwork_at(struct logcheck *c, enum part part, uint64_t line, uint64_t index);

/* The next line; 0 at the end or when it can go on no further, which is said. */
int logwork_next_line(struct logcheck *c, enum part part, struct stream *s, struct slice *line);

/* A line is not what it has to be: what, or STELE_ENOMEM. Nothing more of the log can be read. */
void logwork_bad_line(struct logcheck *c, enum part part, uint64_t line, int err, const char *what);

/* The entry in c->line is of this log, and below its size; else it is as for a bad line. */
bool logwork_check_place(struct logcheck *c, enum part part, uint64_t line);

/* The payload of the entry in c->line has this commitment and size. */
void logwork_check_commitment(struct logcheck *c, const struct place *where,
			      const uint8_t commitment[32], uint64_t size);

/* What verify/rules.h found. */
void logwork_check_rules(struct logcheck *c, const struct place *where, int err, struct buf *why);

/*
 * All entries in ascending order: the one in c->line, with its hash, after all control entries
 * before it; the control entries below an index.
 */
void logwork_visit_line(struct logcheck *c, const struct place *where, const uint8_t leaf[32]);
void logwork_visit_controls(struct logcheck *c, uint64_t below);

/* verify/logcontrols.c: reads controls.ndjson, into c->controls and c->rules. */
void logcontrols_read(struct logcheck *c);

/* verify/loggrowth.c: the first `size` entries are in the tree of c's run. */
void loggrowth_entry(struct logcheck *c, uint64_t size);
/* Reads consistency.ndjson; then what no line of it has shown is judged. */
void loggrowth_read(struct logcheck *c);
void loggrowth_check(struct logcheck *c);

#endif
