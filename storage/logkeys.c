/*
 * A log's keys by epoch. The signing key speaks for trees from its first size on; what
 * was signed before stays verifiable under the keys of earlier epochs, of which only the
 * public halves are left (crypto/keyring.h). Manifests of segments that are made again
 * later are signed by the later key, so those are good for smaller sizes too; an earlier
 * key is never good for a size that came after it: that would be a history that was lost.
 */
#include <jansson.h>
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
	free(k->first_sizes);
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
logkeys_first_size(const struct logkeys *k, uint32_t epoch)
{
	return k->first_sizes[epoch];
}

int
logkeys_put_statement(const struct logkeys *k, uint32_t epoch, struct buf *out)
{
	if (epoch > k->epoch)
		return STELE_ENOTFOUND;
	return sign_key_statement(out, k->identity, &k->vkeys[epoch], epoch, k->first_sizes[epoch]);
}

const struct note_vkey *
logkeys_for(const struct logkeys *k, uint64_t size, size_t *n)
{
	uint32_t epoch = k->epoch;

	while (epoch && k->first_sizes[epoch] > size)
		epoch--;
	*n = k->epoch - epoch + 1;
	return k->vkeys + epoch;
}

/* --- making -------------------------------------------------------------------------- */

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
	k->epoch = (uint32_t)(n - 1);
	k->identity = log->store->identity;
	k->vkeys = calloc(n, sizeof *k->vkeys);
	k->first_sizes = calloc(n, sizeof *k->first_sizes);
	err = k->vkeys && k->first_sizes
		      ? signer_new(&k->signer, h, slice_str(log->origin), seed->seed)
		      : STELE_ENOMEM;
	buf_init(&text);
	if (err == 0) {
		k->vkeys[n - 1] = *signer_vkey(k->signer);
		k->vkeys[n - 1].name = slice_str(log->origin); /* it outlives the signer */
		k->first_sizes[n - 1] = seed->first_size;
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

/* The key of an epoch that is over, from what is left of it. */
static void
ended_vkey(struct note_vkey *key, const struct log *log, const struct keyring_seed *seed,
	   struct sha256 *h)
{
	key->name = slice_str(log->origin);
	key->type = NOTE_ED25519;
	memcpy(key->public_key, seed->public_key, sizeof key->public_key);
	sign_keyid(h, key->key_id, key->name, key->type, key->public_key);
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
	for (size_t i = 0; i + 1 < n; i++) {
		k->first_sizes[i] = seeds[i].first_size;
		ended_vkey(&k->vkeys[i], log, &seeds[i], h);
	}
	logkeys_unref(log->keys);
	log->keys = k;
	return 0;
}

int
logkeys_next(struct logkeys **out, const struct log *log, const struct logkeys *now,
	     const struct keyring_seed *seed, struct sha256 *h)
{
	size_t n = (size_t)now->epoch + 1;
	int err = begin(out, log, seed, n + 1, h);

	if (err != 0)
		return err;
	memcpy((*out)->vkeys, now->vkeys, n * sizeof *now->vkeys);
	memcpy((*out)->first_sizes, now->first_sizes, n * sizeof *now->first_sizes);
	return 0;
}

/* --- statements ---------------------------------------------------------------------- */

/* Whether the statement is for the log's key of its epoch in k. */
static bool
names_key(const struct logkeys *k, const struct keystatement *s)
{
	const struct note_vkey *own;

	if (s->epoch > k->epoch)
		return false;
	own = &k->vkeys[s->epoch];
	return slice_eq(s->key.name, own->name) && s->first_size == k->first_sizes[s->epoch] &&
	       memcmp(s->key.public_key, own->public_key, sizeof own->public_key) == 0;
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

const char log_statement_wrong[] =
	"the key statement in it is not by this server's identity for the log's key from there on";

bool
log_statement_holds(const struct log *log, uint64_t first_size, struct slice payload,
		    struct sha256 *h)
{
	json_t *root = json_loadb((const char *)payload.p, payload.n, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(root, "key_statement"));
	struct keystatement s;
	bool holds = text &&
		     sign_verify_key_statement(h, signer_vkey(log->store->identity),
					       slice_str(text), &s) == 0 &&
		     s.first_size == first_size &&
		     (names_key(log->keys, &s) || names_prepared_key(log, &s, h));

	json_decref(root);
	return holds;
}
