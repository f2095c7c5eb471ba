/* Handshake, then bytes both ways, then the end; why it failed, and whom it is with. */
#include "server/tls_session.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "proto/check.h"
#include "proto/limits.h"
#include "server/tls.h"

_Static_assert(sizeof((struct tls_peer *)0)->names == LIMIT_TLS_NAMES * sizeof(struct tls_name),
	       "limits.h says how many names there are");

struct tls_session {
	struct tls *tls;
	uint64_t generation; /* of what it was made under */
	SSL *ssl;
	BIO *in, *out; /* the ssl's */
	bool ready;
	uint64_t records; /* encrypted */
	enum tls_failure failure;
	struct tls_peer *peer; /* NULL: none */
	GENERAL_NAMES *names;  /* what peer's slices lie in */
};

/* A memory BIO that is empty tells so, and that this is no end. */
static BIO *
bio_new(void)
{
	BIO *b = BIO_new(BIO_s_mem());

	if (b)
		BIO_set_mem_eof_return(b, -1);
	return b;
}

struct tls_session *
tls_session_new(struct tls *t)
{
	struct tls_session *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->tls = t;
	s->ssl = tls_side(t, &s->generation);
	s->in = bio_new();
	s->out = bio_new();
	if (!s->ssl || !s->in || !s->out) {
		SSL_free(s->ssl);
		BIO_free(s->in);
		BIO_free(s->out);
		free(s);
		return NULL;
	}
	SSL_set_bio(s->ssl, s->in, s->out);
	SSL_set_accept_state(s->ssl);
	return s;
}

void
tls_session_free(struct tls_session *s)
{
	if (!s)
		return;
	SSL_free(s->ssl);
	GENERAL_NAMES_free(s->names);
	free(s->peer);
	free(s);
}

/* A buffer that once was large and is empty is let go: idle connections are many. */
static void
give_back(SSL *ssl, BIO **bio, void (*set)(SSL *ssl, BIO *bio))
{
	BUF_MEM *m = NULL;
	BIO *small;

	if (BIO_pending(*bio) || BIO_get_mem_ptr(*bio, &m) != 1 || m->max <= LIMIT_TLS_KEEP_BYTES)
		return;
	small = bio_new();
	if (!small)
		return;
	set(ssl, small); /* frees the old one */
	*bio = small;
}

bool
tls_feed(struct tls_session *s, const void *p, size_t n)
{
	return BIO_write(s->in, p, (int)n) == (int)n;
}

size_t
tls_take(struct tls_session *s, void *p, size_t n)
{
	int got = BIO_read(s->out, p, (int)n);

	if (got > 0)
		give_back(s->ssl, &s->out, SSL_set0_wbio);
	return got > 0 ? (size_t)got : 0;
}

size_t
tls_waiting(const struct tls_session *s)
{
	return (size_t)BIO_pending(s->out);
}

/* --- whom it is with --------------------------------------------------------------- */

static bool
is_plain(const ASN1_STRING *s)
{
	const unsigned char *p = ASN1_STRING_get0_data(s);
	int n = ASN1_STRING_length(s);

	if (n <= 0 || (unsigned)n > LIMIT_TLS_NAME_BYTES)
		return false;
	for (int i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] > '~')
			return false;
	return true;
}

/* The name's text when it is of a kind that we know, or NULL. */
static const ASN1_STRING *
name_text(const GENERAL_NAME *g, enum tls_name_kind *kind)
{
	switch (g->type) {
	case GEN_DNS:
		*kind = TLS_NAME_DNS;
		return g->d.dNSName;
	case GEN_EMAIL:
		*kind = TLS_NAME_EMAIL;
		return g->d.rfc822Name;
	case GEN_URI:
		*kind = TLS_NAME_URI;
		return g->d.uniformResourceIdentifier;
	default:
		return NULL;
	}
}

/*
 * The names of a certificate, in its order. False when they are not what RFC 5280 lets them be,
 * or too many: half of them would be another identity. *names is the caller's to free.
 */
static bool
read_names(X509 *leaf, struct tls_peer *peer, GENERAL_NAMES **names)
{
	int why = -1;

	peer->n = 0;
	*names = X509_get_ext_d2i(leaf, NID_subject_alt_name, &why, NULL);
	if (!*names)
		return why ==
		       -1; /* there is none; other values: it cannot be read, or comes twice */
	for (int i = 0; i < sk_GENERAL_NAME_num(*names); i++) {
		enum tls_name_kind kind;
		const ASN1_STRING *s = name_text(sk_GENERAL_NAME_value(*names, i), &kind);

		if (!s)
			continue;
		if (peer->n == LIMIT_TLS_NAMES || !is_plain(s))
			return false;
		peer->names[peer->n++] = (struct tls_name){
			.kind = kind,
			.text = slice_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s))};
	}
	return true;
}

static bool
names_hold(X509 *leaf)
{
	struct tls_peer peer;
	GENERAL_NAMES *names;
	bool good = read_names(leaf, &peer, &names);

	GENERAL_NAMES_free(names);
	return good;
}

