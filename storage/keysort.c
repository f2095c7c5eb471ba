/* A merge of at most some thousand runs: a segment has LIMIT_SEGMENT_RECORDS records at most. */
#include "storage/keysort.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/limits.h"
#include "storage/file.h"

enum { KEY_BYTES = KEYSORT_DIGEST_BYTES + 4, AHEAD = 64 }; /* keys read from a run at a time */

struct keysort {
	const char *dir;
	int fd; /* -1 until something was spilt */
	size_t key_bytes;
	size_t n, cap; /* of the run in memory */
	uint8_t *keys;
	bool sorted;
	uint32_t n_runs; /* spilt; of LIMIT_KEYRUN_KEYS each */
};

struct run {
	uint64_t at, end; /* in the file, of what was not read */
	uint32_t next, n; /* in ahead */
	uint8_t ahead[AHEAD * KEY_BYTES];
};

int
keysort_new(struct keysort **out, const char *dir, unsigned digest_bytes)
{
	struct keysort *k = calloc(1, sizeof *k);

	if (!k)
		return STELE_ENOMEM;
	k->dir = dir;
	k->fd = -1;
	k->key_bytes = digest_bytes + 4;
	*out = k;
	return 0;
}

void
keysort_free(struct keysort *k)
{
	if (!k)
		return;
	if (k->fd >= 0)
		close(k->fd);
	free(k->keys);
	free(k);
}

/* As memcmp: digests differ in their first 8 bytes, nearly always. */
static int
by_key(const void *a, const void *b, void *key_bytes)
{
	uint64_t x = be_get64(a), y = be_get64(b);

	if (x != y)
		return x < y ? -1 : 1;
	return memcmp((const uint8_t *)a + 8, (const uint8_t *)b + 8, *(size_t *)key_bytes - 8);
}

static void
sort(struct keysort *k)
{
	if (k->n)
		qsort_r(k->keys, k->n, k->key_bytes, by_key, &k->key_bytes);
}

/* A file that is gone once it is closed. */
static int
open_spill(struct keysort *k)
{
	char path[PATH_MAX];

	if (k->fd >= 0)
		return 0;
	if (snprintf(path, sizeof path, "%s/keys-XXXXXX.tmp", k->dir) >= (int)sizeof path)
		return STELE_ELIMIT;
	k->fd = mkostemps(path, 4, O_CLOEXEC);
	if (k->fd < 0 || unlink(path) != 0)
		return stele_err_from_errno(errno);
	return 0;
}

static int
spill(struct keysort *k)
{
	size_t bytes = LIMIT_KEYRUN_KEYS * k->key_bytes;
	int err = open_spill(k);

	if (err != 0)
		return err;
	CHECK(k->n == LIMIT_KEYRUN_KEYS);
	sort(k);
	err = file_pwrite(k->fd, k->keys, bytes, k->n_runs * bytes);
	if (err != 0)
		return err;
	k->n_runs++;
	k->n = 0;
	return 0;
}

int
keysort_add(struct keysort *k, const uint8_t *digest, uint32_t ordinal)
{
	size_t digest_bytes = k->key_bytes - 4;
	uint8_t *key;
	int err = k->n == LIMIT_KEYRUN_KEYS ? spill(k) : 0;

	if (err != 0)
		return err;
	CHECK(!k->sorted);
	if (k->n == k->cap) {
		size_t cap = k->cap ? k->cap * 2 : 1024;
		void *p = realloc(k->keys, cap * k->key_bytes);
		if (!p)
			return STELE_ENOMEM;
		k->keys = p;
		k->cap = cap;
	}
	key = k->keys + k->n++ * k->key_bytes;
	memcpy(key, digest, digest_bytes);
	be_put32(key + digest_bytes, ordinal);
	return 0;
}

/* The run's lowest key that was not taken; NULL at its end. */
static int
look(struct keysort *k, struct run *r, const uint8_t **key)
{
	if (r->next == r->n && r->at < r->end) {
		uint64_t left = (r->end - r->at) / k->key_bytes;
		int err;
		r->n = left < AHEAD ? (uint32_t)left : AHEAD;
		r->next = 0;
		err = file_pread(k->fd, r->ahead, r->n * k->key_bytes, r->at);
		if (err != 0)
			return STELE_EIO; /* it was written a moment ago */
		r->at += r->n * k->key_bytes;
	}
	*key = r->next < r->n ? r->ahead + r->next * k->key_bytes : NULL;
	return 0;
}

static int
merge(struct keysort *k, struct run *runs, keysort_fn *fn, void *ctx)
{
	for (size_t at = 0;;) {
		const uint8_t *lowest = at < k->n ? k->keys + at * k->key_bytes : NULL, *key;
		struct run *from = NULL;
		int err = 0;
		for (uint32_t i = 0; err == 0 && i < k->n_runs; i++) {
			err = look(k, &runs[i], &key);
			if (err != 0 || !key || (lowest && by_key(lowest, key, &k->key_bytes) < 0))
				continue;
			lowest = key;
			from = &runs[i];
		}
		if (err == 0 && lowest)
			err = fn(ctx, lowest);
		if (err != 0 || !lowest)
			return err;
		if (from)
			from->next++;
		else
			at++;
	}
}

int
keysort_each(struct keysort *k, keysort_fn *fn, void *ctx)
{
	uint64_t bytes = (uint64_t)LIMIT_KEYRUN_KEYS * k->key_bytes;
	struct run *runs = calloc(k->n_runs + 1, sizeof *runs);
	int err;

	if (!runs)
		return STELE_ENOMEM;
	for (uint32_t i = 0; i < k->n_runs; i++) {
		runs[i].at = i * bytes;
		runs[i].end = (i + 1) * bytes;
	}
	if (!k->sorted)
		sort(k);
	k->sorted = true;
	err = merge(k, runs, fn, ctx);
	free(runs);
	return err;
}
