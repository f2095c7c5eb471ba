/*
 * A request that is being read: what the files of server/export_request.h share. Each reader takes
 * its members of the body, and puts into the canonical request what they say.
 */
#ifndef STELE_SERVER_EXPORT_READING_H
#define STELE_SERVER_EXPORT_READING_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "proto/arena.h"
#include "proto/slice.h"
#include "server/export_request.h"

struct hold;

struct export_reading {
	struct export_asked *out;
	struct server *s;
	struct token *token;
	const json_t *body;
	struct arena arena;
	bool range;   /* of the kind */
	bool by_term; /* payloads are looked into to find what is wanted */
	bool has_from, has_to;
	int64_t from_ns, to_ns;
};

/* Sets the problem and the sentence, printed; returns err. */
int export_refuse(struct export_reading *r, int err, enum problem p, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define EXPORT_INVALID(r, ...) export_refuse(r, STELE_ESYNTAX, PROBLEM_INVALID_EXPORT, __VA_ARGS__)

/* A scope is missing on the log, which something takes: a refusal. */
int export_deny(struct export_reading *r, const char *log, const char *scope, const char *what);

/* A member of the body, or NULL; what it says when it is a text, else nothing. */
const json_t *export_member(const struct export_reading *r, const char *name);
struct slice export_text(const json_t *v);

/* Puts a member into the request; takes the value's count. STELE_ENOMEM. */
int export_put_member(struct export_reading *r, const char *name, json_t *value);

/* The same of a member that is a text of 1 to max bytes; 0 also when it is not there. */
int export_read_word(struct export_reading *r, const char *name, size_t max);

/* The size of the tree of a row of the logs that are asked for. */
uint64_t export_size_of(const json_t *row);

/* Whether what the body's hold or matter asks for is in the log; NULL: whether there is one. */
struct log;
bool export_is_held(const struct export_reading *r, struct log *log);

/* export_wanted.c: the readers of filter and simple terms, records, hold and matter, since. */
int export_read_filter(struct export_reading *r);
int export_read_records(struct export_reading *r);
int export_read_holds(struct export_reading *r);
int export_read_since(struct export_reading *r);

#endif
