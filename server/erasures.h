/*
 * All requests of erasure there are, as the acts erasure.request and erasure.end of `_system` made
 * them: a part of server/access.h, folded and kept in its snapshot with the rest. As long as one is
 * open its records are restricted: who may not hold the log reads no payload of them.
 */
#ifndef STELE_SERVER_ERASURES_H
#define STELE_SERVER_ERASURES_H

#include <stdatomic.h>

#include "server/access.h"
#include "server/erasure.h"

/* In order of their logs, and there of their ids; those of access are under its lock. */
struct erasures {
	struct erasure **e;
	size_t n, cap;
	size_t ranges;       /* of all that are open */
	_Atomic size_t open; /* how many have not ended */
};

/* --- asking: any thread ---------------------------------------------------------------------- */

/* Whether an open one is about the record, and which, with its NUL. When there is none at all
 * nothing is locked. */
bool access_restricts(struct access *a, const char *log, uint64_t index,
		      char id[CONTROL_HOLD_ID_CHARS + 1]);

/* Whether an open one that was requested after that instant is about some of those records. */
bool access_restricts_some(struct access *a, const char *log, const struct ranges *records,
			   int64_t after_ns);

/* How many have not ended. */
size_t access_open_erasures(struct access *a);

/* A copy of the one of that log and id, for erasure_free: STELE_ENOTFOUND, STELE_ENOMEM. */
int access_erasure(struct access *a, struct slice log, struct slice id, struct erasure **out);

/* A copy of the first one that comes after that id in that log, or in a later log; likewise. */
int access_next_erasure(struct access *a, struct slice log, struct slice id, struct erasure **out);

/* --- acting: one thread at a time --------------------------------------------------------------
 */

/* A new id that no erasure has: "e-…", with its NUL. */
void access_new_erasure_id(struct access *a, char id[CONTROL_HOLD_ID_CHARS + 1]);

/* --- for the access_*.c --------------------------------------------------------------------------
 */

struct fold;

/* The acts. */
int fold_erasure_request(const struct fold *f, const json_t *act);
int fold_erasure_end(const struct fold *f, const json_t *act);

/* Frees all. Appends them as a member of the snapshot; reads them. */
void access_forget_erasures(struct access *a);
void access_encode_erasures(const struct access *a, struct buf *out);
int access_decode_erasures(struct access *a, const json_t *root);

#endif
