/*
 * Preloaded into steled: the clocks of its machine are the system's plus the nanoseconds that the
 * file $STELE_CLOCK holds, which the test sets while steled runs, and so is the boot's id:
 *
 *   0 i64 ahead of CLOCK_REALTIME  8 i64 ahead of CLOCK_BOOTTIME  16 boot id; zeros: the system's
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct machine {
	int64_t wall_ns, boot_ns;
	uint8_t boot_id[16];
};

static const char boot_id_path[] = "/proc/sys/kernel/random/boot_id";
static const volatile struct machine *machine;
/* The next in the row: the thread sanitizer's, when there is one, is to see every open. */
static int (*open_next)(const char *path, int flags, ...);

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("STELE_CLOCK");
	void *next = dlsym(RTLD_NEXT, "open64");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *machine, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		abort();
	machine = map;
	memcpy(&open_next, &next, sizeof next);
	close(fd);
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, ts);
	int64_t ahead = 0, ns;

	if (machine && clock == CLOCK_REALTIME)
		ahead = machine->wall_ns;
	else if (machine && clock == CLOCK_BOOTTIME)
		ahead = machine->boot_ns;
	if (rc == 0 && ahead) {
		ns = (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec + ahead;
		ts->tv_sec = ns / 1000000000;
		ts->tv_nsec = ns % 1000000000;
	}
	return rc;
}

/* The boot's id as the kernel spells it, in a file of its own. */
static int
open_boot_id(void)
{
	static const uint8_t dash_after[] = {3, 5, 7, 9};
	int fd = (int)syscall(SYS_memfd_create, "boot_id", 1u /* MFD_CLOEXEC */);
	char text[40] = "";
	size_t n = 0;

	for (size_t i = 0; i < 16; i++) {
		n += (size_t)snprintf(text + n, sizeof text - n, "%02x", machine->boot_id[i]);
		if (memchr(dash_after, (int)i, sizeof dash_after))
			text[n++] = '-';
	}
	text[n++] = '\n';
	if (fd < 0 || write(fd, text, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}

static int
open_any(const char *path, int flags, mode_t mode)
{
	static const uint8_t zeros[16];
	uint8_t id[16] = {0};

	for (size_t i = 0; machine && i < sizeof id; i++)
		id[i] = machine->boot_id[i];
	if (strcmp(path, boot_id_path) == 0 && memcmp(id, zeros, sizeof zeros) != 0)
		return open_boot_id();
	if (open_next)
		return open_next(path, flags, mode);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & (O_CREAT | __O_TMPFILE))
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return open_any(path, flags, mode);
}
