/*
 * From the outside in: the response, what it says, who signed it, who vouches for them. OpenSSL
 * reads the structures and does the arithmetic; what is enough is decided here, since its own
 * verification asks for a chain and judges it by the clock of today.
 */
#include "crypto/tsp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/ess.h>
#include <openssl/pem.h>
#include <openssl/ts.h>
#include <openssl/x509v3.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "proto/limits.h"
#include "proto/timestamp.h"
#include "proto/utf8.h"

enum {
	RSA_LEAST_BITS = 2048,
	RSA_MOST_BITS = 8192,
	SERIAL_BYTES = (TSP_SERIAL_BYTES - 1) / 2,
	DER_DIGITS = 4, /* of a length */
	DER_DEPTH = 32, /* values in values: with certificates some 15 */
};

#define SECOND_NS INT64_C(1000000000)

struct tsp_roots {
	X509_STORE *store;
};

struct reading {
	TS_RESP *response; /* owns what follows */
	PKCS7 *token;
	TS_TST_INFO *info;
	PKCS7_SIGNER_INFO *signer;
	X509 *certificate;        /* the signer's */
	STACK_OF(X509) * signers; /* owned, not what is in it */
	struct tsp_token said;
	char *why;
};

static int
refuse(struct reading *r, const char *why)
{
	snprintf(r->why, TSP_WHY_BYTES, "%s", why);
	return STELE_EVERIFY;
}

/* --- roots ----------------------------------------------------------------------------------- */

static int
add_root(X509_STORE *store, X509 *certificate)
{
	int added = X509_STORE_add_cert(store, certificate);

	X509_free(certificate);
	return added == 1 ? 0 : STELE_ENOMEM;
}

