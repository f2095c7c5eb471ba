/* bench-events: generated events as a file of lines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/events.h"
#include "proto/err.h"

static const char usage[] =
	"usage: bench-events KIND:N [SEED]\n"
	"Writes N generated events, one a line; KIND is cloud, kubernetes or mixed, SEED a number (1).\n"
	"Exit status: 0 all written, 1 not, 3 usage.\n"
	"\n"
	"example: bench-events mixed:200000 >events.ndjson\n";

int
main(int argc, char **argv)
{
	enum events_kind kind;
	unsigned long long seed = 1;
	size_t n;
	char *end = NULL;
	int err;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc == 3)
		seed = strtoull(argv[2], &end, 10);
	if (argc < 2 || argc > 3 || (end && (*end || end == argv[2])) ||
	    events_read_kind(argv[1], &kind, &n) != 0) {
		fputs(usage, stderr);
		return 3;
	}
	err = events_write(stdout, kind, seed, n);
	if (err == 0 && fflush(stdout) != 0)
		err = stele_err_from_errno(errno);
	if (err != 0)
		fprintf(stderr, "bench-events: cannot write the events: %s\n", stele_strerror(err));
	return err != 0;
}
