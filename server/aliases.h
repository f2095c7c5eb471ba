/*
 * Named sets of values of a matter, such as all that alice is called by: her SID, her ARN, her
 * mail. The acts alias.set and alias.remove of `_system` make them: a part of server/access.h,
 * folded and kept in its snapshot with the rest. A question that uses one is about its values at
 * that time.
 */
#ifndef STELE_SERVER_ALIASES_H
#define STELE_SERVER_ALIASES_H

#include <jansson.h>

#include "proto/arena.h"
#include "proto/filter.h"
#include "server/access.h"

struct alias;

/* In order of their matters, and there of their names; those of access are under its lock. */
struct aliases {
	struct alias **a;
	size_t n, cap, bytes;
};

/* --- asking: any thread ---------------------------------------------------------------------- */

/*
 * Whose aliases the token may see and use when it asks about this matter: whoever was invited for a
 * matter those of that one alone, whatever it asks, and the matter becomes that when it is empty;
 * of others who has the scope hold on some log. False: it may not.
 */
bool alias_matter(const struct token *token, struct slice *matter);

/* Appends those of a matter as a JSON array. */
void access_put_aliases(struct access *a, struct slice matter, struct buf *out);

/* Appends one as an object: STELE_ENOTFOUND. */
int access_put_alias(struct access *a, struct slice matter, struct slice name, struct buf *out);

/* What a filter may ask with: see filter_aliases. */
struct alias_use {
	struct access *access;
	struct arena *arena; /* values are copied there */
	struct slice matter;
	bool none; /* nothing is asked about a matter whose aliases one may see */
	bool used; /* result: at least one was */
	struct filter_aliases aliases;
};

/* Makes one ready; it must stay where it is. matter as alias_matter has it. */
void alias_use_init(struct alias_use *u, struct access *access, struct arena *arena,
		    struct slice matter, bool none);

/* --- for the access_*.c ------------------------------------------------------------------------
 */

struct fold;

/* The acts. */
int fold_alias_set(const struct fold *f, const json_t *act);
int fold_alias_remove(const struct fold *f, const json_t *act);

/* Frees all. Appends them as a member of the snapshot; reads them. */
void access_forget_aliases(struct access *a);
void access_encode_aliases(const struct access *a, struct buf *out);
int access_decode_aliases(struct access *a, const json_t *root);

#endif
