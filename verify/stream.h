/*
 * One file of a bundle, unpacked as it is read: in pieces or lines, its length and CRC-32 checked,
 * its SHA-256 computed. With a thread of its own it is read ahead by some pieces, so that unpacking
 * and what is done with it go on at once.
 */
#ifndef STELE_VERIFY_STREAM_H
#define STELE_VERIFY_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/slice.h"
#include "proto/zip_read.h"
#include "verify/source.h"
#include "verify/unpack.h"

enum {
	STREAM_PIECE_BYTES = UNPACK_PIECE_BYTES,
	STREAM_LINE_BYTES = 16 << 20, /* a control entry's payload, with every byte escaped */
};

struct stream;

/* Where it lies. */
struct stream_file {
	uint64_t at, packed, size;
	uint32_t crc;
	bool deflated;
};

/* Begins to read; the source outlives it. NULL without memory or a thread. */
struct stream *stream_open(struct source *source, const struct stream_file *file, bool ahead);

/* Ends it, wherever it is; NULL is fine. */
void stream_close(struct stream *s);

/*
 * The next piece, which lasts until the next call; of no bytes at the end. STELE_EVERIFY, and a
 * sentence by stream_why, when the data is not what its header says; STELE_EIO; STELE_ENOMEM.
 */
int stream_next(struct stream *s, struct slice *piece);

/*
 * The next line without its newline, likewise: 1; 0 at the end. STELE_ESYNTAX for a last line
 * without a newline, STELE_ELIMIT for one of more than STREAM_LINE_BYTES; stream_line_number says
 * which. Errors otherwise as stream_next.
 */
int stream_line(struct stream *s, struct slice *line);
uint64_t stream_line_number(const struct stream *s);

/* Why the last call gave an error. */
const char *stream_why(const struct stream *s);

/*
 * Reads on to the end, whatever is there, and gives the digest of the whole file. Errors as
 * stream_next; the same error again after one.
 */
int stream_digest(struct stream *s, uint8_t digest[32]);

#endif
