/*
 * Digests in order, however many, of idempotency keys or of terms: runs sorted in memory, spilt to
 * a file that has no name, and merged.
 */
#ifndef STELE_STORAGE_KEYSORT_H
#define STELE_STORAGE_KEYSORT_H

#include <stdint.h>

struct keysort;

enum { KEYSORT_DIGEST_BYTES = 16 }; /* at most */

/*
 * Empty, for digests of so many bytes, 8 at least; a spill file is made in dir when there are more
 * than LIMIT_KEYRUN_KEYS. STELE_ENOMEM.
 */
int keysort_new(struct keysort **out, const char *dir, unsigned digest_bytes);
/* Frees it, and the file with it. NULL is fine. */
void keysort_free(struct keysort *k);

/* Adds one. STELE_EIO, STELE_ENOSPACE, STELE_ENOMEM. */
int keysort_add(struct keysort *k, const uint8_t *digest, uint32_t ordinal);

/* Takes a digest and 4 bytes of ordinal, big-endian. Not 0 ends the walk with that value. */
typedef int keysort_fn(void *ctx, const uint8_t *key);

/*
 * All of them, by digest and then ordinal, as often as it is called; nothing can be added after
 * the first time. Errors as keysort_add, and the function's.
 */
int keysort_each(struct keysort *k, keysort_fn *fn, void *ctx);

#endif
