/*
 * One TLS session of a server, without a socket: what came is fed, what must go is taken, and
 * between the two lie plain bytes. Two memory BIOs hold what is under way.
 *
 *   tls_feed, tls_handshake until 1; then tls_feed, tls_read; tls_write; tls_goodbye
 *   after each of them: tls_take, and what it gives goes to the peer
 */
#ifndef STELE_SERVER_TLS_SESSION_H
#define STELE_SERVER_TLS_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/slice.h"

struct tls;
struct tls_session;
struct x509_store_ctx_st;

/* Why a handshake failed: metrics have a row for each. */
enum tls_failure {
	TLS_OTHER,
	TLS_TIMEOUT,         /* it took too long */
	TLS_NO_TURN,         /* too many wanted to begin one (server/turns.h) */
	TLS_CLOSED,          /* the peer went away in it */
	TLS_IN_CLEAR,        /* HTTP without TLS came */
	TLS_VERSION,         /* nothing from TLS 1.2 on in common */
	TLS_CIPHER,          /* no cipher suite, group or signature algorithm in common */
	TLS_PROTOCOL,        /* the peer speaks no HTTP/1.1 */
	TLS_ALERT,           /* the peer gave up, which it does when it does not believe us */
	TLS_NO_CERTIFICATE,  /* the client must show one and did not */
	TLS_BAD_CERTIFICATE, /* its certificate does not hold */
	TLS_OLD_CERTIFICATE, /* its time is over, or has not come */
	TLS_REVOKED,         /* it is on a revocation list */
	TLS_NO_CRL,          /* there is no list that could tell, or its time is over */
	TLS_FAILURES
};

enum {
	TLS_ENDED = -1,  /* the peer has said that nothing follows (close_notify) */
	TLS_BROKEN = -2, /* the bytes are not TLS, or memory is out: close */
};

enum tls_name_kind { TLS_NAME_DNS, TLS_NAME_EMAIL, TLS_NAME_URI };

/* One subject alternative name (RFC 5280 section 4.2.1.6): printable ASCII without spaces. */
struct tls_name {
	enum tls_name_kind kind;
	struct slice text;
};

/*
 * Whom a verified client certificate names. By itself it allows nothing: that is for whoever
 * maps names to principals.
 */
struct tls_peer {
	struct tls_name names[32]; /* LIMIT_TLS_NAMES */
	size_t n;                  /* 0: it has none of these kinds */
};

/* A session that waits for its client, under what t holds now; NULL when memory is out. */
struct tls_session *tls_session_new(struct tls *t);

/* NULL is fine. */
void tls_session_free(struct tls_session *s);

/* n bytes came. False: memory is out. */
bool tls_feed(struct tls_session *s, const void *p, size_t n);

/* Goes on: 1 when it is done, 0 when more must come, TLS_BROKEN: tls_failure. */
int tls_handshake(struct tls_session *s);

/* True from the end of the handshake until the session breaks. */
bool tls_ready(const struct tls_session *s);

/* Why the handshake failed. */
enum tls_failure tls_failure(const struct tls_session *s);

/* The word for it in metrics. */
const char *tls_failure_name(enum tls_failure f);

/* Up to n > 0 plain bytes: how many, 0 when more must come first, TLS_ENDED or TLS_BROKEN. */
ssize_t tls_read(struct tls_session *s, void *p, size_t n);

/* True when the beginning of something is there that tls_read cannot give yet. */
bool tls_partial(const struct tls_session *s);

/* Encrypts n bytes, LIMIT_TLS_SLICE_BYTES at most. False: broken. */
bool tls_write(struct tls_session *s, const void *p, size_t n);

/* Up to n bytes that must go to the peer; how many. And how many there are. */
size_t tls_take(struct tls_session *s, void *p, size_t n);
size_t tls_waiting(const struct tls_session *s);

/* Says that nothing follows (close_notify, RFC 8446 section 6.1). Once it is ready. */
void tls_goodbye(struct tls_session *s);

/* True when the handshake went on from an earlier session's. */
bool tls_resumed(const struct tls_session *s);

/* Whom the client's verified certificate names, the session's; NULL when it showed none. */
const struct tls_peer *tls_peer(const struct tls_session *s);

/*
 * True when it is time for another session: a certificate was verified by what a reload has
 * replaced since, or the key has encrypted as much as it should.
 */
bool tls_stale(const struct tls_session *s);

/* OpenSSL's callback, for server/tls.c. */
int tls_session_verify(int good, struct x509_store_ctx_st *ctx);

#endif
