/*
 * Who read which payloads, gathered for `_access`: one record for each token and log in each
 * round, with the exact ranges of indexes. Safe from any thread; some 50 ns a read.
 */
#ifndef STELE_SERVER_AUDIT_READS_H
#define STELE_SERVER_AUDIT_READS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "server/access.h"

struct audit_queue;
struct log;

enum { AUDIT_READERS = LIMIT_AUDIT_READERS, AUDIT_RANGES = LIMIT_AUDIT_RANGES };

/* What one token has read of one log. */
struct audit_reader {
	struct token *token; /* counted */
	const struct log *log;
	uint64_t count; /* of reads, repeated ones too */
	size_t n;
	struct {
		uint64_t first, last;
	} ranges[AUDIT_RANGES];
};

struct audit_reads {
	pthread_mutex_t lock;
	struct audit_queue *queue;
	struct audit_reader *readers[AUDIT_READERS]; /* the latest first */
	size_t n;
};

/* What is gathered goes to the queue, which outlives it. */
void audit_reads_init(struct audit_reads *a, struct audit_queue *queue);
/* Drops what has not been settled. */
void audit_reads_fini(struct audit_reads *a);

/*
 * One payload was read. When there is no room the fullest reader's record is queued at once;
 * without memory the read is queued alone.
 */
void audit_reads_add(struct audit_reads *a, struct token *token, const struct log *log,
		     uint64_t index);

/* Appends the members that records of `_access` begin with, and the opening brace: {"type":TYPE,
 * "by":…, and "matter" where its principal has one. */
void audit_reads_put_who(struct buf *b, const char *type, const struct token *token);

/* Queues a record for each reader, and begins anew. */
void audit_reads_settle(struct audit_reads *a);

#endif
