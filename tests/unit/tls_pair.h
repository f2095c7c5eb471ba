/*
 * Certificates made on the spot, and a client in memory that speaks with a tls_session.
 */
#ifndef STELE_TESTS_UNIT_TLS_PAIR_H
#define STELE_TESTS_UNIT_TLS_PAIR_H

#include <stdio.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "proto/check.h"
#include "server/config.h"
#include "server/tls.h"
#include "server/tls_session.h"

#include "folder.h"

struct identity {
	EVP_PKEY *key;
	X509 *certificate;
};

static inline void
identity_fini(struct identity *i)
{
	EVP_PKEY_free(i->key);
	X509_free(i->certificate);
}

static inline void
add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	CHECK(e && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

/* Signed by issuer, or by itself: a CA. names: "URI:…,DNS:…", or NULL. */
static inline struct identity
identity_new(const char *name, struct identity *issuer, const char *names, long end_s)
{
	static long serial = 1;
	struct identity i = {.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
	X509 *x = i.certificate;
	X509_NAME *subject = X509_get_subject_name(x);

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), end_s);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
				   0);
	X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer->certificate) : subject);
	X509_set_pubkey(x, i.key);
	add_extension(x, NID_basic_constraints, issuer && names ? "CA:FALSE" : "critical,CA:TRUE");
	if (names)
		add_extension(x, NID_subject_alt_name, names);
	CHECK(X509_sign(x, issuer ? issuer->key : i.key, EVP_sha256()) > 0);
	return i;
}

struct tls_world {
	struct folder folder;
	struct identity ca, server;
	char cert[512], key[512], client_ca[512];
	struct config config;
	struct tls *tls;
	struct buf why;
};

/* Writes the server's certificate with one behind it (or NULL), and its key. */
static inline void
world_show(struct tls_world *w, const struct identity *i, const struct identity *behind)
{
	FILE *f = fopen(w->cert, "w");

	PEM_write_X509(f, i->certificate);
	if (behind)
		PEM_write_X509(f, behind->certificate);
	fclose(f);
	f = fopen(w->key, "w");
	PEM_write_PrivateKey(f, i->key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

static inline void
world_init(struct tls_world *w)
{
	FILE *f;

	memset(w, 0, sizeof *w);
	folder_init(&w->folder);
	snprintf(w->cert, sizeof w->cert, "%s", folder_path(&w->folder, "cert"));
	snprintf(w->key, sizeof w->key, "%s", folder_path(&w->folder, "key"));
	snprintf(w->client_ca, sizeof w->client_ca, "%s", folder_path(&w->folder, "ca"));
	w->ca = identity_new("ca", NULL, NULL, 86400);
	w->server = identity_new("server", &w->ca, "DNS:server", 86400);
	world_show(w, &w->server, NULL);
	f = fopen(w->client_ca, "w");
	PEM_write_X509(f, w->ca.certificate);
	fclose(f);
	w->config.tls_cert = w->cert;
	w->config.tls_key = w->key;
	w->config.tls_client_ca = w->client_ca;
	buf_init(&w->why);
	CHECK(tls_new(&w->tls, &w->config, &w->why) == 0);
}

static inline void
world_fini(struct tls_world *w)
{
	tls_free(w->tls);
	identity_fini(&w->ca);
	identity_fini(&w->server);
	buf_fini(&w->why);
	folder_fini(&w->folder);
}

struct tls_pair {
	struct tls_session *server;
	SSL_CTX *ctx;
	SSL *client;
	BIO *in, *out; /* the client's */
	size_t step;   /* bytes carried at once */
};

/* mine: the client's certificate, or NULL; session: to resume, or NULL. */
static inline void
pair_init(struct tls_pair *p, struct tls_world *w, const struct identity *mine,
	  SSL_SESSION *session)
{
	p->step = 65536;
	p->server = tls_session_new(w->tls);
	p->ctx = SSL_CTX_new(TLS_client_method());
	CHECK(p->server && p->ctx);
	X509_STORE_add_cert(SSL_CTX_get_cert_store(p->ctx), w->ca.certificate);
	SSL_CTX_set_verify(p->ctx, SSL_VERIFY_PEER, NULL);
	if (mine) {
		CHECK(SSL_CTX_use_certificate(p->ctx, mine->certificate) == 1);
		CHECK(SSL_CTX_use_PrivateKey(p->ctx, mine->key) == 1);
	}
	p->client = SSL_new(p->ctx);
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(p->in, -1);
	SSL_set_bio(p->client, p->in, p->out);
	SSL_set_connect_state(p->client);
	if (session)
		CHECK(SSL_set_session(p->client, session) == 1);
}

static inline void
pair_fini(struct tls_pair *p)
{
	tls_session_free(p->server);
	/* else OpenSSL takes the session for one that broke, and would not resume it */
	SSL_set_shutdown(p->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(p->client);
	SSL_CTX_free(p->ctx);
}

/* Carries what the client has written to the server: true when there was something. */
static inline bool
pair_to_server(struct tls_pair *p)
{
	char bytes[65536];
	int n = BIO_read(p->out, bytes, (int)p->step);

	return n > 0 && tls_feed(p->server, bytes, (size_t)n);
}

/* The same the other way. */
static inline bool
pair_to_client(struct tls_pair *p)
{
	char bytes[65536];
	size_t n = tls_take(p->server, bytes, p->step);

	return n > 0 && BIO_write(p->in, bytes, (int)n) == (int)n;
}

/* Until it is done or has failed: what tls_handshake said last. */
static inline int
pair_shake(struct tls_pair *p)
{
	int rc = 0;

	for (int i = 0; i < 100000 && rc == 0; i++) {
		SSL_do_handshake(p->client);
		if (pair_to_server(p))
			rc = tls_handshake(p->server);
		pair_to_client(p);
	}
	while (pair_to_client(p))
		SSL_do_handshake(p->client);
	SSL_do_handshake(p->client);
	return rc;
}

#endif
