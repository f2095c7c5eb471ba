/*
 * A checkpoint's text (C2SP tlog-checkpoint v1; formats.md section 2): what a
 * log's key signs.
 *
 *   <origin>\n<size>\n<base64 root>\n[<extension line>\n]...
 */
#ifndef STELE_PROTO_CHECKPOINT_H
#define STELE_PROTO_CHECKPOINT_H

#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"

struct checkpoint {
	struct slice origin;     /* into the text it was read from */
	uint64_t size;           /* entries; 1..LIMIT_INTEGER: a log is born with entry 0 */
	uint8_t root[32];        /* of the tree of that size */
	struct slice extensions; /* further lines, each not empty and with its newline; or empty */
};

/*
 * Reads a note's text (struct note's, so already valid UTF-8). STELE_ESYNTAX
 * when it is no checkpoint; a size of 0 is none.
 */
int checkpoint_parse(struct checkpoint *c, struct slice text);

/*
 * Appends the text. STELE_EINVAL, and nothing appended, when the origin is
 * empty or has a control character, or the size is out of range. Extension
 * lines are not written: logs should have none.
 */
int checkpoint_put(struct buf *out, struct slice origin, uint64_t size, const uint8_t root[32]);

#endif
