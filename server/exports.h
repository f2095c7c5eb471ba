/*
 * All exports there are, as the acts export.begin, .finish, .fail and .remove of `_system` made
 * them: a part of server/access.h, folded and kept in its snapshot with the rest. A `purge` removes
 * those that may hold something of what it takes, by itself.
 */
#ifndef STELE_SERVER_EXPORTS_H
#define STELE_SERVER_EXPORTS_H

#include "server/access.h"
#include "server/export.h"

/* In order of their ids; those of access are under its lock. */
struct exports {
	struct export **e;
	size_t n, cap;
	size_t live; /* begun or finished */
};

/* --- asking: any thread ---------------------------------------------------------------------- */

/* The one of that id, referenced for the caller: STELE_ENOTFOUND. */
int access_export(struct access *a, struct slice id, struct export **out);

/* The first one whose id comes after, likewise. */
int access_next_export(struct access *a, struct slice after, struct export **out);

/* How many are begun or finished, and the bytes of the finished ones' bundles. */
size_t access_live_exports(struct access *a, uint64_t *bytes);

/* --- acting: one thread at a time --------------------------------------------------------------
 */

/* A new id that no export has: "x-…", with its NUL. */
void access_new_export_id(struct access *a, char id[EXPORT_ID_CHARS + 1]);

/* --- for the access_*.c --------------------------------------------------------------------------
 */

struct fold;

/* The acts. */
int fold_export_begin(const struct fold *f, const json_t *act);
int fold_export_finish(const struct fold *f, const json_t *act);
int fold_export_fail(const struct fold *f, const json_t *act);
int fold_export_remove(const struct fold *f, const json_t *act);

/* A purge: of exports that are finished those go that may hold something of it. */
int fold_purge(const struct fold *f, const json_t *act);

/* Frees all. Appends them as a member of the snapshot; reads them. */
void access_forget_exports(struct access *a);
void access_encode_exports(const struct access *a, struct buf *out);
int access_decode_exports(struct access *a, const json_t *root);

#endif
