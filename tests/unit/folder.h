/*
 * A scratch folder for tests that need files.
 */
#ifndef STELE_TESTS_UNIT_FOLDER_H
#define STELE_TESTS_UNIT_FOLDER_H

#include <stdio.h>
#include <stdlib.h>

#include "proto/check.h"

struct folder {
	char dir[256];
	char path[512]; /* the last path made */
};

/* A new empty folder under $TMPDIR or /tmp. */
static inline void
folder_init(struct folder *s)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(s->dir, sizeof s->dir, "%s/stele-test-XXXXXX", tmp ? tmp : "/tmp");
	CHECK(mkdtemp(s->dir) != NULL);
}

/* The path of name in the folder, valid until the next call. */
static inline const char *
folder_path(struct folder *s, const char *name)
{
	snprintf(s->path, sizeof s->path, "%s/%s", s->dir, name);
	return s->path;
}

/* Removes the folder and all in it. */
static inline void
folder_fini(struct folder *s)
{
	char cmd[300];

	snprintf(cmd, sizeof cmd, "rm -rf '%s'", s->dir);
	CHECK(system(cmd) == 0);
}

#endif