int
tls_session_verify(int good, struct x509_store_ctx_st *ctx)
{
	int depth = X509_STORE_CTX_get_error_depth(ctx);
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(ctx);

	if (!good && X509_STORE_CTX_get_error(ctx) == X509_V_ERR_UNABLE_TO_GET_CRL && depth > 0 &&
	    depth == sk_X509_num(chain) - 1) {
		X509_STORE_CTX_set_error(ctx, X509_V_OK); /* we believe this one by itself */
		return 1;
	}
	if (good && depth == 0 && !names_hold(X509_STORE_CTX_get_current_cert(ctx))) {
		X509_STORE_CTX_set_error(ctx, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	return good;
}

/* After the handshake. A session that resumes brings the certificate that was verified then. */
static bool
know_peer(struct tls_session *s)
{
	X509 *leaf = SSL_get0_peer_certificate(s->ssl);

	if (!leaf)
		return true;
	if (SSL_get_verify_result(s->ssl) != X509_V_OK ||
	    X509_cmp_current_time(X509_get0_notAfter(leaf)) < 0) {
		s->failure = TLS_OLD_CERTIFICATE;
		return false;
	}
	s->peer = calloc(1, sizeof *s->peer);
	return s->peer && read_names(leaf, s->peer, &s->names);
}

const struct tls_peer *
tls_peer(const struct tls_session *s)
{
	return s->peer;
}

bool
tls_stale(const struct tls_session *s)
{
	return (s->peer && s->generation != tls_generation(s->tls)) ||
	       s->records >= LIMIT_TLS_RECORDS;
}

/* --- why it failed ----------------------------------------------------------------- */

static enum tls_failure
certificate_failure(long result)
{
	switch (result) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_OLD_CERTIFICATE;
	case X509_V_ERR_CERT_REVOKED:
		return TLS_REVOKED;
	case X509_V_ERR_UNABLE_TO_GET_CRL:
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		return TLS_NO_CRL;
	default:
		return TLS_BAD_CERTIFICATE;
	}
}

static enum tls_failure
failure_of(const SSL *ssl, unsigned long e)
{
	int reason = ERR_GET_REASON(e);

	if (ERR_GET_LIB(e) != ERR_LIB_SSL)
		return TLS_OTHER;
	switch (reason) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_NO_PROTOCOLS_AVAILABLE:
	case SSL_R_VERSION_TOO_LOW:
		return TLS_VERSION;
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
	case SSL_R_NO_SHARED_GROUPS:
		return TLS_CIPHER;
	case SSL_R_NO_APPLICATION_PROTOCOL:
		return TLS_PROTOCOL;
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return TLS_NO_CERTIFICATE;
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		return certificate_failure(SSL_get_verify_result(ssl));
	default:
		return reason > SSL_AD_REASON_OFFSET ? TLS_ALERT : TLS_OTHER;
	}
}

enum tls_failure
tls_failure(const struct tls_session *s)
{
	return s->failure;
}

const char *
tls_failure_name(enum tls_failure f)
{
	static const char *const names[TLS_FAILURES] = {
		[TLS_OTHER] = "other",
		[TLS_TIMEOUT] = "timeout",
		[TLS_NO_TURN] = "no-turn",
		[TLS_CLOSED] = "closed",
		[TLS_IN_CLEAR] = "not-tls",
		[TLS_VERSION] = "version",
		[TLS_CIPHER] = "cipher",
		[TLS_PROTOCOL] = "protocol",
		[TLS_ALERT] = "alert",
		[TLS_NO_CERTIFICATE] = "no-certificate",
		[TLS_BAD_CERTIFICATE] = "bad-certificate",
		[TLS_OLD_CERTIFICATE] = "certificate-time",
		[TLS_REVOKED] = "revoked",
		[TLS_NO_CRL] = "no-crl",
	};

	CHECK(f < TLS_FAILURES);
	return names[f];
}

/* --- bytes ------------------------------------------------------------------------- */

static int
broken(struct tls_session *s)
{
	s->ready = false;
	ERR_clear_error();
	return TLS_BROKEN;
}

int
tls_handshake(struct tls_session *s)
{
	int rc;

	ERR_clear_error();
	rc = SSL_do_handshake(s->ssl);
	if (rc == 1) {
		if (!know_peer(s))
			return broken(s);
		s->ready = true;
		return 1;
	}
	if (SSL_get_error(s->ssl, rc) == SSL_ERROR_WANT_READ)
		return 0;
	s->failure = failure_of(s->ssl, ERR_peek_error());
	return broken(s);
}

bool
tls_ready(const struct tls_session *s)
{
	return s->ready;
}

ssize_t
tls_read(struct tls_session *s, void *p, size_t n)
{
	size_t got;

	ERR_clear_error();
	if (SSL_read_ex(s->ssl, p, n, &got) == 1)
		return (ssize_t)got;
	switch (SSL_get_error(s->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		give_back(s->ssl, &s->in, SSL_set0_rbio);
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_ENDED;
	default:
		return broken(s);
	}
}

bool
tls_partial(const struct tls_session *s)
{
	return SSL_has_pending(s->ssl) || BIO_pending(s->in);
}

bool
tls_write(struct tls_session *s, const void *p, size_t n)
{
	size_t done;

	CHECK(n && n <= LIMIT_TLS_SLICE_BYTES);
	s->records += (n + SSL3_RT_MAX_PLAIN_LENGTH - 1) / SSL3_RT_MAX_PLAIN_LENGTH;
	ERR_clear_error();
	if (SSL_write_ex(s->ssl, p, n, &done) == 1 && done == n)
		return true;
	broken(s);
	return false;
}

void
tls_goodbye(struct tls_session *s)
{
	ERR_clear_error();
	if (SSL_shutdown(s->ssl) < 0)
		ERR_clear_error();
}

bool
tls_resumed(const struct tls_session *s)
{
	return SSL_session_reused(s->ssl) == 1;
}
