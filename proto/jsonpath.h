/*
 * Where a value lies in a payload: member names with dots between them, as in
 * user.username. Arrays are passed through: every element counts. So are
 * members that are there twice. A name of other characters than a word's stands
 * in quotes: annotations."authorization.k8s.io/decision".
 */
#ifndef STELE_PROTO_JSONPATH_H
#define STELE_PROTO_JSONPATH_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/slice.h"
#include "proto/texterror.h"

struct jsonpath {
	const struct slice *steps; /* member names, unescaped */
	size_t n;                  /* 1..LIMIT_PATH_STEPS */
};

/*
 * Reads the path at text[*at], which moves behind it; *quoted (unless NULL) says
 * whether its first step stood in quotes. Unquoted steps are of letters, digits,
 * _ - @ $ # / and anything beyond ASCII; not of digits alone (no element of an
 * array is chosen by its number), and the first one begins with no -. The path
 * is the arena's. STELE_ESYNTAX and *err when none is there; STELE_ELIMIT and
 * *err with more than LIMIT_PATH_STEPS steps; STELE_ENOMEM.
 */
int jsonpath_read(struct jsonpath *path, bool *quoted, struct arena *a, struct slice text,
		  size_t *at, struct text_error *err);

/* Appends the path, names in quotes where they need them; AND, OR and NOT do. */
void jsonpath_write(struct buf *out, const struct jsonpath *path);

/* True when both have the same steps. */
bool jsonpath_equal(const struct jsonpath *a, const struct jsonpath *b);

/* True for AND, OR and NOT, which are no names. */
bool jsonpath_is_keyword(struct slice word);

#endif