int
tsp_roots_new(struct tsp_roots **out, struct slice pem)
{
	struct tsp_roots *r = OPENSSL_zalloc(sizeof *r);
	BIO *in = BIO_new_mem_buf(pem.p, pem.n < INT32_MAX ? (int)pem.n : 0);
	size_t n = 0;
	X509 *certificate;
	int err = 0;

	if (r)
		r->store = X509_STORE_new();
	if (!r || !r->store || !in)
		err = STELE_ENOMEM;
	while (err == 0 && (certificate = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		err = add_root(r->store, certificate);
		n++;
	}
	if (err == 0 && (n == 0 || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE))
		err = STELE_ESYNTAX;
	ERR_clear_error();
	BIO_free(in);
	if (err == 0)
		*out = r;
	else
		tsp_roots_free(r);
	return err;
}

void
tsp_roots_free(struct tsp_roots *r)
{
	if (!r)
		return;
	X509_STORE_free(r->store);
	OPENSSL_free(r);
}

/* --- a request ------------------------------------------------------------------------------- */

static bool
fill_imprint(TS_REQ *q, const uint8_t imprint[SHA256_BYTES])
{
	TS_MSG_IMPRINT *m = TS_MSG_IMPRINT_new();
	X509_ALGOR *a = X509_ALGOR_new();
	bool ok = m && a && X509_ALGOR_set0(a, OBJ_nid2obj(NID_sha256), V_ASN1_NULL, NULL) == 1 &&
		  TS_MSG_IMPRINT_set_algo(m, a) == 1;
	uint8_t copy[SHA256_BYTES];

	memcpy(copy, imprint, sizeof copy);
	ok = ok && TS_MSG_IMPRINT_set_msg(m, copy, sizeof copy) == 1 &&
	     TS_REQ_set_msg_imprint(q, m) == 1;
	X509_ALGOR_free(a);
	TS_MSG_IMPRINT_free(m);
	return ok;
}

static ASN1_INTEGER *
nonce_of(const uint8_t nonce[TSP_NONCE_BYTES])
{
	BIGNUM *n = BN_bin2bn(nonce, TSP_NONCE_BYTES, NULL);
	ASN1_INTEGER *i = n ? BN_to_ASN1_INTEGER(n, NULL) : NULL;

	BN_free(n);
	return i;
}

int
tsp_request(struct buf *out, const uint8_t imprint[SHA256_BYTES],
	    const uint8_t nonce[TSP_NONCE_BYTES])
{
	TS_REQ *q = TS_REQ_new();
	ASN1_INTEGER *n = nonce_of(nonce);
	unsigned char *der = NULL;
	int len = 0;

	if (q && n && TS_REQ_set_version(q, 1) == 1 && fill_imprint(q, imprint) &&
	    TS_REQ_set_nonce(q, n) == 1 && TS_REQ_set_cert_req(q, 1) == 1)
		len = i2d_TS_REQ(q, &der);
	if (len > 0)
		buf_put(out, der, (size_t)len);
	OPENSSL_free(der);
	ASN1_INTEGER_free(n);
	TS_REQ_free(q);
	return len > 0 ? out->err : STELE_ENOMEM;
}

/* --- what it says ---------------------------------------------------------------------------- */

/*
 * Takes the first value off: *in is what is in it, *made whether that is values. False when its tag
 * or length is not spelled as DER has it (X.690 sections 8.1.2, 10.1 and 10.2). Tags above 30 are
 * in nothing that is read here.
 */
static bool
take_value(struct slice *s, struct slice *in, bool *made)
{
	size_t digits, n, from = 2;
	uint8_t tag;

	if (s->n < 2)
		return false;
	tag = s->p[0];
	n = s->p[1];
	*made = tag & V_ASN1_CONSTRUCTED;
	if ((tag & 0x1f) == 0x1f ||
	    (*made && tag != 0x30 && tag != 0x31 && (tag & 0xc0) != V_ASN1_CONTEXT_SPECIFIC))
		return false;
	if (n >= 0x80) {
		digits = n - 0x80;
		if (digits < 1 || digits > DER_DIGITS || digits > s->n - 2 || s->p[2] == 0)
			return false;
		for (n = 0; digits > 0; digits--)
			n = n << 8 | s->p[from++];
		if (n < 0x80)
			return false;
	}
	if (n > s->n - from)
		return false;
	*in = slice_of(s->p + from, n);
	*s = slice_of(s->p + from + n, s->n - from - n);
	return true;
}

/* Whether these are values in DER all through, as far as that shows in tags and lengths. In which
 * order a SET has them means nothing here. */
static bool
is_der(struct slice s, unsigned depth)
{
	struct slice in;
	bool made;

	if (depth == 0)
		return false;
	while (s.n > 0)
		if (!take_value(&s, &in, &made) || (made && !is_der(in, depth - 1)))
			return false;
	return true;
}

/* The response, and the TSTInfo in its OCTET STRING: OpenSSL reads BER, and does not look at what
 * follows the latter. */
static int
check_der(struct reading *r, struct slice response)
{
	const ASN1_OCTET_STRING *s = r->token->d.sign->contents->d.other->value.octet_string;
	struct slice info = slice_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
	struct slice in, rest = info;
	bool made;

	if (!is_der(response, DER_DEPTH))
		return refuse(r, "it is BER and not DER: a tag or a length in it is not spelled in "
				 "the one way that DER has, or it is nested too deep");
	if (!is_der(info, DER_DEPTH) || !take_value(&rest, &in, &made) || rest.n != 0)
		return refuse(r, "its TSTInfo is not DER, or something follows it");
	return 0;
}

static int
read_response(struct reading *r, struct slice s)
{
	const unsigned char *at = s.p;
	long status;

	if (s.n == 0 || s.n > LIMIT_TIMESTAMP_BYTES)
		return refuse(r, "it is empty, or larger than a timestamp can be");
	r->response = d2i_TS_RESP(NULL, &at, (long)s.n);
	if (!r->response || at != (const unsigned char *)s.p + s.n)
		return refuse(r, "it is no TimeStampResp of RFC 3161, or something follows it");
	status = ASN1_INTEGER_get(TS_STATUS_INFO_get0_status(TS_RESP_get_status_info(r->response)));
	if (status != TS_STATUS_GRANTED && status != TS_STATUS_GRANTED_WITH_MODS)
		return refuse(r, "the authority did not grant it");
	r->token = TS_RESP_get_token(r->response);
	r->info = TS_RESP_get_tst_info(r->response);
	if (!r->token || !r->info || !PKCS7_type_is_signed(r->token))
		return refuse(r, "there is no token in it");
	if (TS_TST_INFO_get_version(r->info) != 1)
		return refuse(r, "its token is of another version than 1");
	return check_der(r, s);
}

static int
check_imprint(struct reading *r, const uint8_t imprint[SHA256_BYTES])
{
	TS_MSG_IMPRINT *m = TS_TST_INFO_get_msg_imprint(r->info);
	const ASN1_OBJECT *algorithm;
	const ASN1_OCTET_STRING *hash = TS_MSG_IMPRINT_get_msg(m);

	X509_ALGOR_get0(&algorithm, NULL, NULL, TS_MSG_IMPRINT_get_algo(m));
	if (OBJ_obj2nid(algorithm) != NID_sha256)
		return refuse(r, "its imprint is no SHA-256");
	if (ASN1_STRING_length(hash) != SHA256_BYTES ||
	    memcmp(ASN1_STRING_get0_data(hash), imprint, SHA256_BYTES) != 0)
		return refuse(r, "it is a timestamp of something else: the imprint differs");
	return 0;
}

static int
check_nonce(struct reading *r, const uint8_t *nonce)
{
	const ASN1_INTEGER *has = TS_TST_INFO_get_nonce(r->info);
	ASN1_INTEGER *want = nonce ? nonce_of(nonce) : NULL;
	bool same = want && has && ASN1_INTEGER_cmp(want, has) == 0;

	if (nonce && !want)
		return STELE_ENOMEM;
	ASN1_INTEGER_free(want);
	return !nonce || same ? 0 : refuse(r, "it answers another request: the nonce differs");
}

/* genTime, YYYYMMDDhhmmss[.s…]Z (RFC 3161 section 2.4.2), by way of the spelling that is read
 * elsewhere. */
static int
read_time(struct reading *r)
{
	const ASN1_GENERALIZEDTIME *t = TS_TST_INFO_get_time(r->info);
	const char *s = (const char *)ASN1_STRING_get0_data(t);
	int n = ASN1_STRING_length(t);
	char text[40];

	if (n < 15 || n > 25 || memchr(s, 0, (size_t)n))
		return refuse(r, "its genTime is no instant");
	snprintf(text, sizeof text, "%.4s-%.2s-%.2sT%.2s:%.2s:%.*s", s, s + 4, s + 6, s + 8, s + 10,
		 n - 12, s + 12);
	if (timestamp_read(&r->said.time_ns, slice_str(text)) != 0)
		return refuse(r, "its genTime is no instant");
	return 0;
}

/* At most a day: who states more is no clock. */
static int
read_accuracy(struct reading *r)
{
	TS_ACCURACY *a = TS_TST_INFO_get_accuracy(r->info);
	const ASN1_INTEGER *part[3];
	static const int64_t unit_ns[3] = {SECOND_NS, 1000000, 1000};
	int64_t sum = 0, v;

	if (!a)
		return 0;
	part[0] = TS_ACCURACY_get_seconds(a);
	part[1] = TS_ACCURACY_get_millis(a);
	part[2] = TS_ACCURACY_get_micros(a);
	for (size_t i = 0; i < 3; i++) {
		if (!part[i])
			continue;
		if (ASN1_INTEGER_get_int64(&v, part[i]) != 1 || v < 0 ||
		    v > (i ? 999 : TIMESTAMP_DAY_NS / SECOND_NS))
			return refuse(r, "its accuracy is none: at most a day");
		sum += v * unit_ns[i];
	}
	r->said.accuracy_ns = sum;
	return 0;
}

static int
read_serial(struct reading *r)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(TS_TST_INFO_get_serial(r->info), NULL);
	uint8_t bytes[SERIAL_BYTES];
	int len = n ? BN_num_bytes(n) : SERIAL_BYTES + 1;
	bool fits = len <= SERIAL_BYTES && !BN_is_negative(n);

	if (fits) {
		BN_bn2bin(n, bytes);
		hex_format(r->said.serial, bytes, (size_t)len);
	}
	BN_free(n);
	return fits ? 0 : refuse(r, "its serial number is none: at most 32 bytes");
}

