/*
 * Schemas: which producers' events look how. A schema is a JSON document, not
 * code: ours are proto/schemas/NAME.json, a user's are read by the same function.
 *
 *   {"name": "kubernetes-audit",
 *    "when": "auditID:* AND stage:*",        a filter over paths: what must be there
 *    "nothing": ["-"],                       texts that stand for no value
 *    "fields": {
 *      "time": ["stageTimestamp", {"path": "ts", "unit": "ms"}],
 *      "actor": [["user.username", "impersonatedUser.username"], "user.uid"],
 *      "outcome": [{"path": "responseStatus.code", "map": {"2*": "success", "*": "failure"}},
 *                  {"value": "success"}]}}
 *
 * A field's alternatives are tried in order; the first that gives a value is
 * all of it. An alternative is a place, or an array of places that count
 * together. A place is a path; with "map" only texts that a pattern fits are
 * values (the first one decides, a trailing * is a prefix); {"value": text} is
 * always there. docs/queries.md tells people how to write one.
 */
#ifndef STELE_PROTO_SCHEMA_H
#define STELE_PROTO_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/field.h"
#include "proto/filter.h"
#include "proto/instant.h"
#include "proto/jsonpath.h"
#include "proto/slice.h"

/* One line of a map: texts that it fits become value. */
struct schema_map {
	struct slice pattern; /* without its * */
	bool prefix;
	struct slice value;
};

/* A place that a field's values come from. */
struct schema_place {
	struct jsonpath path; /* n is 0 for a constant */
	struct slice constant;
	enum instant_unit unit; /* of FIELD_TIME's numbers */
	const struct schema_map *map;
	size_t n_map; /* 0: values are as they are */
	bool joined;  /* counts together with the place before it */
};

struct schema_field {
	const struct schema_place *places; /* in order; joined ones form an alternative */
	size_t n;                          /* 0: this producer has no such field */
};

struct schema {
	struct slice name;  /* [a-z0-9][a-z0-9._-]{0,62} */
	struct filter when; /* over paths only */
	const struct slice *nothing;
	size_t n_nothing;
	struct schema_field fields[FIELD_COUNT]; /* none for receive time and writer */
};

/* Schemas in the order in which they are tried: the first that fits is the record's. */
struct schema_set {
	const struct schema *items;
	size_t n; /* 0..LIMIT_SCHEMAS */
};

/*
 * Reads a schema; everything is the arena's. STELE_ESYNTAX when the document is
 * none, STELE_ELIMIT when it is beyond LIMIT_SCHEMA_BYTES or LIMIT_SCHEMA_PLACES:
 * why gets one sentence that says which member and what to do. STELE_ENOMEM.
 */
int schema_read(struct schema *s, struct arena *a, struct slice json, struct buf *why);

/*
 * Appends the canonical JSON of a schema, whose SHA-256 is its version: members
 * in fixed order, no spaces, paths and filters as they are printed. Reading it
 * gives the same schema, and that one's bytes are the same.
 */
void schema_write(struct buf *out, const struct schema *s);

/*
 * The schemas that come with stele, in order, read into the arena. STELE_ENOMEM;
 * that they are valid is the tests' to see.
 */
int schema_builtin(struct schema_set *set, struct arena *a);

/* The position of a schema in the set by its name; -1 when there is none. */
int schema_find(const struct schema_set *set, struct slice name);

#endif
