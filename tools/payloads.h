/* A file of payloads beside receipts: the whole of it, or its lines by number. */
#ifndef STELE_TOOLS_PAYLOADS_H
#define STELE_TOOLS_PAYLOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

struct payloads {
	struct slice all; /* mapped */
	size_t *start;    /* of each line; NULL until a line was asked for */
	size_t n_lines;
};

/* Maps the file. STELE_EIO or STELE_ENOTFOUND, with errno set. */
int payloads_open(struct payloads *p, const char *path);
void payloads_close(struct payloads *p);

/*
 * Line number (from 1) as the record that stele append --ndjson made of it:
 * without LF and one CR. False when there is no such line.
 */
bool payloads_line(struct payloads *p, uint64_t number, struct slice *out);

#endif
