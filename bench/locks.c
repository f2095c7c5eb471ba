/* How long a look at a record's lock takes, with as many holds as are asked for. */
#include "storage/locks.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proto/check.h"

enum { LOOKS = 2000000 };

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Hold i: three ranges of its own, or everything from the beginning on. */
static void
place(struct locks *l, unsigned i, bool open)
{
	struct control *c;
	struct buf json, why;

	buf_init(&json);
	buf_init(&why);
	buf_printf(&json, "{\"type\":\"hold\",\"hold\":\"h-%010u\",\"ranges\":[", i);
	if (open)
		buf_put_str(&json, "],\"open_from\":0}");
	else
		buf_printf(&json, "[%u,%u],[%u,%u],[%u,%u]]}", 30 * i, 30 * i + 4, 30 * i + 10,
			   30 * i + 14, 30 * i + 20, 30 * i + 24);
	CHECK(control_read(&c, ENTRY_HOLD, i + 1, buf_slice(&json), &why) == 0);
	locks_fold(l, c);
	buf_fini(&json);
	buf_fini(&why);
}

int
main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 10000;
	const struct entry e = {.kind = ENTRY_RECORD};

	for (int open = 0; open < 2; open++) {
		struct locks *l = locks_new();
		double begun = seconds(), folded;
		uint64_t held = 0;

		for (unsigned i = 0; i < n; i++)
			place(l, i, open);
		folded = seconds() - begun;
		begun = seconds();
		for (uint64_t i = 0; i < LOOKS; i++) {
			struct lock_state s;
			locks_look(l, i * 2654435761u % (30ull * n + 1), &e, 0, &s);
			held += s.holds;
		}
		printf("%u holds, %s: read and folded in %.1f us each, a look takes %.0f ns (%llu)\n",
		       n, open ? "open" : "three ranges each", 1e6 * folded / n,
		       1e9 * (seconds() - begun) / LOOKS, (unsigned long long)held);
		locks_free(l);
	}
	return 0;
}
