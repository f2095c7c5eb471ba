/* Rates are over the whole run: they jitter less and are what one wants to know at the end. */
#include "tools/progress.h"

#include <stdio.h>
#include <time.h>

#include "verify/os.h"

enum { REDRAW_NS = 200 * 1000 * 1000 };

int64_t
progress_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void
progress_init(struct progress *p)
{
	*p = (struct progress){.on = os_terminal(), .start_ns = progress_now_ns()};
	p->last_ns = p->start_ns;
}

void
progress_show(struct progress *p, uint64_t records, uint64_t bytes, const char *note)
{
	int64_t now = progress_now_ns();
	double seconds = (double)(now - p->start_ns) / 1e9;

	if (!p->on || now - p->last_ns < REDRAW_NS)
		return;
	p->last_ns = now;
	p->drawn = true;
	fprintf(stderr, "\r\033[K");
	if (records)
		fprintf(stderr, "%llu records  ", (unsigned long long)records);
	fprintf(stderr, "%.1f MB  ", (double)bytes / 1e6);
	if (records)
		fprintf(stderr, "%.0f records/s  ", (double)records / seconds);
	fprintf(stderr, "%.1f MB/s  %s", (double)bytes / 1e6 / seconds, note);
	fflush(stderr);
}

void
progress_clear(struct progress *p)
{
	if (p->drawn)
		fprintf(stderr, "\r\033[K");
	p->drawn = false;
}
