/* 16 filter bits a key and 8 probes: about one useless search in 2,000. */
#include "storage/keyrun.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/buf.h"
#include "proto/check.h"
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
run_path(char out[PATH_MAX], const char *dir, uint32_t first, uint32_t last)
{
	int n = snprintf(out, PATH_MAX, "%s/keys-%08u-%08u.run", dir, first, last);

	return n < PATH_MAX ? 0 : STELE_ELIMIT;
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

static void
filter_add(uint8_t *filter, uint64_t bits, const uint8_t digest[16])
{
	for (unsigned k = 0; k < FILTER_PROBES; k++) {
		uint64_t bit = probe(digest, k, bits);
		filter[bit / 8] |= (uint8_t)(1u << bit % 8);
	}
}

static uint64_t
filter_bytes_for(uint64_t keys)
{
	return (keys * FILTER_BITS / 8 + 64) / 8 * 8;
}

/* The header of the whole file at p, its hash included. */
static void
put_header(uint8_t *p, size_t n, uint64_t incarnation, const struct keyrun *r, struct sha256 *h)
{
	const struct slice parts[] = {slice_of(p, 64), slice_of(p + RUN_HEADER, n - RUN_HEADER)};

	memcpy(p, magic, sizeof magic);
	le_put32(p + 8, RUN_VERSION);
	le_put64(p + 16, incarnation);
	le_put32(p + 24, r->first);
	le_put32(p + 28, r->last);
	le_put64(p + 32, r->last_sequence);
	le_put64(p + 40, r->count);
	le_put64(p + 48, r->filter_bits / 8);
	le_put64(p + 56, (uint64_t)r->newest_ns);
	sha256_hash_parts(h, p + 64, parts, 2);
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
		filter_add(filter, filter_bytes * 8, k->digest);
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
	     int64_t newest_ns, const struct keytable *t, struct sha256 *h)
{
	struct keyrun r = {.first = number,
			   .last = number,
			   .count = t->n,
			   .last_sequence = last_sequence,
			   .newest_ns = newest_ns,
			   .filter_bits = filter_bytes_for(t->n) * 8};
	char path[PATH_MAX];
	struct buf b;
	int err = run_path(path, dir, number, number);

	buf_init(&b);
	if (err == 0)
		err = fill(&b, t, r.filter_bits / 8);
	if (err == 0) {
		put_header(b.p, b.n, incarnation, &r, h);
		err = file_replace(path, b.p, b.n, 0600);
	}
	buf_fini(&b);
	return err;
}

/* --- merging ---------------------------------------------------------------- */

/* The smallest entry that the runs have left at their positions, or n. */
static size_t
smallest(const struct keyrun *runs, size_t n, const uint64_t at[KEYRUN_MERGE])
{
	size_t best = n;

	for (size_t i = 0; i < n; i++) {
		if (at[i] < runs[i].count &&
		    (best == n || memcmp(runs[i].entries + at[i] * RUN_ENTRY,
					 runs[best].entries + at[best] * RUN_ENTRY, RUN_ENTRY) < 0))
			best = i;
	}
	return best;
}

/* The merged entries and their filter; their number. A key that was replayed comes once. */
static uint64_t
merge_entries(const struct keyrun *runs, size_t n, uint8_t *filter, uint64_t bits, uint8_t *out)
{
	uint64_t at[KEYRUN_MERGE] = {0}, count = 0;
	size_t i;

	while ((i = smallest(runs, n, at)) < n) {
		const uint8_t *e = runs[i].entries + at[i]++ * RUN_ENTRY;
		if (count && memcmp(out + (count - 1) * RUN_ENTRY, e, 24) == 0)
			continue;
		memcpy(out + count++ * RUN_ENTRY, e, RUN_ENTRY);
		filter_add(filter, bits, e);
	}
	return count;
}

/* The merged run into the mapped file of n_bytes, which is zero; sets *used to its bytes. */
static void
merge_into(uint8_t *p, uint64_t incarnation, const struct keyrun *runs, size_t n, uint64_t most,
	   struct sha256 *h, uint64_t *used)
{
	struct keyrun r = {.first = runs[0].first,
			   .last = runs[n - 1].last,
			   .filter_bits = filter_bytes_for(most) * 8};
	uint64_t filter_bytes = r.filter_bits / 8;

	for (size_t i = 0; i < n; i++) {
		if (runs[i].last_sequence > r.last_sequence)
			r.last_sequence = runs[i].last_sequence;
		if (runs[i].newest_ns > r.newest_ns)
			r.newest_ns = runs[i].newest_ns;
	}
	r.count = merge_entries(runs, n, p + RUN_HEADER, r.filter_bits,
				p + RUN_HEADER + filter_bytes);
	*used = RUN_HEADER + filter_bytes + r.count * RUN_ENTRY;
	put_header(p, *used, incarnation, &r, h);
}

/* Space is taken before it is mapped, so that a full disk is an error and no signal. */
static int
merge_file(int fd, uint64_t incarnation, const struct keyrun *runs, size_t n, uint64_t most,
	   struct sha256 *h)
{
	uint64_t bytes = RUN_HEADER + filter_bytes_for(most) + most * RUN_ENTRY, used;
	int e = posix_fallocate(fd, 0, (off_t)bytes);
	uint8_t *p;

	if (e != 0)
		return stele_err_from_errno(e);
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return STELE_ENOMEM;
	merge_into(p, incarnation, runs, n, most, h, &used);
	munmap(p, bytes);
	return ftruncate(fd, (off_t)used) == 0 && fsync(fd) == 0 ? 0 : STELE_EIO;
}

int
keyrun_merge(const char *dir, uint64_t incarnation, const struct keyrun *runs, size_t n,
	     struct sha256 *h)
{
	char path[PATH_MAX], tmp[PATH_MAX + 8];
	uint64_t most = 0;
	int fd, err = run_path(path, dir, runs[0].first, runs[n - 1].last);

	CHECK(n >= 2 && n <= KEYRUN_MERGE);
	for (size_t i = 0; i < n; i++)
		most += runs[i].count;
	if (err != 0)
		return err;
	snprintf(tmp, sizeof tmp, "%s.tmp", path);
	fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return stele_err_from_errno(errno);
	err = merge_file(fd, incarnation, runs, n, most, h);
	close(fd);
	if (err == 0 && rename(tmp, path) != 0)
		err = stele_err_from_errno(errno);
	if (err != 0)
		unlink(tmp);
	return err == 0 ? file_sync_dir(dir) : err;
}

/* --- opening ---------------------------------------------------------------- */

int
keyrun_verify(const struct keyrun *r, struct sha256 *h)
{
	const uint8_t *p = r->map;
	const struct slice parts[] = {slice_of(p, 64),
				      slice_of(p + RUN_HEADER, r->map_bytes - RUN_HEADER)};
	uint8_t hash[32];

	sha256_hash_parts(h, hash, parts, 2);
	return memcmp(hash, p + 64, 32) == 0 ? 0 : STELE_EDAMAGED;
}

static int
check(struct keyrun *r, uint64_t incarnation, struct sha256 *h)
{
	static const uint8_t zeros[RUN_HEADER - RUN_HASH_END];
	const uint8_t *p = r->map;
	uint64_t filter_bytes;

	if (r->map_bytes < RUN_HEADER || memcmp(p, magic, sizeof magic) != 0 ||
	    memcmp(p + RUN_HASH_END, zeros, sizeof zeros) != 0)
		return STELE_EDAMAGED;
	r->verified = r->map_bytes <= KEYRUN_LAZY_BYTES;
	if (r->verified && keyrun_verify(r, h) != 0)
		return STELE_EDAMAGED;
	if (le_get32(p + 8) != RUN_VERSION || le_get32(p + 12) != 0)
		return STELE_EVERSION;
	r->last_sequence = le_get64(p + 32);
	r->count = le_get64(p + 40);
	filter_bytes = le_get64(p + 48);
	r->newest_ns = (int64_t)le_get64(p + 56);
	if (le_get64(p + 16) != incarnation || le_get32(p + 24) != r->first ||
	    le_get32(p + 28) != r->last || filter_bytes == 0 || filter_bytes > r->map_bytes ||
	    r->count > r->map_bytes / RUN_ENTRY ||
	    RUN_HEADER + filter_bytes + r->count * RUN_ENTRY != r->map_bytes)
		return STELE_EDAMAGED;
	r->filter = p + RUN_HEADER;
	r->filter_bits = filter_bytes * 8;
	r->entries = r->filter + filter_bytes;
	return 0;
}

int
keyrun_open(struct keyrun *r, const char *dir, uint32_t first, uint32_t last, uint64_t incarnation,
	    struct sha256 *h)
{
	struct keyrun got = {.first = first, .last = last};
	char path[PATH_MAX];
	struct stat sb;
	int fd, err = run_path(path, dir, first, last);

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
	err = check(&got, incarnation, h);
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
keyrun_remove(const char *dir, uint32_t first, uint32_t last)
{
	char path[PATH_MAX];
	int err = run_path(path, dir, first, last);

	if (err == 0 && unlink(path) != 0 && errno != ENOENT)
		err = STELE_EIO;
	return err;
}

/* The numbers in a run's file name; *last is 0 for one that was not finished. */
static bool
parse_name(const char *name, uint32_t *first, uint32_t *last)
{
	char tail[16] = "";

	if (sscanf(name, "keys-%8" SCNu32 "-%8" SCNu32 "%15s", first, last, tail) != 3)
		return false;
	if (strcmp(tail, ".run.tmp") == 0)
		*last = 0;
	return strcmp(tail, ".run") == 0 || *last == 0;
}

uint32_t
keyrun_covering(const char *dir, uint32_t first, uint32_t *found)
{
	uint32_t lowest = first, best = 0, a, b;
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (!parse_name(e->d_name, &a, &b) || b < a || (first && a != first))
			continue;
		if (!lowest || a < lowest || (a == lowest && b > best)) {
			lowest = a;
			best = b;
		}
	}
	if (d)
		closedir(d);
	if (found)
		*found = lowest;
	return best;
}

int
keyrun_clean(const char *dir, bool (*keep)(void *ctx, uint32_t first, uint32_t last), void *ctx)
{
	int removed = 0, err = 0;
	DIR *d = opendir(dir);
	struct dirent *e;
	uint32_t a, b;

	if (!d)
		return STELE_EIO;
	while (err == 0 && (e = readdir(d))) {
		if (!parse_name(e->d_name, &a, &b) || keep(ctx, a, b))
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) != 0)
			err = STELE_EIO;
		removed++;
	}
	closedir(d);
	return err ? err : removed;
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
