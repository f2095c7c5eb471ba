#include "server/server.h"

#include <time.h>

#include "storage/clocks.h"

static int64_t
read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t
server_now_ns(const struct server *s)
{
	struct clock_reading r;

	store_clock_get(s->store, &r);
	return r.evidence_ns;
}

int64_t
server_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}
