/*
 * What the server shows under TLS and whom it believes: certificate, key, CAs of
 * clients, revocation lists. Read whole, checked, and then swapped at once, so that a
 * reload gives either the new ones or leaves the old.
 *
 * TLS 1.2 and 1.3 (RFC 5246, RFC 8446) by OpenSSL, with the cipher suites that RFC 9325
 * recommends. Sessions resume by tickets whose keys are made anew at every reload.
 */
#ifndef STELE_SERVER_TLS_H
#define STELE_SERVER_TLS_H

#include <stdint.h>

#include "proto/buf.h"

struct config;
struct ssl_st;
struct tls;

/* Seconds since 1970. */
struct tls_status {
	int64_t certificate_begin_s; /* the chain's latest begin */
	int64_t certificate_end_s;   /* the chain's earliest end */
	int64_t crl_end_s;           /* the earliest next update of the lists; 0: there is none */
	uint64_t reloads, reload_failures;
};

/*
 * Reads the files that c names (tls_cert and the rest); c must outlive it. STELE_EINVAL with a
 * sentence in why when one cannot be read, or they do not belong together. A certificate or a
 * list whose time is over is taken: tls_status tells.
 */
int tls_new(struct tls **out, const struct config *c, struct buf *why);

/* NULL is fine. Sessions under way go on. */
void tls_free(struct tls *t);

/*
 * Reads the files again. Sessions that begin after it get what was read, those before keep
 * theirs. The same errors, and a certificate or a list whose time is over or has not come; then
 * nothing changes. Any thread, one at a time.
 */
int tls_reload(struct tls *t, struct buf *why);

/* Any thread. */
void tls_status_get(struct tls *t, struct tls_status *out);

/*
 * For server/tls_session.c: a new server side under what is valid now, the caller's to free,
 * and which reading that was. NULL: memory is out.
 */
struct ssl_st *tls_side(struct tls *t, uint64_t *generation);

/* The generation of the last reading. Any thread. */
uint64_t tls_generation(const struct tls *t);

#endif
