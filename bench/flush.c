/*
 * bench-flush: the floor of every durable answer. Overwrites 4 KiB of a
 * prewritten file and flushes, one after the other, and prints how long that
 * takes on this disk.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/histogram.h"
#include "bench/scratch.h"
#include "proto/err.h"

enum { PAGE_BYTES = 4096, FILE_BYTES = 64 << 20 };

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int
measure(struct histogram *h, int fd, double seconds)
{
	static uint8_t page[PAGE_BYTES];
	uint64_t t0 = now_ns(), end = t0 + (uint64_t)(seconds * 1e9);

	for (uint64_t i = 0; t0 < end; i++) {
		uint64_t t1;
		memset(page, (int)(i & 255), sizeof page);
		if (pwrite(fd, page, sizeof page, (off_t)(i * PAGE_BYTES % FILE_BYTES)) !=
			    PAGE_BYTES ||
		    fdatasync(fd) != 0)
			return stele_err_from_errno(errno);
		t1 = now_ns();
		histogram_record(h, t1 - t0);
		t0 = t1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	static struct histogram h;
	double seconds = argc > 2 ? atof(argv[2]) : 3;
	int fd, err;

	if (argc < 2 || argc > 3 || argv[1][0] == '-' || !(seconds > 0)) {
		fprintf(stderr, "usage: bench-flush DIRECTORY [SECONDS]\n"
				"Times pwrite of 4 KiB and fdatasync on the disk of DIRECTORY.\n");
		return 3;
	}
	fd = scratch_open(argv[1], FILE_BYTES);
	err = fd < 0 ? fd : measure(&h, fd, seconds);
	if (err) {
		fprintf(stderr, "bench-flush: %s: %s\n", argv[1], stele_strerror(err));
		return 1;
	}
	close(fd);
	printf("{\"flushes\":%" PRIu64 ",\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f}\n",
	       h.count, (double)histogram_quantile(&h, 0.5) / 1e3,
	       (double)histogram_quantile(&h, 0.99) / 1e3, (double)h.max / 1e3);
	return 0;
}
