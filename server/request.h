/*
 * One request on its way through router, authorisation and a handler. It is
 * attached to a connection from its first byte until its answer is written.
 */
#ifndef STELE_SERVER_REQUEST_H
#define STELE_SERVER_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "server/http.h"
#include "storage/append.h"

enum { REQUEST_PARAMS = 2 };

struct conn;
struct kit;
struct loop;
struct route;
struct server;
struct tls_peer;
struct token;
struct upload;

struct request {
	struct http http;
	struct arena arena; /* emptied when the answer is written */
	struct server *server;
	struct loop *loop;           /* NULL without sockets */
	struct conn *conn;           /* NULL without sockets */
	const struct tls_peer *peer; /* whom the client's verified certificate names; NULL: none */
	struct request *next;        /* the loop's pool or list of completions */

	const struct route *route;          /* NULL until matched */
	struct slice param[REQUEST_PARAMS]; /* {…} of the route's pattern, in order */
	struct log *log;                    /* the route's {log}, when it exists */
	struct token *token;                /* counted; NULL for public reads */
	uint64_t started_ns;                /* monotonic, when its head was complete */
	struct slice date;                  /* "\r\nDate: ..." of the loop, or empty */

	/* the answer: server/reply.h */
	struct buf out;
	int status;
	size_t length_at, body_at;       /* where Content-Length's digits go; start of the body */
	unsigned retry_after_s;          /* of a 429; 0: the problem's own */
	bool close;                      /* the connection ends with this answer */
	bool no_body;                    /* HEAD: the answer's body is counted, not sent */
	void (*send)(struct request *r); /* takes the finished answer */

	/* an answer that follows in pieces: server/conn.h */
	uint64_t more_bytes;             /* of them, counted in Content-Length */
	void (*pull)(struct request *r); /* the next piece is wanted: conn_send_more or conn_cut */
	void *source;                    /* pull's; NULL: the answer is complete */
	void (*source_free)(void *source);
	struct slice lent; /* sent instead of out: the source's, until pull or source_free */
	/* Set by a source that waits for what others do: the peer has gone, and conn_cut is to
	 * follow, now. */
	void (*left)(struct request *r);

	/* a body that comes in pieces: server/upload.h */
	struct upload *upload;            /* NULL: none */
	void (*piece)(struct request *r); /* takes one: answers, or conn_go_on, now or later */

	/* waiting: server/loop.h */
	void (*work)(struct request *r, struct kit *kit); /* on a worker thread */
	void (*then)(struct request *r);                  /* back on the loop */
	struct append_job job; /* append_job_init was called when has_job */
	bool has_job;
	struct buf decoded; /* the body without its content coding */
	void *state;        /* the handler's, in the arena */
};

/*
 * What a handler keeps of the request until its answer: n zeroed bytes of its arena, which r->state
 * points to. NULL: no memory, answered already.
 */
void *request_state(struct request *r, size_t n);

/* Frees what the answer was made from; the answer itself stays. */
void request_answered(struct request *r);

/* Frees where further pieces of the answer would come from. */
void request_drop_source(struct request *r);

/* Forgets everything of the last request but its buffers. */
void request_reset(struct request *r);

/* True when the Accept field names the type, by itself: wildcards do not count. */
bool request_accepts(const struct request *r, const char *type);

/* {…} number i of the route, percent-decoded in the arena. False: it is not encoded correctly. */
bool request_param(struct request *r, size_t i, struct slice *value);

/*
 * The value of a query parameter, percent-decoded in the arena: 1 when it is
 * there, 0 when it is absent, -1 when it is not valid (answered already, 400).
 */
int request_query(struct request *r, const char *name, struct slice *value);

/*
 * The next value of a parameter that may come several times: 1, 0 behind the last, -1 as above.
 * *rest is empty to begin with, and what is left of the query after each call.
 */
int request_query_next(struct request *r, const char *name, struct slice *rest,
		       struct slice *value);

/* request_query for a decimal number. */
int request_query_number(struct request *r, const char *name, uint64_t *value);

/*
 * The page of a listing that is asked for, by the query parameters after and limit, which
 * otherwise stay; limit is 1 to LIMIT_LIST_ROWS. False: answered, 400.
 */
bool request_page(struct request *r, struct slice *after, uint64_t *limit);

#endif
