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

#include "proto/buf.h"
#include "proto/slice.h"

struct jsonline {
	const uint8_t *p, *end; /* what was not read yet */
	int err;                /* 0, STELE_ESYNTAX or STELE_ENOMEM */
	const char *what;       /* a phrase that says what is wrong, when err is STELE_ESYNTAX */
};

/* A reader of a line without its newline, which must outlive it and what it gives. */
void jsonline_init(struct jsonline *j, struct slice line);

/* These very bytes come next: names of members, punctuation. */
void jsonline_expect(struct jsonline *j, const char *bytes);

/* Whether these bytes come next; then they are taken. */
bool jsonline_have(struct jsonline *j, const char *bytes);

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

/* The caller found something wrong: a phrase, static. */
void jsonline_fail(struct jsonline *j, const char *what);

/* 0 when everything was read and nothing is left; else the error. */
int jsonline_end(struct jsonline *j);

#endif
