/* libsodium's Ed25519 on the shapes of proto/note.h. */
#include "crypto/sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/limits.h"

_Static_assert(SIGN_SEED_BYTES == crypto_sign_ed25519_SEEDBYTES, "seed");
_Static_assert(SIGN_BYTES == crypto_sign_ed25519_BYTES, "signature");
_Static_assert(NOTE_PUBLIC_KEY_BYTES == crypto_sign_ed25519_PUBLICKEYBYTES, "public key");

enum { COSIGNATURE_BYTES = 8 + SIGN_BYTES };

struct signer {
	struct note_vkey vkey; /* its name is the array below */
	uint8_t secret[crypto_sign_ed25519_SECRETKEYBYTES];
	char name[LIMIT_ORIGIN_BYTES];
};

void
sign_keyid(struct sha256 *h, uint8_t out[NOTE_KEY_ID_BYTES], struct slice name, enum note_type type,
	   const uint8_t public_key[NOTE_PUBLIC_KEY_BYTES])
{
	const uint8_t middle[2] = {'\n', (uint8_t)type};
	const struct slice parts[] = {name, slice_of(middle, 2),
				      slice_of(public_key, NOTE_PUBLIC_KEY_BYTES)};
	uint8_t hash[SHA256_BYTES];

	sha256_hash_parts(h, hash, parts, 3);
	memcpy(out, hash, NOTE_KEY_ID_BYTES);
}

int
sign_vkey_parse(struct sha256 *h, struct note_vkey *key, struct slice text)
{
	uint8_t id[NOTE_KEY_ID_BYTES];
	struct note_vkey got;
	int r = note_vkey_parse(&got, text);

	if (r != 0)
		return r;
	sign_keyid(h, id, got.name, got.type, got.public_key);
	if (memcmp(id, got.key_id, sizeof id) != 0)
		return STELE_EVERIFY;
	*key = got;
	return 0;
}

static int
make(struct signer **out, struct sha256 *h, struct slice name, enum note_type type,
     const uint8_t seed[SIGN_SEED_BYTES])
{
	struct signer *s;

	if (!note_name_valid(name) || name.n > sizeof s->name)
		return STELE_EINVAL;
	s = calloc(1, sizeof *s);
	if (!s)
		return STELE_ENOMEM;
	memcpy(s->name, name.p, name.n);
	s->vkey.name = slice_of(s->name, name.n);
	s->vkey.type = type;
	CHECK(crypto_sign_ed25519_seed_keypair(s->vkey.public_key, s->secret, seed) == 0);
	sign_keyid(h, s->vkey.key_id, s->vkey.name, s->vkey.type, s->vkey.public_key);
	*out = s;
	return 0;
}

int
signer_new(struct signer **out, struct sha256 *h, struct slice name,
	   const uint8_t seed[SIGN_SEED_BYTES])
{
	return make(out, h, name, NOTE_ED25519, seed);
}

int
signer_new_witness(struct signer **out, struct sha256 *h, struct slice name,
		   const uint8_t seed[SIGN_SEED_BYTES])
{
	return make(out, h, name, NOTE_ED25519_COSIGNATURE, seed);
}

void
signer_free(struct signer *s)
{
	if (!s)
		return;
	sodium_memzero(s, sizeof *s);
	free(s);
}

const struct note_vkey *
signer_vkey(const struct signer *s)
{
	return &s->vkey;
}

void
signer_sign(const struct signer *s, uint8_t out[SIGN_BYTES], struct slice message)
{
	CHECK(crypto_sign_ed25519_detached(out, NULL, message.p, message.n, s->secret) == 0);
}

void
sign_note_line(struct buf *out, struct slice text, const struct signer *s)
{
	uint8_t signature[SIGN_BYTES];

	CHECK(text.n && text.p[text.n - 1] == '\n' && s->vkey.type == NOTE_ED25519);
	signer_sign(s, signature, text);
	CHECK(note_put_signature(out, s->vkey.name, s->vkey.key_id,
				 slice_of(signature, sizeof signature)) == 0);
}

void
sign_note(struct buf *out, struct slice text, const struct signer *const *signers, size_t n)
{
	buf_put_slice(out, text);
	buf_put_u8(out, '\n');
	for (size_t i = 0; i < n; i++)
		sign_note_line(out, text, signers[i]);
}

static bool
signed_by(const struct note_signature *sig, const struct note_vkey *key)
{
	return memcmp(sig->key_id, key->key_id, NOTE_KEY_ID_BYTES) == 0 &&
	       slice_eq(sig->name, key->name);
}

/* A signature under a known key: 0 or STELE_EVERIFY. */
static int
verify_one(const struct note_vkey *key, const struct note *note, const struct note_signature *sig)
{
	uint8_t blob[SIGN_BYTES];
	size_t n;

	if (note_signature_blob(blob, sizeof blob, &n, sig) != 0 || n != SIGN_BYTES)
		return STELE_EVERIFY;
	if (crypto_sign_ed25519_verify_detached(blob, note->text.p, note->text.n,
						key->public_key) != 0)
		return STELE_EVERIFY;
	return 0;
}

int
sign_verify_note(const struct note_vkey *keys, size_t n, struct slice signed_note,
		 struct note *note, size_t *which)
{
	size_t first = n;
	struct note got;
	int r;

