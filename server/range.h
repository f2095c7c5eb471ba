/*
 * The Range field (RFC 9110 section 14): one range of bytes, or none.
 */
#ifndef STELE_SERVER_RANGE_H
#define STELE_SERVER_RANGE_H

#include <stdint.h>

#include "proto/slice.h"

enum range_answer {
	RANGE_WHOLE,         /* no range, or one to be ignored: send all */
	RANGE_PART,          /* *from and *n say which */
	RANGE_UNSATISFIABLE, /* outside: 416 */
};

/*
 * Reads "bytes=FIRST-LAST", "bytes=FIRST-" or "bytes=-SUFFIX" for size bytes.
 * Other units, several ranges and what does not parse are ignored, as the RFC
 * allows.
 */
enum range_answer range_read(struct slice value, uint64_t size, uint64_t *from, uint64_t *n);

#endif
