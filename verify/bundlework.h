/*
 * What the parts of verify/bundle.c share: one bundle under way.
 */
#ifndef STELE_VERIFY_BUNDLEWORK_H
#define STELE_VERIFY_BUNDLEWORK_H

#include <stdatomic.h>

#include "crypto/identities.h"
#include "crypto/receipt.h"
#include "storage/ranges.h"
#include "verify/archive.h"
#include "verify/bundle.h"
#include "verify/bundledoc.h"
#include "verify/findings.h"
#include "verify/rules.h"

/* An older checkpoint that the auditor kept, of this log. */
struct older {
	const char *path; /* where it came from */
	uint64_t size;
	uint8_t root[SHA256_BYTES];
	bool shown; /* that the log grew out of it, or that something refuses it */
	bool other; /* the entries themselves lead to another root at that size */
};

/* One log of the bundle. */
struct bundle_log {
	struct buf checkpoint_text, keys_text, origin;
	size_t n_statements;
	struct buf *statements; /* notes of keys.txt */
	uint64_t size;
	uint8_t root[SHA256_BYTES];
	struct older *olders; /* ascending by size */
	size_t n_olders;
	bool certified; /* matches is what the search certificate lists */
	struct ranges matches;
	struct rules_counts rules;
	uint64_t records, chained; /* entries looked at; of these, held against their neighbour */
	uint64_t runs;
	uint64_t controls;    /* of these entries, those that are no records */
	uint64_t first, last; /* indexes, of the first and the last of these entries */
	int64_t first_ns, last_ns;
	uint64_t key_from;    /* first size of its key's statement; 0: it was the pinned one */
	int64_t key_until_ns; /* when the identity that stated it was replaced */
	size_t cosignatures;  /* of its checkpoint, by witnesses of the policy */
	/* of each checkpoint that was timestamped: the size up to which it covers the log, and how
	   many entries of the bundle are not below */
	uint64_t covered[LIMIT_TIMESTAMP_SIZES], uncovered[LIMIT_TIMESTAMP_SIZES];
};

/* A checkpoint of _system that was timestamped, as far as it was read. */
struct bundle_timestamped {
	struct buf note;
	uint64_t size;
	uint8_t root[SHA256_BYTES];
	struct tsp_token first; /* the earliest of its timestamps */
};

struct bundle_work {
	const struct bundle_options *options;
	struct archive archive;
	struct findings findings;
	struct bundledoc doc;
	bool has_doc; /* it is whole, and names the logs that are here */
	struct buf doc_text;
	struct receipt_trust trust; /* the pinned key and all succession notes */
	struct buf *successions;    /* notes of all keys.txt */
	size_t n_successions;
	struct identities ids;
	struct bundle_log *logs; /* as the archive's */
	int64_t signed_ns;
	uint64_t custody;                                             /* lines */
	struct bundle_timestamped timestamped[LIMIT_TIMESTAMP_SIZES]; /* as the archive's */
	bool has_certificate;
	atomic_uint_fast64_t done_records, done_bytes;
};

/* A place in a file of the bundle; path is room for its path. */
struct place bundle_place(struct bundle_work *w, size_t file, char path[FINDING_PATH_BYTES],
			  uint64_t line, uint64_t index);

/* verify/bundlekeys.c: keys.txt of all logs, signature, checkpoints. False: it cannot go on. */
bool bundle_read_keys(struct bundle_work *w);
void bundle_check_signature(struct bundle_work *w, struct sha256 *h);
void bundle_check_keys(struct bundle_work *w, struct sha256 *h);
/* One more key statement of a log, copied. STELE_ESYNTAX when it is none about it; STELE_ENOMEM. */
int bundle_add_statement(struct bundle_log *log, struct slice note, uint64_t first_size);
/* Whether the checkpoint is signed by the right key with these, too; else a sentence in why. */
bool bundle_key_holds(struct bundle_work *w, const struct bundle_log *log, struct sha256 *h,
		      char why[RECEIPT_WHY_BYTES]);

/* verify/bag.c: bagit.txt, bag-info.txt and both manifests, once all digests are known. */
void bundle_check_bag(struct bundle_work *w);

/* verify/custody.c */
void bundle_check_custody(struct bundle_work *w, struct sha256 *h);

/*
 * What holds of a receipt of _system in a line: 0, and d and v are filled; else a sentence in why,
 * which ends in a NUL. receipt_json_fini(d) is due in both cases.
 */
struct receipt_json;
int bundle_read_receipt(struct bundle_work *w, struct sha256 *h, struct slice line,
			struct receipt_json *d, struct receipt_verdict *v, struct buf *why);

/* verify/timestamps.c: before the logs, whose entries it counts. */
void bundle_check_timestamps(struct bundle_work *w, struct sha256 *h);
/* What is proven, once all entries were counted: the checkpoint, and how many are not covered. */
size_t bundle_best_timestamped(const struct bundle_work *w, uint64_t *uncovered);

/* verify/complete.c: the search certificate, before the logs; what was asked for. */
void bundle_check_certificate(struct bundle_work *w, struct sha256 *h);
void bundle_check_request(struct bundle_work *w);

/* verify/logcheck.c: all that is of one log. Any number of them at once. */
void bundle_check_log(struct bundle_work *w, size_t log);

#endif
