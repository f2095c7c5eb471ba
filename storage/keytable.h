/*
 * Idempotency digests in memory: an open-addressing table from a 16-byte keyed
 * digest to a log's record. Digests are uniform, so they are their own hash.
 */
#ifndef STELE_STORAGE_KEYTABLE_H
#define STELE_STORAGE_KEYTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key_entry {
	uint8_t digest[16];
	uint64_t log_id; /* 0: an empty slot */
	uint64_t index;
};

struct keytable {
	struct key_entry *slots;
	size_t n, cap; /* cap is 0 or a power of two, at most 3/4 full */
};

/* An empty table; allocates nothing. */
void keytable_init(struct keytable *t);
/* Frees the memory; the table is as after keytable_init. */
void keytable_fini(struct keytable *t);

/* Room for n more entries: 0 or STELE_ENOMEM. */
int keytable_reserve(struct keytable *t, size_t n);

/* Remembers e; the digest is not there yet and room was reserved. */
void keytable_add(struct keytable *t, const struct key_entry *e);

/* The entry of a digest in a log, or NULL. */
const struct key_entry *keytable_find(const struct keytable *t, uint64_t log_id,
				      const uint8_t digest[16]);

/* Empties the table; keeps the memory when keep is true. */
void keytable_clear(struct keytable *t, bool keep);

#endif
