/*
 * In the order of a reading: certificate and key, whom clients may be signed by, what was
 * revoked, how to speak; then the swap. Anything that does not hold ends it.
 */
#include "server/tls.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "server/config.h"
#include "server/tls_session.h"

/* RFC 9325 section 4.2: forward secrecy and AEAD; the client's order, which knows its hardware. */
static const char ciphers_1_2[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
				  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
				  "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static char groups[] = "X25519:P-256:P-384"; /* OpenSSL takes a char * */

/* One reading of the files. */
struct reading {
	SSL_CTX *ctx;
	int64_t begin_s, end_s, crl_end_s;
};

struct tls {
	const struct config *config;
	pthread_mutex_t lock; /* of now */
	struct reading now;
	atomic_ullong generation, reload_failures;
};

/* "FILE: what", and OpenSSL's first reason. Returns STELE_EINVAL. */
static int
refuse(struct buf *why, const char *file, const char *what)
{
	unsigned long e = ERR_peek_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	buf_printf(why, "%s: %s", file, what);
	if (e && ERR_SYSTEM_ERROR(e))
		buf_printf(why, ": %s", strerror(ERR_GET_REASON(e)));
	else if (reason)
		buf_printf(why, " (%s)", reason);
	buf_put_u8(why, '.');
	ERR_clear_error();
	return STELE_EINVAL;
}

static int64_t
seconds(const ASN1_TIME *t)
{
	struct tm tm;

	return t && ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* --- certificate and key ----------------------------------------------------------- */

/* A key that wants a passphrase would ask the terminal for it. */
static int
no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)ctx = true;
	return -1;
}

static void
narrow(struct reading *r, const X509 *x)
{
	int64_t begin_s = seconds(X509_get0_notBefore(x)), end_s = seconds(X509_get0_notAfter(x));

	if (begin_s > r->begin_s)
		r->begin_s = begin_s;
	if (end_s < r->end_s)
		r->end_s = end_s;
}

static int
read_certificate(struct reading *r, const struct config *c, struct buf *why)
{
	STACK_OF(X509) *chain = NULL;
	bool asked = false;
	X509 *leaf;

	if (SSL_CTX_use_certificate_chain_file(r->ctx, c->tls_cert) != 1)
		return refuse(why, c->tls_cert, "no certificate in PEM can be read there");
	SSL_CTX_set_default_passwd_cb(r->ctx, no_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(r->ctx, &asked);
	if (SSL_CTX_use_PrivateKey_file(r->ctx, c->tls_key, SSL_FILETYPE_PEM) != 1) {
		if (asked) {
			ERR_clear_error();
			return refuse(why, c->tls_key,
				      "the key is under a passphrase; write it without one, "
				      "mode 0600: openssl pkey -in FILE -out NEW");
		}
		return refuse(why, c->tls_key, "this is not the key, in PEM, of the certificate");
	}
	SSL_CTX_set_default_passwd_cb_userdata(r->ctx, NULL);
	leaf = SSL_CTX_get0_certificate(r->ctx);
	if (SSL_CTX_check_private_key(r->ctx) != 1 || !leaf)
		return refuse(why, c->tls_key, "this is not the key of the certificate");
	SSL_CTX_get0_chain_certs(r->ctx, &chain);
	if (chain && sk_X509_num(chain) > 0 &&
	    X509_check_issued(sk_X509_value(chain, 0), leaf) != X509_V_OK)
		return refuse(why, c->tls_cert,
			      "the second certificate did not issue the first; the server's own "
			      "comes first, then whoever issued it, and so on");
	r->end_s = INT64_MAX;
	narrow(r, leaf);
	for (int i = 0; chain && i < sk_X509_num(chain); i++)
		narrow(r, sk_X509_value(chain, i));
	return 0;
}

/* --- clients' certificates --------------------------------------------------------- */

/* Every CA's own list must be there and be signed by it: whoever forgets one would find out late.
 */
static int
find_list(const STACK_OF(X509_CRL) * lists, X509 *ca, const char *file, struct buf *why)
{
	EVP_PKEY *key = X509_get0_pubkey(ca);
	char name[256] = "";

	for (int i = 0; i < sk_X509_CRL_num(lists); i++) {
		X509_CRL *list = sk_X509_CRL_value(lists, i);

		if (X509_NAME_cmp(X509_CRL_get_issuer(list), X509_get_subject_name(ca)) == 0 &&
		    X509_CRL_verify(list, key) == 1)
			return 0;
	}
	ERR_clear_error();
	X509_NAME_oneline(X509_get_subject_name(ca), name, sizeof name);
	buf_printf(why, "%s: there is no revocation list of %s in it.", file, name);
	return STELE_EINVAL;
}

static int
read_lists(struct reading *r, const struct config *c, const STACK_OF(X509) * cas, struct buf *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(r->ctx);
	STACK_OF(X509_CRL) *lists = sk_X509_CRL_new_null();
	BIO *in = BIO_new_file(c->tls_crl, "r");
	X509_CRL *list;
	int err = 0;

	r->crl_end_s = INT64_MAX;
	while (in && lists && (list = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL))) {
		int64_t end_s = seconds(X509_CRL_get0_nextUpdate(list));

		if (end_s && end_s < r->crl_end_s)
			r->crl_end_s = end_s;
		CHECK(X509_STORE_add_crl(store, list) == 1 && sk_X509_CRL_push(lists, list) > 0);
	}
	if (!in || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE ||
	    sk_X509_CRL_num(lists) == 0)
		err = refuse(why, c->tls_crl, "no revocation list in PEM can be read there");
	ERR_clear_error();
	for (int i = 0; !err && i < sk_X509_num(cas); i++)
		err = find_list(lists, sk_X509_value(cas, i), c->tls_crl, why);
	if (r->crl_end_s == INT64_MAX)
		r->crl_end_s = 0;
	CHECK(X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) == 1);
	sk_X509_CRL_pop_free(lists, X509_CRL_free);
	BIO_free(in);
	return err;
}

