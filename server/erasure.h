/*
 * A request to erase what is kept of somebody: the records that were found for it, as the act
 * erasure.request of `_system` says them (docs/formats.md section 8). By what they were found is
 * not kept: it is itself about that person.
 */
#ifndef STELE_SERVER_ERASURE_H
#define STELE_SERVER_ERASURE_H

#include <stdint.h>

#include <jansson.h>

#include "proto/buf.h"
#include "proto/control.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "storage/ranges.h"

struct erasure {
	char id[CONTROL_HOLD_ID_CHARS + 1]; /* "e-…" */
	const char *log, *matter;           /* matter: the case that it belongs to */
	const char *reason;                 /* "" when none was given */
	const char *by;                     /* who asked: a principal's id */
	int64_t requested_ns, ended_ns;     /* ended_ns 0: something of it is still there */
	uint64_t records;                   /* how many it is about */
	struct ranges set;                  /* which ones; empty once it has ended */
	char text[];                        /* what the strings are in */
};

/*
 * Reads the members of an erasure.request, by that principal: the caller's, for erasure_free.
 * STELE_ESYNTAX with one sentence in why; STELE_ENOMEM. Others than its members it leaves alone.
 */
int erasure_read(struct erasure **out, const json_t *act, struct slice by, struct buf *why);

/* NULL is fine. */
void erasure_free(struct erasure *e);

/* Another one with the same members: STELE_ENOMEM. */
int erasure_copy(struct erasure **out, const struct erasure *e);

/* Appends its members without braces: all but its ranges. */
void erasure_put(struct buf *b, const struct erasure *e);

/* Appends ,"ranges":[[F,L],…]. */
void erasure_put_ranges(struct buf *b, const struct erasure *e);

/* Appends it as the snapshot keeps it, an object; and back: STELE_EDAMAGED, STELE_ENOMEM. */
void erasure_encode(struct buf *b, const struct erasure *e);
int erasure_decode(struct erasure **out, const json_t *o);

#endif
