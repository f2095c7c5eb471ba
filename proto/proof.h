/*
 * Inclusion proofs as texts (C2SP tlog-proof v1; formats.md section 4) and as
 * members of JSON answers. A .tlog-proof file:
 *
 *   c2sp.org/tlog-proof@v1
 *   extra <base64 of: the entry, LF, base64 of the salt>
 *   index <n>
 *   <base64 hash, from the leaf's sibling upward>
 *   ...
 *   <blank line>
 *   <the checkpoint, a signed note, verbatim>
 */
#ifndef STELE_PROTO_PROOF_H
#define STELE_PROTO_PROOF_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/slice.h"

enum { PROOF_HASH_BYTES = 32, PROOF_SALT_BYTES = 16 };

/* What such a file says; nothing of it is verified here. */
struct proof_text {
	size_t entry_n;                   /* 1..LIMIT_ENTRY_BYTES */
	uint8_t entry[LIMIT_ENTRY_BYTES]; /* the exact bytes, not yet read as an entry */
	uint8_t salt[PROOF_SALT_BYTES];
	uint64_t index;  /* the claimed one; 0..LIMIT_INTEGER */
	size_t n_hashes; /* 0..LIMIT_PROOF_HASHES */
	uint8_t hashes[LIMIT_PROOF_HASHES][PROOF_HASH_BYTES];
	struct slice checkpoint; /* a signed note: into the text, or the caller's (write) */
};

/*
 * Reads a proof's text; *proof's checkpoint points into it, not empty and not
 * yet parsed. STELE_EVERSION for another version of the format, STELE_ESYNTAX
 * when it is none (lines end with LF alone), STELE_ELIMIT above
 * LIMIT_PROOF_TEXT_BYTES, LIMIT_PROOF_HASHES or LIMIT_ENTRY_BYTES.
 */
int proof_text_parse(struct proof_text *proof, struct slice text);

/*
 * Appends a proof's text. STELE_EINVAL, and nothing appended, when a count or
 * the index is out of range, the entry has a newline, or there is no checkpoint.
 */
int proof_text_put(struct buf *out, const struct proof_text *proof);

/*
 * Appends a JSON array of n hashes in base64: ["...","..."]; [] when n is 0.
 * n is at most LIMIT_PROOF_HASHES (checked).
 */
void proof_put_json(struct buf *out, const uint8_t (*hashes)[PROOF_HASH_BYTES], size_t n);

#endif