/*
 * What the file holds is believed by itself, an intermediate CA too (partial chains): it may be
 * that only one of a root's intermediates signs the clients of this server. tls_session_verify
 * forgives what that asks for in vain, a list about the one that is believed.
 */
static int
read_cas(struct reading *r, STACK_OF(X509) * cas, const char *file, struct buf *why)
{
	X509_STORE *store = SSL_CTX_get_cert_store(r->ctx);
	BIO *in = BIO_new_file(file, "r");
	X509 *ca;

	while (in && (ca = PEM_read_bio_X509(in, NULL, NULL, NULL))) {
		CHECK(sk_X509_push(cas, ca) > 0);
		if (X509_check_ca(ca) == 0) {
			BIO_free(in);
			ERR_clear_error();
			return refuse(why, file, "a certificate in it is no CA's");
		}
		CHECK(X509_STORE_add_cert(store, ca) == 1 &&
		      SSL_CTX_add_client_CA(r->ctx, ca) == 1);
	}
	if (!in || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE ||
	    sk_X509_num(cas) == 0) {
		BIO_free(in);
		return refuse(why, file, "no certificate in PEM can be read there");
	}
	BIO_free(in);
	ERR_clear_error();
	CHECK(X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1);
	return 0;
}

static int
read_clients(struct reading *r, const struct config *c, struct buf *why)
{
	STACK_OF(X509) * cas;
	int mode = SSL_VERIFY_PEER, err;

	if (!c->tls_client_ca)
		return 0;
	cas = sk_X509_new_null();
	CHECK(cas);
	err = read_cas(r, cas, c->tls_client_ca, why);
	if (!err && c->tls_crl)
		err = read_lists(r, c, cas, why);
	sk_X509_pop_free(cas, X509_free);
	if (c->tls_client_required)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(r->ctx, mode, tls_session_verify);
	SSL_CTX_set_verify_depth(r->ctx, LIMIT_TLS_CHAIN);
	return err;
}

/* --- how to speak ------------------------------------------------------------------ */

