/*
 * Answers. A handler makes exactly one: reply_problem, reply_json_*, or
 * reply_begin, reply_header..., reply_body, appends to the buffer, reply_end.
 */
#ifndef STELE_SERVER_REPLY_H
#define STELE_SERVER_REPLY_H

#include <stdbool.h>

#include "proto/buf.h"
#include "proto/slice.h"
#include "server/problem.h"

struct request;

/* Starts an answer: status line and the fields that every answer has. */
void reply_begin(struct request *r, int status, const char *type);

/* One more header field; value must not hold CR or LF. */
void reply_header(struct request *r, const char *name, const char *value);
void reply_header_slice(struct request *r, const char *name, struct slice value);

/* Ends the header; the body is appended to the buffer that comes back. */
struct buf *reply_body(struct request *r);

/* The answer is complete: it goes out. */
void reply_end(struct request *r);

/*
 * Starts an answer, 200, of a length that nobody knows yet: its body comes in chunks (RFC 9112
 * section 7.1), and the connection ends with it. The answer to HEAD has none. False: answered,
 * HTTP/1.0 knows no chunks.
 */
bool reply_begin_chunked(struct request *r, const char *type);

/* A chunk: what is appended to the buffer between the two; at is what the first one returned. */
enum { REPLY_CHUNK_HEAD = 10 }; /* bytes before what is in one */
size_t reply_chunk_begin(struct buf *b);
void reply_chunk_end(struct buf *b, size_t at);

/* The last one, behind which nothing comes. */
void reply_chunk_last(struct buf *b);

/* A whole answer. */
void reply_bytes(struct request *r, int status, const char *type, struct slice body);

/* A problem with a detail in printf's manner. */
void reply_problem(struct request *r, enum problem p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The same with further members: reply_problem_begin, then the caller appends
 * ,"name":value pairs, then reply_problem_end.
 */
struct buf *reply_problem_begin(struct request *r, enum problem p, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void reply_problem_end(struct request *r);

/* The problem that an error of storage/ comes to, with a detail that says what to do. */
void reply_err(struct request *r, int err);

#endif
