/*
 * bench-pipe: the floor of batch appends. For each batch of events: SHA-256
 * of every event, the batch through zstd level 1, one append to a prewritten
 * file, one flush. One thread; no network, no JSON, no tree, no signature.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "bench/events.h"
#include "bench/scratch.h"
#include "crypto/sha256.h"
#include "proto/err.h"

enum { FILE_BYTES = 64 << 20, ZSTD_LEVEL = 1 };

static const char usage[] =
	"usage: bench-pipe --dir DIRECTORY [OPTION]...\n"
	"SHA-256 of each event, zstd level 1 of each batch, one flushed append per batch.\n"
	"  --dir DIRECTORY     on the disk to measure\n"
	"  --events FILE       events from the lines of FILE (.zst is decompressed)\n"
	"  --generate N        or N generated ones (65536)\n"
	"  --batch-bytes N     (1000000)\n"
	"  --duration S        (3)\n";

struct pipe {
	struct sha256 *hasher;
	ZSTD_CCtx *zstd;
	uint8_t *packed;
	size_t packed_cap;
	int fd;
	size_t at; /* in the file */
	uint64_t events, body_bytes, packed_bytes, batches;
	uint64_t digests; /* the sum of their first eight bytes, so that none is for nothing */
};

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
write_batch(struct pipe *p, size_t n)
{
	if (p->at + n > FILE_BYTES)
		p->at = 0;
	for (size_t done = 0; done < n;) {
		ssize_t wrote = pwrite(p->fd, p->packed + done, n - done, (off_t)(p->at + done));
		if (wrote < 0)
			return stele_err_from_errno(errno);
		done += (size_t)wrote;
	}
	p->at += n;
	p->packed_bytes += n;
	return fdatasync(p->fd) == 0 ? 0 : stele_err_from_errno(errno);
}

static int
take_batch(struct pipe *p, const struct events *e, size_t first, size_t next, struct slice body)
{
	uint8_t digest[SHA256_BYTES];
	uint64_t word;
	size_t n;

	for (size_t i = first; i < next; i++) {
		sha256_hash(p->hasher, digest, e->items[i]);
		memcpy(&word, digest, sizeof word);
		p->digests += word;
	}
	n = ZSTD_compressCCtx(p->zstd, p->packed, p->packed_cap, body.p, body.n, ZSTD_LEVEL);
	if (ZSTD_isError(n))
		return STELE_EIO;
	p->batches++;
	p->events += next - first;
	p->body_bytes += body.n;
	return write_batch(p, n);
}

static int
run(struct pipe *p, const struct events *e, size_t batch_bytes, double seconds, double *took)
{
	double start = now_s();
	size_t i = 0;

	do {
		struct slice body;
		size_t next = events_run(e, i, batch_bytes, &body);
		int err = take_batch(p, e, i, next, body);
		if (err)
			return err;
		i = next == e->n ? 0 : next;
		*took = now_s() - start;
	} while (*took < seconds);
	return 0;
}

static int
pipe_init(struct pipe *p, const char *dir, const struct events *e, size_t batch_bytes)
{
	size_t largest = batch_bytes;

	for (size_t i = 0; i < e->n; i++)
		if (e->items[i].n + 1 > largest)
			largest = e->items[i].n + 1;
	p->hasher = sha256_new();
	p->zstd = ZSTD_createCCtx();
	p->packed_cap = ZSTD_compressBound(largest);
	p->packed = malloc(p->packed_cap);
	if (!p->hasher || !p->zstd || !p->packed)
		return STELE_ENOMEM;
	if (p->packed_cap > FILE_BYTES)
		return STELE_ELIMIT;
	p->fd = scratch_open(dir, FILE_BYTES);
	return p->fd < 0 ? p->fd : 0;
}

static void
pipe_fini(struct pipe *p)
{
	if (p->fd >= 0)
		close(p->fd);
	free(p->packed);
	ZSTD_freeCCtx(p->zstd);
	sha256_free(p->hasher);
}

static void
print_result(const struct pipe *p, double took)
{
	printf("{\"events\":%" PRIu64 ",\"batches\":%" PRIu64 ",\"body_bytes\":%" PRIu64
	       ",\"seconds\":%.4f,\"events_per_s\":%.1f,\"mb_per_s\":%.2f,\"ratio\":%.2f"
	       ",\"digests\":\"%016" PRIx64 "\"}\n",
	       p->events, p->batches, p->body_bytes, took, (double)p->events / took,
	       (double)p->body_bytes / took / 1e6, (double)p->body_bytes / (double)p->packed_bytes,
	       p->digests);
}

struct options {
	const char *dir, *path;
	size_t n_generated, batch_bytes;
	double seconds;
};

static bool
parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longopts[] = {
		{"dir", required_argument, NULL, 'd'},
		{"events", required_argument, NULL, 'e'},
		{"generate", required_argument, NULL, 'g'},
		{"batch-bytes", required_argument, NULL, 'b'},
		{"duration", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	*o = (struct options){.n_generated = 65536, .batch_bytes = 1000000, .seconds = 3};
	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		switch (opt) {
		case 'd':
			o->dir = optarg;
			break;
		case 'e':
			o->path = optarg;
			break;
		case 'g':
			o->n_generated = strtoull(optarg, NULL, 10);
			break;
		case 'b':
			o->batch_bytes = strtoull(optarg, NULL, 10);
			break;
		case 's':
			o->seconds = atof(optarg);
			break;
		default:
			return false;
		}
	}
	return optind == argc && o->dir && o->n_generated && o->batch_bytes && o->seconds > 0;
}

int
main(int argc, char **argv)
{
	struct events events = {0};
	struct options o;
	struct pipe p = {.fd = -1};
	double took = 0;
	int err;

	if (!parse_options(&o, argc, argv)) {
		fputs(usage, stderr);
		return 3;
	}
	err = o.path ? events_load(&events, o.path)
		     : events_generate(&events, EVENTS_CLOUD, 1, o.n_generated);
	if (!err)
		err = pipe_init(&p, o.dir, &events, o.batch_bytes);
	if (!err)
		err = run(&p, &events, o.batch_bytes, o.seconds, &took);
	if (err)
		fprintf(stderr, "bench-pipe: %s\n", stele_strerror(err));
	else
		print_result(&p, took);
	pipe_fini(&p);
	events_fini(&events);
	return err ? 1 : 0;
}