/* --- who signed it --------------------------------------------------------------------------- */

static int
find_signer(struct reading *r)
{
	STACK_OF(PKCS7_SIGNER_INFO) *infos = PKCS7_get_signer_info(r->token);

	if (sk_PKCS7_SIGNER_INFO_num(infos) != 1)
		return refuse(r, "its token has another number of signatures than one");
	r->signer = sk_PKCS7_SIGNER_INFO_value(infos, 0);
	r->signers = PKCS7_get0_signers(r->token, NULL, 0);
	if (sk_X509_num(r->signers) != 1)
		return refuse(r, "the certificate of its signer is not in it");
	r->certificate = sk_X509_value(r->signers, 0);
	return 0;
}

static bool
good_digest(int nid)
{
	return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

static bool
good_key(EVP_PKEY *key)
{
	char curve[32];
	int bits = EVP_PKEY_get_bits(key);

	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
		return bits >= RSA_LEAST_BITS && bits <= RSA_MOST_BITS;
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
	       EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) == 1 &&
	       (strcmp(curve, "prime256v1") == 0 || strcmp(curve, "secp384r1") == 0 ||
		strcmp(curve, "secp521r1") == 0);
}

/* The signature's algorithm names the key's kind and, when it names one, the message's digest. */
static int
check_algorithms(struct reading *r)
{
	X509_ALGOR *digest, *signature;
	EVP_PKEY *key = X509_get0_pubkey(r->certificate);
	int md, pk, named, kind;

	PKCS7_SIGNER_INFO_get0_algs(r->signer, NULL, &digest, &signature);
	md = OBJ_obj2nid(digest->algorithm);
	kind = OBJ_obj2nid(signature->algorithm);
	if (OBJ_find_sigid_algs(kind, &named, &pk) != 1) {
		named = NID_undef;
		pk = kind;
	}
	if (!good_digest(md) || (named != NID_undef && named != md))
		return refuse(r, "its signature is over no SHA-256, SHA-384 or SHA-512");
	if (!key || !good_key(key) || EVP_PKEY_get_base_id(key) != EVP_PKEY_type(pk))
		return refuse(r, "its signature is of a kind, or by a key too short, that is not "
				 "taken: RSA of 2048 to 8192 bits, or P-256, P-384, P-521");
	return 0;
}

