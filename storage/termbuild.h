/*
 * The index of a segment while it is made: what is looked up of its records, gathered record by
 * record, and in the end given in the order of its digests.
 *
 * A term is kept as a digest under a salt of this segment and generation alone:
 *   SHA-256("stele-term-1\n" || salt || name of the field || "\n" || text)
 * ("id" is the name of trace_id and event_id, which often are the same) and of that so many bits as
 * to tell terms apart that are there, and 2 more: an entry that was not asked for is found once in
 * 4 times at most, and its records then say that it is not it.
 *
 * Terms are not listed of records that may match whatever their terms are: those that are no JSON,
 * fit no schema, lie in files of their own, are gone, or have more than LIMIT_INDEX_RECORD_TERMS.
 * They are the unsure ones, and always looked at.
 */
#ifndef STELE_STORAGE_TERMBUILD_H
#define STELE_STORAGE_TERMBUILD_H

#include "crypto/sha256.h"
#include "proto/buf.h"
#include "proto/field.h"
#include "storage/segterms.h"
#include "storage/mapping.h"
#include "storage/segment.h"

enum { TERM_SPARE_BITS = 2 };

struct termbuild;

/*
 * For a segment of count records; a scratch file is made in dir when there are many terms. mapping,
 * dir and h must outlive it. Memory: 4 bytes a record, and 2 MiB. STELE_ENOMEM.
 */
int termbuild_new(struct termbuild **out, const struct mapping *mapping,
		  const uint8_t salt[TERM_SALT_BYTES], uint32_t count, const char *dir,
		  struct sha256 *h);
/* NULL is fine. */
void termbuild_free(struct termbuild *b);

/* The next record, of fewer than count so far. STELE_EIO, STELE_ENOSPACE, STELE_ENOMEM. */
int termbuild_add(struct termbuild *b, const struct segment_record *r);

/*
 * Once all are in: appends what the head of the index says of the records and of its terms
 * (storage/segterms.h). Errors as termbuild_add.
 */
int termbuild_head(struct termbuild *b, struct buf *out);

/* How many bits of a digest tell terms apart; after termbuild_head. */
unsigned termbuild_digest_bits(const struct termbuild *b);

/*
 * Takes one digest, of so many bits, and the ordinals, ascending, of the n records that have it,
 * which may be more than one term's. Not 0 ends the walk with that value.
 */
typedef int termbuild_fn(void *ctx, uint64_t digest, const uint32_t *ordinals, size_t n);

/* All of them in ascending order, after termbuild_head. Errors as termbuild_add, the function's. */
int termbuild_each(struct termbuild *b, termbuild_fn *fn, void *ctx);

#endif
