/*
 * A file of payloads beside receipts: the whole of it, in pieces or mapped, or
 * its lines by number.
 */
#ifndef STELE_TOOLS_PAYLOADS_H
#define STELE_TOOLS_PAYLOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"
#include "verify/os.h"

struct payloads {
	bool is_open;
	struct os_file file;
	struct slice all; /* once mapped */
	bool mapped;
	uint8_t *piece;
	uint64_t at;   /* of the next piece */
	size_t *start; /* of each line; NULL until a line was asked for */
	size_t n_lines;
};

/* Opens the file. STELE_EIO or STELE_ENOTFOUND, with errno set. */
int payloads_open(struct payloads *p, const char *path);
/* Closes what was opened; one that is all zeros has nothing to close. */
void payloads_close(struct payloads *p);

/* Maps it into p->all, once. STELE_EIO, with errno set. */
int payloads_map(struct payloads *p);

/*
 * The pieces of the file from its start, as struct receipt wants them (ctx is
 * the payloads): memory is the same however long it is.
 */
void payloads_rewind(struct payloads *p);
int payloads_next(void *ctx, struct slice *piece);

/*
 * Line number (from 1) as the record that stele append --ndjson made of it:
 * without LF and one CR. False when there is no such line, or the file cannot be read.
 */
bool payloads_line(struct payloads *p, uint64_t number, struct slice *out);

#endif
