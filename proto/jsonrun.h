/*
 * Runs of a JSON string, many bytes at once: what is plain in it, and escapes of quotes and
 * backslashes, which are nearly all that there are where JSON stands within JSON. A help to
 * proto/jsonline.h, which judges what stands between runs.
 */
#ifndef STELE_PROTO_JSONRUN_H
#define STELE_PROTO_JSONRUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSONRUN_MORE = 32 }; /* bytes of room behind as many as are left of the line */

struct jsonrun {
	const uint8_t *p, *end; /* the line's rest; p goes on over what was read */
	uint8_t *out; /* where it goes, likewise; room for what is left and JSONRUN_MORE */
	bool high;    /* set when some bytes are not ASCII, may be behind the run */
};

/* Plain characters: up to a quote, a backslash, a control character or the end; copied unless out
 * is NULL. */
void jsonrun_plain(struct jsonrun *r);

/*
 * Plain characters and escapes of quotes and backslashes, copied without what escapes them. Goes on
 * as far as it is easy, up to what is neither at the most: never into the middle of an escape, and
 * maybe not at all.
 */
void jsonrun_unescape(struct jsonrun *r);

/*
 * The same by the instructions that it takes its name from; false, and nothing done, where there
 * are none. jsonrun_unescape is the best of them, and tests call each.
 */
bool jsonrun_unescape_sse2(struct jsonrun *r);
bool jsonrun_unescape_avx512(struct jsonrun *r);

#endif
