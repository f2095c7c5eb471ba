/* The receipts that 'stele append --receipts' keeps: one JSON object a line. */
#ifndef STELE_TOOLS_RECEIPTS_OUT_H
#define STELE_TOOLS_RECEIPTS_OUT_H

#include <jansson.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"

/*
 * Writes the receipts of a batch's answer (its "receipts" member, one for each
 * record of body in order) to fd, each with a first member "line": the number
 * of the input line its payload came from, which began at first_line for body.
 * On failure nothing more is written and why gets a sentence.
 */
void receipts_out_write(int fd, const json_t *answer, struct slice body, uint64_t first_line,
			struct buf *why);

/* Writes one receipt as it is, as a line; failure as above. */
void receipts_out_one(int fd, const json_t *receipt, struct buf *why);

#endif
