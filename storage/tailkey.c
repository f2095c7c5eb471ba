/* A list of two or three; the newest one first. */
#include "storage/tailkey.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "storage/internal.h"
#include "storage/seal.h"

static void
free_key(struct tail_key *k)
{
	explicit_bzero(k, sizeof *k);
	free(k);
}

void
tailkey_free(struct log *log)
{
	while (log->tail_key) {
		struct tail_key *k = log->tail_key;
		log->tail_key = k->next;
		free_key(k);
	}
}

static struct tail_key *
new_key(const struct keyring_data *data, struct tail_key *before)
{
	struct tail_key *k = calloc(1, sizeof *k);

	if (!k)
		return NULL;
	k->id = data->key_id;
	memcpy(k->key, data->key, sizeof k->key);
	k->next = before;
	return k;
}

/* Ids ascend in the keyring, and a later key has a higher one. */
int
tailkey_take(struct log *log)
{
	const struct keyring_data *data;
	struct tail_key *k;
	size_t n;

	tailkey_free(log);
	data = keyring_each_data(log->store->keyring, &n);
	for (size_t i = 0; i < n; i++) {
		if (data[i].kind != KEYRING_TAIL || data[i].log_id != log->id)
			continue;
		k = new_key(&data[i], log->tail_key);
		if (!k)
			return STELE_ENOMEM;
		if (k->next)
			k->next->use.retired = true;
		log->tail_key = k;
	}
	return log->tail_key ? 0 : STELE_EKEY;
}

int
tailkey_find(struct log *log, uint64_t id, uint8_t key[32])
{
	int err = STELE_EKEY;

	pthread_rwlock_rdlock(&log->store->lock);
	for (const struct tail_key *k = log->tail_key; k; k = k->next) {
		if (k->id != id)
			continue;
		memcpy(key, k->key, 32);
		err = 0;
	}
	pthread_rwlock_unlock(&log->store->lock);
	return err;
}

/* The next key, in the keyring's file and out of it. */
static int
make_key(struct log *log, struct tail_key **out)
{
	struct keyring *ring = log->store->keyring;
	const struct keyring_data *newest;
	uint64_t id;
	int err;

	pthread_mutex_lock(&log->store->creating);
	newest = keyring_find_data(ring, log->tail_key->id);
	err = keyring_add_data(ring, log->id, KEYRING_TAIL, newest ? newest->epoch + 1 : 1, &id);
	if (err == 0) {
		*out = new_key(keyring_find_data(ring, id), NULL);
		err = *out ? keyring_commit(ring) : STELE_ENOMEM;
		if (err != 0)
			keyring_drop_data(ring, id);
		if (err != 0 && *out)
			free_key(*out);
	}
	pthread_mutex_unlock(&log->store->creating);
	return err;
}

int
tailkey_begin(struct log *log)
{
	struct tail_key *next;
	int err = make_key(log, &next);

	if (err != 0)
		return err;
	pthread_rwlock_wrlock(&log->store->lock);
	last_use_begin(log, &log->tail_key->use);
	next->next = log->tail_key;
	log->tail_key = next;
	dict_retire_all(log);
	log_mark_dirty(log);
	pthread_rwlock_unlock(&log->store->lock);
	return 0;
}

/* What is known of a use, into *until. Lock held for writing. */
static void
consider(const struct log *log, struct last_use *u, uint64_t *until)
{
	bool over = last_use_over(log, u);

	if (!u->bounded)
		*until = UINT64_MAX;
	else if (!over && u->used_until > *until)
		*until = u->used_until;
}

uint64_t
tailkey_needed_until(struct log *log)
{
	uint64_t until = 0;

	pthread_rwlock_wrlock(&log->store->lock);
	for (struct tail_key *k = log->tail_key->next; k; k = k->next)
		consider(log, &k->use, &until);
	/* a commit that was under way may have brought one that it sealed under the key before */
	for (size_t i = 0; i < log->n_dicts; i++) {
		if (log->dicts[i].data_key_id != log->tail_key->id)
			consider(log, &log->dicts[i].use, &until);
	}
	pthread_rwlock_unlock(&log->store->lock);
	return until;
}

/* Whether a dictionary that is still listed is sealed under the key. Lock held. */
static bool
has_dict(const struct log *log, uint64_t id)
{
	for (size_t i = 0; i < log->n_dicts; i++) {
		if (log->dicts[i].data_key_id == id)
			return true;
	}
	return false;
}

size_t
tailkey_unneeded(struct log *log, uint64_t *ids, size_t cap)
{
	size_t n = 0;

	pthread_rwlock_wrlock(&log->store->lock);
	for (struct tail_key *k = log->tail_key->next; k && n < cap; k = k->next) {
		if (last_use_over(log, &k->use) && !has_dict(log, k->id))
			ids[n++] = k->id;
	}
	pthread_rwlock_unlock(&log->store->lock);
	return n;
}

bool
tailkey_only(struct log *log)
{
	bool only;

	pthread_rwlock_rdlock(&log->store->lock);
	only = !log->tail_key->next;
	pthread_rwlock_unlock(&log->store->lock);
	return only;
}

void
tailkey_forget(struct log *log, uint64_t id)
{
	pthread_rwlock_wrlock(&log->store->lock);
	for (struct tail_key **at = &log->tail_key->next; *at; at = &(*at)->next) {
		struct tail_key *k = *at;
		if (k->id != id)
			continue;
		*at = k->next;
		free_key(k);
		break;
	}
	pthread_rwlock_unlock(&log->store->lock);
}

void
last_use_begin(const struct log *log, struct last_use *u)
{
	u->retired = true;
	u->retired_at = log->store->position.sequence;
}

/*
 * Commits under way when it was retired, one being written and one taking jobs, may still use
 * it; once a later one was released, or none is under way, the log's size bounds what does.
 */
bool
last_use_over(const struct log *log, struct last_use *u)
{
	if (!u->retired)
		return false;
	if (!u->bounded && (log->store->position.sequence > u->retired_at + 2 ||
			    atomic_load(&log->store->open_commits) == 0)) {
		u->bounded = true;
		u->used_until = log->tree.size;
	}
	return u->bounded && sealed_end(&log->sealed) >= u->used_until;
}
