/*
 * A disk that fails at the n-th operation. Included by one file of a test
 * program: the program's own definitions of these calls take the place of the
 * C library's, for LMDB too. Without disk_fail_at() they only count.
 */
#ifndef STELE_TESTS_UNIT_FAULTY_DISK_H
#define STELE_TESTS_UNIT_FAULTY_DISK_H

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum disk_call { DISK_WRITE = 1, DISK_FLUSH = 2, DISK_RENAME = 4, DISK_REMOVE = 8 };

static struct {
	atomic_uint calls; /* operations of the kinds asked for, since disk_fail_at() */
	atomic_bool failed;
	unsigned kinds;
	unsigned at;     /* the first one that fails, from 1; 0: none */
	unsigned length; /* how many fail from there on */
	int error;       /* what errno becomes */
	bool shorter;    /* the first failing write writes a part, the next one fails */
	bool die;        /* instead of failing, the program is killed */
} disk = {.kinds = DISK_WRITE | DISK_FLUSH | DISK_RENAME};

/* From now on operation `at` of these kinds fails with error, and length - 1 after it. */
static inline void
disk_fail_at(unsigned kinds, unsigned at, unsigned length, int error, bool shorter)
{
	disk.kinds = kinds;
	disk.at = at;
	disk.length = length;
	disk.error = error;
	disk.shorter = shorter;
	atomic_store(&disk.failed, false);
	atomic_store(&disk.calls, 0);
}

/* Nothing fails any more; whether anything did, and in *calls how many there were. */
static inline bool
disk_repair(unsigned *calls)
{
	disk.at = 0;
	if (calls)
		*calls = atomic_load(&disk.calls);
	return atomic_exchange(&disk.failed, false);
}

/* Counts an operation: 0 when it works, 1 when it fails, 2 when it does half. */
static inline int
disk_step(enum disk_call kind)
{
	unsigned n;

	if (!(disk.kinds & kind))
		return 0;
	n = atomic_fetch_add(&disk.calls, 1) + 1;
	if (disk.at == 0 || n < disk.at || n - disk.at >= disk.length)
		return 0;
	if (disk.die)
		raise(SIGKILL);
	atomic_store(&disk.failed, true);
	if (disk.shorter && kind == DISK_WRITE && n == disk.at)
		return 2;
	errno = disk.error;
	return 1;
}

int
fsync(int fd)
{
	return disk_step(DISK_FLUSH) ? -1 : (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return disk_step(DISK_FLUSH) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int
rename(const char *from, const char *to)
{
	return disk_step(DISK_RENAME) ? -1 : (int)syscall(SYS_rename, from, to);
}

int
unlink(const char *path)
{
	return disk_step(DISK_REMOVE) ? -1 : (int)syscall(SYS_unlink, path);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	int step = disk_step(DISK_WRITE);

	return step == 1 ? -1 : syscall(SYS_write, fd, p, step == 2 && n > 1 ? n / 2 : n);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	return disk_step(DISK_WRITE) ? -1 : syscall(SYS_writev, fd, v, n);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t offset)
{
	int step = disk_step(DISK_WRITE);

	return step == 1 ? -1
			 : syscall(SYS_pwrite64, fd, p, step == 2 && n > 1 ? n / 2 : n, offset);
}

/* With 64-bit file offsets the name above is pwrite64; LMDB calls the plain one. */
ssize_t disk_pwrite(int fd, const void *p, size_t n, off_t offset) __asm__("pwrite");

ssize_t
disk_pwrite(int fd, const void *p, size_t n, off_t offset)
{
	return pwrite(fd, p, n, offset);
}

#endif
