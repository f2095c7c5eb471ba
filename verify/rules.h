/*
 * Was what happened to a log's records allowed (docs/formats.md sections 1 and 10, check 11)? A
 * fold over the log's control entries, and then the records that a bundle has of it, both in
 * ascending order. Kept is what locks say (storage/locks.h), and of purges what they said when each
 * was judged: some 50 bytes a range.
 */
#ifndef STELE_VERIFY_RULES_H
#define STELE_VERIFY_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/sha256.h"
#include "proto/buf.h"
#include "proto/entry.h"
#include "verify/recordline.h"

struct rules;

/* NULL without memory. h is used by one thread at a time, with the calls below. */
struct rules *rules_new(struct sha256 *h);
void rules_free(struct rules *r);

/*
 * The next control entry and its payload. STELE_EVERIFY, with a sentence in why, when it is not
 * allowed, or does not say what its kind says; STELE_ENOMEM.
 */
int rules_control(struct rules *r, const struct entry *e, struct slice payload, struct buf *why);

/* After the last: what purges took is put in order. Errors likewise: one was taken twice, or is a
 * control entry. */
int rules_settle(struct rules *r, struct buf *why);

/*
 * The next entry of the bundle, its hash, and what the bundle has of it. Errors likewise. In order,
 * after rules_settle.
 */
int rules_record(struct rules *r, const struct record_line *line, const uint8_t leaf[SHA256_BYTES],
		 struct buf *why);

/* Counts, for people. */
struct rules_counts {
	uint64_t purges; /* entries */
	uint64_t judged; /* purged records whose locks were looked at */
};

/* After the last entry. */
struct rules_counts rules_counts(const struct rules *r);

#endif
