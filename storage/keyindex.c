/* fresh -> frozen -> run; a key is found in exactly one of them at any time. */
#include "storage/keyindex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/limits.h"

void
keyindex_init(struct keyindex *k, const char *wal_dir, uint64_t incarnation)
{
	memset(k, 0, sizeof *k);
	pthread_mutex_init(&k->mu, NULL);
	keytable_init(&k->fresh);
	keytable_init(&k->frozen);
	snprintf(k->dir, sizeof k->dir, "%s", wal_dir);
	k->incarnation = incarnation;
	k->fresh_from = (struct wal_pos){1, WAL_FIRST_OFFSET};
	k->fresh_from_sequence = 1;
}

static void
close_runs(struct keyindex *k)
{
	for (uint32_t i = 0; i < k->n_runs; i++)
		keyrun_close(&k->runs[i]);
	free(k->runs);
	k->runs = NULL;
	k->n_runs = k->cap_runs = 0;
}

void
keyindex_fini(struct keyindex *k)
{
	close_runs(k);
	keytable_fini(&k->fresh);
	keytable_fini(&k->frozen);
	pthread_mutex_destroy(&k->mu);
}

/* Opens run n_runs + 1 and takes it in; with drop_frozen it replaces the frozen table. */
static int
take_run(struct keyindex *k, struct sha256 *h, bool drop_frozen)
{
	struct keyrun run;
	int err = keyrun_open(&run, k->dir, k->n_runs + 1, k->incarnation, h);

	if (err != 0)
		return err;
	pthread_mutex_lock(&k->mu);
	if (k->n_runs == k->cap_runs) {
		uint32_t cap = k->cap_runs ? k->cap_runs * 2 : 8;
		struct keyrun *p = realloc(k->runs, cap * sizeof *p);
		if (p) {
			k->runs = p;
			k->cap_runs = cap;
		} else {
			err = STELE_ENOMEM;
		}
	}
	if (err == 0) {
		k->runs[k->n_runs++] = run;
		if (drop_frozen)
			keytable_clear(&k->frozen, true);
	}
	pthread_mutex_unlock(&k->mu);
	if (err != 0)
		keyrun_close(&run);
	return err;
}

int
keyindex_open_runs(struct keyindex *k, uint32_t n, struct sha256 *h)
{
	int err = 0;

	while (err == 0 && k->n_runs < n)
		err = take_run(k, h, false);
	return err;
}

void
keyindex_reset(struct keyindex *k)
{
	close_runs(k);
	keytable_clear(&k->fresh, false);
	keytable_clear(&k->frozen, false);
	for (uint32_t i = 1; keyrun_remove(k->dir, i) == 0 && i < 4096; i++)
		continue;
	keyindex_start(k, (struct wal_pos){1, WAL_FIRST_OFFSET}, 1, (const uint8_t[32]){0});
}

void
keyindex_start(struct keyindex *k, struct wal_pos from, uint64_t sequence, const uint8_t prev[32])
{
	k->fresh_from = from;
	k->fresh_from_sequence = sequence;
	memcpy(k->fresh_from_prev, prev, 32);
}

int
keyindex_reserve(struct keyindex *k, size_t n)
{
	int err;

	pthread_mutex_lock(&k->mu);
	err = keytable_reserve(&k->fresh, n);
	if (err == 0)
		k->reserved = n;
	pthread_mutex_unlock(&k->mu);
	return err;
}

static bool
find_locked(struct keyindex *k, uint64_t log_id, const uint8_t digest[16], uint64_t *index)
{
	const struct key_entry *e = keytable_find(&k->fresh, log_id, digest);

	if (!e)
		e = keytable_find(&k->frozen, log_id, digest);
	if (e) {
		*index = e->index;
		return true;
	}
	for (uint32_t i = k->n_runs; i-- > 0;) {
		if (keyrun_find(&k->runs[i], log_id, digest, index))
			return true;
	}
	return false;
}

bool
keyindex_find(struct keyindex *k, uint64_t log_id, const uint8_t digest[16], uint64_t *index)
{
	bool found;

	pthread_mutex_lock(&k->mu);
	found = find_locked(k, log_id, digest, index);
	pthread_mutex_unlock(&k->mu);
	return found;
}

void
keyindex_add(struct keyindex *k, const struct key_entry *e)
{
	pthread_mutex_lock(&k->mu);
	if (!keytable_find(&k->fresh, e->log_id, e->digest))
		keytable_add(&k->fresh, e);
	pthread_mutex_unlock(&k->mu);
}

uint64_t
keyindex_count(struct keyindex *k)
{
	uint64_t n;

	pthread_mutex_lock(&k->mu);
	n = k->fresh.n + k->frozen.n;
	for (uint32_t i = 0; i < k->n_runs; i++)
		n += k->runs[i].count;
	pthread_mutex_unlock(&k->mu);
	return n;
}

bool
keyindex_due(struct keyindex *k, struct wal_pos end)
{
	bool due;

	pthread_mutex_lock(&k->mu);
	due = k->frozen.n == 0 &&
	      (k->fresh.n >= LIMIT_KEYRUN_KEYS || end.file > k->fresh_from.file + 1);
	pthread_mutex_unlock(&k->mu);
	return due;
}

int
keyindex_freeze(struct keyindex *k, struct wal_pos end, uint64_t sequence, const uint8_t prev[32])
{
	struct keytable empty;
	int err;

	pthread_mutex_lock(&k->mu);
	CHECK(k->frozen.n == 0);
	/* A commit between its reservation and its publishing counts on the room. */
	err = keytable_reserve(&k->frozen, k->reserved);
	if (err == 0) {
		empty = k->frozen;
		k->frozen = k->fresh;
		k->fresh = empty;
		keyindex_start(k, end, sequence, prev);
	}
	pthread_mutex_unlock(&k->mu);
	return err;
}

int
keyindex_write_run(struct keyindex *k, struct sha256 *h)
{
	int err;

	if (k->frozen.n == 0)
		return 0;
	err = keyrun_write(k->dir, k->n_runs + 1, k->incarnation, k->fresh_from_sequence - 1,
			   &k->frozen, h);
	return err == 0 ? take_run(k, h, true) : err;
}
