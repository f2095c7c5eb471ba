/*
 * A log's keys by epoch. The signing key speaks for trees from its first size on; what
 * was signed before stays verifiable under the keys of earlier epochs, of which only the
 * public halves are left (crypto/keyring.h). Manifests of segments that are made again
 * later are signed by the later key, so those are good for smaller sizes too; an earlier
 * key is never good for a size that came after it: that would be a history that was lost.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/keystatement.h"
#include "storage/internal.h"

/* --- counted ------------------------------------------------------------------------- */

struct logkeys *
logkeys_ref(struct logkeys *k)
{
	atomic_fetch_add_explicit(&k->refs, 1, memory_order_relaxed);
	return k;
}

void
logkeys_unref(struct logkeys *k)
{
	if (!k || atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) != 1)
		return;
	free(k->vkey);
	free(k->vkeys);
	free(k->epochs);
	free(k->first_sizes);
	free(k->statements);
	signer_free(k->signer);
	free(k);
}

struct logkeys *
log_keys(struct log *log)
{
	struct logkeys *k;

	pthread_rwlock_rdlock(&log->store->lock);
	k = logkeys_ref(log->keys);
	pthread_rwlock_unlock(&log->store->lock);
	return k;
}

/* --- questions ----------------------------------------------------------------------- */

uint32_t
logkeys_epoch(const struct logkeys *k)
{
	return k->epoch;
}

const char *
logkeys_vkey(const struct logkeys *k)
{
	return k->vkey;
}

uint64_t
logkeys_first_size(const struct logkeys *k)
{
	return k->first_sizes[k->n - 1];
}

size_t
logkeys_count(const struct logkeys *k)
{
	return k->n;
}

/* As the identity that was in force then has signed it. */
int
logkeys_put_statement(const struct logkeys *k, size_t i, struct buf *out)
{
	struct keystatement s;
	const uint8_t *by;
	int err;

	if (i >= k->n)
		return STELE_ENOTFOUND;
	s = (struct keystatement){k->vkeys[i], k->epochs[i], k->first_sizes[i]};
	by = k->statements[i];
	err = keystatement_put(out, &s);
	if (err != 0)
		return err;
	buf_put_u8(out, '\n');
	err = note_put_signature(out, k->server, by, slice_of(by + 4, SIGN_BYTES));
	return err ? err : out->err;
}

void
logkeys_sign(const struct logkeys *k, struct slice text, struct buf *out)
{
	const struct signer *signer = k->signer;

	sign_note(out, text, &signer, 1);
}

const struct note_vkey *
logkeys_for(const struct logkeys *k, uint64_t size, size_t *n)
{
	size_t i = k->n - 1;

	while (i && k->first_sizes[i] > size)
		i--;
	*n = k->n - i;
	return k->vkeys + i;
}

/* --- making -------------------------------------------------------------------------- */

/* The key of an epoch, ended or not. */
static int
vkey_of(struct note_vkey *key, struct slice origin, const struct keyring_seed *seed,
	struct sha256 *h)
{
	struct signer *signer;
	int err;

	if (seed->ended) {
		*key = (struct note_vkey){.name = origin, .type = NOTE_ED25519};
		memcpy(key->public_key, seed->public_key, sizeof key->public_key);
		sign_keyid(h, key->key_id, key->name, key->type, key->public_key);
		return 0;
	}
	err = signer_new(&signer, h, origin, seed->seed);
	if (err != 0)
		return err;
	*key = *signer_vkey(signer);
	key->name = origin; /* it outlives the signer */
	signer_free(signer);
	return 0;
}

int
logkeys_state(struct store *st, const struct keyring_seed *seed, struct sha256 *h)
{
	uint8_t by[KEYRING_STATEMENT_BYTES];
	char origin[LIMIT_ORIGIN_BYTES + 1];
	struct note_vkey key;
	struct note parsed;
	struct buf note;
	size_t n;
	int err;

	if (seed->stated)
		return 0;
	snprintf(origin, sizeof origin, "%s/%s", st->place.server_name, seed->name);
	err = vkey_of(&key, slice_str(origin), seed, h);
	if (err != 0)
		return err;
	buf_init(&note);
	err = sign_key_statement(&note, identity_signer(st->identity), &key, seed->epoch,
				 seed->first_size);
	if (err == 0)
		err = note_parse(&parsed, buf_slice(&note));
	if (err == 0)
		err = note_signature_blob(by + 4, SIGN_BYTES, &n, &parsed.signatures[0]);
	if (err == 0) {
		memcpy(by, parsed.signatures[0].key_id, 4);
		err = keyring_state(st->keyring, seed->log_id, seed->epoch, by);
	}
	buf_fini(&note);
	return err;
}

/* Room for n epochs, the last of which signs with the seed. */
static int
begin(struct logkeys **out, const struct log *log, const struct keyring_seed *seed, size_t n,
      struct sha256 *h)
{
	struct logkeys *k = calloc(1, sizeof *k);
	struct buf text;
	int err;

