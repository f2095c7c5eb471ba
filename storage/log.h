/*
 * A log as readers see it: fixed facts, and the newest released head.
 * Objects live as long as the store; pointers to them are stable.
 */
#ifndef STELE_STORAGE_LOG_H
#define STELE_STORAGE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/policy.h"
#include "proto/slice.h"

struct log;

/*
 * A released head: the signed checkpoint of one size. Immutable and counted;
 * every holder calls head_unref once.
 */
struct head {
	atomic_uint refs;
	uint64_t size;
	uint8_t root[32];
	int64_t time_ns; /* evidence time of the last entry */
	size_t note_len;
	char note[]; /* the signed note, note_len bytes, then a NUL */
};

/* Counts one more holder and returns h; counts one fewer, and frees with the last. Any thread. */
struct head *head_ref(struct head *h);
void head_unref(struct head *h);

/* The newest released head, referenced for the caller; never NULL. Any thread. */
struct head *log_head(struct log *log);

/*
 * Adds signature lines of witnesses to the checkpoint of a released head, which was the newest when
 * the caller took it: while no newer one is released, log_head gives its note with these lines.
 * lines replace those of an earlier call. 1 when it is so, 0 when there is a newer head already;
 * STELE_ENOMEM. Any one thread.
 */
int log_cosign(struct log *log, const struct head *head, struct slice lines);

/* Fixed facts, readable from any thread without a lock. */
uint64_t log_id(const struct log *log);
const char *log_name(const struct log *log);   /* NUL-terminated */
const char *log_origin(const struct log *log); /* "SERVER/LOG" */
int64_t log_created_ns(const struct log *log); /* time of entry 0 */

/* The policy in force; it lives as long as the log, also when another takes its place. */
const struct policy *log_policy(const struct log *log);

/*
 * Whether it is `_system`: its records are the state of who may do what (docs/formats.md section
 * 8), so none of its payloads ever goes.
 */
bool log_stays(const struct log *log);

/* Whether a policy of it, in force or not, let records wait for an event. Any thread. */
bool log_may_wait(const struct log *log);

/* The policy in its entry 0, which founded it. */
const struct policy *log_founding(const struct log *log);

/* What is locked in it, and by what. */
struct locks;
struct locks *log_locks(const struct log *log);

/* Whether its locks have all control entries that were sequenced: none is on its way. The writer's
 * thread. */
bool log_locks_settled(const struct log *log);

/*
 * A log's signing key and the verifier keys of all its epochs, at one moment. Immutable and
 * counted; the log must outlive it.
 */
struct logkeys;

/* The log's keys now, referenced for the caller: logkeys_unref once. Any thread. */
struct logkeys *log_keys(struct log *log);
/* Counts one fewer; the last one wipes the signing key. NULL is fine. Any thread. */
void logkeys_unref(struct logkeys *k);

uint32_t logkeys_epoch(const struct logkeys *k);   /* the number of the one that signs */
const char *logkeys_vkey(const struct logkeys *k); /* its verifier key; NUL-terminated */
/* From which size of the tree on that key speaks for the log. */
uint64_t logkeys_first_size(const struct logkeys *k);

/* How many epochs there were, this one with them. */
size_t logkeys_count(const struct logkeys *k);

/*
 * Appends the key statement of the i-th of them, from 0 in order, a note signed by the server's
 * identity. STELE_ENOTFOUND when there were not so many; STELE_ENOMEM.
 */
int logkeys_put_statement(const struct logkeys *k, size_t i, struct buf *out);

/* Appends the text as a signed note by the key that signs; errors stick to out. */
void logkeys_sign(const struct logkeys *k, struct slice text, struct buf *out);

/* How a log lies on disk, now. */
struct log_storage {
	uint64_t sealed; /* entries in segments; the rest is in the WAL */
	uint64_t segments, segment_bytes;
	uint64_t quarantined;       /* segments found damaged: not read until they are restored */
	uint64_t immutable, verity; /* segments whose files are: storage/protect.h */
	uint64_t payload_bytes;     /* of all its records, as they came */
};
void log_storage_get(struct log *log, struct log_storage *out);

/*
 * The 16-byte keyed digest under which an idempotency key is remembered:
 * kind separates the header ("k"), a batch line ("b") and CloudEvents ("c")
 * from each other; parts are length-prefixed, so {"ab","c"} differs from
 * {"a","bc"}. It is for memory alone: what is stored is made of it under a key (storage/digest.h).
 */
void log_key_digest(const struct log *log, uint8_t out[16], char kind, const struct slice *parts,
		    size_t n_parts);

#endif
