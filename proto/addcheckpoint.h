/*
 * What a log sends to a witness (C2SP tlog-witness, add-checkpoint), and the size in an answer that
 * says the witness has seen another one.
 *
 *   old <size>\n
 *   <base64 hash>\n      of the consistency proof, up to 63 of them
 *   \n
 *   <signed checkpoint>
 */
#ifndef STELE_PROTO_ADDCHECKPOINT_H
#define STELE_PROTO_ADDCHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"

enum { ADDCHECKPOINT_HASHES = 63, ADDCHECKPOINT_HASH_BYTES = 32 };

#define ADDCHECKPOINT_TYPE "text/plain; charset=utf-8"
#define ADDCHECKPOINT_SIZE_TYPE "text/x.tlog.size"

struct addcheckpoint {
	uint64_t old; /* 0..LIMIT_INTEGER; 0: the witness has seen none */
	size_t n_hashes;
	uint8_t hashes[ADDCHECKPOINT_HASHES][ADDCHECKPOINT_HASH_BYTES];
	struct slice checkpoint; /* a signed note, not parsed yet; not empty; into the text */
};

/*
 * Takes a request apart. STELE_ESYNTAX when it is not as above; STELE_ELIMIT above 63 hashes, or
 * with a checkpoint above LIMIT_NOTE_BYTES.
 */
int addcheckpoint_parse(struct addcheckpoint *a, struct slice text);

/* Appends a request. n is at most 63 (checked); errors stick to out. */
void addcheckpoint_put(struct buf *out, uint64_t old,
		       const uint8_t (*hashes)[ADDCHECKPOINT_HASH_BYTES], size_t n,
		       struct slice checkpoint);

/* Reads "<size>\n", a body of type text/x.tlog.size; 0 is one. STELE_ESYNTAX. */
int addcheckpoint_size(uint64_t *size, struct slice body);

#endif
