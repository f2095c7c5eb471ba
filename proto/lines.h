/*
 * Text that is a row of lines, each ended by a newline: the shape of all C2SP
 * texts. Taking a line that is not there, or that is not what was asked for,
 * sticks: callers read in straight lines and check once with lines_err().
 */
#ifndef STELE_PROTO_LINES_H
#define STELE_PROTO_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

struct buf;

struct lines {
	struct slice rest; /* not yet read; empty once in error */
	int err;           /* 0 or STELE_ESYNTAX */
};

/* A reader over text, which must outlive it and the slices taken from it. */
void lines_init(struct lines *l, struct slice text);

/* The next line without its newline; empty after an error. */
struct slice lines_take(struct lines *l);

/* The next line, which must be this word, or begin with prefix: then what follows it. */
void lines_expect(struct lines *l, const char *word);
struct slice lines_take_after(struct lines *l, const char *prefix);

/* The next line, or what follows its prefix, as an integer up to LIMIT_INTEGER. */
uint64_t lines_take_integer(struct lines *l);
uint64_t lines_take_integer_after(struct lines *l, const char *prefix);

/* What follows the next line's prefix, as a time (proto/timestamp.h): ns since 1970. */
int64_t lines_take_time_after(struct lines *l, const char *prefix);

/* The next line, or what follows its prefix, as the base64 of 32 bytes; zeroes after an error. */
void lines_take_hash(struct lines *l, uint8_t hash[32]);
void lines_take_hash_after(struct lines *l, const char *prefix, uint8_t hash[32]);

/* Appends a line: the prefix, then 32 bytes as base64, or an integer. */
void lines_put_hash(struct buf *out, const char *prefix, const uint8_t hash[32]);
void lines_put_integer(struct buf *out, const char *prefix, uint64_t v);

/* Marks the reader as failed. */
void lines_fail(struct lines *l);

/* 0, or STELE_ESYNTAX once anything was not as asked. */
static inline int
lines_err(const struct lines *l)
{
	return l->err;
}

/* As lines_err, and STELE_ESYNTAX too when lines are left over. */
int lines_end(const struct lines *l);

#endif
