/*
 * A library to preload: a disk that fails on command.
 *
 *   STELE_FAULT_ROOT  files below this folder are affected; or this file
 *   STELE_FAULT       a file that holds what is wrong now: "flush" (flushes fail
 *                     with EIO), "space" (writes fail with ENOSPC), "write"
 *                     (writes fail with EIO); when it is missing, nothing
 *
 * The file is looked at in each call, so a test turns faults on and off while
 * the program runs.
 */
#undef _FILE_OFFSET_BITS /* here both names of each call are ours */
#undef _FORTIFY_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Is the fault of that name on, and fd below the folder? Keeps errno. */
static bool
fault(const char *name, int fd)
{
	const char *root = getenv("STELE_FAULT_ROOT"), *path = getenv("STELE_FAULT");
	char text[16] = "", link[64], target[PATH_MAX];
	int saved = errno, f;
	ssize_t n;

	if (!root || !path)
		return false;
	f = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (f >= 0) {
		if (syscall(SYS_read, f, text, sizeof text - 1) < 0)
			text[0] = 0;
		syscall(SYS_close, f);
	}
	errno = saved;
	if (strncmp(text, name, strlen(name)) != 0)
		return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof target - 1);
	errno = saved;
	if (n <= 0)
		return false;
	target[n] = 0;
	n = (ssize_t)strlen(root);
	return strncmp(target, root, (size_t)n) == 0 && (target[n] == '/' || target[n] == 0);
}

/* Whether a write to fd must fail, with errno set. */
static bool
write_fails(int fd)
{
	if (fault("space", fd))
		errno = ENOSPC;
	else if (fault("write", fd))
		errno = EIO;
	else
		return false;
	return true;
}

static bool
flush_fails(int fd)
{
	if (!fault("flush", fd))
		return false;
	errno = EIO;
	return true;
}

/* The C library has each of these under several names. */
#define ALIAS(new_name, old_name)                                                                  \
	extern __typeof(old_name) new_name __attribute__((alias(#old_name)))

int
fsync(int fd)
{
	return flush_fails(fd) ? -1 : (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return flush_fails(fd) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	return write_fails(fd) ? -1 : syscall(SYS_write, fd, p, n);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	return write_fails(fd) ? -1 : syscall(SYS_writev, fd, v, n);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t offset)
{
	return write_fails(fd) ? -1 : syscall(SYS_pwrite64, fd, p, n, offset);
}
ALIAS(pwrite64, pwrite);

ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t offset)
{
	return write_fails(fd) ? -1 : syscall(SYS_pwritev, fd, v, n, offset, 0);
}
ALIAS(pwritev64, pwritev);

int
fallocate(int fd, int mode, off_t offset, off_t n)
{
	return write_fails(fd) ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, n);
}
ALIAS(fallocate64, fallocate);

int
posix_fallocate(int fd, off_t offset, off_t n)
{
	return fallocate(fd, 0, offset, n) == 0 ? 0 : errno;
}
ALIAS(posix_fallocate64, posix_fallocate);
