/* Created by mkstemp and unlinked at once: O_TMPFILE is not on every file system. */
#include "bench/scratch.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/err.h"

enum { CHUNK_BYTES = 1 << 20 };

static int
prewrite(int fd, size_t n)
{
	uint8_t *zeros = calloc(1, CHUNK_BYTES);
	int err = zeros ? 0 : STELE_ENOMEM;

	for (size_t done = 0; !err && done < n;) {
		size_t want = n - done < CHUNK_BYTES ? n - done : CHUNK_BYTES;
		ssize_t wrote = pwrite(fd, zeros, want, (off_t)done);
		if (wrote < 0)
			err = stele_err_from_errno(errno);
		else
			done += (size_t)wrote;
	}
	if (!err && fsync(fd) != 0)
		err = stele_err_from_errno(errno);
	free(zeros);
	return err;
}

int
scratch_open(const char *dir, size_t n)
{
	char path[4096];
	int fd, err;

	if ((size_t)snprintf(path, sizeof path, "%s/.stele-bench-XXXXXX", dir) >= sizeof path)
		return STELE_EINVAL;
	fd = mkstemp(path);
	if (fd < 0)
		return stele_err_from_errno(errno);
	unlink(path);
	err = prewrite(fd, n);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}
