/*
 * The files of an evidence bundle: those that docs/formats.md section 10 lists, in that order, in a
 * strict ZIP archive (proto/zip_read.h). Found once; of each it is kept where it lies and what its
 * digest is: 80 bytes, for at most a million files.
 */
#ifndef STELE_VERIFY_ARCHIVE_H
#define STELE_VERIFY_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/limits.h"
#include "verify/findings.h"
#include "verify/source.h"
#include "verify/stream.h"

enum { EXPORT_ID_CHARS = 12 }; /* "x-" and 10 of a-z2-7 */

/* In the order in which they lie; from CHECKPOINT to PAYLOADS for each log. */
enum part {
	PART_BAGIT,
	PART_BUNDLE,
	PART_CUSTODY,
	PART_CERTIFICATE, /* may be missing; so may the next three, or be there several times */
	PART_TIMESTAMPED, /* a checkpoint of _system */
	PART_HEADS,       /* how the logs hang on it */
	PART_TIMESTAMP,   /* one or more */
	PART_CHECKPOINT,
	PART_KEYS,
	PART_CONSISTENCY, /* may be missing */
	PART_CONTROLS,
	PART_PROOFS,
	PART_RECORDS,
	PART_CSV,
	PART_PAYLOADS, /* any number */
	PART_README,
	PART_CERTIFICATE_HTML,
	PART_VERIFY_HTML,
	PART_BAG_INFO,
	PART_MANIFEST,
	PART_TAG_MANIFEST,
	PART_SIGNATURE,
	PARTS,
};

struct archive_file {
	struct stream_file where;
	uint64_t index; /* of a payload's record; under timestamps/ the size */
	uint32_t log;   /* number of its log; of a timestamp, of its authority */
	uint8_t part;   /* enum part */
	bool digested;
	uint8_t digest[32];
};

#define ARCHIVE_NONE SIZE_MAX

/* A log's part of the table. */
struct archive_log {
	char name[LIMIT_LOG_NAME_BYTES + 1];
	char folder[LIMIT_LOG_NAME_BYTES + 3]; /* the name, or ~name~ */
	size_t first;                          /* its checkpoint */
	size_t part[PART_PAYLOADS + 1];        /* by enum part; ARCHIVE_NONE; the first payload */
	size_t n_payloads;
};

/* A checkpoint of _system that was timestamped: its file, its heads, then its timestamps. */
struct archive_timestamped {
	size_t first, n_timestamps;
};

struct archive {
	struct source source;
	struct archive_timestamped timestamped[LIMIT_TIMESTAMP_SIZES];
	size_t n_timestamped;
	char export[EXPORT_ID_CHARS + 1];
	struct archive_file *files;
	size_t n, cap;
	struct archive_log *logs;
	size_t n_logs, cap_logs;
	size_t part[PARTS]; /* those that there is one of; ARCHIVE_NONE */
};

/*
 * Reads the directory and both headers of all files. What is not as it must be is a finding of
 * CHECK_ARCHIVE, and STELE_EVERIFY; STELE_EIO, STELE_ENOMEM. archive_fini in any case; the source
 * is opened by the caller before, and closed by archive_fini.
 */
int archive_read(struct archive *a, struct findings *f);
void archive_fini(struct archive *a);

/* The path of a file within the bundle's folder, with a NUL. */
void archive_path(const struct archive *a, size_t file, char path[FINDING_PATH_BYTES]);

/* Opens a file as a stream; NULL without memory, which is said. */
struct stream *archive_stream(struct archive *a, size_t file, bool ahead, struct findings *f);

/*
 * Ends a stream of that file: reads what is left, keeps its digest, closes it. Damage is a finding
 * of CHECK_ARCHIVE.
 */
void archive_done(struct archive *a, size_t file, struct stream *s, struct findings *f);

/*
 * A whole file of at most `most` bytes, appended to out. A longer one, or a damaged one, is a
 * finding, of the check that is said or of CHECK_ARCHIVE: STELE_EVERIFY. STELE_EIO, STELE_ENOMEM.
 */
int archive_load(struct archive *a, size_t file, size_t most, enum check check, struct buf *out,
		 struct findings *f);

/* The folder of a log of that name. */
void archive_folder(char out[LIMIT_LOG_NAME_BYTES + 3], const char *log);

#endif
