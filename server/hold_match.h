/*
 * Whether a hold by filter covers a record: it matches, or it cannot be told. The mapping says how
 * producers' events are read (server/mapping.h): a hold is of one in each log, whose digest its
 * first entry there names, whatever schemas came later.
 */
#ifndef STELE_SERVER_HOLD_MATCH_H
#define STELE_SERVER_HOLD_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"
#include "server/hold.h"

struct filter_aliases;
struct mapping;
struct record;

/*
 * Whether the text is a filter: STELE_ESYNTAX, STELE_ELIMIT with why, STELE_ENOMEM. With aliases it
 * may use some, and `expanded`, unless it is NULL, gets its canonical text with their values;
 * without, it may use none.
 */
int hold_filter_check(struct slice text, const struct filter_aliases *aliases, struct buf *expanded,
		      struct buf *why);

enum hold_verdict { HOLD_NOT, HOLD_MATCHED, HOLD_UNPARSED };

/* A hold's filter made ready. One thread uses it at a time. */
struct hold_matcher;

/*
 * Of a hold's filter, by that mapping: the hold may go, the mapping must stay. STELE_ESYNTAX,
 * STELE_ELIMIT when its filter is none here; STELE_ENOMEM.
 */
int hold_matcher_new(struct hold_matcher **out, const struct mapping *m, const struct hold *h);
void hold_matcher_free(struct hold_matcher *m);

/* Decides about one record. A payload in a file of its own is not looked into. STELE_ENOMEM. */
int hold_matcher_run(struct hold_matcher *m, const struct record *r, enum hold_verdict *out);

#endif
