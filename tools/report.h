/* The verifier's findings in an auditor's words: a line per check, or JSON. */
#ifndef STELE_TOOLS_REPORT_H
#define STELE_TOOLS_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/receipt.h"
#include "proto/buf.h"

struct report {
	bool json;
	bool every; /* every check of every receipt, not only of those that fail */
	uint64_t valid, invalid, unreadable;
	uint64_t unchecked_payloads; /* of the valid ones that have a payload */
};

/* What was looked at, beside the verdict. */
struct report_item {
	const char *file;
	uint64_t line;        /* in the file; 0: it is the whole file */
	bool is_checkpoint;   /* no record */
	bool since;           /* consistency was asked for */
	uint64_t since_size;  /* of the older checkpoint, when it holds */
	bool no_payload_file; /* no payload was given for it */
};

/* Prints and counts one verdict. */
void report_verdict(struct report *r, const struct report_item *item,
		    const struct receipt_verdict *v);

/* Prints and counts something that could not even be read. */
void report_unreadable(struct report *r, const struct report_item *item, const char *why);

/* Prints the sum and returns the exit code (enum cli_exit). */
int report_end(const struct report *r);

#endif
