/* fresh -> frozen -> run; a key is found in exactly one of them at any time. */
#include "storage/keyindex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/limits.h"

enum { RUNS_AT_EASE = 16 }; /* merged in time, fifty million keys lie in about twelve */

void
keyindex_init(struct keyindex *k, const char *wal_dir, uint64_t incarnation)
{
	memset(k, 0, sizeof *k);
	pthread_mutex_init(&k->mu, NULL);
	keytable_init(&k->fresh);
	keytable_init(&k->frozen);
	snprintf(k->dir, sizeof k->dir, "%s", wal_dir);
	k->incarnation = incarnation;
	k->first_run = 1;
	k->fresh_from = (struct wal_pos){1, WAL_FIRST_OFFSET};
	k->fresh_from_sequence = 1;
}

static void
close_runs(struct keyindex *k)
{
	for (size_t i = 0; i < k->n_runs; i++)
		keyrun_close(&k->runs[i]);
	free(k->runs);
	k->runs = NULL;
	k->n_runs = k->cap_runs = 0;
	k->first_run = 1;
	k->last_run = 0;
}

void
keyindex_fini(struct keyindex *k)
{
	close_runs(k);
	keytable_fini(&k->fresh);
	keytable_fini(&k->frozen);
	pthread_mutex_destroy(&k->mu);
}

/* Takes an open run in at the end; with drop_frozen it replaces the frozen table. */
static int
add_run(struct keyindex *k, struct keyrun *run, bool drop_frozen)
{
	int err = 0;

	pthread_mutex_lock(&k->mu);
	if (k->n_runs == k->cap_runs) {
		size_t cap = k->cap_runs ? k->cap_runs * 2 : 8;
		struct keyrun *p = realloc(k->runs, cap * sizeof *p);
		if (p) {
			k->runs = p;
			k->cap_runs = cap;
		} else {
			err = STELE_ENOMEM;
		}
	}
	if (err == 0) {
		k->runs[k->n_runs++] = *run;
		k->last_run = run->last;
		if (drop_frozen)
			keytable_clear(&k->frozen, true);
	}
	pthread_mutex_unlock(&k->mu);
	if (err != 0)
		keyrun_close(run);
	return err;
}

static bool
is_open(void *ctx, uint32_t first, uint32_t last)
{
	const struct keyindex *k = ctx;

	for (size_t i = 0; i < k->n_runs; i++) {
		if (k->runs[i].first == first && k->runs[i].last == last)
			return true;
	}
	return false;
}

/* Opens the run that begins at `first`: its last number into *last, also when it is lost. */
static int
open_covering(struct keyindex *k, uint32_t first, uint32_t *last, unsigned *lost, struct sha256 *h)
{
	struct keyrun run;
	int err;

	*last = keyrun_covering(k->dir, first, NULL);
	err = *last ? keyrun_open(&run, k->dir, first, *last, k->incarnation, h) : STELE_ENOTFOUND;
	if (err == 0)
		return add_run(k, &run, false);
	if (!lost || (err != STELE_ENOTFOUND && err != STELE_EDAMAGED))
		return err;
	++*lost;
	if (*last == 0)
		*last = first;
	return 0;
}

int
keyindex_open_runs(struct keyindex *k, uint32_t first, uint32_t last, unsigned *lost,
		   struct sha256 *h)
{
	int err = 0;

	while (err == 0 && first <= last) {
		uint32_t end;
		err = open_covering(k, first, &end, lost, h);
		first = end + 1;
	}
	if (err != 0)
		return err;
	if (k->n_runs)
		k->first_run = k->runs[0].first;
	if (k->last_run < last) /* a merged one may reach further than the catalogue knows */
		k->last_run = last;
	err = keyrun_clean(k->dir, is_open, k);
	return err < 0 ? err : 0;
}

