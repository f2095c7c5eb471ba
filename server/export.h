/*
 * An export of evidence (docs/formats.md section 10): who asked for what, and what became of it, as
 * the acts of `_system` say (section 8). What it asks for stands in its export.begin.
 *
 * Immutable and counted: what happens to it puts another one in its place.
 */
#ifndef STELE_SERVER_EXPORT_H
#define STELE_SERVER_EXPORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "proto/buf.h"
#include "proto/control.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "server/access.h"
#include "storage/ranges.h"

enum { EXPORT_ID_CHARS = CONTROL_HOLD_ID_CHARS }; /* "x-" and 50 random bits */

enum export_state {
	EXPORT_BEGUN, /* its bundle is to be made, or is being made */
	EXPORT_FINISHED,
	EXPORT_FAILED,
	EXPORT_REMOVED, /* its bundle is gone, or never came to be */
};

/* What it has of one log. */
struct export_log {
	const char *name;
	uint64_t begun_size; /* of the tree when it was asked for */
	bool read;           /* who asked may read payloads */
	bool hold;           /* and those that wait for their erasure */
	/* once it is finished */
	uint64_t size; /* of the tree that the bundle is of */
	uint64_t entries, payloads, purged, withheld, controls, bytes;
	struct ranges set; /* entries that it was about, and perhaps some between them */
};

struct export
{
	atomic_uint refs;
	char id[EXPORT_ID_CHARS + 1];
	enum export_state state;
	const char *by, *token; /* who asked: ids of a principal and a token */
	const char *request;    /* section 10's, compact JSON */
	const char *reason;     /* "" when none was given */
	bool certify;           /* it has a search certificate, which tells of other records, too */
	int64_t begun_ns;
	int64_t ended_ns;    /* finished or failed; 0 */
	int64_t removed_ns;  /* 0: it is not */
	bool finished;       /* it was, also if it is removed */
	const char *failed;  /* why; NULL: it did not */
	const char *removed; /* "deleted", "expired", "purged"; NULL: it is not */
	char sha256[65];     /* of the bundle, in hex */
	uint64_t bytes;
	size_t n_logs;
	struct export_log *logs; /* in order of their names */
	char *doc;    /* its acts: {"begin":…,"begun":TIME,"finish":…,…}, compact JSON */
	json_t *acts; /* what the texts above are in; touched by no one but new and unref */
};

/*
 * Reads what a snapshot keeps of one, {"begin":ACT,"begun":TIME} and perhaps "finish" or "fail",
 * and "remove", acts with "finished", "failed", "removed", their times: counted once for the
 * caller. STELE_ESYNTAX with one sentence in why; STELE_ENOMEM. doc stays the caller's.
 */
int export_new(struct export **out, const json_t *doc, struct buf *why);

/* One more holder; one fewer. NULL is fine. Any thread. */
struct export *export_ref(struct export *e);
void export_unref(struct export *e);

/*
 * Another one to which this happened: act becomes its member `what`, time_ns `when`. Errors as
 * export_new.
 */
int export_with(struct export **out, const struct export *e, const char *what, const char *when,
		const json_t *act, int64_t time_ns, struct buf *why);

/* Whether its bundle may hold what was computed from a payload of these records of the log. */
bool export_has(const struct export *e, struct slice log, const struct ranges *records);

/* Whether it was about some of the entries that the other one is about. */
bool export_meets(const struct export *e, const struct export_log *logs, size_t n);

/* The scopes' holder may see it: who made it, or who may export all of its logs. */
bool export_visible(const struct export *e, const struct token *token);

/* Appends its members without braces, as the API shows them but for progress and expiry. */
void export_put(struct buf *b, const struct export *e);

#endif
