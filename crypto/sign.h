/*
 * Ed25519 (RFC 8032) signatures on notes: signers, verifier keys, signed notes
 * (C2SP signed-note v1), key statements and witness cosignatures (C2SP
 * tlog-cosignature v1). Shapes are proto/note.h's; formats.md section 2.
 */
#ifndef STELE_CRYPTO_SIGN_H
#define STELE_CRYPTO_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/sha256.h"
#include "proto/buf.h"
#include "proto/keystatement.h"
#include "proto/note.h"
#include "proto/slice.h"

enum { SIGN_SEED_BYTES = 32, SIGN_BYTES = 64 };

/* A named signing key. Immutable: any number of threads may sign with it. */
struct signer;

/*
 * A signer of this key name (copied; 1..LIMIT_ORIGIN_BYTES) from a seed, which
 * the caller wipes. STELE_EINVAL for a name no key can have; STELE_ENOMEM.
 */
int signer_new(struct signer **out, struct sha256 *h, struct slice name,
	       const uint8_t seed[SIGN_SEED_BYTES]);

/*
 * The same, but the signer is a witness's: its key has the type NOTE_ED25519_COSIGNATURE, and it
 * signs by sign_cosignature alone.
 */
int signer_new_witness(struct signer **out, struct sha256 *h, struct slice name,
		       const uint8_t seed[SIGN_SEED_BYTES]);

/* Wipes and frees it. */
void signer_free(struct signer *s);

/* The verifier key; its name points into the signer. */
const struct note_vkey *signer_vkey(const struct signer *s);

/* out = the signature of message. Deterministic; about 25 us. */
void signer_sign(const struct signer *s, uint8_t out[SIGN_BYTES], struct slice message);

/* out = the first 4 bytes of SHA-256(name || 0x0A || type || public key). */
void sign_keyid(struct sha256 *h, uint8_t out[NOTE_KEY_ID_BYTES], struct slice name,
		enum note_type type, const uint8_t public_key[NOTE_PUBLIC_KEY_BYTES]);

/*
 * Reads a verifier key from text and checks its key ID. STELE_EVERIFY when the
 * ID is not the key's; errors as note_vkey_parse. key->name points into text.
 */
int sign_vkey_parse(struct sha256 *h, struct note_vkey *key, struct slice text);

/*
 * Appends the whole signed note: text, a blank line, and a signature line of
 * each of the n signers. text ends with a newline and does not point into out.
 * Errors stick to out.
 */
void sign_note(struct buf *out, struct slice text, const struct signer *const *signers, size_t n);

/* Appends one more signature line of s for text, to a note that has its blank line. */
void sign_note_line(struct buf *out, struct slice text, const struct signer *s);

/*
 * Takes a signed note apart and verifies it under n keys of type NOTE_ED25519,
 * whose IDs the caller has checked (sign_vkey_parse). Signatures by other keys
 * are ignored; every signature under one of these keys must hold, and there
 * must be one at least: else STELE_EVERIFY. On success *note points into signed_note
 * and *which, if not NULL, is the lowest index of a key that signed. Also
 * STELE_EINVAL for a key of another type, and note_parse's errors.
 */
int sign_verify_note(const struct note_vkey *keys, size_t n, struct slice signed_note,
		     struct note *note, size_t *which);

/*
 * The latest cosignature of a note's text by one witness, whose key has the type
 * NOTE_ED25519_COSIGNATURE: *time_s is when it saw it, seconds since 1970.
 * STELE_ENOTFOUND when the witness did not sign; STELE_EVERIFY when any line
 * of its is bad; STELE_EINVAL for a key of another type.
 */
int sign_verify_cosignature(const struct note_vkey *witness, const struct note *note,
			    uint64_t *time_s);

/*
 * Appends a witness's signature line for a note's text (C2SP tlog-cosignature v1): it has seen that
 * this is consistent with what it saw before, at time_s, seconds since 1970. Errors stick to out.
 */
void sign_cosignature(struct buf *out, struct slice text, const struct signer *witness,
		      uint64_t time_s);

/*
 * Appends the signature line of one witness for a note's text that is among those of reply, lines
 * as a witness answers with: the latest, when it has several. Lines by other keys are passed over.
 * Errors as note_parse and sign_verify_cosignature; then nothing is appended.
 */
int sign_take_cosignature(struct buf *out, const struct note_vkey *witness, struct slice text,
			  struct slice reply);

/*
 * Appends a key statement signed by the server identity: this key speaks for
 * its log from the tree of first_size entries on. STELE_EINVAL when a number
 * is out of range, and then nothing is appended.
 */
int sign_key_statement(struct buf *out, const struct signer *identity, const struct note_vkey *log,
		       uint64_t epoch, uint64_t first_size);

/*
 * Verifies a key statement under the identity's key and takes it apart; *out
 * points into signed_note. The log key's ID is checked too. STELE_EVERIFY;
 * errors as sign_verify_note and keystatement_parse.
 */
int sign_verify_key_statement(struct sha256 *h, const struct note_vkey *identity,
			      struct slice signed_note, struct keystatement *out);

#endif
