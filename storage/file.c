/* System calls with their retries; no policy. */
#include "storage/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/limits.h"

int
file_pwrite(int fd, const void *p, size_t n, uint64_t offset)
{
	const uint8_t *at = p;

	while (n) {
		ssize_t w = pwrite(fd, at, n, (off_t)offset);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? stele_err_from_errno(errno) : STELE_EIO;
		at += w;
		n -= (size_t)w;
		offset += (uint64_t)w;
	}
	return 0;
}

int
file_pread(int fd, void *p, size_t n, uint64_t offset)
{
	uint8_t *at = p;

	while (n) {
		ssize_t r = pread(fd, at, n, (off_t)offset);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return STELE_EIO;
		if (r == 0)
			return STELE_EDAMAGED;
		at += r;
		n -= (size_t)r;
		offset += (uint64_t)r;
	}
	return 0;
}

int
file_trickle(int fd)
{
	struct stat sb;

	if (fstat(fd, &sb) != 0)
		return STELE_EIO;
	for (off_t at = 0; at < sb.st_size; at += LIMIT_TRICKLE_BYTES)
		if (sync_file_range(fd, at, LIMIT_TRICKLE_BYTES,
				    SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) != 0)
			return errno == ENOSYS || errno == EINVAL || errno == EOPNOTSUPP
				       ? 0
				       : STELE_EIO;
	return 0;
}

int
file_sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return stele_err_from_errno(errno);
	if (fsync(fd) != 0)
		err = STELE_EIO;
	close(fd);
	return err;
}

int
file_sync_parent(const char *path)
{
	char dir[PATH_MAX];
	char *slash;

	if (snprintf(dir, sizeof dir, "%s", path) >= (int)sizeof dir)
		return STELE_ELIMIT;
	slash = strrchr(dir, '/');
	if (!slash)
		return file_sync_dir(".");
	*slash = '\0';
	return file_sync_dir(*dir ? dir : "/");
}

int
file_replace(const char *path, const void *p, size_t n, mode_t mode)
{
	char tmp[PATH_MAX];
	int fd, err;

	if (snprintf(tmp, sizeof tmp, "%s.tmp", path) >= (int)sizeof tmp)
		return STELE_ELIMIT;
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return stele_err_from_errno(errno);
	err = file_pwrite(fd, p, n, 0);
	if (err == 0 && fchmod(fd, mode) != 0)
		err = STELE_EIO;
	if (err == 0 && fsync(fd) != 0)
		err = STELE_EIO;
	close(fd);
	if (err == 0 && rename(tmp, path) != 0)
		err = stele_err_from_errno(errno);
	if (err != 0) {
		unlink(tmp);
		return err;
	}
	return file_sync_parent(path);
}

int
file_read_all(const char *path, struct buf *out, size_t limit)
{
	struct stat sb;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return stele_err_from_errno(errno);
	if (fstat(fd, &sb) != 0)
		err = STELE_EIO;
	else if ((uint64_t)sb.st_size > limit)
		err = STELE_ELIMIT;
	else if (buf_reserve(out, (size_t)sb.st_size) != 0)
		err = STELE_ENOMEM;
	else
		err = file_pread(fd, out->p + out->n, (size_t)sb.st_size, 0);
	if (err == 0)
		out->n += (size_t)sb.st_size;
	close(fd);
	return err;
}

int
file_free_bytes(const char *path, uint64_t *out)
{
	struct statvfs v;

	if (statvfs(path, &v) != 0)
		return STELE_EIO;
	*out = (uint64_t)v.f_bavail * v.f_frsize;
	return 0;
}
