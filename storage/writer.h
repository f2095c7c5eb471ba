/*
 * The threads around a store: one writer that owns sequencing (group commit
 * without a timer: what arrives during commit N is batch N+1), one that writes
 * its large frames, one that maintains. Everything else calls in from any thread.
 */
#ifndef STELE_STORAGE_WRITER_H
#define STELE_STORAGE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/append.h"
#include "storage/store.h"

struct writer;

/* Starts the threads. queue_bytes bounds the memory of waiting records; 0: LIMIT_QUEUE_BYTES. */
int writer_new(struct writer **out, struct store *st, uint64_t queue_bytes);

/* Commits what is queued, answers it, stops the threads. Submissions then get STELE_ECLOSED. */
void writer_free(struct writer *w);

/*
 * Queues a list of prepared jobs (linked by next) in order; each is answered
 * by its done(). All are taken or none: STELE_EBUSY (queue full),
 * STELE_EREADONLY, STELE_ENOSPACE, STELE_ECLOSED. A list that begins with a hold or a release is
 * taken down to half of the soft limit of free space.
 */
int writer_submit(struct writer *w, struct append_job *jobs);

/*
 * Submits prepared jobs (linked by next) and waits until all are answered: the first error, a
 * job's or writer_submit's. Their done and owner are the writer's. Blocks: a worker thread.
 */
int writer_append(struct writer *w, struct append_job *jobs);

/* The store that it writes. */
struct store *writer_store(struct writer *w);

/* Whether a list of prepared jobs, all tied to each other, can be one commit. */
bool writer_fits(struct writer *w, const struct append_job *jobs);

/* Memory of the records waiting now. */
uint64_t writer_queued_bytes(struct writer *w);

/*
 * Creates a log and waits until it is durable. Idempotent: a log of that name
 * with an equal policy gives 0 and *created false; with another policy
 * STELE_EEXIST and *out. record, a prepared job for another log or NULL, lies in the same
 * commit, when there is one. Blocks: a worker thread, never a loop.
 */
int writer_create_log(struct writer *w, struct slice name, const struct policy *policy,
		      struct slice by, struct append_job *record, struct log **out, bool *created);

/* What else lies in the commit that creates a log. */
struct writer_birth {
	/*
	 * Prepared jobs, all but the last one tied to the next; the caller's. They may be for the
	 * new log, which nobody can find yet. An error is that of the creation. NULL *jobs: none.
	 */
	int (*fill)(void *ctx, struct log *log, struct append_job **jobs);
	void *ctx;
};

/* The same with more in its commit. STELE_ELIMIT when that is more than one takes. */
int writer_bear_log(struct writer *w, struct slice name, const struct policy *policy,
		    struct slice by, const struct writer_birth *birth, struct log **out,
		    bool *created);

/*
 * Replaces the log's signing key (storage/rotate.h) and waits until the new one signs. record
 * as above. 0, and *destroyed as rotate_end; STELE_ECONFLICT while a backup is made; STELE_EBUSY;
 * STELE_EREADONLY; STELE_ENOSPACE; STELE_ECLOSED; STELE_ENOMEM: then the key is the old one,
 * unless the store is read-only: then the next start knows. Blocks: a worker thread.
 */
int writer_rotate_key(struct writer *w, struct log *log, struct slice by, struct append_job *record,
		      struct toolbox *tools, bool *destroyed);

/*
 * Replaces the server's identity (storage/succeed.h) and waits until the new one is in force.
 * record is a prepared job with the record of it. 0, and *destroyed as succeed_end; errors as
 * above, and STELE_ELIMIT. Blocks: a worker thread.
 */
int writer_replace_identity(struct writer *w, struct append_job *record, bool *destroyed);

#endif
