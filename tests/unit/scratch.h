/*
 * A scratch folder for tests that need files.
 */
#ifndef STELE_TESTS_UNIT_SCRATCH_H
#define STELE_TESTS_UNIT_SCRATCH_H

#include <stdio.h>
#include <stdlib.h>

#include "proto/check.h"

struct scratch {
	char dir[256];
	char path[512]; /* the last path made */
};

/* A new empty folder under $TMPDIR or /tmp. */
static inline void
scratch_init(struct scratch *s)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(s->dir, sizeof s->dir, "%s/stele-test-XXXXXX", tmp ? tmp : "/tmp");
	CHECK(mkdtemp(s->dir) != NULL);
}

/* The path of name in the folder, valid until the next call. */
static inline const char *
scratch_path(struct scratch *s, const char *name)
{
	snprintf(s->path, sizeof s->path, "%s/%s", s->dir, name);
	return s->path;
}

/* Removes the folder and all in it. */
static inline void
scratch_fini(struct scratch *s)
{
	char cmd[300];

	snprintf(cmd, sizeof cmd, "rm -rf '%s'", s->dir);
	CHECK(system(cmd) == 0);
}

#endif
