/*
 * Reads one compact JSON document whose members are known and come in a known order, as the lines
 * of evidence bundles do (docs/formats.md section 10): no white space, no member too many. In one
 * go and without a tree: the caller says what comes next. Errors stick: callers read in straight
 * lines and check once, with jsonline_end. After one every read gives nothing.
 */
#ifndef STELE_PROTO_JSONLINE_H
#define STELE_PROTO_JSONLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/buf.h"
#include "proto/slice.h"

struct jsonline {
	const uint8_t *p, *end; /* what was not read yet */
	int err;                /* 0, STELE_ESYNTAX or STELE_ENOMEM */
	const char *what;       /* a phrase that says what is wrong, when err is STELE_ESYNTAX */
};

/* A reader of a line without its newline, which must outlive it and what it gives. */
void jsonline_init(struct jsonline *j, struct slice line);

/* Whether these bytes come next; then they are taken. Inline: most are constants, of known length.
 */
static inline bool
jsonline_have(struct jsonline *j, const char *bytes)
{
	size_t n = strlen(bytes);

	if (j->err || (size_t)(j->end - j->p) < n || memcmp(j->p, bytes, n) != 0)
		return false;
	j->p += n;
	return true;
}

/* The caller found something wrong: a phrase, static. */
void jsonline_fail(struct jsonline *j, const char *what);

/* These very bytes come next: names of members, punctuation. */
static inline void
jsonline_expect(struct jsonline *j, const char *bytes)
{
	if (!jsonline_have(j, bytes))
		jsonline_fail(j, "a member is missing, unknown or out of its order, or there is "
				 "white space");
}

/*
 * A string. Without escapes it is where it lies, else in *room, whose contents it replaces: UTF-8,
 * no lone surrogates (STELE_ESYNTAX).
 */
struct slice jsonline_string(struct jsonline *j, struct buf *room);

/* A string that is the base64 of exactly n bytes; zeroes after an error. */
void jsonline_base64(struct jsonline *j, void *out, size_t n);

/* An integer below 2^53, as it is spelled once. */
uint64_t jsonline_integer(struct jsonline *j);

/* A list of at most cap hashes in base64; how many. */
size_t jsonline_hashes(struct jsonline *j, uint8_t (*out)[32], size_t cap);

/*
 * A value of any kind, as its bytes: compact, valid JSON. That no member of it is there twice is
 * left to the caller.
 */
struct slice jsonline_value(struct jsonline *j);

/* 0 when everything was read and nothing is left; else the error. */
int jsonline_end(struct jsonline *j);

#endif
