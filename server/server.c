#include "server/server.h"

#include <time.h>

static int64_t
read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t
server_now_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t
server_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}
