/*
 * HTTP that the server itself asks others for: witnesses, time-stamping authorities. libcurl's
 * multi interface on a libuv loop; all of it on the thread that runs that loop.
 *
 * What it never does: follow a redirect, take a reply longer than was asked for, or go on after its
 * time is over. Proxies are what the environment says (https_proxy, no_proxy), as for every other
 * program that uses libcurl.
 */
#ifndef STELE_SERVER_OUTBOUND_H
#define STELE_SERVER_OUTBOUND_H

#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "proto/buf.h"
#include "proto/slice.h"

struct outbound;

/* What came back. Slices and words are valid during the call that has it only. */
struct outbound_reply {
	/*
	 * 0: there is an HTTP status, whichever. STELE_EIO: it could not be reached, or its reply
	 * was cut; STELE_EBUSY: its time was over; STELE_EVERIFY: its certificate does not hold;
	 * STELE_ELIMIT: its reply is longer than was asked for; STELE_ECLOSED: outbound_close came
	 * first; STELE_ENOMEM.
	 */
	int err;
	const char *why;   /* with err: one phrase for a log line, else "" */
	int status;        /* 100 to 999; redirects are there as they came */
	struct slice type; /* Content-Type as sent, at most 255 bytes; empty: there was none */
	struct slice body;
};

typedef void outbound_done(void *ctx, const struct outbound_reply *reply);

struct outbound_ask {
	const char *url;     /* http or https; outbound_url says which are taken */
	const char *type;    /* Content-Type of the body */
	const char *accept;  /* NULL: no such header */
	struct slice body;   /* copied */
	size_t max_reply;    /* bytes of the reply's body */
	uint64_t timeout_ms; /* from the call to the reply's last byte; from 1 */
	outbound_done *done; /* on the loop's thread, exactly once, never within outbound_post */
	void *ctx;
};

/*
 * A client on a loop that is not running yet, or whose thread calls. ca_file, a PEM file, has the
 * authorities that servers' certificates must lead to; NULL: the system's. STELE_EINVAL: ca_file
 * cannot be read; STELE_ENOMEM. why says so.
 */
int outbound_new(struct outbound **out, uv_loop_t *loop, const char *ca_file, struct buf *why);

/*
 * Whether a URL can be asked: http or https, a host, printable ASCII, no user or password, no query
 * or fragment, at most LIMIT_OUTBOUND_URL_BYTES. STELE_EINVAL, and why says what is wrong.
 */
int outbound_url(const char *url, struct buf *why);

/*
 * Sends a POST. STELE_EBUSY: LIMIT_OUTBOUND are under way; STELE_EINVAL as outbound_url;
 * STELE_ENOMEM; then done is not called. Also from within a done.
 */
int outbound_post(struct outbound *o, const struct outbound_ask *ask);

/* How many are under way. */
size_t outbound_waiting(const struct outbound *o);

/*
 * Ends all that are under way, each with STELE_ECLOSED, before it returns; not from within a done.
 * The memory goes when the loop has run its closing callbacks: run it until then. NULL is fine.
 */
void outbound_close(struct outbound *o);

#endif