int
keyindex_adopt(struct keyindex *k, unsigned *lost, struct sha256 *h)
{
	uint32_t first, last = keyrun_covering(k->dir, 0, &first), end;
	int err = 0;

	close_runs(k);
	if (!last)
		return 0;
	for (; err == 0 && keyrun_covering(k->dir, first, NULL); first = end + 1) {
		err = open_covering(k, first, &end, lost, h);
		k->last_run = end;
	}
	if (k->n_runs)
		k->first_run = k->runs[0].first;
	if (err == 0)
		err = keyrun_clean(k->dir, is_open, k);
	return err < 0 ? err : 0;
}

static bool
keep_none(void *ctx, uint32_t first, uint32_t last)
{
	(void)ctx;
	(void)first;
	(void)last;
	return false;
}

void
keyindex_reset(struct keyindex *k)
{
	close_runs(k);
	keytable_clear(&k->fresh, false);
	keytable_clear(&k->frozen, false);
	(void)keyrun_clean(k->dir, keep_none, NULL); /* one that stays is written over */
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
	for (size_t i = k->n_runs; i-- > 0;) {
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

void
keyindex_numbers(struct keyindex *k, uint32_t *first, uint32_t *last)
{
	pthread_mutex_lock(&k->mu);
	*first = k->first_run;
	*last = k->last_run;
	pthread_mutex_unlock(&k->mu);
}

uint64_t
keyindex_count(struct keyindex *k)
{
	uint64_t n;

	pthread_mutex_lock(&k->mu);
	n = k->fresh.n + k->frozen.n;
	for (size_t i = 0; i < k->n_runs; i++)
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
keyindex_write_run(struct keyindex *k, int64_t newest_ns, struct sha256 *h)
{
	struct keyrun run;
	uint32_t number;
	bool none;
	int err;

	pthread_mutex_lock(&k->mu);
	number = k->last_run + 1;
	none = k->frozen.n == 0;
	pthread_mutex_unlock(&k->mu);
	if (none)
		return 0;
	err = keyrun_write(k->dir, number, k->incarnation, k->fresh_from_sequence - 1, newest_ns,
			   &k->frozen, h);
	if (err == 0)
		err = keyrun_open(&run, k->dir, number, number, k->incarnation, h);
	return err == 0 ? add_run(k, &run, true) : err;
}

/* --- fewer, larger runs --------------------------------------------------------- */

/* Powers of KEYRUN_MERGE above the smallest run. */
static unsigned
size_class(const struct keyrun *r)
{
	unsigned c = 0;

	for (uint64_t n = r->count / LIMIT_KEYRUN_KEYS; n >= KEYRUN_MERGE / 2; n /= KEYRUN_MERGE)
		c++;
	return c;
}

/*
 * Where neighbours of one size class begin, of the lowest class and then the oldest; n_runs:
 * nowhere. Were they not the oldest, up to three would be left before each merged one, and have no
 * neighbours of their class any more.
 */
static size_t
find_alike(const struct keyindex *k)
{
	size_t found = k->n_runs;

	for (size_t i = 0; i + KEYRUN_MERGE <= k->n_runs; i++) {
		const struct keyrun *r = &k->runs[i];
		bool alike = true;

		for (size_t n = 1; n < KEYRUN_MERGE; n++)
			alike &= size_class(&r[n]) == size_class(&r[0]);
		if (alike && (found == k->n_runs || size_class(r) < size_class(&k->runs[found])))
			found = i;
	}
	return found;
}

/* Where those begin that have the fewest keys together; there are KEYRUN_MERGE runs at least. */
static size_t
find_smallest(const struct keyindex *k)
{
	uint64_t least = UINT64_MAX;
	size_t found = 0;

	for (size_t i = 0; i + KEYRUN_MERGE <= k->n_runs; i++) {
		uint64_t count = 0;

		for (size_t n = 0; n < KEYRUN_MERGE; n++)
			count += k->runs[i + n].count;
		if (count < least)
			found = i;
		least = count < least ? count : least;
	}
	return found;
}

/* Copies the neighbours that are to be merged: whether there are any. */
static bool
pick(struct keyindex *k, struct keyrun out[KEYRUN_MERGE])
{
	size_t at;
	bool found;

	pthread_mutex_lock(&k->mu);
	at = find_alike(k);
	if (at == k->n_runs && k->n_runs > RUNS_AT_EASE)
		at = find_smallest(k);
	found = at < k->n_runs;
	if (found)
		memcpy(out, k->runs + at, KEYRUN_MERGE * sizeof *out);
	pthread_mutex_unlock(&k->mu);
	return found;
}

/* Where the run that begins at number `first` stands; mu is held. */
static size_t
place_of(const struct keyindex *k, uint32_t first)
{
	size_t i = 0;

	while (i < k->n_runs && k->runs[i].first != first)
		i++;
	CHECK(i < k->n_runs);
	return i;
}

/* Takes n runs from place `at` out of the list, in favour of one or of none. mu is held. */
static void
replace(struct keyindex *k, size_t at, size_t n, const struct keyrun *by)
{
	size_t rest = k->n_runs - at - n;

	memmove(k->runs + at + (by ? 1 : 0), k->runs + at + n, rest * sizeof *k->runs);
	if (by)
		k->runs[at] = *by;
	k->n_runs = at + (by ? 1 : 0) + rest;
}

bool
keyindex_crowded(struct keyindex *k)
{
	bool crowded;

	pthread_mutex_lock(&k->mu);
	crowded = k->n_runs > RUNS_AT_EASE;
	pthread_mutex_unlock(&k->mu);
	return crowded;
}

int
keyindex_merge(struct keyindex *k, struct sha256 *h)
{
	struct keyrun old[KEYRUN_MERGE], run;
	int err;

	if (!pick(k, old))
		return 0;
	err = keyrun_merge(k->dir, k->incarnation, old, KEYRUN_MERGE, h);
	if (err == 0)
		err = keyrun_open(&run, k->dir, old[0].first, old[KEYRUN_MERGE - 1].last,
				  k->incarnation, h);
	if (err != 0)
		return err;
	run.verified = true; /* its hash was made of what is mapped */
	for (size_t i = 0; i < KEYRUN_MERGE; i++)
		run.verified &= old[i].verified;
	pthread_mutex_lock(&k->mu);
	replace(k, place_of(k, old[0].first), KEYRUN_MERGE, &run);
	pthread_mutex_unlock(&k->mu);
	for (size_t i = 0; i < KEYRUN_MERGE; i++) {
		int e = keyrun_remove(k->dir, old[i].first, old[i].last);
		err = err ? err : e;
		keyrun_close(&old[i]);
	}
	return err == 0 ? 1 : err;
}

int
keyindex_expire(struct keyindex *k, int64_t before_ns)
{
	int err = 0;

	while (err == 0) {
		struct keyrun old = {0};
		pthread_mutex_lock(&k->mu);
		if (k->n_runs && k->runs[0].newest_ns < before_ns) {
			old = k->runs[0];
			replace(k, 0, 1, NULL);
			k->first_run = old.last + 1;
		}
		pthread_mutex_unlock(&k->mu);
		if (!old.map)
			break;
		err = keyrun_remove(k->dir, old.first, old.last);
		keyrun_close(&old);
	}
	return err;
}

int
keyindex_verify(struct keyindex *k, struct sha256 *h)
{
	struct keyrun r = {0};
	int err;

	pthread_mutex_lock(&k->mu);
	for (size_t i = 0; i < k->n_runs && !r.map; i++) {
		if (!k->runs[i].verified)
			r = k->runs[i];
	}
	pthread_mutex_unlock(&k->mu);
	if (!r.map)
		return 0;
	err = keyrun_verify(&r, h);
	pthread_mutex_lock(&k->mu);
	if (err == 0)
		k->runs[place_of(k, r.first)].verified = true;
	else
		replace(k, place_of(k, r.first), 1, NULL);
	pthread_mutex_unlock(&k->mu);
	if (err != 0)
		keyrun_close(&r);
	return err == 0 ? 1 : err;
}
