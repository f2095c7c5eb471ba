/*
 * Which logs have grown since their heads were last recorded: so that a witness or a timestamp
 * that covers `_system` covers every log.
 */
#ifndef STELE_SERVER_AUDIT_HEADS_H
#define STELE_SERVER_AUDIT_HEADS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"

struct log;
struct store;

enum { AUDIT_HEADS = 2000 }; /* in one record: some 260 KB */

/* Zeroed at first. */
struct audit_heads {
	uint64_t *sizes; /* by log id: as recorded; 0: not yet */
	size_t n;
};

/* Frees what it holds; zeroed again. */
void audit_heads_fini(struct audit_heads *h);

/* All are new again: what was taken could not be recorded. */
void audit_heads_forget(struct audit_heads *h);

/*
 * Appends {"type":"heads",…} of up to AUDIT_HEADS logs but `except` that have changed, and takes
 * them for recorded; nothing when none has. STELE_ENOMEM.
 */
int audit_heads_next(struct audit_heads *h, struct store *st, const struct log *except,
		     struct buf *out);

#endif
