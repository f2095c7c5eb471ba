/*
 * An append on its way: what the server fills in, what preparation adds, what
 * the writer answers. A job is all or nothing and lies in one commit.
 *
 *   server: fill items -> append_prepare (any thread) -> writer_submit
 *   writer: sequence, commit, flush, sign -> job->done(job) (writer thread)
 *   err == STELE_EDUPLICATE: append_resolve (a worker), then, when it says so,
 *   writer_submit again.
 */
#ifndef STELE_STORAGE_APPEND_H
#define STELE_STORAGE_APPEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/arena.h"
#include "proto/entry.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "storage/log.h"

struct store;
struct toolbox;

enum append_state {
	APPEND_NEW,       /* to be written */
	APPEND_MAYBE,     /* its key is known: item->index holds the record to compare with */
	APPEND_DUPLICATE, /* the same record is at item->index already */
	APPEND_TWIN,      /* repeats an earlier item of its job: index is that item's number in
			     the job until the writer puts the record's index there */
};

/* One record. */
struct append_item {
	struct slice payload;    /* 0..LIMIT_RECORD_BYTES bytes; the caller's until done. Of an
				    object: its descriptor (storage/object.h) */
	bool object;             /* size, salt and commitment are the caller's; alone in its job */
	uint64_t size;           /* payload bytes of an object */
	struct slice media_type; /* normalised (proto/entry.h); the caller's until done */
	bool has_key;
	uint8_t key[16];         /* log_key_digest() of its idempotency key, when has_key */
	uint8_t digest[16];      /* by the writer: as the store remembers it (storage/digest.h) */
	enum append_state state; /* APPEND_NEW to begin with */
	uint64_t index;          /* result: its position in the log */
	uint8_t salt[16];        /* by append_prepare */
	uint8_t commitment[32];  /* by append_prepare */
};

/* What a full receipt needs beside the head and the item. Hashes are leaf-to-root. */
struct append_receipt {
	struct slice entry; /* exact entry bytes, in the job's arena */
	const uint8_t (*proof)[32];
	size_t n_proof;
};

/* Payloads of consecutive items compressed together, ready for the WAL. */
struct append_block {
	uint32_t count;      /* items it holds */
	uint32_t dict;       /* dictionary it was compressed with, 0 for none */
	uint32_t raw_bytes;  /* sum of their payload sizes */
	struct slice packed; /* 32 bytes that its items' salts expand from, then the compressed
				bytes; in the job's arena */
};

struct append_job {
	/* filled in by the caller */
	struct log *log;
	struct slice writer; /* principal id, <= LIMIT_WRITER_BYTES; the caller's until done */
	struct append_item *items;            /* in the job's arena or the caller's until done */
	size_t n_items;                       /* 1..LIMIT_BATCH_RECORDS */
	bool want_receipts;                   /* entries and proofs are wanted, not only indexes */
	void (*done)(struct append_job *job); /* writer thread, exactly once per submission */
	void *owner;                          /* the caller's */
	struct append_job *next; /* the caller's list when submitting many; then the writer's */
	bool tied; /* in the same commit as next, or neither in one: both small, both of keys that
		      are new */
	/*
	 * Of a `key` or `purge` entry (storage/rotate.h, purge.h), else NULL: makes items and keys
	 * for the index that the entry will have, or says whether it may be. The writer's thread;
	 * an error is the job's.
	 */
	int (*place)(struct append_job *job, uint64_t index, struct toolbox *tools);
	struct logkeys *keys; /* in force from its commit on; the caller's */
	/* Of a `purge` entry (storage/purge.h): on the log's list with its commit, and then the
	   log's; as long as err is not 0 the caller's */
	struct purging *purging;

	/* by append_prepare */
	struct append_block *blocks; /* NULL: the writer packs small jobs together */
	size_t n_blocks;
	uint64_t bytes; /* sum of what the items bring: payloads, or descriptors of objects */
	uint64_t payload_bytes; /* sum of payload sizes */

	/* results, valid in done() */
	int err;              /* 0, or one of STELE_E* */
	int64_t time_ns;      /* evidence time of the commit */
	uint64_t first, last; /* lowest and highest index among the items */
	struct head *head;    /* the head that covers them, counted: append_job_fini drops it */
	struct append_receipt
		*receipts; /* n_items, when want_receipts; for duplicates entry.n == 0 */

	struct arena arena;
	enum entry_kind kind; /* ENTRY_RECORD but for the store's own control entries */
};

/* Zeroes the job and starts its arena. */
void append_job_init(struct append_job *job);

/* Frees the arena and drops the head. The payloads were never the job's. */
void append_job_fini(struct append_job *job);

/*
 * Salts, commitments and, for jobs of LIMIT_BLOCK_BYTES / 2 and more, packed
 * blocks, the salts of each expanding from one seed. Checks every size: STELE_EINVAL, STELE_ELIMIT,
 * STELE_ENOMEM. Also STELE_ECONFLICT when two items of the job have one key and different payloads;
 * with equal payloads the later one becomes an APPEND_TWIN. Touches no shared state but the log's
 * dictionary. Any thread; tools is the calling thread's.
 */
int append_prepare(struct append_job *job, struct toolbox *tools);

/*
 * Fills and prepares a job, after append_job_init, with one control entry of this kind. The
 * JSON and the writer's id are copied into the job's arena. Errors as append_prepare.
 */
int append_control(struct append_job *job, struct log *log, enum entry_kind kind,
		   struct slice writer, struct slice json, struct toolbox *tools);

/*
 * After STELE_EDUPLICATE: reads the records that APPEND_MAYBE items may
 * repeat and compares payloads. 0: submit again (the job's err, head and
 * states are ready for it); 1: nothing is left to write, every item is an
 * APPEND_DUPLICATE, and first, last, head and receipts are filled in;
 * STELE_ECONFLICT: the key was used with another payload, *bad is the item;
 * or a read's error. A worker thread: it reads files.
 */
int append_resolve(struct store *st, struct append_job *job, struct toolbox *tools, size_t *bad);

#endif