static int
check_signature(struct reading *r)
{
	const ASN1_TYPE *type = PKCS7_get_signed_attribute(r->signer, NID_pkcs9_contentType);
	const ASN1_TYPE *digest = PKCS7_get_signed_attribute(r->signer, NID_pkcs9_messageDigest);
	uint8_t piece[1024];
	int good = 0;
	BIO *b;

	if (!type || type->type != V_ASN1_OBJECT ||
	    OBJ_obj2nid(type->value.object) != NID_id_smime_ct_TSTInfo || !digest ||
	    digest->type != V_ASN1_OCTET_STRING) /* not every OpenSSL looks before it reads it */
		return refuse(r, "its signature is not over what a timestamp signs");
	b = PKCS7_dataInit(r->token, NULL);
	if (b) {
		while (BIO_read(b, piece, sizeof piece) > 0)
			;
		good = PKCS7_signatureVerify(b, r->token, r->signer, r->certificate);
	}
	BIO_free_all(b);
	return good == 1 ? 0 : refuse(r, "its signature does not hold");
}

/* The certificate that the signature names is this one (RFC 5816). */
static int
check_named(struct reading *r)
{
	const ASN1_TYPE *a =
		PKCS7_get_signed_attribute(r->signer, NID_id_smime_aa_signingCertificate);
	const ASN1_TYPE *b =
		PKCS7_get_signed_attribute(r->signer, NID_id_smime_aa_signingCertificateV2);
	STACK_OF(X509) *all = X509_chain_up_ref(r->token->d.sign->cert);
	ESS_SIGNING_CERT *one = NULL;
	ESS_SIGNING_CERT_V2 *two = NULL;
	const unsigned char *at;
	int good = 0;

	if (a && a->type == V_ASN1_SEQUENCE) {
		at = a->value.sequence->data;
		one = d2i_ESS_SIGNING_CERT(NULL, &at, a->value.sequence->length);
	}
	if (b && b->type == V_ASN1_SEQUENCE) {
		at = b->value.sequence->data;
		two = d2i_ESS_SIGNING_CERT_V2(NULL, &at, b->value.sequence->length);
	}
	if (all && !a == !one && !b == !two && X509_up_ref(r->certificate) == 1) {
		if (sk_X509_unshift(all, r->certificate) > 0)
			good = OSSL_ESS_check_signing_certs(one, two, all, 1);
		else
			X509_free(r->certificate);
	}
	ESS_SIGNING_CERT_free(one);
	ESS_SIGNING_CERT_V2_free(two);
	sk_X509_pop_free(all, X509_free);
	return good == 1 ? 0 : refuse(r, "its signature names another certificate, or none");
}

static bool
instant_of(const ASN1_TIME *t, int64_t *ns)
{
	struct timestamp_date date;
	struct tm tm;

	if (ASN1_TIME_to_tm(t, &tm) != 1 || tm.tm_year < 70)
		return false;
	date = (struct timestamp_date){(unsigned)tm.tm_year + 1900, (unsigned)tm.tm_mon + 1,
				       (unsigned)tm.tm_mday};
	*ns = tm.tm_year > 361
		      ? TIMESTAMP_MAX_NS
		      : timestamp_days(date) * TIMESTAMP_DAY_NS +
				(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec) * SECOND_NS;
	return true;
}

