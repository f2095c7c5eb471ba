/*
 * JSON events at speed: full validation, NDJSON, arrays, a few members.
 *
 * Valid means RFC 8259 and no more: exactly one value of any type with white
 * space around it, UTF-8 without a byte order mark (RFC 3629: no overlong
 * forms, no surrogates, nothing beyond U+10FFFF), numbers of any size, member
 * names that may repeat. Two things are stricter than its grammar: containers
 * nest at most LIMIT_JSON_DEPTH deep, and an escaped surrogate must be half of
 * a pair, since alone it is no character and parsers disagree about it.
 *
 * Nothing here reads beyond the end of what it is given, and every slice it
 * gives back lies in what it was given, except where an arena is named. Every
 * function gives STELE_EINVAL for 4 GiB and more: bodies are far below.
 */
#ifndef STELE_PROTO_JSON_H
#define STELE_PROTO_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/arena.h"
#include "proto/slice.h"

/*
 * Reused working memory: up to four bytes for each byte of the largest document
 * seen. One thread uses it at a time.
 */
struct json_scanner;

/* Where and why a document was refused. */
struct json_error {
	uint64_t line;       /* the line that holds offset; the first is 1 */
	uint64_t offset;     /* bytes from the start of the document or body */
	const char *message; /* a lower-case English phrase, static */
};

/* A scanner, freed by json_scanner_free; NULL when memory is out. */
struct json_scanner *json_scanner_new(void);

/* Frees js; NULL is fine. */
void json_scanner_free(struct json_scanner *js);

/*
 * Validates one document. 0; STELE_ESYNTAX when it is not valid; STELE_ELIMIT
 * when it nests too deep; STELE_ENOMEM. With the first two *err says where and
 * why; err may be NULL.
 */
int json_validate(struct json_scanner *js, struct slice doc, struct json_error *err);

/*
 * Splits NDJSON into its records: lines end at LF (the last may lack it), one CR
 * before it is not part of the record, lines with nothing but white space are
 * skipped, and every other line is exactly one valid value. Sets *n (0 when all
 * are blank) and lines[0..*n). STELE_ESYNTAX for the first line that is not
 * valid; STELE_ELIMIT for the first that is longer than LIMIT_RECORD_BYTES,
 * nests too deep, or is the (cap + 1)th; STELE_ENOMEM. On failure lines[] holds
 * nothing of use; err as for json_validate.
 */
int json_ndjson_split(struct json_scanner *js, struct slice body, struct slice *lines, size_t cap,
		      size_t *n, struct json_error *err);

/*
 * Validates a document that is an array and sets *n and elements[0..*n) to its
 * elements' bytes, without the white space around them. STELE_ESYNTAX when it is
 * not valid or no array; STELE_ELIMIT when it nests too deep or has more than
 * cap elements; STELE_ENOMEM. On failure elements[] holds nothing of use; err as
 * for json_validate.
 */
int json_array_split(struct json_scanner *js, struct slice doc, struct slice *elements, size_t cap,
		     size_t *n, struct json_error *err);

/*
 * Picks string members of a document that is an object: for each of the n_names
 * names that it has at its top level, present[i] is true and values[i] is its
 * value, unescaped, in the arena (NUL-terminated, which values[i].n does not
 * count). Names are compared after unescaping. STELE_ESYNTAX when the document
 * is not a valid object, or a picked member is no string or is there twice;
 * STELE_ELIMIT when it nests too deep; STELE_ENOMEM. On failure values[] and
 * present[] hold nothing of use.
 */
int json_pick(struct json_scanner *js, struct slice doc, const char *const *names, size_t n_names,
	      struct arena *a, struct slice *values, bool *present);

#endif
