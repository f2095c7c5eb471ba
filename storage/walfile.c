/* Prewriting: zeros, flush, rename, flush of the folder; then overwriting changes no metadata. */
#include "storage/walfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/le.h"
#include "storage/file.h"
#include "storage/frame.h"

enum {
	PREWRITE_BYTES = 1 << 20,
	PACED_BYTES = 128 << 10, /* a flush of these delays another by some 0.2 ms */
	PACED_PAUSE_NS = 2000000,
	PACED_LEAD = 4, /* a quarter more than what is used meanwhile is ahead of it */
	HEADER_HASHED = 64,
};

static const char magic[8] = "stelewal";

int
walfile_name(char *out, size_t cap, const char *dir, uint32_t number)
{
	return snprintf(out, cap, "%s/%08u.wal", dir, number) < (int)cap ? 0 : STELE_ELIMIT;
}

static void
header_write(uint8_t out[FRAME_ALIGN], uint32_t number, uint64_t bytes, uint64_t incarnation,
	     struct sha256 *h)
{
	memset(out, 0, FRAME_ALIGN);
	memcpy(out, magic, sizeof magic);
	le_put32(out + 8, FRAME_VERSION);
	le_put64(out + 16, incarnation);
	le_put32(out + 24, number);
	le_put64(out + 32, bytes);
	sha256_hash(h, out + HEADER_HASHED, slice_of(out, HEADER_HASHED));
}

/* What a failed flush of blocks that were never written before means. */
static int
flush_error(void)
{
	return errno == ENOSPC || errno == EDQUOT ? STELE_ENOSPACE : STELE_EIO;
}

/*
 * Whether what is written so far is well ahead of the commits; a large step is
 * nothing, for they have always used a little of theirs when this begins. When it
 * is not, they would find no file at the end of theirs and wait for all that is
 * missing at once: larger steps and no pauses are then the lesser evil.
 */
static bool
is_ahead(const struct walfile_pace *pace, uint64_t done)
{
	uint64_t used = atomic_load_explicit(&pace->bytes, memory_order_relaxed);

	return done + PREWRITE_BYTES >= used + used / PACED_LEAD;
}

/* How much to write next. */
static uint64_t
next_step(const struct walfile_pace *pace, uint64_t done)
{
	return pace && is_ahead(pace, done) ? PACED_BYTES : PREWRITE_BYTES;
}

/* After a step: flushed, then a pause for the commits that share the disk. */
static int
pause_after_step(int fd, const struct walfile_pace *pace, uint64_t done)
{
	const struct timespec pause = {0, PACED_PAUSE_NS};

	if (!pace || atomic_load(&pace->hurry))
		return 0;
	if (fdatasync(fd) != 0)
		return flush_error();
	if (is_ahead(pace, done))
		nanosleep(&pause, NULL);
	return 0;
}

static int
prewrite(int fd, uint64_t bytes, const uint8_t header[FRAME_ALIGN], const struct walfile_pace *pace)
{
	uint64_t step;
	uint8_t *zeros = calloc(1, PREWRITE_BYTES);
	int err = 0, e;

	if (!zeros)
		return STELE_ENOMEM;
	e = posix_fallocate(fd, 0, (off_t)bytes);
	if (e != 0 && e != EOPNOTSUPP && e != EINVAL)
		err = stele_err_from_errno(e);
	for (uint64_t at = 0; err == 0 && at < bytes; at += step) {
		step = next_step(pace, at);
		if (step > bytes - at)
			step = bytes - at;
		err = file_pwrite(fd, zeros, step, at);
		if (err == 0)
			err = pause_after_step(fd, pace, at + step);
	}
	free(zeros);
	if (err == 0)
		err = file_pwrite(fd, header, FRAME_ALIGN, 0);
	if (err == 0 && fsync(fd) != 0)
		err = flush_error();
	return err;
}

