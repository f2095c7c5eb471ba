/* Two keys at most, in the keyring beside those that data is sealed under. */
#include "storage/digest.h"

#include <string.h>

#include "crypto/kdigest.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/internal.h"

#define HOUR_NS (INT64_C(3600) * 1000000000)
#define EPOCH_NS ((int64_t)LIMIT_DIGEST_EPOCH_S * 1000000000)

/* What the keyring has, the newest first; older ones than two are left over from a crash. */
static void
collect(const struct keyring *kr, struct digest_keys *out)
{
	const struct keyring_data *data;
	size_t n;

	*out = (struct digest_keys){.n = 0};
	data = keyring_each_data(kr, &n);
	while (n-- && out->n < DIGEST_EPOCHS) {
		if (data[n].kind != KEYRING_DIGEST)
			continue;
		if (out->n == 0)
			out->begun_ns = (int64_t)data[n].epoch * HOUR_NS;
		memcpy(out->key[out->n], data[n].key, 32);
		out->id[out->n++] = data[n].key_id;
	}
}

/* The next epoch's key in the keyring's file, and all out of it but the one before. */
static int
begin(struct store *st, int64_t now_ns, struct digest_keys *keys)
{
	uint64_t id, ended = keys->n == DIGEST_EPOCHS ? keys->id[DIGEST_EPOCHS - 1] : 0;
	struct keyring *kr = st->keyring;
	int err = keyring_add_data(kr, 0, KEYRING_DIGEST, (uint32_t)(now_ns / HOUR_NS), &id);

	if (err != 0)
		return err;
	err = keyring_commit(kr);
	if (err != 0) {
		keyring_drop_data(kr, id);
		return err;
	}
	keyring_drop_data(kr, ended);
	err = ended ? keyring_commit(kr) : 0;
	collect(kr, keys);
	return err;
}

static void
publish(struct store *st, const struct digest_keys *keys)
{
	pthread_rwlock_wrlock(&st->lock);
	st->digests = *keys;
	pthread_rwlock_unlock(&st->lock);
}

int
digest_open(struct store *st)
{
	struct digest_keys keys;
	int err;

	collect(st->keyring, &keys);
	err = keys.n ? 0 : begin(st, store_now_ns(st), &keys);
	if (keys.n)
		publish(st, &keys);
	explicit_bzero(&keys, sizeof keys);
	return err;
}

int
digest_tend(struct store *st)
{
	int64_t now_ns = store_now_ns(st);
	struct digest_keys keys;
	int err = 0;

	digest_keys_get(st, &keys);
	if (now_ns - keys.begun_ns >= EPOCH_NS) {
		pthread_mutex_lock(&st->creating);
		err = begin(st, now_ns, &keys);
		publish(st, &keys);
		pthread_mutex_unlock(&st->creating);
	}
	explicit_bzero(&keys, sizeof keys);
	return err;
}

void
digest_keys_get(struct store *st, struct digest_keys *out)
{
	pthread_rwlock_rdlock(&st->lock);
	*out = st->digests;
	pthread_rwlock_unlock(&st->lock);
}

int64_t
digest_means_until_ns(struct store *st)
{
	int64_t begun_ns;

	pthread_rwlock_rdlock(&st->lock);
	begun_ns = st->digests.begun_ns;
	pthread_rwlock_unlock(&st->lock);
	return begun_ns + 2 * EPOCH_NS;
}

void
digest_make(uint8_t out[16], const struct digest_keys *keys, unsigned epoch, uint64_t log_id,
	    const uint8_t key[16])
{
	uint8_t id[8];
	const struct slice parts[] = {slice_of(id, sizeof id), slice_of(key, 16)};

	le_put64(id, log_id);
	kdigest(out, keys->key[epoch], parts, 2);
}
