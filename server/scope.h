/*
 * What a principal may do: scopes on logs by name or pattern. No scope implies another.
 */
#ifndef STELE_SERVER_SCOPE_H
#define STELE_SERVER_SCOPE_H

#include <stdbool.h>

#include "proto/slice.h"

enum scope {
	SCOPE_APPEND = 1 << 0,
	SCOPE_READ = 1 << 1,
	SCOPE_VERIFY = 1 << 2,   /* checkpoints, proofs, tiles, entries; no payload */
	SCOPE_EXPORT = 1 << 3,   /* evidence bundles */
	SCOPE_HOLD = 1 << 4,     /* legal holds */
	SCOPE_RETAIN = 1 << 5,   /* retention of its own, or longer */
	SCOPE_PURGE = 1 << 6,    /* payloads whose locks have ended */
	SCOPE_APPROVE = 1 << 7,  /* what needs a second principal */
	SCOPE_POLICY = 1 << 8,   /* create logs */
	SCOPE_ACCESS = 1 << 9,   /* principals and tokens */
	SCOPE_OPERATE = 1 << 10, /* seal, scrub, backup, metrics */
	SCOPE_ALL = (1 << 11) - 1,
};

#define SCOPE_NAMES                                                                                \
	"append, read, verify, export, hold, retain, purge, approve, policy, access, operate"

/* A scope's name; NULL for anything but one scope. */
const char *scope_name(unsigned scope);

/* The scope of that name, or 0. */
unsigned scope_parse(struct slice name);

/*
 * A pattern is a log's name in which '*' stands for any characters, none too.
 * True when it is one: 1 to LIMIT_LOG_NAME_BYTES characters of names and '*'.
 */
bool scope_pattern_valid(struct slice pattern);
bool scope_pattern_match(struct slice pattern, struct slice name);

/*
 * Lists of patterns, a space between two. A name that begins with '_' is the server's own, and
 * matched by patterns alone that begin so.
 */
bool scope_list_match(const char *list, struct slice name);

/* Whether one pattern of the list matches every name that this one does, as far as can be seen: in
 * doubt it does not. */
bool scope_list_within(const char *list, struct slice pattern);

/* Whether there can be a name that a pattern of each list matches. */
bool scope_lists_meet(const char *a, const char *b);

#endif
