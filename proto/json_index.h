/*
 * The structural index: where in a document its tokens begin. simdjson finds
 * them 64 bytes at a time and meanwhile checks UTF-8; the grammar then walks
 * from token to token and never looks at the bytes of a string.
 */
#ifndef STELE_PROTO_JSON_INDEX_H
#define STELE_PROTO_JSON_INDEX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct json_scanner;

struct json_index {
	const uint8_t *p;    /* the indexed bytes */
	size_t n;            /* how many */
	const uint32_t *at;  /* offsets in p, ascending; the scanner's until its next use */
	const uint32_t *end; /* behind the last offset */
};

/*
 * Indexes n bytes at p. Each of {}[]:, outside strings is in the index, each
 * opening quote, and the first byte of each run of other bytes that are not
 * white space (such a run may go on with a quote: whoever reads a number or a
 * literal must look what ends it). Then the bytes are valid UTF-8 wherever they
 * are not such a run, every string ends, and none holds a byte below 0x20; what
 * escapes say is not checked. 0; STELE_ESYNTAX when that does not hold or there
 * are only blanks; STELE_EINVAL for 4 GiB and more; STELE_ENOMEM.
 */
int json_index_make(struct json_index *x, struct json_scanner *js, const uint8_t *p, size_t n);

#ifdef __cplusplus
}
#endif

#endif
