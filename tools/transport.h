/*
 * HTTP to one server: single calls, and many in flight. The only door to
 * libcurl; nothing of it shows here.
 */
#ifndef STELE_TOOLS_TRANSPORT_H
#define STELE_TOOLS_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"

struct transport;

/* One request and its answer; the caller's memory until it is done. */
struct http_call {
	/* filled in by the caller; strings and body stay unchanged until done */
	const char *method;
	const char *target;          /* path and query, begins with '/' */
	struct slice body;           /* sent when content_type is set */
	const char *content_type;    /* NULL: no body */
	const char *accept;          /* NULL: anything */
	const char *idempotency_key; /* NULL: none */
	const char *const *headers;  /* further ones, "Name: value", NULL at the end; NULL: none */
	int body_fd;         /* the body is read from there as it is sent, in place of body; -1 */
	uint64_t body_at;    /* where in the file it begins; ignored when it is no file */
	uint64_t body_bytes; /* of it; UINT64_MAX: until it ends */
	int answer_fd;       /* the body goes there as it comes, not to answer; -1 */
	long answer_status;  /* for answer_fd: of the answer that is meant, 200 or 206 */
	/* takes the body of a 200 as it comes, not answer; false ends the call; NULL */
	bool (*take)(struct http_call *c, struct slice bytes);
	void (*moved)(struct http_call *c); /* now and then while moved_bytes grows; NULL */
	void *owner;

	/* the answer */
	long status; /* HTTP status; 0: none came, and trouble says why */
	struct buf answer;
	bool unsent;          /* no connection was made: the server has seen nothing of it */
	bool untrusted;       /* TLS was not agreed upon, and trying again will not help */
	const char *advice;   /* what to do about trouble, a sentence; static storage */
	char media_type[128]; /* of the answer, "" when it named none */
	bool has_retry_after;
	uint64_t retry_after_s;
	char trouble[320];
	uint64_t moved_bytes; /* of body_fd's or answer_fd's */
	char location[256];   /* of the answer, or of an interim one before it; "" when absent */
	char cursor[4096];    /* Stele-Next: where a listing goes on; "" when absent */
	char totals[256];     /* Stele-Query: what is said of one beside its rows; "" when absent */
	int io_errno;         /* why body_fd or answer_fd failed; 0 */

	/* the transport's */
	void *easy, *header_list;
	struct http_call *next;
};

/* Zeroes the call and starts its buffer. */
void http_call_init(struct http_call *c);
void http_call_fini(struct http_call *c);

/* True when the status says that it was done. */
bool http_call_good(const struct http_call *c);

/* Files in PEM for https://, NULL: none. */
struct transport_tls {
	const char *cacert; /* who may have signed the server's certificate, instead of the system's
			       CAs */
	const char *cert;   /* ours, and perhaps its key */
	const char *key;    /* its key; NULL: in cert */
};

/*
 * server: "http://HOST:PORT" or "https://…", a path prefix allowed. token:
 * bearer token or NULL. The strings of tls must outlive the transport.
 * STELE_EINVAL (why: one sentence), STELE_ENOMEM.
 */
int transport_new(struct transport **out, const char *server, const char *token,
		  const struct transport_tls *tls, struct buf *why);
void transport_free(struct transport *t);

/* Sends and waits: the answer, or status 0, is in c. */
void transport_call(struct transport *t, struct http_call *c);

/* Sends without waiting; transport_done() hands c back once it has an answer. */
void transport_start(struct transport *t, struct http_call *c);

/* Gives up a call that was started and not handed back: it is as if the connection had broken. */
void transport_cancel(struct transport *t, struct http_call *c);

/* The next finished call, or NULL when none has finished. */
struct http_call *transport_done(struct transport *t);

/*
 * Moves all transfers until one may have finished, fd (or -1) is readable, or
 * timeout_ms passed.
 */
void transport_wait(struct transport *t, int fd, int timeout_ms);

#endif
