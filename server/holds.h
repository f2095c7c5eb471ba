/*
 * All legal holds there are, as the acts hold.place and hold.release of `_system` made them: a part
 * of server/access.h, folded and kept in its snapshot with the rest.
 */
#ifndef STELE_SERVER_HOLDS_H
#define STELE_SERVER_HOLDS_H

#include "server/access.h"
#include "server/hold.h"

/* In order of their ids; those of access are under its lock. */
struct holds {
	struct hold **h;
	size_t n, cap;
	size_t placed; /* that are not released */
};

/* --- asking: any thread ---------------------------------------------------------------------- */

/*
 * Calls fn for every hold whose id comes after `after`, in order, until it is not 0, which is
 * returned. Nothing of a hold is valid afterwards; fn must not act.
 */
int access_each_hold(struct access *a, struct slice after,
		     int (*fn)(void *ctx, const struct hold *h), void *ctx);

/* Calls fn for the hold of that id and returns what it does: STELE_ENOTFOUND when there is none. */
int access_hold(struct access *a, struct slice id, int (*fn)(void *ctx, const struct hold *h),
		void *ctx);

/* How many there are that are not released; and released ones. */
void access_count_holds(struct access *a, uint64_t *placed, uint64_t *released);

/*
 * A digest of a hold's filter under the key of the tokens' hashes: it tells whether two texts are
 * the same, to this server alone.
 */
void access_filter_digest(struct access *a, struct slice filter, uint8_t out[KDIGEST_BYTES]);

/* --- acting: one thread at a time --------------------------------------------------------------
 */

/* A new id that no hold has: "h-…", with its NUL. */
void access_new_hold_id(struct access *a, char id[CONTROL_HOLD_ID_CHARS + 1]);

/* The hold of that id, or NULL; as long as nothing else acts. */
const struct hold *access_find_hold(const struct access *a, struct slice id);

/* --- for the access_*.c --------------------------------------------------------------------------
 */

struct fold;

/* The acts. */
int fold_hold_place(const struct fold *f, const json_t *act);
int fold_hold_release(const struct fold *f, const json_t *act);

/* Frees all. Appends them as a member of the snapshot; reads them. */
void access_forget_holds(struct access *a);
void access_encode_holds(const struct access *a, struct buf *out);
int access_decode_holds(struct access *a, const json_t *root);

#endif
