/*
 * The server identity: the name and the Ed25519 key that sign every log's key statement, and
 * the succession notes from the server's first identity to this one, in a key file of their own
 * (crypto/keyfile.h) so that it can live offline. Auditors pin its verifier key. A next one may
 * lie in the file beside it, prepared to take over (storage/succeed.h).
 *
 * Body: u8 length, server name, seed[32]; then, unless there is nothing to say, u8 successions,
 * each a u16 length and the note, in order; u8 1 when a next one is prepared, else 0, and of that
 * one u64 log id, u64 index, seed[32], u16 length and its note. Little-endian.
 */
#ifndef STELE_CRYPTO_IDENTITY_H
#define STELE_CRYPTO_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/identities.h"
#include "crypto/keyfile.h"
#include "crypto/sha256.h"
#include "crypto/sign.h"
#include "proto/slice.h"

/* Immutable and counted: any number of threads may use it. */
struct identity;

/* The one that is prepared, and where the record is to be that puts it in force. */
struct identity_next {
	struct identity *identity; /* counted; NULL: none is prepared */
	uint64_t log_id, index;
};

/*
 * Makes a new identity of this server name (at most LIMIT_SERVER_NAME_BYTES, a name that keys
 * can have), writes it to path durably, and gives it, counted for the caller. STELE_EEXIST when
 * there is a file; STELE_EINVAL for the name; errors as keyfile_write.
 */
int identity_create(struct identity **out, const char *path, struct slice server_name,
		    struct keyfile_seal *seal, struct sha256 *h);

/*
 * The identity at path, counted for the caller, and the prepared one in *next. Errors as
 * keyfile_read; STELE_EDAMAGED when the body is not an identity's, or its notes do not
 * lead to its key.
 */
int identity_open(struct identity **out, struct identity_next *next, const char *path,
		  struct keyfile_seal *seal, struct sha256 *h);

/* Makes the file what these are, durably and atomically; next may be NULL. As keyfile_write. */
int identity_write(const char *path, const struct identity *now, const struct identity_next *next,
		   struct keyfile_seal *seal);

/*
 * A new key that takes over from now at time_ns (or just after the last succession, if that is
 * later), with the note that says so, in memory only. STELE_ELIMIT after LIMIT_SUCCESSIONS;
 * STELE_ENOMEM.
 */
int identity_succeed(struct identity **out, const struct identity *now, int64_t time_ns,
		     struct sha256 *h);

/* Counts one more; returns id. */
struct identity *identity_ref(struct identity *id);
/* Counts one fewer; the last one wipes it. NULL is fine. */
void identity_unref(struct identity *id);

/* Its signing key; and the verifier key as text, NUL-terminated. Valid as long as it is counted. */
const struct signer *identity_signer(const struct identity *id);
const char *identity_vkey(const struct identity *id);
/* All identities up to this one, which is pinned. Names point into the identity. */
const struct identities *identity_row(const struct identity *id);
/* The i-th succession note, from 0; there are identity_row()->n - 1. */
struct slice identity_succession(const struct identity *id, size_t i);

#endif
