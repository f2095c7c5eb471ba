/*
 * Cuts a stream of NDJSON into batches of whole lines, with bounded memory.
 * Where it cuts depends only on the bytes (and on the first offset), not on
 * how they arrived, unless cutter_cut() is told not to wait.
 */
#ifndef STELE_TOOLS_CUTTER_H
#define STELE_TOOLS_CUTTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

struct cutter {
	int fd;
	uint8_t *p; /* bytes read and not yet cut: p[0..n) */
	size_t n, cap;
	uint64_t offset; /* of p[0] in the input */
	uint64_t line;   /* number of the line that begins at p[0], from 1 */
	size_t max_bytes, max_lines;
	bool eof, too_long;
	size_t out_bytes; /* the batch last cut: dropped at the next cut */
	uint64_t out_lines;
};

/* A batch: whole lines, lying in the reader until its next call. */
struct cutter_batch {
	struct slice body;
	uint64_t offset; /* of its first byte in the input */
	uint64_t line;   /* number of its first line, from 1 */
	uint64_t lines;  /* blank ones too */
};

/*
 * fd stays the caller's. A batch has at most max_bytes bytes (one longer line
 * alone: up to LIMIT_RECORD_BYTES) and max_lines lines. STELE_ENOMEM.
 */
int cutter_init(struct cutter *c, int fd, size_t max_bytes, size_t max_lines);
void cutter_fini(struct cutter *c);

/* Reads and drops the input's first offset bytes. STELE_EIO, STELE_EINVAL: it is shorter. */
int cutter_skip(struct cutter *c, uint64_t offset);

/* True when cutter_fill() would read without blocking. */
bool cutter_ready(const struct cutter *c);

/* True when there is room to read into. */
bool cutter_room(const struct cutter *c);

/* One read(2); sets eof at the end. 0, or STELE_EIO with errno set. */
int cutter_fill(struct cutter *c);

/*
 * Cuts the next batch: true and *out. False when more must be read first, when
 * nothing is left, or when the next line is too long to be a record: then
 * too_long is set for good, and line says which. With hurry, cuts what whole
 * lines there are.
 */
bool cutter_cut(struct cutter *c, bool hurry, struct cutter_batch *out);

#endif
