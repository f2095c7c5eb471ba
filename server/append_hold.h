/*
 * Stele-Legal-Hold: ID[,ID] on an append: its records are under these holds from their commit on.
 * The holds' entries, and the record of it in `_system`, lie in that commit.
 */
#ifndef STELE_SERVER_APPEND_HOLD_H
#define STELE_SERVER_APPEND_HOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/control.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "server/problem.h"

struct kit;
struct request;

struct append_hold {
	size_t n; /* 0: there is no such header */
	char ids[LIMIT_HOLD_HEADER_IDS][CONTROL_HOLD_ID_CHARS + 1];
	enum problem problem; /* why it was not done; PROBLEM_NONE: an error of the job */
	const char *detail;   /* static */
};

/* Whether a header field is this one. */
bool append_hold_is(struct slice name);

/*
 * Reads r's field, when there is one. False: it is none, or the token has not the scope hold on the
 * log; answered.
 */
bool append_hold_read(struct request *r, struct append_hold *h);

/*
 * append_held.c, on a worker: writes r->job with the entries of its holds; or these alone, when all
 * its records are there already. r->job.err tells, and h->problem. Blocks for a commit.
 */
void append_hold_write(struct request *r, struct append_hold *h, struct kit *kit);

#endif
