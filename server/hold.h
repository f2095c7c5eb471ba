/*
 * A legal hold: what an act of `_system` says of it when it is placed (docs/formats.md section 8).
 * What it covers in each log, the log's own control entries say (storage/locks.h).
 */
#ifndef STELE_SERVER_HOLD_H
#define STELE_SERVER_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "crypto/kdigest.h"
#include "proto/buf.h"
#include "proto/control.h"
#include "proto/limits.h"
#include "proto/slice.h"

enum hold_kind {
	HOLD_WHOLE,  /* every record of its logs */
	HOLD_SET,    /* some records of one log: a range with an end, too */
	HOLD_RANGE,  /* one log from some record on */
	HOLD_FILTER, /* what matches, by event time too, and what cannot be told */
};

struct hold {
	char id[CONTROL_HOLD_ID_CHARS + 1];
	enum hold_kind kind;
	bool open_ended; /* later records and later logs, too */
	const char *matter, *name;
	const char *logs;                                  /* patterns, a space between two */
	const char *filter;                                /* "" when there is none */
	int64_t from_ns;                                   /* event time, 0: from the beginning */
	int64_t to_ns;                                     /* not with it; 0: without an end */
	uint8_t filter_digest[KDIGEST_BYTES], mapping[32]; /* of HOLD_FILTER */
	uint64_t first;                                    /* of HOLD_RANGE */
	struct control_range *set;                         /* of HOLD_SET */
	size_t n_set;
	const char *said; /* all of that, as the act has it: compact JSON */

	int64_t placed_ns, released_ns; /* 0: it is not released */
	const char *by;                 /* who placed it: a principal's id */
	char released_by[LIMIT_WRITER_BYTES + 1];
	char *release_reason; /* NULL: it is not released */
	char text[];          /* what the strings are in */
};

/*
 * Reads the member "hold" of a hold.place, by that principal: the caller's, for hold_free.
 * STELE_ESYNTAX with one sentence in why, which says what member is wrong and what it takes;
 * STELE_ENOMEM. A member that it does not know is refused.
 */
int hold_read(struct hold **out, const json_t *o, struct slice by, struct buf *why);

/* NULL is fine. */
void hold_free(struct hold *h);

/* Whether one of its patterns matches the log's name; "*" alone matches none that begin with _. */
bool hold_matches(const struct hold *h, struct slice log);

/* Appends its members without braces, as the API shows them. */
void hold_put(struct buf *b, const struct hold *h);

/* Appends it as the snapshot keeps it, an object; and back: STELE_EDAMAGED, STELE_ENOMEM. */
void hold_encode(struct buf *b, const struct hold *h);
int hold_decode(struct hold **out, const json_t *o);

#endif
