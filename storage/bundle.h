/*
 * Evidence bundles are written here: docs/formats.md section 10, all of it. One pass over the
 * records, however many and however large: each is read verified, and what is damaged, purged,
 * restricted or not the requester's stands in the bundle without its payload, with the reason.
 * Memory stays flat: what grows is 8 bytes for each control entry, and rows of the spool on disk.
 *
 * The caller has decided what is exported, and recorded that it was begun; it pins a head of each
 * log. A payload that a purge takes while the bundle is made is not in it: bundle_make fails then,
 * and says to export again.
 */
#ifndef STELE_STORAGE_BUNDLE_H
#define STELE_STORAGE_BUNDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/slice.h"
#include "storage/log.h"
#include "storage/spool.h"

struct mapping;

/* A checkpoint and its path for each timestamp, at most. */
enum { BUNDLE_TIMESTAMP_FILES = 3 * LIMIT_TIMESTAMP_SIZES };

/* Entries [first, last] that become lines; asked is false where they are only for the run's sake.
 */
struct bundle_run {
	uint64_t first, last;
	bool asked;
};

/* What is in it, so far or in the end. */
struct bundle_counts {
	uint64_t entries, payloads, purged, withheld; /* lines of records.ndjson */
	uint64_t unreadable, restricted;              /* of those withheld */
	uint64_t controls;
	uint64_t bytes;       /* of payloads, unpacked */
	uint64_t spool_bytes; /* on disk so far */
};

/* One log of a bundle. All of it is the caller's, and outlives bundle_make. */
struct bundle_log {
	struct log *log;
	struct head *head;             /* pinned: its note is the checkpoint */
	const struct mapping *mapping; /* how the fields in records.csv are read */
	bool permitted;                /* else all payloads of records are not_permitted */
	const uint64_t *since;         /* sizes to prove growth from, each 1..size; any order */
	size_t n_since;
	struct bundle_counts counts; /* result: of this log; without spool_bytes */
};

/* A file under data/timestamps/, whole. */
struct bundle_timestamp_file {
	char path[64]; /* in the bag */
	struct slice bytes;
};

struct bundle_job {
	struct store *st;
	struct slice id;        /* of the export: x-… */
	struct slice request;   /* canonical JSON, as it stands in the begin record */
	struct slice requester; /* principal id */
	struct slice reason;    /* UTF-8, may be empty */
	int64_t begun_ns;       /* time of the begin record */
	bool selection;         /* kind: selection, else range */
	struct slice version;   /* of the software */
	uint8_t sha256[32];     /* of its program */

	struct bundle_log *logs; /* n_logs, at least 1, in ascending order of names */
	size_t n_logs;

	struct slice custody;     /* custody.ndjson, whole */
	struct slice certificate; /* certificate.search; empty: there is none */
	const struct bundle_timestamp_file *timestamps; /* in the order of the archive */
	size_t n_timestamps;                            /* at most BUNDLE_TIMESTAMP_FILES */
	bool stored;                                    /* nothing is deflated */

	/*
	 * The next run of logs[log] at or after index `from`, below the pinned size: 0; 1 when
	 * there is none; or an error, which ends the bundle. Called in ascending order, twice for
	 * each log, and the same must come each time. Runs may touch each other.
	 */
	int (*next)(void *ctx, size_t log, uint64_t from, struct bundle_run *out);
	/* Whether the record waits for its erasure, and the requester may not see it. NULL: none.
	 */
	bool (*restricted)(void *ctx, size_t log, uint64_t index);
	/* A record's payload is in the bundle: for `_access`. NULL: nobody wants to know. */
	void (*took)(void *ctx, size_t log, uint64_t index);
	/* Called often: true ends it with STELE_ECLOSED. NULL: it goes on. */
	bool (*step)(void *ctx, const struct bundle_counts *so_far);
	void *ctx;
};

struct bundle_result {
	uint64_t bytes;     /* of the archive */
	uint64_t files;     /* in it */
	uint8_t digest[32]; /* SHA-256 of tagmanifest-sha256.txt */
	struct bundle_counts counts;
};

/*
 * Makes the bundle; its spool is finished, durable and readable when this returns 0. Otherwise
 * nothing of it is left but what the next start sweeps (or, when the disk failed at the very end, a
 * spool that is whole: destroy it before the next try), and why says what to do: STELE_ECLOSED
 * (stopped); STELE_EGONE (purged meanwhile); STELE_EEXIST (there is a spool of that id);
 * STELE_EDAMAGED (a control entry, or what proves entries, cannot be read); STELE_ELIMIT (more
 * files than LIMIT_BUNDLE_FILES); STELE_EREADONLY; STELE_ENOSPACE; STELE_EIO; STELE_ENOMEM; what
 * next returned. Blocks as long as it takes: a thread of its own.
 */
int bundle_make(const struct bundle_job *job, struct bundle_result *out, struct buf *why);

#endif
