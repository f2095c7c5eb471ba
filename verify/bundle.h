/*
 * Is an evidence bundle true (docs/formats.md section 10)? Decided from its bytes and one verifier
 * key alone: no network, no server, no trust in what came along. It is read once, front to back of
 * each file; memory does not grow with its records.
 */
#ifndef STELE_VERIFY_BUNDLE_H
#define STELE_VERIFY_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/receipt.h"
#include "crypto/tsp.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "verify/findings.h"
#include "crypto/tlogpolicy.h"

/* An older checkpoint that the auditor kept: a signed note. */
struct bundle_since {
	const char *path;
	struct slice note;
};

struct bundle_options {
	const struct receipt_trust *trust; /* the pinned key, and notes that came from elsewhere */
	const struct tlogpolicy *policy;   /* of witnesses; NULL: no cosignature is asked for */
	const struct tsp_roots *tsa_roots; /* of authorities; NULL: nobody judges them */
	bool successions;                  /* those that come with the bundle count */
	const struct bundle_since *since;
	size_t n_since;
	unsigned threads; /* 0: as many as there are processors */
	/* Called now and then, on the caller's thread; NULL: nobody wants to know. */
	void (*progress)(void *ctx, uint64_t records, uint64_t bytes);
	void *ctx;
};

enum bundle_verdict {
	BUNDLE_VALID,
	BUNDLE_INVALID,
	BUNDLE_INCOMPLETE, /* only CHECK_COMPLETENESS fails */
};

enum { BUNDLE_WORDS_BYTES = 512 };

/* What one check found. */
struct bundle_check {
	bool reached, ok;               /* not reached: an earlier one failed */
	bool open;                      /* it is ok, as nothing was there that it could look at */
	char words[BUNDLE_WORDS_BYTES]; /* a sentence for an auditor; why, when it is not ok */
	char path[FINDING_PATH_BYTES];  /* of a failure: where */
	uint64_t line, index;           /* 0; FINDING_NOWHERE */
};

/*
 * What one log of it has. Of an invalid bundle the counts up to controls are claims, and the rest
 * means nothing.
 */
struct bundle_contents {
	char name[LIMIT_LOG_NAME_BYTES + 1];
	uint64_t size;                                       /* of its checkpoint */
	uint64_t entries, payloads, purged, withheld, bytes; /* of records.ndjson */
	uint64_t controls;                                   /* of the whole log */
	uint64_t controls_here; /* of the entries; the others are records */
	uint64_t runs;          /* of entries whose indexes follow each other */
	uint64_t first, last;   /* indexes, when there are entries */
	int64_t first_ns, last_ns;
};

struct bundle_report {
	enum bundle_verdict verdict;
	struct bundle_check checks[CHECKS];
	char export[13], server[LIMIT_SERVER_NAME_BYTES + 1];
	bool is_range;
	uint64_t files, logs, entries, payloads, purged, withheld, controls, bytes;
	/* What bundle.json says of it; none when it could not be read. */
	struct bundle_contents *contents;
	size_t n_contents;
	struct buf requester, reason;
	int64_t begun_ns;
};

/* Whether a file begins as a bundle does. */
bool bundle_is(struct slice head);

/*
 * Checks one. 0 and a report, for which bundle_report_fini is due; STELE_EIO, STELE_ENOTFOUND
 * (errno is set), STELE_ENOMEM: nothing can be said, and why, of n bytes, is a sentence.
 */
int bundle_verify(const char *path, const struct bundle_options *options, struct bundle_report *r,
		  char *why, size_t n);
void bundle_report_fini(struct bundle_report *r);

#endif
