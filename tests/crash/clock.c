/*
 * Preloaded into steled: its wall clock is the system's plus the nanoseconds that the file
 * $STELE_CLOCK holds, an int64_t that the test sets while steled runs.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t zero;
static const volatile int64_t *offset = &zero;

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("STELE_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		abort();
	offset = map;
	close(fd);
}

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, ts);
	int64_t ns;

	if (rc == 0 && clock == CLOCK_REALTIME) {
		ns = (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec + *offset;
		ts->tv_sec = ns / 1000000000;
		ts->tv_nsec = ns % 1000000000;
	}
	return rc;
}