int
walfile_create(const char *dir, uint32_t number, uint64_t bytes, uint64_t incarnation,
	       const struct walfile_pace *pace, struct sha256 *h)
{
	char path[PATH_MAX], tmp[PATH_MAX + 8];
	uint8_t header[FRAME_ALIGN];
	int fd, err;

	if (walfile_name(path, sizeof path, dir, number) != 0)
		return STELE_ELIMIT;
	snprintf(tmp, sizeof tmp, "%s.tmp", path);
	fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return stele_err_from_errno(errno);
	header_write(header, number, bytes, incarnation, h);
	err = prewrite(fd, bytes, header, pace);
	if (err == 0 && rename(tmp, path) != 0)
		err = stele_err_from_errno(errno);
	if (err == 0)
		err = file_sync_dir(dir);
	if (err != 0) {
		close(fd);
		unlink(tmp);
		return err;
	}
	return fd;
}

static int
spare_name(char out[PATH_MAX], const char *dir)
{
	return snprintf(out, PATH_MAX, "%s/spare.wal", dir) < PATH_MAX ? 0 : STELE_ELIMIT;
}

uint64_t
walfile_spare_bytes(const char *dir)
{
	char path[PATH_MAX];
	struct stat sb;

	return spare_name(path, dir) == 0 && stat(path, &sb) == 0 ? (uint64_t)sb.st_size : 0;
}

int
walfile_reuse(const char *dir, uint32_t number, uint64_t bytes, uint64_t incarnation,
	      struct sha256 *h)
{
	char path[PATH_MAX], spare[PATH_MAX];
	uint8_t header[FRAME_ALIGN];
	int fd, err;

	if (walfile_name(path, sizeof path, dir, number) != 0 || spare_name(spare, dir) != 0)
		return STELE_ELIMIT;
	if (walfile_spare_bytes(dir) != bytes)
		return unlink(spare) == 0 || errno == ENOENT ? STELE_ENOTFOUND : STELE_EIO;
	fd = open(spare, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return stele_err_from_errno(errno);
	header_write(header, number, bytes, incarnation, h);
	err = file_pwrite(fd, header, sizeof header, 0);
	if (err == 0 && fsync(fd) != 0)
		err = STELE_EIO;
	if (err == 0 && rename(spare, path) != 0)
		err = stele_err_from_errno(errno);
	if (err == 0)
		err = file_sync_dir(dir);
	if (err != 0) {
		close(fd);
		return err;
	}
	return fd;
}

int
walfile_spare(const char *dir, uint32_t number, bool keep)
{
	char path[PATH_MAX], spare[PATH_MAX];
	int rc;

	if (walfile_name(path, sizeof path, dir, number) != 0 || spare_name(spare, dir) != 0)
		return STELE_ELIMIT;
	rc = keep ? rename(path, spare) : unlink(path);
	return rc == 0 ? file_sync_dir(dir) : STELE_EIO;
}

static int
header_check(const uint8_t p[FRAME_ALIGN], uint32_t number, uint64_t incarnation, uint64_t size,
	     struct sha256 *h)
{
	uint8_t hash[32];

	sha256_hash(h, hash, slice_of(p, HEADER_HASHED));
	if (memcmp(p, magic, sizeof magic) != 0 || memcmp(hash, p + HEADER_HASHED, 32) != 0)
		return STELE_EDAMAGED;
	if (le_get32(p + 8) != FRAME_VERSION || le_get32(p + 12) != 0)
		return STELE_EVERSION;
	if (le_get64(p + 16) != incarnation || le_get32(p + 24) != number ||
	    le_get64(p + 32) != size)
		return STELE_EDAMAGED;
	return 0;
}

int
walfile_open(const char *dir, uint32_t number, uint64_t incarnation, uint64_t *bytes,
	     struct sha256 *h)
{
	char path[PATH_MAX];
	uint8_t header[FRAME_ALIGN];
	struct stat sb;
	int fd, err;

	if (walfile_name(path, sizeof path, dir, number) != 0)
		return STELE_ELIMIT;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return stele_err_from_errno(errno);
	err = fstat(fd, &sb) == 0 ? file_pread(fd, header, sizeof header, 0) : STELE_EIO;
	if (err == 0)
		err = header_check(header, number, incarnation, (uint64_t)sb.st_size, h);
	if (err != 0) {
		close(fd);
		return err;
	}
	*bytes = (uint64_t)sb.st_size;
	return fd;
}