	for (size_t k = 0; k < n; k++) {
		if (keys[k].type != NOTE_ED25519)
			return STELE_EINVAL;
	}
	r = note_parse(&got, signed_note);
	if (r != 0)
		return r;
	for (size_t i = 0; i < got.n_signatures; i++) {
		for (size_t k = 0; k < n; k++) {
			if (!signed_by(&got.signatures[i], &keys[k]))
				continue;
			if (verify_one(&keys[k], &got, &got.signatures[i]) != 0)
				return STELE_EVERIFY;
			first = k < first ? k : first;
		}
	}
	if (first == n)
		return STELE_EVERIFY;
	*note = got;
	if (which)
		*which = first;
	return 0;
}

/* What a witness signs. */
static void
put_message(struct buf *out, uint64_t time_s, struct slice text)
{
	buf_put_str(out, "cosignature/v1\ntime ");
	buf_put_dec(out, time_s);
	buf_put_u8(out, '\n');
	buf_put_slice(out, text);
}

/* One cosignature line of a known witness. */
static int
verify_cosignature(const struct note_vkey *witness, const struct note *note,
		   const struct note_signature *sig, uint64_t *time_s)
{
	uint8_t blob[COSIGNATURE_BYTES];
	struct buf message;
	uint64_t time;
	size_t n;
	int r;

	if (note_signature_blob(blob, sizeof blob, &n, sig) != 0 || n != COSIGNATURE_BYTES)
		return STELE_EVERIFY;
	time = be_get64(blob);
	buf_init(&message);
	put_message(&message, time, note->text);
	r = message.err;
	if (r == 0 && crypto_sign_ed25519_verify_detached(blob + 8, message.p, message.n,
							  witness->public_key) != 0)
		r = STELE_EVERIFY;
	buf_fini(&message);
	if (r == 0)
		*time_s = time;
	return r;
}

int
sign_verify_cosignature(const struct note_vkey *witness, const struct note *note, uint64_t *time_s)
{
	uint64_t latest = 0, time = 0;
	bool found = false;

	if (witness->type != NOTE_ED25519_COSIGNATURE)
		return STELE_EINVAL;
	for (size_t i = 0; i < note->n_signatures; i++) {
		int r;

		if (!signed_by(&note->signatures[i], witness))
			continue;
		r = verify_cosignature(witness, note, &note->signatures[i], &time);
		if (r != 0)
			return r;
		latest = time > latest ? time : latest;
		found = true;
	}
	if (!found)
		return STELE_ENOTFOUND;
	*time_s = latest;
	return 0;
}

void
sign_cosignature(struct buf *out, struct slice text, const struct signer *witness, uint64_t time_s)
{
	uint8_t blob[COSIGNATURE_BYTES];
	struct buf message;

	CHECK(witness->vkey.type == NOTE_ED25519_COSIGNATURE);
	buf_init(&message);
	put_message(&message, time_s, text);
	be_put64(blob, time_s);
	if (message.err == 0) {
		signer_sign(witness, blob + 8, buf_slice(&message));
		CHECK(note_put_signature(out, witness->vkey.name, witness->vkey.key_id,
					 slice_of(blob, sizeof blob)) == 0);
	} else {
		out->err = message.err;
	}
	buf_fini(&message);
}

/* The witness's line of the note that says this time. */
static void
put_line_of(struct buf *out, const struct note_vkey *witness, const struct note *note,
	    uint64_t time_s)
{
	uint8_t blob[COSIGNATURE_BYTES];
	size_t n;

	for (size_t i = 0; i < note->n_signatures; i++) {
		const struct note_signature *sig = &note->signatures[i];

		if (!signed_by(sig, witness) ||
		    note_signature_blob(blob, sizeof blob, &n, sig) != 0 ||
		    be_get64(blob) != time_s)
			continue;
		CHECK(note_put_signature(out, witness->name, witness->key_id, slice_of(blob, n)) ==
		      0);
		return;
	}
}

int
sign_take_cosignature(struct buf *out, const struct note_vkey *witness, struct slice text,
		      struct slice reply)
{
	struct note note;
	struct buf whole;
	uint64_t time_s;
	int err;

	buf_init(&whole);
	buf_put_slice(&whole, text);
	buf_put_u8(&whole, '\n');
	buf_put_slice(&whole, reply);
	err = whole.err ? whole.err : note_parse(&note, buf_slice(&whole));
	if (err == 0 && !slice_eq(note.text, text))
		err = STELE_ESYNTAX; /* a blank line among what should be signatures */
	if (err == 0)
		err = sign_verify_cosignature(witness, &note, &time_s);
	if (err == 0)
		put_line_of(out, witness, &note, time_s);
	buf_fini(&whole);
	return err ? err : out->err;
}

int
sign_key_statement(struct buf *out, const struct signer *identity, const struct note_vkey *log,
		   uint64_t epoch, uint64_t first_size)
{
	const struct keystatement k = {*log, epoch, first_size};
	struct buf text;
	int r;

	buf_init(&text);
	r = keystatement_put(&text, &k);
	if (r == 0)
		r = text.err;
	if (r == 0)
		sign_note(out, buf_slice(&text), (const struct signer *const[]){identity}, 1);
	buf_fini(&text);
	return r ? r : out->err;
}

int
sign_verify_key_statement(struct sha256 *h, const struct note_vkey *identity,
			  struct slice signed_note, struct keystatement *out)
{
	uint8_t id[NOTE_KEY_ID_BYTES];
	struct keystatement got;
	struct note note;
	int r = sign_verify_note(identity, 1, signed_note, &note, NULL);

	if (r == 0)
		r = keystatement_parse(&got, note.text);
	if (r != 0)
		return r;
	sign_keyid(h, id, got.key.name, got.key.type, got.key.public_key);
	if (memcmp(id, got.key.key_id, sizeof id) != 0)
		return STELE_EVERIFY;
	*out = got;
	return 0;
}
