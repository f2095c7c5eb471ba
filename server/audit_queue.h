/*
 * What waits to be recorded in `_system`: events as they came, and refusals counted, so that
 * whoever knocks without a token can make a record a minute and no more. Safe from any thread.
 */
#ifndef STELE_SERVER_AUDIT_QUEUE_H
#define STELE_SERVER_AUDIT_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "server/access.h"
#include "server/problem.h"

struct request;

/* An event on its way, its JSON behind it. */
struct audit_event {
	struct audit_event *next;
	size_t n;
	char json[];
};

/* Who was denied what, how often. */
struct audit_denial {
	char principal[LIMIT_WRITER_BYTES + 1];
	char token[TOKEN_ID_CHARS + 1];
	char log[LIMIT_LOG_NAME_BYTES + 1];
	const char *route; /* the router's */
	const char *method;
	enum problem problem; /* that it was answered with */
	uint64_t count;
};

enum {
	AUDIT_DENIALS = LIMIT_AUDIT_DENIALS,
	AUDIT_EVENTS = 65536
}; /* and no more bytes than LIMIT_AUDIT_QUEUE_BYTES */

struct audit_queue {
	pthread_mutex_t lock;
	struct audit_event *first, **end;
	size_t n, bytes;
	uint64_t lost; /* events for which there was no room, since the last record said so */

	/* since the last record of refusals */
	uint64_t no_token, refused[ACCESS_ANSWERS];
	struct audit_denial denials[AUDIT_DENIALS];
	size_t n_denials;
	uint64_t more_denials; /* for which there was no row */
};

/* An empty one; and frees what is in it. */
void audit_queue_init(struct audit_queue *q);
/* After the last call of any other. */
void audit_queue_fini(struct audit_queue *q);

/* Appends one; beyond the bounds, without memory, or when it is empty, it counts as lost. */
void audit_queue_add(struct audit_queue *q, struct slice json);

/* Takes up to max of the oldest, and no more than LIMIT_AUDIT_JOB_BYTES but for a single one: a
 * list by next that is the caller's to free; or NULL. */
struct audit_event *audit_queue_take(struct audit_queue *q, size_t max);

/* Puts a list that was taken back to the front. */
void audit_queue_return(struct audit_queue *q, struct audit_event *list);

/* Frees a list that was taken. NULL is fine. */
void audit_event_free(struct audit_event *list);

/* Counts a request without a token that opens anything; presented: it had one. */
void audit_queue_refused(struct audit_queue *q, enum access_answer answer, bool presented);
/* Counts a request that was answered with a problem; r has token and route. */
void audit_queue_denied(struct audit_queue *q, const struct request *r, struct slice log,
			enum problem problem);

/* Turns what was counted into events, and begins to count anew. */
void audit_queue_settle(struct audit_queue *q);

#endif
