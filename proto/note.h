/*
 * Signed notes (C2SP signed-note v1; formats.md section 2): a text, a blank
 * line, and one line "— <name> <base64(key ID || signature)>" per signature.
 * Shape only: signatures are checked in crypto/.
 */
#ifndef STELE_PROTO_NOTE_H
#define STELE_PROTO_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/slice.h"

/* The type byte of a verifier key, also part of its key ID. */
enum note_type {
	NOTE_ED25519 = 0x01,
	NOTE_ED25519_COSIGNATURE = 0x04, /* blob: time in seconds, 8 bytes BE, then 64 */
	NOTE_MLDSA44_COSIGNATURE = 0x06, /* known, skipped */
};

enum { NOTE_KEY_ID_BYTES = 4, NOTE_PUBLIC_KEY_BYTES = 32 };

/* A signature line; the slices point into the note. */
struct note_signature {
	struct slice name; /* of the key: not empty, no white space, no '+' */
	uint8_t key_id[NOTE_KEY_ID_BYTES];
	struct slice base64; /* valid base64 of the key ID and 1 or more bytes */
};

struct note {
	struct slice text;   /* what is signed: up to the newline before the blank line, included */
	size_t n_signatures; /* 1..LIMIT_NOTE_SIGNATURES */
	struct note_signature signatures[LIMIT_NOTE_SIGNATURES];
};

/*
 * Takes a note apart; *note points into it. The note is valid UTF-8 without
 * control characters (below U+0020) but newline, ends with a newline, and the
 * last blank line separates text from at least one signature. STELE_ESYNTAX
 * when it is not so; STELE_ELIMIT above LIMIT_NOTE_BYTES or LIMIT_NOTE_SIGNATURES.
 */
int note_parse(struct note *note, struct slice text);

/*
 * A signature's bytes after the key ID: 64 for Ed25519, 72 for its cosignature.
 * Decodes into out and sets *n_out; STELE_ELIMIT when there are more than cap
 * or LIMIT_NOTE_BLOB_BYTES, and then it is of no type known here.
 */
int note_signature_blob(uint8_t *out, size_t cap, size_t *n_out, const struct note_signature *s);

/*
 * Appends a signature line with its newline. The caller has put the text and
 * the blank line. blob has 1..LIMIT_NOTE_BLOB_BYTES. STELE_EINVAL for another,
 * or a name no key can have.
 */
int note_put_signature(struct buf *out, struct slice name, const uint8_t key_id[NOTE_KEY_ID_BYTES],
		       struct slice blob);

/* Whether a key can have this name: UTF-8, not empty, no white space, control or '+'. */
bool note_name_valid(struct slice name);

/* A verifier key: name+hex(key ID)+base64(type || public key). */
struct note_vkey {
	struct slice name; /* into the text it was read from */
	uint8_t key_id[NOTE_KEY_ID_BYTES];
	enum note_type type; /* NOTE_ED25519 or NOTE_ED25519_COSIGNATURE */
	uint8_t public_key[NOTE_PUBLIC_KEY_BYTES];
};

/*
 * Reads a vkey; the text is not followed by a newline. The key ID is taken as
 * written: the caller compares it with the hash of note_put_key_id_input.
 * STELE_ESYNTAX when it is none, STELE_EUNSUPPORTED for another type.
 */
int note_vkey_parse(struct note_vkey *key, struct slice text);

/* Appends a vkey. STELE_EINVAL for a name no key can have, or another type. */
int note_put_vkey(struct buf *out, const struct note_vkey *key);

/*
 * Appends the bytes whose SHA-256 begins with the key ID:
 * name || 0x0A || type || public key. key->key_id is not read.
 */
void note_put_key_id_input(struct buf *out, const struct note_vkey *key);

#endif
