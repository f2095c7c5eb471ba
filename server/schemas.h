/*
 * All schemas there are and were, as the acts schema.builtin, schema.add, schema.retire, log.schema
 * and log.create of `_system` made them: a part of server/access.h, folded and kept in its snapshot
 * with the rest. What of it reads payloads is in server/mapping.h.
 *
 * A version of a schema is known by its digest for ever. Of a name one version is in force, or none
 * since it was retired. Schemas that were added are tried before those that come with stele, in the
 * order in which their names came; one that has the name of such a schema is in its stead.
 */
#ifndef STELE_SERVER_SCHEMAS_H
#define STELE_SERVER_SCHEMAS_H

#include <jansson.h>

#include "proto/arena.h"
#include "proto/limits.h"
#include "server/access.h"
#include "server/mapping.h"

struct schema_version {
	struct arena arena; /* schema's */
	struct schema schema;
	struct slice text; /* canonical JSON */
	uint8_t digest[MAPPING_DIGEST_BYTES];
	int64_t added_ns;
	char by[LIMIT_WRITER_BYTES + 1]; /* who added it: a principal's id, or AUDIT_WRITER */
	const struct mapping *chosen;    /* of logs that chose it */
};

/* One name. */
struct schema_name {
	struct slice name;
	const struct schema_version *now; /* the version in force; when retired, the last one */
	bool added;                       /* by somebody, or retired; else as it comes with stele */
	int64_t retired_ns;               /* 0: it is not */
};

/* In the order in which they are tried. */
struct schema_names {
	struct schema_name *of;
	size_t n;
};

struct log_schema {
	char log[LIMIT_LOG_NAME_BYTES + 1];
	char schema[LIMIT_LOG_NAME_BYTES + 1];
};

/* Those of access are under its lock. All zeros: none. */
struct schemas {
	struct schema_version **v; /* in the order in which they came */
	size_t n, cap, text_bytes;
	struct schema_names names;
	struct mapping **m; /* in order of their numbers */
	size_t n_m, cap_m;
	const struct mapping *now;
	struct log_schema *logs; /* those that chose one, in order of their names */
	size_t n_logs, cap_logs;
};

/* --- asking: any thread ---------------------------------------------------------------------- */

/* Appends all names as rows of a JSON array, in order. */
void access_put_schemas(struct access *a, struct buf *out);

/*
 * Appends one, with its document and all its versions, as a JSON object: in the version of that
 * digest in hex, or, when that is empty, in the last one. STELE_ENOTFOUND.
 */
int access_put_schema(struct access *a, struct slice name, struct slice version, struct buf *out);

/* The digest, in hex, of the version of that name in force: false when there is none. */
bool access_schema_version(struct access *a, struct slice name, char hex[65]);

/* The name of the schema that was chosen for a log, with its NUL: false when none was. */
bool access_log_schema(struct access *a, struct slice log, char name[LIMIT_LOG_NAME_BYTES + 1]);

/* --- for the access_*.c ------------------------------------------------------------------------
 */

struct fold;

/* schemas_fold.c: the acts. */
int fold_schema_builtin(const struct fold *f, const json_t *act);
int fold_schema_add(const struct fold *f, const json_t *act);
int fold_schema_retire(const struct fold *f, const json_t *act);
int fold_log_schema(const struct fold *f, const json_t *act);
int fold_log_create(const struct fold *f, const json_t *act);

/*
 * The act schema.builtin that says which schemas come with this program, when `_system` does not
 * say so already: the caller's, NULL in *out otherwise. STELE_ENOMEM.
 */
int schemas_builtin_act(struct access *a, json_t **out);

/* schemas_state.c: frees all. Appends them as a member of the snapshot; reads them. */
void access_forget_schemas(struct access *a);
void access_encode_schemas(const struct access *a, struct buf *out);
int access_decode_schemas(struct access *a, const json_t *root);

/* --- what schemas_*.c share: no lock is taken ----------------------------------------------------
 */

/*
 * A version of this text, read anew and its own: STELE_ESYNTAX, STELE_ELIMIT with why,
 * STELE_ENOMEM. And freed, unless it was taken in; NULL is fine.
 */
int schema_version_new(struct schema_version **out, struct slice text, struct buf *why);
void schema_version_free(struct schema_version *v);

/* The version of that digest, and the place of that name: NULL, and names->n, when there is none.
 */
const struct schema_version *schemas_version(const struct schemas *s, const uint8_t digest[32]);
size_t schemas_place(const struct schema_names *names, struct slice name);

/* Takes a version in, with its mapping: STELE_ENOMEM, and it stays the caller's. */
int schemas_take(struct schemas *s, struct schema_version *v);

/* The mapping of all names in force, found or made: STELE_ENOMEM. */
int schemas_map(struct schemas *s, const struct schema_names *names, const struct mapping **out);

/* Where a log is among those that chose, or would be. */
size_t schemas_log(const struct schemas *s, struct slice log, bool *found);

/* Makes the choice, or with an empty name takes it back: STELE_ENOMEM. */
int schemas_choose(struct schemas *s, struct slice log, struct slice schema);

#endif
