/* 16 filter bits a key and 8 probes: about one useless search in 2,000. */
#include "storage/keyrun.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/file.h"

enum {
	RUN_HEADER = 128,
	RUN_HASH_END = 96, /* zeros from there to the header's end */
	RUN_ENTRY = 32,
	RUN_VERSION = 1,
	FILTER_BITS = 16,
	FILTER_PROBES = 8,
};

static const char magic[8] = "stelekey";

static int
run_path(char out[PATH_MAX], const char *dir, uint32_t number)
{
	return snprintf(out, PATH_MAX, "%s/keys-%08u.run", dir, number) < PATH_MAX ? 0
										   : STELE_ELIMIT;
}

/* Two halves of the digest give all probes (Kirsch and Mitzenmacher, 2006). */
static uint64_t
probe(const uint8_t digest[16], unsigned k, uint64_t bits)
{
	return (le_get64(digest) + k * (le_get64(digest + 8) | 1)) % bits;
}

static int
by_digest(const void *a, const void *b)
{
	return memcmp(a, b, RUN_ENTRY);
}

/* Filter and sorted entries into out, behind room for the header. */
static int
fill(struct buf *out, const struct keytable *t, uint64_t filter_bytes)
{
	uint8_t *filter, *entries, *e;

	if (buf_reserve(out, RUN_HEADER + filter_bytes + t->n * RUN_ENTRY) != 0)
		return STELE_ENOMEM;
	memset(out->p, 0, RUN_HEADER + filter_bytes);
	filter = out->p + RUN_HEADER;
	entries = e = filter + filter_bytes;
	for (size_t i = 0; i < t->cap; i++) {
		const struct key_entry *k = &t->slots[i];
		if (!k->log_id)
			continue;
		for (unsigned p = 0; p < FILTER_PROBES; p++) {
			uint64_t bit = probe(k->digest, p, filter_bytes * 8);
			filter[bit / 8] |= (uint8_t)(1u << bit % 8);
		}
		memcpy(e, k->digest, 16);
		le_put64(e + 16, k->log_id);
		le_put64(e + 24, k->index);
		e += RUN_ENTRY;
	}
	qsort(entries, t->n, RUN_ENTRY, by_digest);
	out->n = (size_t)(e - out->p);
	return 0;
}

int
keyrun_write(const char *dir, uint32_t number, uint64_t incarnation, uint64_t last_sequence,
	     const struct keytable *t, struct sha256 *h)
{
	uint64_t filter_bytes = (t->n * FILTER_BITS / 8 + 64) / 8 * 8;
	char path[PATH_MAX];
	struct buf b;
	int err = run_path(path, dir, number);

	buf_init(&b);
	if (err == 0)
		err = fill(&b, t, filter_bytes);
	if (err == 0) {
		memcpy(b.p, magic, sizeof magic);
		le_put32(b.p + 8, RUN_VERSION);
		le_put64(b.p + 16, incarnation);
		le_put32(b.p + 24, number);
		le_put64(b.p + 32, last_sequence);
		le_put64(b.p + 40, t->n);
		le_put64(b.p + 48, filter_bytes);
		const struct slice parts[] = {slice_of(b.p, 64),
					      slice_of(b.p + RUN_HEADER, b.n - RUN_HEADER)};
		sha256_hash_parts(h, b.p + 64, parts, 2);
		err = file_replace(path, b.p, b.n, 0600);
	}
	buf_fini(&b);
	return err;
}

static int
check(struct keyrun *r, uint32_t number, uint64_t incarnation, struct sha256 *h)
{
	static const uint8_t zeros[RUN_HEADER - RUN_HASH_END];
	const uint8_t *p = r->map;
	uint64_t filter_bytes;
	uint8_t hash[32];

	if (r->map_bytes < RUN_HEADER || memcmp(p, magic, sizeof magic) != 0 ||
	    memcmp(p + RUN_HASH_END, zeros, sizeof zeros) != 0)
		return STELE_EDAMAGED;
	const struct slice parts[] = {slice_of(p, 64),
				      slice_of(p + RUN_HEADER, r->map_bytes - RUN_HEADER)};
	sha256_hash_parts(h, hash, parts, 2);
	if (memcmp(hash, p + 64, 32) != 0)
		return STELE_EDAMAGED;
	if (le_get32(p + 8) != RUN_VERSION || le_get32(p + 12) != 0)
		return STELE_EVERSION;
	r->last_sequence = le_get64(p + 32);
	r->count = le_get64(p + 40);
	filter_bytes = le_get64(p + 48);
	if (le_get64(p + 16) != incarnation || le_get32(p + 24) != number ||
	    filter_bytes > r->map_bytes || r->count > r->map_bytes / RUN_ENTRY ||
	    RUN_HEADER + filter_bytes + r->count * RUN_ENTRY != r->map_bytes)
		return STELE_EDAMAGED;
	r->filter = p + RUN_HEADER;
	r->filter_bits = filter_bytes * 8;
	r->entries = r->filter + filter_bytes;
	return 0;
}

int
keyrun_open(struct keyrun *r, const char *dir, uint32_t number, uint64_t incarnation,
	    struct sha256 *h)
{
	struct keyrun got = {0};
	char path[PATH_MAX];
	struct stat sb;
	int fd, err = run_path(path, dir, number);

	if (err != 0)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return stele_err_from_errno(errno);
	if (fstat(fd, &sb) != 0)
		err = STELE_EIO;
	else if (sb.st_size < RUN_HEADER)
		err = STELE_EDAMAGED;
	if (err == 0) {
		got.map_bytes = (size_t)sb.st_size;
		got.map = mmap(NULL, got.map_bytes, PROT_READ, MAP_SHARED, fd, 0);
		if (got.map == MAP_FAILED)
			err = STELE_ENOMEM;
	}
	close(fd);
	if (err != 0)
		return err;
	err = check(&got, number, incarnation, h);
	if (err != 0) {
		munmap(got.map, got.map_bytes);
		return err;
	}
	(void)madvise(got.map, got.map_bytes, MADV_RANDOM);
	*r = got;
	return 0;
}

void
keyrun_close(struct keyrun *r)
{
	if (r->map)
		munmap(r->map, r->map_bytes);
	*r = (struct keyrun){0};
}

int
keyrun_remove(const char *dir, uint32_t number)
{
	char path[PATH_MAX];
	int err = run_path(path, dir, number);

	if (err == 0 && unlink(path) != 0 && errno != ENOENT)
		err = STELE_EIO;
	return err;
}

bool
keyrun_find(const struct keyrun *r, uint64_t log_id, const uint8_t digest[16], uint64_t *index)
{
	uint64_t lo = 0, hi = r->count;

	for (unsigned k = 0; k < FILTER_PROBES; k++) {
		uint64_t bit = probe(digest, k, r->filter_bits);
		if (!(r->filter[bit / 8] >> bit % 8 & 1))
			return false;
	}
	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		if (memcmp(r->entries + mid * RUN_ENTRY, digest, 16) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < r->count; lo++) {
		const uint8_t *e = r->entries + lo * RUN_ENTRY;
		if (memcmp(e, digest, 16) != 0)
			return false;
		if (le_get64(e + 16) == log_id) {
			*index = le_get64(e + 24);
			return true;
		}
	}
	return false;
}
