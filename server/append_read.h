/*
 * From a request's body to the items of an append job: decoding, splitting,
 * validation, identity. On a worker, or on the loop when the body is small.
 */
#ifndef STELE_SERVER_APPEND_READ_H
#define STELE_SERVER_APPEND_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/slice.h"
#include "server/append_hold.h"
#include "server/decode.h"
#include "server/problem.h"
#include "server/witnesses.h"
#include "server/wish.h"

struct kit;
struct request;

enum append_form {
	APPEND_ONE,          /* the body is the payload */
	APPEND_LINES,        /* application/x-ndjson */
	APPEND_EVENT,        /* a structured CloudEvent */
	APPEND_EVENT_BINARY, /* a CloudEvent in headers and body */
	APPEND_EVENTS,       /* a batch of CloudEvents */
};

/* What the head of an append says, and what became of its body. */
struct append {
	struct witness_wait wait; /* for a quorum, with --witness-require append */
	enum append_form form;
	enum coding coding;
	bool json;               /* the body's own type is JSON: it must be valid */
	bool batch;              /* answered in the batch's form */
	bool minimal;            /* Prefer: return=minimal */
	bool proofs;             /* ?proof=all */
	struct slice type;       /* of the body, normalised; empty: none was given */
	struct slice key;        /* Idempotency-Key; n 0: none */
	struct wish wish;        /* of its lock */
	struct append_hold hold; /* Stele-Legal-Hold */
	char type_text[LIMIT_MEDIA_TYPE_BYTES];

	/* why it was refused; PROBLEM_NONE: it was not */
	enum problem problem;
	const char *detail;    /* static */
	uint64_t line, offset; /* of the body, decoded; line 0: not said */
	uint64_t limit;        /* 0: not said */
};

/*
 * Reads the head's fields into *a. False when they are refused: answered.
 */
bool append_read_head(struct request *r, struct append *a);

/*
 * Fills r->job from the body and prepares it. On refusal a->problem says why,
 * and the job is not to be submitted.
 */
void append_read_body(struct request *r, struct append *a, struct kit *kit);

#endif
