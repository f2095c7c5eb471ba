/*
 * Which idempotency keys are known: a table in memory for the newest, runs on
 * disk for the rest, so that memory stays flat. The writer looks up and adds;
 * the maintaining thread turns a full table into a run, and the sealing thread
 * merges runs.
 */
#ifndef STELE_STORAGE_KEYINDEX_H
#define STELE_STORAGE_KEYINDEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/keyrun.h"
#include "storage/keytable.h"
#include "storage/wal.h"

struct keyindex {
	pthread_mutex_t mu;
	struct keytable fresh;  /* keys of the newest commits */
	struct keytable frozen; /* being written as a run; looked up until it is one */
	size_t reserved;        /* keys that fresh was promised to have room for */
	struct keyrun *runs;    /* in order of their numbers */
	size_t n_runs, cap_runs;
	uint32_t first_run, last_run; /* numbers covered: [first_run, last_run] */
	struct wal_pos fresh_from;    /* the first frame whose keys are not in a run */
	uint64_t fresh_from_sequence;
	uint8_t fresh_from_prev[32]; /* hash of the frame before it */
	char dir[4096];
	uint64_t incarnation;
};

/* An empty index whose runs lie in wal_dir. */
void keyindex_init(struct keyindex *k, const char *wal_dir, uint64_t incarnation);
/* Frees and unmaps everything; files stay. */
void keyindex_fini(struct keyindex *k);

/*
 * Opens the runs that cover numbers first to last; other files of runs, left by a
 * merge or a spill that no catalogue knows, are removed. With lost NULL a missing or
 * damaged run is the error returned, and the caller starts over with keyindex_reset;
 * else it is passed over and counted.
 */
int keyindex_open_runs(struct keyindex *k, uint32_t first, uint32_t last, unsigned *lost,
		       struct sha256 *h);

/* Opens what runs there are, for a store without a catalogue; damaged ones are counted. */
int keyindex_adopt(struct keyindex *k, unsigned *lost, struct sha256 *h);

/* Forgets everything, run files included. */
void keyindex_reset(struct keyindex *k);

/* Says where the first frame lies whose keys are in no run, as a catalogue remembers it. */
void keyindex_start(struct keyindex *k, struct wal_pos from, uint64_t sequence,
		    const uint8_t prev[32]);

/* Room for n more keys, until the next call: 0 or STELE_ENOMEM. */
int keyindex_reserve(struct keyindex *k, size_t n);

/* Whether the digest is known in the log; sets *index. */
bool keyindex_find(struct keyindex *k, uint64_t log_id, const uint8_t digest[16], uint64_t *index);

/* Remembers a key; room was reserved. One that is there already is left as it is. */
void keyindex_add(struct keyindex *k, const struct key_entry *e);

/* The numbers that the runs cover, as a catalogue remembers them. */
void keyindex_numbers(struct keyindex *k, uint32_t *first, uint32_t *last);

/* How many keys are remembered. */
uint64_t keyindex_count(struct keyindex *k);

/*
 * Whether there are more runs than merging in time would leave: each is asked for every
 * new key.
 */
bool keyindex_crowded(struct keyindex *k);

/*
 * Whether the table is due to become a run: it is full, or reaches further
 * back than one WAL file before `end`.
 */
bool keyindex_due(struct keyindex *k, struct wal_pos end);

/*
 * Moves the table aside as frozen: it covers every commit before `end`, whose
 * next frame has sequence `sequence` and predecessor `prev`. The caller holds
 * off the writer's publishing meanwhile; room that was reserved stays reserved.
 * 0 or STELE_ENOMEM.
 */
int keyindex_freeze(struct keyindex *k, struct wal_pos end, uint64_t sequence,
		    const uint8_t prev[32]);

/*
 * Writes what is frozen as the next run and opens it; newest_ns is the time of its
 * newest key. Errors leave it frozen.
 */
int keyindex_write_run(struct keyindex *k, int64_t newest_ns, struct sha256 *h);

/*
 * Merges neighbours of one size when there are KEYRUN_MERGE of them: 1 when it did, 0
 * when nothing was due. One thread's, beside the one that writes runs. STELE_ENOSPACE,
 * STELE_EIO, STELE_ENOMEM.
 */
int keyindex_merge(struct keyindex *k, struct sha256 *h);

/* Forgets runs whose newest key is older than before_ns, oldest first. The merging thread's. */
int keyindex_expire(struct keyindex *k, int64_t before_ns);

/*
 * Checks the hash of one run that was opened without: 1 when there was one, 0 when all
 * are checked, STELE_EDAMAGED when it was damaged and is now forgotten. The merging thread's.
 */
int keyindex_verify(struct keyindex *k, struct sha256 *h);

#endif
