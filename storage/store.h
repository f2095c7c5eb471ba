/*
 * The evidence store: one data directory. Opening it recovers whatever a
 * crash left; every call below is a plain synchronous call, and the store
 * starts no threads of its own (storage/writer.h adds them).
 */
#ifndef STELE_STORAGE_STORE_H
#define STELE_STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/policy.h"
#include "storage/append.h"
#include "storage/log.h"

struct identity;
struct mapping;
struct store;
struct toolbox;

enum store_level { STORE_INFO, STORE_WARN, STORE_ERROR };

struct store_options {
	const char *dir;         /* data directory; created when create is true */
	const char *server_name; /* at first start: the origin's first part; NULL: demo-<random> */
	const char *passphrase;  /* seals the key files; NULL: not sealed. Used to open, not kept */
	uint64_t wal_file_bytes; /* 0: LIMIT_WAL_FILE_BYTES */
	uint32_t wal_files;      /* full files that may wait for a seal; 0: LIMIT_WAL_FILES */
	int64_t seal_after_ns;   /* age at which a tail is sealed; 0: LIMIT_SEAL_AFTER_S */
	uint64_t free_bytes;     /* soft limit; UINT64_MAX: LIMIT_FREE_BYTES; 0: none */
	uint64_t scrub_rate;     /* bytes of segments a second; UINT64_MAX: LIMIT_SCRUB_RATE; 0:
				    passes only when asked for, at that rate */
	int64_t scrub_every_ns;  /* from one pass to the next; 0: LIMIT_SCRUB_EVERY_S */
	bool protect;            /* sealed segments become immutable where that can be */
	bool create;             /* a first start is allowed */
	bool moved;              /* the operator vouches that the directory was moved, not copied */
	bool restoring; /* storage/restore.c alone: the restore that is not finished is its own */
	int64_t clock_warn_ns, clock_freeze_ns; /* disagreement with the wall clock beyond which the
						   clocks' state is so; 0: LIMIT_CLOCK_… */
	int64_t clock_credit_ns; /* that a gap between two boots adds to the lock clock at most; 0:
				    none */
	int64_t clock_year_ns;   /* and all gaps of a year */
	int64_t (*now_ns)(void *clock);  /* wall clock, ns since 1970; NULL: CLOCK_REALTIME */
	int64_t (*boot_ns)(void *clock); /* NULL: CLOCK_BOOTTIME, and the machine's boot id */
	const uint8_t *boot_id;          /* with boot_ns: 16 bytes, or NULL: unknown */
	void *clock;
	/* One line for people, no newline; NULL: stderr. Any thread. */
	void (*say)(void *say_ctx, enum store_level level, const char *line);
	void *say_ctx;
	/*
	 * What the store did by itself, for `_system`: one JSON object with a type, as
	 * docs/formats.md has them. NULL: nobody wants to know. Any thread; must not block.
	 */
	void (*record)(void *record_ctx, struct slice json);
	void *record_ctx;
	/*
	 * How the records of a log are indexed in a segment that is made now: the mapping outlives
	 * the store. NULL, also as what is given: by the schemas that come with stele. Any thread;
	 * must not block.
	 */
	const struct mapping *(*mapping)(void *mapping_ctx, struct slice log);
	void *mapping_ctx;
	/*
	 * A commit was released: its heads are what log_head gives. The thread that settles
	 * commits; must not block. NULL: nobody waits for it.
	 */
	void (*released)(void *released_ctx);
	void *released_ctx;
};

/* Figures for /metrics and `log show`; counters since start unless said otherwise. */
struct store_stats {
	uint64_t commits, records, duplicates;
	uint64_t payload_bytes;             /* as they came */
	uint64_t wal_bytes;                 /* written to the WAL, padding included */
	uint64_t wal_files, wal_disk_bytes; /* now */
	uint64_t flush_ns_total, flush_ns_max;
	uint64_t sign_ns_total;
	uint64_t damaged_reads;   /* reads that failed verification */
	uint64_t free_disk_bytes; /* now, of the data directory's file system */
	uint64_t catalog_commits, catalog_lag_commits; /* lag: now */
	uint64_t key_digests;                          /* idempotency keys remembered, now */
	uint64_t logs;                                 /* now */
	uint64_t segments, segment_bytes;              /* now: sealed ones, their files */
	uint64_t segments_quarantined;                 /* now */
	uint64_t segments_immutable, segments_verity;  /* now: storage/protect.h */
	uint64_t segments_sealed, sealed_payload_bytes;
	uint64_t sealed_file_bytes, sealed_index_bytes; /* of the files built; their indexes */
	/* now: of the segments that are open, their indexes' heads, and dictionaries in use lately
	 */
	uint64_t index_memory_bytes, dictionary_memory_bytes;
	uint64_t deposits_open;    /* now: payloads on their way into files of their own */
	uint64_t deposited_bytes;  /* of payloads that came that way */
	uint64_t objects_stored;   /* of them, committed */
	uint64_t deposits_dropped; /* removed: refused, cancelled, too old, or small enough for the
				      record itself */
	bool read_only;            /* a write or flush failed */
	bool low_space;            /* below the soft limit */
};

