/*
 * Whether a hold by filter covers a record: it matches, or it cannot be told. The mapping says how
 * producers' events are read; a hold is of one mapping, which its digest names.
 */
#ifndef STELE_SERVER_HOLD_MATCH_H
#define STELE_SERVER_HOLD_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"
#include "server/hold.h"

struct record;
struct schema_set;

/* The server's own mapping. */
struct hold_mapping;

/* NULL without memory; NULL may be freed. */
struct hold_mapping *hold_mapping_new(void);
void hold_mapping_free(struct hold_mapping *m);

/* Of a mapping: SHA-256 of its schemas' canonical JSON, a newline behind each. 32 bytes, its own.
 */
const uint8_t *hold_mapping_digest(const struct hold_mapping *m);

/* Its schemas, in the order in which they are tried; the mapping's. */
const struct schema_set *hold_mapping_set(const struct hold_mapping *m);

/* Whether the text is a filter: STELE_ESYNTAX, STELE_ELIMIT with why, STELE_ENOMEM. */
int hold_filter_check(struct slice text, struct buf *why);

enum hold_verdict { HOLD_NOT, HOLD_MATCHED, HOLD_UNPARSED };

/* A hold's filter made ready. One thread uses it at a time. */
struct hold_matcher;

/*
 * Of a hold by filter, of that mapping: the hold may go, the mapping must stay. STELE_ECONFLICT
 * when the hold is of another mapping; STELE_ESYNTAX, STELE_ELIMIT when its filter is none here;
 * STELE_ENOMEM.
 */
int hold_matcher_new(struct hold_matcher **out, const struct hold_mapping *m, const struct hold *h);
void hold_matcher_free(struct hold_matcher *m);

/* Decides about one record. A payload in a file of its own is not looked into. STELE_ENOMEM. */
int hold_matcher_run(struct hold_matcher *m, const struct record *r, enum hold_verdict *out);

#endif
