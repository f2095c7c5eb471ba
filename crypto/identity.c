/* A name, seeds, and notes that tie them together: what a file holds is believed when they do. */
#include "crypto/identity.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/random.h"
#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/limits.h"

struct identity {
	atomic_uint refs;
	uint8_t seed[SIGN_SEED_BYTES];
	struct signer *signer;
	char *vkey;
	struct buf notes; /* one behind the other */
	struct slice note[LIMIT_SUCCESSIONS];
	struct identities row;
};

struct identity *
identity_ref(struct identity *id)
{
	atomic_fetch_add_explicit(&id->refs, 1, memory_order_relaxed);
	return id;
}

void
identity_unref(struct identity *id)
{
	if (!id || atomic_fetch_sub_explicit(&id->refs, 1, memory_order_acq_rel) != 1)
		return;
	signer_free(id->signer);
	free(id->vkey);
	buf_fini(&id->notes);
	explicit_bzero(id, sizeof *id);
	free(id);
}

const struct signer *
identity_signer(const struct identity *id)
{
	return id->signer;
}

const char *
identity_vkey(const struct identity *id)
{
	return id->vkey;
}

const struct identities *
identity_row(const struct identity *id)
{
	return &id->row;
}

struct slice
identity_succession(const struct identity *id, size_t i)
{
	return id->note[i];
}

/* --- making ------------------------------------------------------------------------- */

static int
take_notes(struct identity *id, const struct slice *notes, size_t n, struct sha256 *h)
{
	char why[256];
	size_t at = 0;
	int err;

	for (size_t i = 0; i < n; i++)
		buf_put_slice(&id->notes, notes[i]);
	if (id->notes.err)
		return id->notes.err;
	for (size_t i = 0; i < n; at += notes[i++].n)
		id->note[i] = slice_of(id->notes.p + at, notes[i].n);
	err = identities_read(&id->row, h, signer_vkey(id->signer), id->note, n, why, sizeof why);
	if (err == 0 && (id->row.n != n + 1 || id->row.pinned != n))
		err = STELE_EVERIFY;
	return err;
}

/* The identity of a seed, to which n notes must lead. */
static int
make(struct identity **out, struct slice name, const uint8_t seed[SIGN_SEED_BYTES],
     const struct slice *notes, size_t n, struct sha256 *h)
{
	struct identity *id = calloc(1, sizeof *id);
	struct buf vkey;
	int err;

	if (!id)
		return STELE_ENOMEM;
	atomic_init(&id->refs, 1);
	memcpy(id->seed, seed, sizeof id->seed);
	buf_init(&id->notes);
	buf_init(&vkey);
	err = signer_new(&id->signer, h, name, seed);
	if (err == 0)
		err = note_put_vkey(&vkey, signer_vkey(id->signer));
	buf_put_u8(&vkey, 0);
	id->vkey = (char *)vkey.p;
	if (err == 0)
		err = vkey.err;
	if (err == 0)
		err = take_notes(id, notes, n, h);
	if (err == 0)
		*out = id;
	else
		identity_unref(id);
	return err;
}

int
identity_create(struct identity **out, const char *path, struct slice server_name,
		struct keyfile_seal *seal, struct sha256 *h)
{
	uint8_t seed[SIGN_SEED_BYTES];
	struct identity *id;
	int err;

	if (server_name.n > LIMIT_SERVER_NAME_BYTES)
		return STELE_EINVAL;
	if (access(path, F_OK) == 0)
		return STELE_EEXIST;
	random_bytes(seed, sizeof seed);
	err = make(&id, server_name, seed, NULL, 0, h);
	explicit_bzero(seed, sizeof seed);
	if (err != 0)
		return err;
	err = identity_write(path, id, NULL, seal);
	if (err == 0)
		*out = id;
	else
		identity_unref(id);
	return err;
}

/* Whether a key's ID is that of one before it: signatures could not be told apart. */
static bool
is_taken(const struct identities *row, const struct note_vkey *key)
{
	for (size_t i = 0; i < row->n; i++)
		if (memcmp(row->of[i].key.key_id, key->key_id, sizeof key->key_id) == 0)
			return true;
	return false;
}

/* The signer of a new seed. */
static int
new_signer(struct signer **out, const struct identity *now, uint8_t seed[SIGN_SEED_BYTES],
	   struct sha256 *h)
{
	int err;

	for (;;) {
		random_bytes(seed, SIGN_SEED_BYTES);
		err = signer_new(out, h, signer_vkey(now->signer)->name, seed);
		if (err != 0 || !is_taken(&now->row, signer_vkey(*out)))
			return err;
		signer_free(*out);
	}
}

int
identity_succeed(struct identity **out, const struct identity *now, int64_t time_ns,
		 struct sha256 *h)
{
	size_t n = now->row.n - 1;
	struct slice notes[LIMIT_SUCCESSIONS];
	struct succession s = {.number = n + 1, .time_ns = time_ns};
	uint8_t seed[SIGN_SEED_BYTES];
	struct signer *next = NULL;
	struct buf note;
	int err;

