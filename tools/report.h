/* The verifier's findings in an auditor's words: a line per check, or JSON. */
#ifndef STELE_TOOLS_REPORT_H
#define STELE_TOOLS_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/receipt.h"
#include "proto/buf.h"
#include "proto/limits.h"

/* Of one file of many receipts, from report_begin to report_file. */
struct report_many {
	uint64_t valid, unchecked_payloads;
	bool any; /* the members below mean something: a record was valid */
	char origin[LIMIT_ORIGIN_BYTES + 1];
	uint64_t first, last, size; /* lowest and highest index, largest signed tree */
	uint64_t failed[RECEIPT_STEPS], unreadable;
};

enum { REPORT_ALIKE = 3 }; /* failures of one step in one file that are printed whole */

/* What was looked at, for the verdict's line. */
enum report_kind {
	REPORT_BUNDLE,
	REPORT_RECEIPT,
	REPORT_CHECKPOINT,
	REPORT_CERTIFICATE,
	REPORT_KINDS
};

struct report {
	bool json;
	bool every; /* every check of every receipt, not only of those that fail */
	struct report_many many;
	uint64_t valid, invalid, unreadable;
	uint64_t unchecked_payloads; /* of the valid ones that have a payload */
	uint64_t incomplete;         /* valid ones that say of themselves that they are not whole */
	uint64_t open;               /* findings "open", but for those payloads */
	uint64_t n_of[REPORT_KINDS]; /* valid or not. In JSON a bundle is an object that says all */
};

/* What was looked at, beside the verdict. */
struct report_item {
	const char *file;
	uint64_t line;        /* in the file; 0: it is the whole file */
	bool is_checkpoint;   /* no record */
	bool since;           /* consistency was asked for */
	uint64_t since_size;  /* of the older checkpoint, when it holds */
	bool witnesses;       /* cosignatures were asked for */
	bool no_payload_file; /* no payload was given for it */
};

/* Before the receipts of a file of many, and after them: then prints their sum. */
void report_begin(struct report *r);
void report_file(const struct report *r, const char *file);

/* Prints and counts one verdict. */
void report_verdict(struct report *r, const struct report_item *item,
		    const struct receipt_verdict *v);

/*
 * Something else than a receipt: its title; one finding ("ok", "open", "INVALID"); then it is
 * counted.
 */
void report_check_begin(struct report *r, const struct report_item *item);
void report_check(struct report *r, const struct report_item *item, const char *check,
		  const char *word, struct slice text);
void report_check_end(struct report *r, bool valid, bool complete);

/* Prints and counts something that could not even be read. */
void report_unreadable(struct report *r, const struct report_item *item, const char *why);

/* Prints the sum and returns the exit code (enum cli_exit): of what is valid and not whole 2. */
int report_end(const struct report *r);

#endif
