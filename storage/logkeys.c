/*
 * A log's keys by epoch. The signing key speaks for trees from its first size on; what
 * was signed before stays verifiable under the keys of earlier epochs, of which only the
 * public halves are left (crypto/keyring.h). Manifests of segments that are made again
 * later are signed by the later key, so those are good for smaller sizes too; an earlier
 * key is never good for a size that came after it: that would be a history that was lost.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/kdigest.h"
#include "proto/err.h"
#include "proto/keystatement.h"
#include "storage/internal.h"

uint32_t
log_epoch(const struct log *log)
{
	return log->epoch;
}

const char *
log_vkey(const struct log *log)
{
	return log->vkey;
}

int
log_put_key_statement(const struct log *log, uint32_t epoch, struct buf *out)
{
	if (epoch > log->epoch)
		return STELE_ENOTFOUND;
	return sign_key_statement(out, log->store->identity, &log->vkeys[epoch], epoch,
				  log->first_sizes[epoch]);
}

void
log_drop_keys(struct log *log)
{
	free(log->vkey);
	free(log->vkeys);
	free(log->first_sizes);
	signer_free(log->signer);
	log->vkey = NULL;
	log->vkeys = NULL;
	log->first_sizes = NULL;
	log->signer = NULL;
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

static int
take_epochs(struct log *log, const struct keyring_seed *seeds, size_t n, struct sha256 *h)
{
	const struct keyring_seed *last = &seeds[n - 1];
	struct buf text;
	int err;

	log->vkeys = calloc(n, sizeof *log->vkeys);
	log->first_sizes = calloc(n, sizeof *log->first_sizes);
	if (!log->vkeys || !log->first_sizes)
		return STELE_ENOMEM;
	err = signer_new(&log->signer, h, slice_str(log->origin), last->seed);
	if (err != 0)
		return err;
	for (size_t i = 0; i < n; i++) {
		log->first_sizes[i] = seeds[i].first_size;
		if (i < n - 1)
			ended_vkey(&log->vkeys[i], log, &seeds[i], h);
	}
	log->vkeys[n - 1] = *signer_vkey(log->signer);
	log->epoch = last->epoch;
	buf_init(&text);
	err = note_put_vkey(&text, signer_vkey(log->signer));
	buf_put_u8(&text, 0);
	log->vkey = (char *)text.p;
	return err ? err : text.err;
}

int
log_take_keys(struct log *log, uint64_t data_key_id, struct sha256 *h)
{
	const struct keyring *kr = log->store->keyring;
	const struct keyring_data *data = keyring_find_data(kr, data_key_id);
	const struct keyring_seed *seeds;
	size_t n;

	seeds = keyring_find_seeds(kr, log->id, &n);
	if (!data || n == 0 || data->log_id != log->id)
		return STELE_EKEY;
	log->data_key_id = data_key_id;
	memcpy(log->data_key, data->key, 32);
	kdigest_subkey(log->digest_key, data->key, 1, "stelekey");
	log_drop_keys(log);
	return take_epochs(log, seeds, n, h);
}

const struct note_vkey *
log_vkeys_for(const struct log *log, uint64_t size, size_t *n)
{
	uint32_t epoch = log->epoch;

	while (epoch && log->first_sizes[epoch] > size)
		epoch--;
	*n = log->epoch - epoch + 1;
	return log->vkeys + epoch;
}

bool
log_statement_holds(const struct log *log, uint32_t epoch, struct slice statement, struct sha256 *h)
{
	const struct note_vkey *own;
	struct keystatement k;

	if (epoch > log->epoch ||
	    sign_verify_key_statement(h, signer_vkey(log->store->identity), statement, &k) != 0)
		return false;
	own = &log->vkeys[epoch];
	return slice_eq(k.key.name, own->name) && k.epoch == epoch &&
	       k.first_size == log->first_sizes[epoch] &&
	       memcmp(k.key.public_key, own->public_key, sizeof own->public_key) == 0;
}
