/* The one place where an invariant's failure ends the process. */
#include "proto/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void
check_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: CHECK failed: %s\n", file, line, what);
	fflush(stderr); /* which Windows' verifier has buffered */
	abort();
}