/*
 * Opens the directory: exclusive lock, identity, keys, catalogue (rebuilt when
 * missing or damaged), WAL replay. On failure why holds one or two sentences
 * for a person: what was tried, on what, what to do. Errors: STELE_EBUSY
 * (another process), STELE_EMOVED, STELE_EDAMAGED, STELE_EKEY, STELE_EVERSION,
 * STELE_EUNSUPPORTED (network file system), STELE_EIO, STELE_ENOTFOUND
 * (nothing there and create is false).
 */
int store_open(struct store **out, const struct store_options *opts, struct buf *why);

/* Makes the catalogue anew from the WAL. Options and errors as store_open. */
int store_rebuild(const struct store_options *opts, struct buf *why);

/* Commits the catalogue, closes everything. No other thread may be inside. */
void store_close(struct store *st);

/* Fixed facts, NUL-terminated, the store's: readable from any thread. */
const char *store_server_name(const struct store *st);
/* True when the server's name was made up at first start; answers say so. */
bool store_is_demo(const struct store *st);
const char *store_dir(const struct store *st);
/* Who the server is now (crypto/identity.h), counted for the caller. Any thread. */
struct identity *store_identity(struct store *st);
void store_stats_get(struct store *st, struct store_stats *out);

/*
 * Evidence time of the newest commit that was released. Each commit has a later one than those
 * before it, in all logs: what is released are the entries of that time or before, and what comes
 * is later. Any thread.
 */
int64_t store_released_ns(struct store *st);

/* The log of that name: 0 and *out, or STELE_ENOTFOUND. Any thread. */
int store_log_find(struct store *st, struct slice name, struct log **out);

/* The id that the next log will have: those that are there have lower ones. Any thread. */
uint64_t store_next_log_id(struct store *st);

/* The log of that id, or NULL. Any thread. */
struct log *store_log_of(struct store *st, uint64_t id);

/*
 * Up to cap logs in byte order of their names, those after `after` (empty:
 * from the start). Returns how many. Any thread.
 */
size_t store_log_list(struct store *st, struct slice after, struct log **out, size_t cap);

/*
 * One commit: sequences the jobs of the list (linked by next) in order, writes
 * one frame, flushes once, signs the touched heads, releases. Sets every job's
 * err; a job that needs append_resolve gets STELE_EDUPLICATE and nothing of it
 * is written. Returns 0, or the storage error that every job then also has.
 * Calls no done(). The writer's thread only.
 */
int store_append_batch(struct store *st, struct append_job *jobs);

/*
 * Makes keys for a new log and durably stores them, then fills job with the
 * policy entry that founds it: the caller passes job to store_append_batch (or
 * writer_submit) and afterwards calls store_log_born. by is the creating
 * principal. STELE_EEXIST when the name is taken: *out is that log. STELE_EREADONLY;
 * STELE_EIO, after which the store is read-only; STELE_ENOSPACE; STELE_EINVAL.
 * Any one thread at a time.
 */
int store_log_conceive(struct store *st, struct slice name, const struct policy *policy,
		       struct slice by, struct append_job *job, struct log **out);
/* Publishes the log when job committed, or forgets it; returns job->err. */
int store_log_born(struct store *st, struct append_job *job);

/*
 * Work behind the commits, cheap when nothing is due; 0 or the first error,
 * already said. store_prepare, several times a second: free space and key runs.
 * store_maintain, once a second: these, and dictionaries and the catalogue. One
 * thread at a time calls these two, beside the writer.
 */
int store_prepare(struct store *st);
int store_maintain(struct store *st);

/*
 * Seals what is due by size, age or the number of WAL files, one segment at most, and
 * tends what is behind: replaced segments, runs of keys. 1 when it did something and
 * there may be more, 0 when nothing is due, or an error, already said. A thread of its own.
 */
int store_seal_due(struct store *st);

/* A seal under way ends early, with nothing of it kept: for shutting down. Any thread. */
void store_seal_stop(struct store *st);

/*
 * Seals everything of a log that is released when it is called: 0, STELE_EREADONLY,
 * STELE_ENOSPACE, STELE_EDAMAGED, STELE_EIO, STELE_ENOMEM, with why. Blocks: a worker thread.
 */
int store_seal_log(struct store *st, struct log *log, struct buf *why);

/*
 * Makes the index of the segment that holds the record at index `at` anew, in a next generation of
 * it, under the log's mapping; with all even when there is one of that mapping. 1 when it did, 0
 * when there was nothing to do, and *next is the index behind the segment. STELE_ENOTFOUND when the
 * record is not in a segment; STELE_EBUSY while something of the log is being purged;
 * STELE_EDAMAGED, with why or said before; STELE_EREADONLY, STELE_ENOSPACE, STELE_ECLOSED,
 * STELE_EIO, STELE_ENOMEM. Blocks, seconds: a worker thread.
 */
int store_reindex(struct store *st, struct log *log, uint64_t at, bool all, struct toolbox *t,
		  uint64_t *next, struct buf *why);

/*
 * Makes the next WAL file before it is needed, slowly, so that commits hardly
 * wait for the disk; another thread's. 0 or an error, already said.
 */
int store_prewrite(struct store *st);

#endif
