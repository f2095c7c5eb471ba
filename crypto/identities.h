/*
 * The identities that a server has had, one after the other: each succession note is signed by
 * the one that goes and the one that comes. From one of them, which somebody pinned, trust
 * follows the notes forwards (the pinned key says who came after it) and backwards (it says who
 * was before it); docs/formats.md section 2 has what that is worth. Used where a receipt is judged
 * (crypto/receipt.h), and for a server's own file (crypto/identity.h).
 */
#ifndef STELE_CRYPTO_IDENTITIES_H
#define STELE_CRYPTO_IDENTITIES_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/sha256.h"
#include "crypto/sign.h"
#include "proto/limits.h"
#include "proto/succession.h"

struct identities {
	size_t n; /* at least one; in their order */
	struct {
		struct note_vkey key; /* its name points into a note, or is the pinned one's */
		int64_t until_ns;     /* when the next took over; INT64_MAX: none is known */
	} of[LIMIT_SUCCESSIONS + 1];
	size_t pinned; /* which of them */
};

/*
 * Appends the succession note, signed by both; s->from and s->to are set from the signers.
 * STELE_EINVAL when one cannot follow the other; STELE_ENOMEM.
 */
int identities_sign(struct buf *out, struct succession *s, const struct signer *old,
		    const struct signer *new);

/*
 * Who the pinned identity makes known by n notes, in whatever order they come; notes of
 * other servers mean nothing. Every note of this server's name must be signed by both of its
 * keys, and all of them must be of one row: one successor for each number, each beginning
 * with the key that the one before ended with, times ascending, no key twice. Else STELE_EVERIFY
 * (STELE_EVERSION for a note of another version, STELE_ELIMIT above LIMIT_SUCCESSIONS), and why
 * holds a sentence. What no unbroken row of notes ties to the pinned key is left out.
 */
int identities_read(struct identities *ids, struct sha256 *h, const struct note_vkey *pinned,
		    const struct slice *notes, size_t n, char *why, size_t why_bytes);

/*
 * Verifies and reads a key statement by one of them: *by is which. Errors as
 * sign_verify_key_statement.
 */
int identities_statement(struct sha256 *h, const struct identities *ids, struct slice signed_note,
			 struct keystatement *out, size_t *by);

/* Verifies a note by one of them, as sign_verify_note does: *by is which. */
int identities_note(const struct identities *ids, struct slice signed_note, struct note *note,
		    size_t *by);

#endif