	if (n == LIMIT_SUCCESSIONS)
		return STELE_ELIMIT;
	if (n && time_ns <= now->row.of[n - 1].until_ns)
		s.time_ns = now->row.of[n - 1].until_ns + 1;
	buf_init(&note);
	err = new_signer(&next, now, seed, h);
	if (err == 0)
		err = identities_sign(&note, &s, now->signer, next);
	if (err == 0) {
		if (n)
			memcpy(notes, now->note, n * sizeof *notes);
		notes[n] = buf_slice(&note);
		err = make(out, signer_vkey(now->signer)->name, seed, notes, n + 1, h);
	}
	signer_free(next);
	explicit_bzero(seed, sizeof seed);
	buf_fini(&note);
	return err;
}

/* --- the file ------------------------------------------------------------------------- */

static void
put_note(struct buf *out, struct slice note)
{
	uint8_t n[2] = {(uint8_t)note.n, (uint8_t)(note.n >> 8)};

	buf_put(out, n, sizeof n);
	buf_put_slice(out, note);
}

static void
put_next(struct buf *out, const struct identity_next *next)
{
	const struct identity *id = next->identity;
	uint8_t where[16];

	le_put64(where, next->log_id);
	le_put64(where + 8, next->index);
	buf_put_u8(out, 1);
	buf_put(out, where, sizeof where);
	buf_put(out, id->seed, sizeof id->seed);
	put_note(out, id->note[id->row.n - 2]);
}

int
identity_write(const char *path, const struct identity *now, const struct identity_next *next,
	       struct keyfile_seal *seal)
{
	struct slice name = signer_vkey(now->signer)->name;
	bool prepared = next && next->identity;
	size_t n = now->row.n - 1;
	struct buf body;
	int err;

	buf_init(&body);
	/* at once, so that no secret stays in memory that was given back */
	err = buf_reserve(&body, 512 + 2 * (n + 1) + now->notes.n +
					 (prepared ? next->identity->notes.n : 0));
	buf_put_u8(&body, (uint8_t)name.n);
	buf_put_slice(&body, name);
	buf_put(&body, now->seed, sizeof now->seed);
	if (n || prepared) {
		buf_put_u8(&body, (uint8_t)n);
		for (size_t i = 0; i < n; i++)
			put_note(&body, now->note[i]);
		if (prepared)
			put_next(&body, next);
		else
			buf_put_u8(&body, 0);
	}
	if (err == 0)
		err = body.err;
	if (err == 0)
		err = keyfile_write(path, buf_slice(&body), seal);
	keyfile_wipe(&body);
	return err;
}

/* What a body is read into, before it is believed. */
struct reading {
	struct slice name, seed, next_seed;
	struct slice notes[LIMIT_SUCCESSIONS + 1];
	size_t n;
	bool prepared;
	uint64_t log_id, index;
};

static struct slice
take_note(struct bytes *b)
{
	return bytes_take(b, bytes_u16(b));
}

static int
read_body(struct reading *r, struct slice body)
{
	struct bytes b;
	uint8_t flag;

	bytes_init(&b, body);
	r->name = bytes_take(&b, bytes_u8(&b));
	r->seed = bytes_take(&b, SIGN_SEED_BYTES);
	if (bytes_err(&b) || r->name.n == 0 || r->name.n > LIMIT_SERVER_NAME_BYTES)
		return STELE_EDAMAGED;
	if (bytes_end(&b) == 0)
		return 0;
	r->n = bytes_u8(&b);
	if (r->n > LIMIT_SUCCESSIONS)
		return STELE_EDAMAGED;
	for (size_t i = 0; i < r->n; i++)
		r->notes[i] = take_note(&b);
	flag = bytes_u8(&b);
	r->prepared = flag == 1;
	if (r->prepared) {
		r->log_id = bytes_u64(&b);
		r->index = bytes_u64(&b);
		r->next_seed = bytes_take(&b, SIGN_SEED_BYTES);
		r->notes[r->n] = take_note(&b);
	}
	if (bytes_err(&b) || bytes_end(&b) != 0 || flag > 1 || (r->n == 0 && !r->prepared))
		return STELE_EDAMAGED;
	return 0;
}

static int
make_both(const struct reading *r, struct identity **out, struct identity_next *next,
	  struct sha256 *h)
{
	struct identity *id;
	int err = make(&id, r->name, r->seed.p, r->notes, r->n, h);

	if (err != 0)
		return err;
	*next = (struct identity_next){NULL, r->log_id, r->index};
	if (r->prepared)
		err = r->n < LIMIT_SUCCESSIONS ? make(&next->identity, r->name, r->next_seed.p,
						      r->notes, r->n + 1, h)
					       : STELE_EDAMAGED;
	if (err == 0)
		*out = id;
	else
		identity_unref(id);
	return err;
}

int
identity_open(struct identity **out, struct identity_next *next, const char *path,
	      struct keyfile_seal *seal, struct sha256 *h)
{
	struct reading r = {.n = 0};
	struct buf body;
	int err;

	buf_init(&body);
	err = keyfile_read(path, &body, seal);
	if (err == 0)
		err = read_body(&r, buf_slice(&body));
	if (err == 0)
		err = make_both(&r, out, next, h);
	if (err == STELE_EINVAL || err == STELE_EVERIFY)
		err = STELE_EDAMAGED; /* a name no key can have; notes that lead elsewhere */
	keyfile_wipe(&body);
	return err;
}
