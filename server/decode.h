/*
 * Content codings of request bodies: gzip (RFC 1952) and zstd (RFC 8878),
 * bounded so that a small body cannot become a large one.
 */
#ifndef STELE_SERVER_DECODE_H
#define STELE_SERVER_DECODE_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"

enum coding { CODING_NONE, CODING_GZIP, CODING_ZSTD };

/* The coding that a Content-Encoding field names: 0, or STELE_EUNSUPPORTED. */
int decode_coding(enum coding *coding, struct slice value);

/*
 * Appends in, decoded, to out. More than
 * max_bytes, or more than LIMIT_DECODE_RATIO times in beyond the first
 * LIMIT_DECODE_RATIO_FREE_BYTES, is STELE_ELIMIT and stops at once.
 * STELE_ESYNTAX when it is damaged or ends early; STELE_ENOMEM.
 */
int decode_body(enum coding coding, struct slice in, uint64_t max_bytes, struct buf *out);

#endif
