/* A merge of at most some thousand runs: a segment has LIMIT_SEGMENT_RECORDS records at most. */
#include "storage/keysort.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/limits.h"
#include "storage/file.h"

enum { KEY_BYTES = 20, AHEAD = 64 }; /* keys read from a run at a time */

struct keysort {
	const char *dir;
	int fd; /* -1 until something was spilt */
	size_t n, cap;
	uint8_t (*keys)[KEY_BYTES]; /* the run in memory */
	uint32_t n_runs;            /* spilt; of LIMIT_KEYRUN_KEYS each */
};

struct run {
	uint64_t at, end; /* in the file, of what was not read */
	uint32_t next, n; /* in ahead */
	uint8_t ahead[AHEAD][KEY_BYTES];
};

int
keysort_new(struct keysort **out, const char *dir)
{
	struct keysort *k = calloc(1, sizeof *k);

	if (!k)
		return STELE_ENOMEM;
	k->dir = dir;
	k->fd = -1;
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

static int
by_key(const void *a, const void *b)
{
	return memcmp(a, b, KEY_BYTES);
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
	size_t bytes = (size_t)LIMIT_KEYRUN_KEYS * KEY_BYTES;
	int err = open_spill(k);

	if (err != 0)
		return err;
	CHECK(k->n == LIMIT_KEYRUN_KEYS);
	qsort(k->keys, k->n, KEY_BYTES, by_key);
	err = file_pwrite(k->fd, k->keys, bytes, k->n_runs * bytes);
	if (err != 0)
		return err;
	k->n_runs++;
	k->n = 0;
	return 0;
}

int
keysort_add(struct keysort *k, const uint8_t digest[16], uint32_t ordinal)
{
	int err = k->n == LIMIT_KEYRUN_KEYS ? spill(k) : 0;

	if (err != 0)
		return err;
	if (k->n == k->cap) {
		size_t cap = k->cap ? k->cap * 2 : 1024;
		void *p = realloc(k->keys, cap * KEY_BYTES);
		if (!p)
			return STELE_ENOMEM;
		k->keys = p;
		k->cap = cap;
	}
	memcpy(k->keys[k->n], digest, 16);
	be_put32(k->keys[k->n++] + 16, ordinal);
	return 0;
}

/* The run's lowest key that was not taken; NULL at its end. */
static int
look(struct keysort *k, struct run *r, const uint8_t **key)
{
	if (r->next == r->n && r->at < r->end) {
		uint64_t left = (r->end - r->at) / KEY_BYTES;
		int err;
		r->n = left < AHEAD ? (uint32_t)left : AHEAD;
		r->next = 0;
		err = file_pread(k->fd, r->ahead, (size_t)r->n * KEY_BYTES, r->at);
		if (err != 0)
			return STELE_EIO; /* it was written a moment ago */
		r->at += (uint64_t)r->n * KEY_BYTES;
	}
	*key = r->next < r->n ? r->ahead[r->next] : NULL;
	return 0;
}

static int
merge(struct keysort *k, struct run *runs, keysort_fn *fn, void *ctx)
{
	for (;;) {
		const uint8_t *lowest = k->n < k->cap ? k->keys[k->n] : NULL, *key;
		struct run *from = NULL;
		int err = 0;
		for (uint32_t i = 0; err == 0 && i < k->n_runs; i++) {
			err = look(k, &runs[i], &key);
			if (err != 0 || !key || (lowest && memcmp(lowest, key, KEY_BYTES) < 0))
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
			k->n++;
	}
}

int
keysort_each(struct keysort *k, keysort_fn *fn, void *ctx)
{
	uint64_t bytes = (uint64_t)LIMIT_KEYRUN_KEYS * KEY_BYTES;
	struct run *runs = calloc(k->n_runs + 1, sizeof *runs);
	int err;

	if (!runs)
		return STELE_ENOMEM;
	for (uint32_t i = 0; i < k->n_runs; i++) {
		runs[i].at = i * bytes;
		runs[i].end = (i + 1) * bytes;
	}
	if (k->n)
		qsort(k->keys, k->n, KEY_BYTES, by_key);
	k->cap = k->n; /* from here on: keys[n .. cap) are left */
	k->n = 0;
	err = merge(k, runs, fn, ctx);
	free(runs);
	return err;
}
