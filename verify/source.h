/*
 * The bytes of a bundle: one file, or the pieces NAME.001, NAME.002 … that it was split into, read
 * as one. Any number of threads read.
 */
#ifndef STELE_VERIFY_SOURCE_H
#define STELE_VERIFY_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "verify/os.h"

enum { SOURCE_PIECES_MOST = 999 };

struct source {
	size_t n;
	uint64_t bytes; /* of all */
	struct os_file piece[SOURCE_PIECES_MOST];
	uint64_t begins[SOURCE_PIECES_MOST + 1]; /* where it begins; then the end */
};

/*
 * Opens path; when it ends in .001, all pieces from there on that exist. STELE_EIO or
 * STELE_ENOTFOUND with errno set: nothing is open then.
 */
int source_open(struct source *s, const char *path);
void source_close(struct source *s);

/* zip_read_fn, for a struct source. STELE_EIO also when it is shorter than it was. */
int source_read(void *source, uint64_t at, void *dst, size_t n);

#endif
