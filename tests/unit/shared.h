/*
 * Where real data and published vectors lie: $STELE_SHARED, or ../shared beside
 * the source tree. They are used from there and never copied in.
 */
#ifndef STELE_TESTS_UNIT_SHARED_H
#define STELE_TESTS_UNIT_SHARED_H

#include <stdio.h>
#include <stdlib.h>

#ifndef STELE_SHARED_DEFAULT /* meson gives the absolute path */
#define STELE_SHARED_DEFAULT "../shared"
#endif

/*
 * Opens name ("vectors/x.ndjson") for reading; NULL when it is not there, after
 * saying on stdout what is skipped.
 */
static inline FILE *
shared_open(const char *name)
{
	const char *root = getenv("STELE_SHARED");
	char path[4096];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", root ? root : STELE_SHARED_DEFAULT, name);
	f = fopen(path, "rb");
	if (!f)
		printf("skipped: no %s\n", path);
	return f;
}

#endif
