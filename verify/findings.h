/*
 * What the checks of an evidence bundle found (docs/formats.md section 10): of each check the first
 * failure, in the order of the bundle, whichever thread comes upon it first.
 */
#ifndef STELE_VERIFY_FINDINGS_H
#define STELE_VERIFY_FINDINGS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order in which the verdict goes by them. */
enum check {
	CHECK_ARCHIVE,
	CHECK_MANIFEST,
	CHECK_SIGNATURE,
	CHECK_KEYS,
	CHECK_ENTRIES,
	CHECK_CHAIN,
	CHECK_COMMITMENTS,
	CHECK_INCLUSION,
	CHECK_CONSISTENCY,
	CHECK_CONTROLS,
	CHECK_RULES,
	CHECK_CUSTODY,
	CHECK_TIMESTAMPS,
	CHECK_COMPLETENESS,
	CHECKS,
};

#define FINDING_NOWHERE UINT64_MAX /* no index */

enum { FINDING_WHY_BYTES = 640, FINDING_PATH_BYTES = 256 };

/* Where something is. */
struct place {
	size_t order;     /* of the file, among those of the bundle: the lower comes first */
	const char *path; /* in the bundle */
	uint64_t line;    /* from 1; 0: it is not about a line */
	uint64_t index;   /* of an entry, or FINDING_NOWHERE */
};

struct finding {
	bool failed;
	size_t order;
	char path[FINDING_PATH_BYTES];
	uint64_t line, index;
	char why[FINDING_WHY_BYTES]; /* a sentence without its full stop */
};

struct findings {
	pthread_mutex_t mu; /* all below */
	struct finding of[CHECKS];
	int err; /* STELE_EIO, STELE_ENOMEM: nothing can be said */
	char io[FINDING_WHY_BYTES];
};

/* Nothing was found. */
void findings_init(struct findings *f);
void findings_fini(struct findings *f);

/* The check does not hold there, with a sentence; the first one by place, then by time, stays. */
void findings_fail(struct findings *f, enum check check, const struct place *where, const char *fmt,
		   ...) __attribute__((format(printf, 4, 5)));

/* The bundle cannot be checked: it cannot be read, or memory is out. err is kept, and returned. */
int findings_stop(struct findings *f, int err, const char *what);

/* Whether a check failed so far. */
bool findings_failed(struct findings *f, enum check check);

/* The first check that failed, or CHECKS. When all threads are done. */
enum check findings_first(const struct findings *f);

/* "archive", … */
const char *check_name(enum check check);

#endif
