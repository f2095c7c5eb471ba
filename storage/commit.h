/*
 * One commit being made: for every log it touches, the columns of its section.
 * The writer owns one and reuses its memory.
 */
#ifndef STELE_STORAGE_COMMIT_H
#define STELE_STORAGE_COMMIT_H

#include "crypto/merkle_batch.h"
#include "proto/buf.h"
#include "storage/append.h"
#include "storage/frame.h"
#include "storage/internal.h"

/* One log's part of a commit. */
struct touched {
	struct log *log;
	uint64_t first;
	uint32_t count, packed; /* records taken; of those, in blocks already */
	uint32_t n_groups, n_blocks, n_keys, n_dicts, n_objects;
	struct frame_group group; /* the open one; count 0 when there is none */
	struct buf groups, blocks, sizes, objects, boxes, leaves, keys;
	struct buf run, run_salts; /* payloads and salts waiting to be packed */
	uint64_t payload_bytes;

	/* what the log will be once this is durable */
	uint8_t last_leaf[32];
	uint64_t ctl;
	int64_t time_ns, retain_until_ns;
	enum entry_mode mode;
	struct merkle_batch batch;
	uint64_t data_key_id; /* of the tail's key that seals it */
	uint8_t data_key[32];
	struct compress_dict *dict;     /* for packing */
	struct compress_dict *new_dict; /* goes into the WAL with this commit */
	uint32_t new_dict_box_bytes;
	uint32_t meta_bytes, section_bytes;
	uint64_t section_at;       /* within the frame */
	struct logkeys *next_keys; /* of the epoch that begins with it, or NULL */
	struct purging *purging;   /* whose entry is among its records, the job's; or NULL */
	struct head *head;
};

struct commit {
	struct store *st;
	struct toolbox *tools;
	struct touched **touched; /* the first n are in use */
	size_t n, cap;
	struct append_job *jobs, **jobs_end; /* taken, in order; NULL when there is none */
	const struct commit *before;         /* not settled yet, or NULL */
	int err;                             /* what failed so far, for all jobs */
	uint64_t records, bytes;
	int64_t wall_ns;
	struct digest_keys digests; /* as they were when it began */
	struct keytable pending;    /* keys of this commit's jobs */
	struct buf frame;
	uint8_t hash[32];
	struct wal_pos at;
};

/* The next is empty, and taking can begin. */
int commit_new(struct commit **out, struct store *st);
void commit_free(struct commit *c);

/*
 * Takes jobs (linked by next) in order into the commit. before is the commit
 * that is being written meanwhile, or NULL. What fails is said when it settles.
 */
void commit_take(struct commit *c, struct append_job *jobs, struct commit *before);

/*
 * Ends taking, makes the frame and room for it. The commit before it has
 * settled. How many bytes commit_write will write: 0 when there is nothing to
 * write, or on a failure. Only commit_write and commit_settle may follow.
 */
uint64_t commit_close(struct commit *c);

/* Writes and flushes the frame and marks it. Any thread, and no other store call needs to wait. */
int commit_write(struct commit *c);

/*
 * Signs, publishes, fills in the jobs' results. *jobs is the list, to be
 * answered; the commit is empty again. 0, or the error that every job has.
 */
int commit_settle(struct commit *c, struct append_job **jobs);

/* touched.c: the index of the next record that is taken for the log. */
uint64_t touched_end(const struct log *log);
/* Starts the log's part, or returns the one begun. STELE_ENOMEM, STELE_ELIMIT. */
int touched_begin(struct commit *c, struct log *log, struct touched **out);
/* Takes all items of a job that are APPEND_NEW; fills in indexes and, when wanted, entries. */
int touched_take(struct commit *c, struct touched *t, struct append_job *job);
/* Packs what waits, closes the open group, computes tree and sizes. */
int touched_finish(struct commit *c, struct touched *t);
/* Appends the section to c->frame. */
void touched_write(struct commit *c, struct touched *t);
/* Forgets the commit's part; keeps memory. */
void touched_reset(struct touched *t);
void touched_free(struct touched *t);

#endif