/* RFC 7301: HTTP/1.1, when the client names what it speaks. */
static int
choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_n,
		const unsigned char *offered, unsigned offered_n, void *ctx)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)ctx;
	if (SSL_select_next_proto(&chosen, out_n, ours, sizeof ours - 1, offered, offered_n) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static void
set_rules(SSL_CTX *ctx)
{
	static const unsigned char name[] = "steled";

	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_security_level(ctx, 2); /* 112 bits: RSA of 2048 at least */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets hold it all */
	SSL_CTX_set_timeout(ctx, LIMIT_TLS_TICKET_S);
	SSL_CTX_set_max_cert_list(ctx, LIMIT_TLS_CHAIN_BYTES);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	CHECK(SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1);
	CHECK(SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1);
	CHECK(SSL_CTX_set_cipher_list(ctx, ciphers_1_2) == 1);
	CHECK(SSL_CTX_set1_groups_list(ctx, groups) == 1);
	CHECK(SSL_CTX_set_session_id_context(ctx, name, sizeof name - 1) == 1);
}

/* --- the whole --------------------------------------------------------------------- */

static int
read_all(struct reading *r, const struct config *c, struct buf *why)
{
	int err;

	memset(r, 0, sizeof *r);
	ERR_clear_error();
	r->ctx = SSL_CTX_new(TLS_server_method());
	CHECK(r->ctx);
	set_rules(r->ctx);
	err = read_certificate(r, c, why);
	if (!err)
		err = read_clients(r, c, why);
	if (err)
		SSL_CTX_free(r->ctx);
	return err;
}

int
tls_new(struct tls **out, const struct config *c, struct buf *why)
{
	struct reading r;
	struct tls *t;
	int err = read_all(&r, c, why);

	if (err)
		return err;
	t = calloc(1, sizeof *t);
	CHECK(t);
	t->config = c;
	t->now = r;
	pthread_mutex_init(&t->lock, NULL);
	*out = t;
	return 0;
}

void
tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->now.ctx);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* A reading that nobody would believe is worse than the one that is there. */
static int
check_times(const struct reading *r, const struct config *c, struct buf *why)
{
	int64_t now_s = (int64_t)time(NULL);

	if (r->end_s <= now_s)
		return refuse(why, c->tls_cert, "its time is over");
	if (r->begin_s > now_s)
		return refuse(why, c->tls_cert, "its time has not come yet");
	if (r->crl_end_s && r->crl_end_s <= now_s)
		return refuse(why, c->tls_crl, "the time for its next update is over");
	return 0;
}

int
tls_reload(struct tls *t, struct buf *why)
{
	struct reading r, old;
	int err = read_all(&r, t->config, why);

	if (!err) {
		err = check_times(&r, t->config, why);
		if (err)
			SSL_CTX_free(r.ctx);
	}
	if (err) {
		atomic_fetch_add(&t->reload_failures, 1);
		return err;
	}
	pthread_mutex_lock(&t->lock);
	old = t->now;
	t->now = r;
	atomic_fetch_add(&t->generation, 1);
	pthread_mutex_unlock(&t->lock);
	SSL_CTX_free(old.ctx);
	return 0;
}

void
tls_status_get(struct tls *t, struct tls_status *out)
{
	pthread_mutex_lock(&t->lock);
	out->certificate_begin_s = t->now.begin_s;
	out->certificate_end_s = t->now.end_s;
	out->crl_end_s = t->now.crl_end_s;
	pthread_mutex_unlock(&t->lock);
	out->reloads = tls_generation(t);
	out->reload_failures = atomic_load(&t->reload_failures);
}

struct ssl_st *
tls_side(struct tls *t, uint64_t *generation)
{
	SSL_CTX *ctx;
	SSL *ssl;

	pthread_mutex_lock(&t->lock);
	ctx = t->now.ctx;
	SSL_CTX_up_ref(ctx);
	*generation = tls_generation(t);
	pthread_mutex_unlock(&t->lock);
	ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	return ssl;
}

uint64_t
tls_generation(const struct tls *t)
{
	return atomic_load_explicit(&t->generation, memory_order_relaxed);
}
