/*
 * Is a search certificate true (docs/formats.md section 9)? Decided from its bytes and one pinned
 * key alone. What it shows of an index must lead to manifests that the log's key signed, and these
 * to a tree that the checkpoint has; every match must be one of those records that the index cannot
 * rule out. What was scanned is the server's word, and the findings say so.
 */
#ifndef STELE_STORAGE_CERTCHECK_H
#define STELE_STORAGE_CERTCHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/receipt.h"
#include "proto/certificate.h"

enum certcheck_result {
	CERTCHECK_OK,
	CERTCHECK_OPEN, /* not proven: the server says so, and nothing else */
	CERTCHECK_INVALID,
};

/* Where findings go. */
struct certcheck_sink {
	/* One check: its name, and a sentence. */
	void (*say)(void *ctx, const char *check, enum certcheck_result result, struct slice text);
	/* Matches of a log, in ascending order: both ends in it. NULL: nobody wants to know. Not 0
	 * ends the check with that value. */
	int (*match)(void *ctx, struct slice origin, uint64_t first, uint64_t last);
	void *ctx;
};

/*
 * Checks one, whole file. 0 when it is valid, and then *complete is whether all records could be
 * read; STELE_EVERIFY when it is not, and the last thing said is why; STELE_ENOMEM; what match
 * returned. The notes that come with it count, succession notes only if they shall.
 */
int certcheck(struct slice file, const struct receipt_trust *trust, bool successions,
	      const struct certcheck_sink *sink, bool *complete);

#endif
