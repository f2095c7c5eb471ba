/* Linux. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/err.h"
#include "verify/os.h"

int
os_begin(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static int
open_with(struct os_file *f, const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | flags), was;
	struct stat st;

	if (fd < 0)
		return stele_err_from_errno(errno);
	if (fstat(fd, &st) != 0) {
		was = errno;
		close(fd);
		errno = was;
		return STELE_EIO;
	}
	*f = (struct os_file){
		.handle = fd,
		.kind = S_ISREG(st.st_mode)   ? OS_FILE
			: S_ISDIR(st.st_mode) ? OS_FOLDER
					      : OS_STREAM,
		.bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0,
	};
	return 0;
}

int
os_open(struct os_file *f, const char *path)
{
	return open_with(f, path, 0);
}

int
os_open_file(struct os_file *f, const char *path)
{
	struct os_file got;
	int err = open_with(&got, path, O_NONBLOCK);

	if (err)
		return err;
	if (got.kind != OS_FILE) {
		os_close(&got);
		errno = got.kind == OS_FOLDER ? EISDIR : ESPIPE;
		return STELE_EIO;
	}
	*f = got;
	return 0;
}

void
os_open_stdin(struct os_file *f)
{
	*f = (struct os_file){.handle = STDIN_FILENO, .kind = OS_STREAM};
}

void
os_close(struct os_file *f)
{
	if (f->handle != STDIN_FILENO)
		close((int)f->handle);
}

ptrdiff_t
os_read(const struct os_file *f, void *dst, size_t n)
{
	ssize_t got;

	do
		got = read((int)f->handle, dst, n);
	while (got < 0 && errno == EINTR);
	return got;
}

ptrdiff_t
os_read_at(const struct os_file *f, uint64_t at, void *dst, size_t n)
{
	ssize_t got;

	do
		got = pread((int)f->handle, dst, n, (off_t)at);
	while (got < 0 && errno == EINTR);
	return got;
}

const uint8_t *
os_map(const struct os_file *f)
{
	void *map = mmap(NULL, (size_t)f->bytes, PROT_READ, MAP_PRIVATE, (int)f->handle, 0);

	return map == MAP_FAILED ? NULL : map;
}

void
os_unmap(const uint8_t *map, size_t n)
{
	munmap((void *)(uintptr_t)map, n);
}

unsigned
os_processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned)n : 1;
}

bool
os_terminal(void)
{
	return isatty(STDERR_FILENO) == 1;
}
