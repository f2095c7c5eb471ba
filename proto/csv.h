/*
 * Records as lines of a table (RFC 4180, lines end with CR LF) for spreadsheets: the same columns
 * in answers of queries and in evidence bundles.
 */
#ifndef STELE_PROTO_CSV_H
#define STELE_PROTO_CSV_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/field.h"
#include "proto/schema_fit.h"
#include "proto/slice.h"

enum { CSV_FIELDS = 9 };

/* The fields that are columns, in order. */
extern const enum field csv_fields[CSV_FIELDS];

/*
 * Appends one cell. What a spreadsheet would take for a formula gets an apostrophe before it, as
 * such programs write text themselves.
 */
void csv_put_cell(struct buf *b, struct slice text);

/* The names of the columns that csv_put_record fills, without the line's end. */
void csv_put_header(struct buf *b);

struct csv_record {
	struct slice log;
	uint64_t index;
	int64_t time_ns;     /* when it happened, as far as known */
	int64_t received_ns; /* the entry's time */
	struct slice writer;
};

/*
 * Appends the cells of a record, without the line's end. fit has read its payload and gives the
 * fields; NULL: there is none to read, and they are empty. 0 or STELE_ENOMEM.
 */
int csv_put_record(struct buf *b, const struct csv_record *r, struct schema_fit *fit);

/* When the record that fit has read happened; received_ns where it does not say. 0 or STELE_ENOMEM.
 */
int csv_time(struct schema_fit *fit, int64_t received_ns, int64_t *ns);

#endif
