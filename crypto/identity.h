/*
 * The server identity: the name and the Ed25519 key that sign every log's key
 * statement, in a key file of their own (crypto/keyfile.h) so that it can live
 * offline. Auditors pin its verifier key.
 *
 * Body: u8 length, server name, seed[32].
 */
#ifndef STELE_CRYPTO_IDENTITY_H
#define STELE_CRYPTO_IDENTITY_H

#include "crypto/keyfile.h"
#include "crypto/sha256.h"
#include "crypto/sign.h"
#include "proto/slice.h"

/*
 * Makes a new identity of this server name (a key name of at most
 * LIMIT_SERVER_NAME_BYTES), writes it to path durably, and gives its signer,
 * which the caller frees. STELE_EEXIST when there is a file; STELE_EINVAL for
 * the name; errors as keyfile_write.
 */
int identity_create(struct signer **out, const char *path, struct slice server_name,
		    struct keyfile_seal *seal, struct sha256 *h);

/*
 * The identity at path; its name is signer_vkey()->name. Errors as keyfile_read;
 * STELE_EDAMAGED when the body is not an identity's.
 */
int identity_open(struct signer **out, const char *path, struct keyfile_seal *seal,
		  struct sha256 *h);

#endif
