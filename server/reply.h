/*
 * Answers. A handler makes exactly one: reply_problem, reply_json_*, or
 * reply_begin, reply_header..., reply_body, appends to the buffer, reply_end.
 */
#ifndef STELE_SERVER_REPLY_H
#define STELE_SERVER_REPLY_H

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