	if (!k)
		return STELE_ENOMEM;
	atomic_init(&k->refs, 1);
	k->epoch = seed->epoch;
	k->n = n;
	k->server = slice_str(log->store->place.server_name);
	k->vkeys = calloc(n, sizeof *k->vkeys);
	k->epochs = calloc(n, sizeof *k->epochs);
	k->first_sizes = calloc(n, sizeof *k->first_sizes);
	k->statements = calloc(n, sizeof *k->statements);
	err = k->vkeys && k->epochs && k->first_sizes && k->statements
		      ? signer_new(&k->signer, h, slice_str(log->origin), seed->seed)
		      : STELE_ENOMEM;
	buf_init(&text);
	if (err == 0) {
		err = note_put_vkey(&text, signer_vkey(k->signer));
		buf_put_u8(&text, 0);
		k->vkey = (char *)text.p;
	}
	if (err == 0)
		err = text.err;
	if (err == 0)
		*out = k;
	else
		logkeys_unref(k);
	return err;
}

/* An epoch's key, and what was stated of it. */
static int
take_epoch(struct logkeys *k, size_t i, const struct log *log, const struct keyring_seed *seed,
	   struct sha256 *h)
{
	int err = 0;

	if (i == k->n - 1) {
		k->vkeys[i] = *signer_vkey(k->signer);
		k->vkeys[i].name = slice_str(log->origin); /* it outlives the signer */
	} else {
		err = vkey_of(&k->vkeys[i], slice_str(log->origin), seed, h);
	}
	if (err == 0)
		err = logkeys_state(log->store, seed, h);
	k->epochs[i] = seed->epoch;
	k->first_sizes[i] = seed->first_size;
	memcpy(k->statements[i], seed->statement, sizeof k->statements[i]);
	return err;
}

int
log_take_keys(struct log *log, struct sha256 *h)
{
	const struct keyring *kr = log->store->keyring;
	const struct keyring_seed *seeds;
	struct logkeys *k;
	size_t n;
	int err;

	seeds = keyring_find_seeds(kr, log->id, &n);
	if (n == 0)
		return STELE_EKEY;
	err = tailkey_take(log);
	if (err == 0)
		err = begin(&k, log, &seeds[n - 1], n, h);
	if (err != 0)
		return err;
	for (size_t i = 0; err == 0 && i < n; i++)
		err = take_epoch(k, i, log, &seeds[i], h);
	if (err != 0) {
		logkeys_unref(k);
		return err;
	}
	logkeys_unref(log->keys);
	log->keys = k;
	return 0;
}

int
logkeys_next(struct logkeys **out, const struct log *log, const struct logkeys *now,
	     const struct keyring_seed *seed, struct sha256 *h)
{
	size_t n = now->n;
	struct logkeys *k;
	int err = begin(&k, log, seed, n + 1, h);

	if (err != 0)
		return err;
	memcpy(k->vkeys, now->vkeys, n * sizeof *now->vkeys);
	memcpy(k->epochs, now->epochs, n * sizeof *now->epochs);
	memcpy(k->first_sizes, now->first_sizes, n * sizeof *now->first_sizes);
	memcpy(k->statements, now->statements, n * sizeof *now->statements);
	err = take_epoch(k, n, log, seed, h);
	if (err == 0)
		*out = k;
	else
		logkeys_unref(k);
	return err;
}

/* --- statements ---------------------------------------------------------------------- */

/* Whether the statement is for the log's key of its epoch in k. */
static bool
names_key(const struct logkeys *k, const struct keystatement *s)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct note_vkey *own = &k->vkeys[i];
		if (k->epochs[i] == s->epoch)
			return slice_eq(s->key.name, own->name) &&
			       s->first_size == k->first_sizes[i] &&
			       memcmp(s->key.public_key, own->public_key, sizeof own->public_key) ==
				       0;
	}
	return false;
}

static bool
names_prepared_key(const struct log *log, const struct keystatement *s, struct sha256 *h)
{
	const struct keyring_seed *seed = keyring_prepared(log->store->keyring, log->id);
	struct logkeys *next;
	bool names;

	if (!seed || logkeys_next(&next, log, log->keys, seed, h) != 0)
		return false;
	names = s->epoch == next->epoch && names_key(next, s);
	logkeys_unref(next);
	return names;
}

/* All that may have stated a key: the prepared identity has, if it is in force by now. */
static const struct identities *
row_of(const struct store *st)
{
	const struct identity *next = st->next_identity.identity;

	return identity_row(next ? next : st->identity);
}

const char log_statement_wrong[] =
	"the key statement in it is not by an identity of this server for the log's key from there "
	"on";

bool
log_statement_holds(const struct log *log, uint64_t first_size, struct slice payload,
		    struct sha256 *h)
{
	json_t *root = json_loadb((const char *)payload.p, payload.n, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(root, "key_statement"));
	struct keystatement s;
	size_t by;
	bool holds = text &&
		     identities_statement(h, row_of(log->store), slice_str(text), &s, &by) == 0 &&
		     s.first_size == first_size &&
		     (names_key(log->keys, &s) || names_prepared_key(log, &s, h));

	json_decref(root);
	return holds;
}
