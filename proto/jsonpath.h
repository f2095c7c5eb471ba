/*
 * Where a value lies in a payload: member names with dots between them, as in
 * user.username. Arrays are passed through: every element counts. So are
 * members that are there twice. A name that has other characters than a word's
 * stands in quotes: annotations."authorization.k8s.io/decision".
 */
#ifndef STELE_PROTO_JSONPATH_H
#define STELE_PROTO_JSONPATH_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/slice.h"

struct jsonpath {
	const struct slice *steps; /* member names, unescaped */
	size_t n;                  /* 1..LIMIT_PATH_STEPS */
};

/* Why a text was refused. */
struct text_error {
	size_t offset;     /* bytes from its start */
	size_t column;     /* characters from its start; the first is 1 */
	char message[160]; /* what was expected: a lower-case English phrase */
};

/*
 * Reads the path at text[*at], which moves behind it; *quoted (unless NULL) says
 * whether its first step stood in quotes. The path is the arena's. STELE_ESYNTAX
 * and *err when none is there or a name is not UTF-8; STELE_ELIMIT and *err with
 * more than LIMIT_PATH_STEPS steps; STELE_ENOMEM.
 */
int jsonpath_read(struct jsonpath *path, bool *quoted, struct arena *a, struct slice text,
		  size_t *at, struct text_error *err);

/* Appends the path, names in quotes where they need them. */
void jsonpath_write(struct buf *out, const struct jsonpath *path);

/* True when both have the same steps. */
bool jsonpath_equal(const struct jsonpath *a, const struct jsonpath *b);

/*
 * Reads the quoted string at text[*at] ("..." or '...'), which moves behind it:
 * the escapes of JSON, and \' and \*. *star says whether it ends with a * that
 * is not escaped, which is then not part of *s; such a * elsewhere is refused.
 * star may be NULL: then * is a character like others. *s is the arena's, or in
 * text. Errors as for jsonpath_read.
 */
int quoted_read(struct slice *s, bool *star, struct arena *a, struct slice text, size_t *at,
		struct text_error *err);

/* Appends s as such a string: in double quotes, with *, quotes and controls escaped. */
void quoted_write(struct buf *out, struct slice s);

/* Fills *err for the byte at offset of text; returns code. */
int text_error_set(struct text_error *err, int code, struct slice text, size_t offset,
		   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
