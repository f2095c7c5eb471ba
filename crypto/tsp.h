/*
 * Timestamps by somebody else's clock: the Time-Stamp Protocol (RFC 3161, RFC 5816), by OpenSSL.
 * An authority signs that it has seen a SHA-256 at a time. Decided from bytes alone: no network,
 * no revocation list, no clock of this machine. docs/formats.md section 10, check `timestamps`, is
 * the rules.
 */
#ifndef STELE_CRYPTO_TSP_H
#define STELE_CRYPTO_TSP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/sha256.h"
#include "proto/buf.h"
#include "proto/slice.h"

enum {
	TSP_NONCE_BYTES = 8,
	TSP_NAME_BYTES = 129,  /* of an authority, with its NUL: RFC 5280 has names of 64 letters */
	TSP_SERIAL_BYTES = 65, /* in hex, with its NUL: RFC 3161 has at most 160 bits */
	TSP_WHY_BYTES = 256,
};

/* What a token says, once it holds. */
struct tsp_token {
	int64_t time_ns;               /* genTime: evidence existed no later than that */
	int64_t accuracy_ns;           /* plus this; 0: the authority states none */
	int64_t from_ns, expires_ns;   /* of the signer's certificate */
	char name[TSP_NAME_BYTES];     /* common name in that; what is no plain text is '?' */
	char serial[TSP_SERIAL_BYTES]; /* of the token, lower-case hex */
	bool trusted;                  /* a chain led to one of the roots */
};

/* Certificates that chains may end in. Immutable: any number of threads. */
struct tsp_roots;

/*
 * Reads one or more certificates in PEM. STELE_ESYNTAX: there is none, or one is broken;
 * STELE_ENOMEM.
 */
int tsp_roots_new(struct tsp_roots **out, struct slice pem);

/* NULL is fine. */
void tsp_roots_free(struct tsp_roots *r);

/*
 * Appends a TimeStampReq (RFC 3161 section 2.4.1), DER, some 60 bytes: version 1, of this SHA-256,
 * with a nonce and the wish for certificates. STELE_ENOMEM.
 */
int tsp_request(struct buf *out, const uint8_t imprint[SHA256_BYTES],
		const uint8_t nonce[TSP_NONCE_BYTES]);

/*
 * Checks a TimeStampResp (section 2.4.2), at most LIMIT_TIMESTAMP_BYTES, that has to be of this
 * SHA-256, and of the request with that nonce unless it is NULL. With roots a chain must lead to
 * one of them; without, the signature by the certificate inside is checked and nobody judges whose
 * it is. STELE_EVERIFY, and a sentence in why without its full stop; STELE_ENOMEM.
 */
int tsp_check(struct tsp_token *out, struct slice response, const uint8_t imprint[SHA256_BYTES],
	      const uint8_t *nonce, const struct tsp_roots *roots, char why[TSP_WHY_BYTES]);

#endif
