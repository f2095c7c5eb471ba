/*
 * Search certificates as stele verify has them: findings in an auditor's words, and rows held
 * against what is certified.
 */
#ifndef STELE_TOOLS_CERTIFICATES_H
#define STELE_TOOLS_CERTIFICATES_H

#include <stdbool.h>

#include "crypto/receipt.h"
#include "proto/slice.h"
#include "tools/report.h"

/* Rows of a query, in the order of their logs and indexes. */
struct certificate_rows {
	struct certificate_row {
		char *log;
		uint64_t index;
		bool certified;
	} * row;
	size_t n, cap;
	bool held; /* a certificate was held against them */
};

/*
 * Reads rows as format=ndjson gives them, or pages as 'stele query --json' writes them, one a line.
 * STELE_ESYNTAX, with why, when a line is neither, or a row is there twice; STELE_ENOMEM.
 */
int certificate_rows_read(struct certificate_rows *rows, struct slice text, struct buf *why);
void certificate_rows_free(struct certificate_rows *rows);

/* Checks one, and says what each check found. rows may be NULL. */
void certificate_check(struct report *r, const struct report_item *item, struct slice file,
		       const struct receipt_trust *trust, bool successions,
		       struct certificate_rows *rows);

#endif