/* That it is a timestamp authority's, and of that time (RFC 3161 section 2.3). */
static int
check_certificate(struct reading *r)
{
	struct tsp_token *t = &r->said;
	int critical = 0;
	EXTENDED_KEY_USAGE *use =
		X509_get_ext_d2i(r->certificate, NID_ext_key_usage, &critical, NULL);
	bool stamps = use && critical == 1 && sk_ASN1_OBJECT_num(use) == 1 &&
		      OBJ_obj2nid(sk_ASN1_OBJECT_value(use, 0)) == NID_time_stamp;

	EXTENDED_KEY_USAGE_free(use);
	if (!stamps ||
	    !(X509_get_key_usage(r->certificate) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		return refuse(r, "its certificate is not one for timestamps alone (critical "
				 "extended key usage)");
	if (!instant_of(X509_get0_notBefore(r->certificate), &t->from_ns) ||
	    !instant_of(X509_get0_notAfter(r->certificate), &t->expires_ns) ||
	    t->time_ns < t->from_ns || t->time_ns > t->expires_ns)
		return refuse(r, "its certificate was not valid at that time");
	return 0;
}

/* The common name, as something that can be shown anywhere. */
static void
read_name(struct reading *r)
{
	static const char none[] = "an authority without a name";
	X509_NAME *subject = X509_get_subject_name(r->certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	int n = at < 0 ? 0
		       : ASN1_STRING_to_UTF8(
				 &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	size_t out = 0;

	for (int i = 0; i < n;) {
		uint32_t c = 0;
		size_t len = utf8_decode(&c, slice_of(text + i, (size_t)(n - i)));
		bool plain = len && c >= 0x20 && (c < 0x7f || c > 0x9f) &&
			     (c < 0x2000 || (c >= 0x3000 && c < 0xe000));
		if (out + (plain ? len : 1) >= TSP_NAME_BYTES)
			break;
		memcpy(r->said.name + out, plain ? (const char *)text + i : "?", plain ? len : 1);
		out += plain ? len : 1;
		i += len ? (int)len : 1;
	}
	OPENSSL_free(text);
	if (out == 0)
		memcpy(r->said.name, none, sizeof none);
}

/* --- who vouches for them -------------------------------------------------------------------- */

static int
check_chain(struct reading *r, const struct tsp_roots *roots)
{
	X509_STORE_CTX *c = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *p = NULL;
	int good = 0;

	if (!c)
		return STELE_ENOMEM;
	if (X509_STORE_CTX_init(c, roots->store, r->certificate, r->token->d.sign->cert) == 1) {
		p = X509_STORE_CTX_get0_param(c);
		X509_VERIFY_PARAM_set_time(p, (time_t)(r->said.time_ns / SECOND_NS));
		X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_PARTIAL_CHAIN);
		X509_VERIFY_PARAM_set_purpose(p, X509_PURPOSE_TIMESTAMP_SIGN);
		good = X509_verify_cert(c);
	}
	if (good != 1)
		snprintf(r->why, TSP_WHY_BYTES, "its certificate leads to none of the roots: %s",
			 X509_verify_cert_error_string(X509_STORE_CTX_get_error(c)));
	X509_STORE_CTX_free(c);
	r->said.trusted = good == 1;
	return good == 1 ? 0 : STELE_EVERIFY;
}

static int
check(struct reading *r, struct slice response, const uint8_t imprint[SHA256_BYTES],
      const uint8_t *nonce, const struct tsp_roots *roots)
{
	int err = read_response(r, response);

	err = err ? err : check_imprint(r, imprint);
	err = err ? err : check_nonce(r, nonce);
	err = err ? err : read_time(r);
	err = err ? err : read_accuracy(r);
	err = err ? err : read_serial(r);
	err = err ? err : find_signer(r);
	err = err ? err : check_algorithms(r);
	err = err ? err : check_signature(r);
	err = err ? err : check_named(r);
	err = err ? err : check_certificate(r);
	if (err == 0)
		read_name(r);
	return err || !roots ? err : check_chain(r, roots);
}

int
tsp_check(struct tsp_token *out, struct slice response, const uint8_t imprint[SHA256_BYTES],
	  const uint8_t *nonce, const struct tsp_roots *roots, char why[TSP_WHY_BYTES])
{
	struct reading r = {.why = why};
	int err = check(&r, response, imprint, nonce, roots);

	sk_X509_free(r.signers);
	TS_RESP_free(r.response);
	ERR_clear_error();
	if (err == 0)
		*out = r.said;
	return err;
}
