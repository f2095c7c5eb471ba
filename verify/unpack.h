/*
 * Unpacking one deflated file (RFC 1951) as it is read. What our exports write begins anew at every
 * LIMIT_BUNDLE_PART_BYTES of the file (docs/formats.md section 10): such a part is unpacked at
 * once, by libdeflate, in half of zlib's time. Whatever else a stream may do is zlib's, from where
 * it does so on; what comes out is the same either way, for every stream (unpack.c says why).
 */
#ifndef STELE_VERIFY_UNPACK_H
#define STELE_VERIFY_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/zip_read.h"

enum {
	UNPACK_PIECE_BYTES = LIMIT_BUNDLE_PART_BYTES, /* at most, that are unpacked at once */
	UNPACK_SPARE_BYTES = 32,                      /* behind them, for what is not given */
};

struct unpack;

/* Begins with the packed bytes at `at`, so many, which `read` gets from ctx. NULL without memory.
 */
struct unpack *unpack_open(zip_read_fn *read, void *ctx, uint64_t at, uint64_t packed);

/*
 * The next bytes into out, of UNPACK_PIECE_BYTES and UNPACK_SPARE_BYTES; *n is how many, 0 only at
 * the end; *over says that these are the last. STELE_EVERIFY when the packed data is damaged, ends
 * too early or is followed by something, and *why says it; STELE_ENOMEM; what read gives.
 */
int unpack_piece(struct unpack *u, uint8_t *out, size_t *n, bool *over, const char **why);

/* Whether all of it so far was unpacked in parts: for tests. */
bool unpack_in_parts(const struct unpack *u);

/* Ends it; NULL is fine. */
void unpack_close(struct unpack *u);

#endif
