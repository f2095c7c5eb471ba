/*
 * A bundle while it is made: storage/bundle.h from inside. Each function writes what its name says,
 * in the order of docs/formats.md section 10, and returns 0 or an error, with a sentence in
 * b->why where there is more to say than the error does. Inside storage/ only.
 */
#ifndef STELE_STORAGE_BUNDLEWORK_H
#define STELE_STORAGE_BUNDLEWORK_H

#include "proto/arena.h"
#include "proto/schema_fit.h"
#include "storage/bundle.h"
#include "storage/read.h"
#include "storage/spoolmake.h"

enum {
	/* bagit.txt to timestamps/ */
	BUNDLE_HEAD_FILES = 4 + BUNDLE_TIMESTAMP_FILES,
	BUNDLE_LOG_FILES = 7,     /* checkpoint to records.csv */
	BUNDLE_TAIL_FILES = 7,    /* README.txt to signature */
	BUNDLE_KINDS = 9,         /* of entries */
	BUNDLE_HOLDS_TOLD = 1000, /* hold and release entries in certificate.html, of each log */
	BUNDLE_FOLDER_BYTES = LIMIT_LOG_NAME_BYTES + 3,
};

enum { BUNDLE_LINES, BUNDLE_TABLE, BUNDLE_FILES }; /* the three bodies of a spool */

enum bundle_withheld {
	WITHHELD_NOT_REQUESTED,
	WITHHELD_NOT_PERMITTED,
	WITHHELD_RESTRICTED,
	WITHHELD_UNREADABLE,
	WITHHELD_REASONS,
};

/* What became of a log. */
struct bundle_part {
	struct bundle_log *log;
	size_t number;                    /* in the job */
	char folder[BUNDLE_FOLDER_BYTES]; /* its name in the bag */
	struct spool_row rows[BUNDLE_LOG_FILES];
	size_t n_rows;
	uint64_t kept, n_kept; /* rows of files/ that the spool keeps */
	uint64_t file_bytes;   /* of these files */

	struct bundle_counts counts;
	uint64_t withheld[WITHHELD_REASONS];
	bool has_lines;
	uint64_t first, last;         /* of its lines */
	int64_t from_ns, to_ns;       /* their times */
	uint64_t controls_here;       /* of them, control entries */
	uint64_t kinds[BUNDLE_KINDS]; /* of control entries */
	struct buf holds;             /* rows of a table in certificate.html */
	uint64_t holds_told;
};

/* Whether all entries of the log, up to its checkpoint, are here. */
static inline bool
bundle_has_whole(const struct bundle_part *p)
{
	return p->counts.entries == p->log->head->size;
}

struct bundle {
	const struct bundle_job *job;
	struct spool_maker *m;
	struct toolbox *t;
	struct arena arena; /* of the record that is read */
	struct buf line, row, text;
	struct schema_fit *fit; /* of the log that is written; NULL: none */
	struct bundle_part *parts;
	struct spool_row head[BUNDLE_HEAD_FILES], tail[BUNDLE_TAIL_FILES];
	size_t n_head, n_tail;
	struct bundle_counts counts;
	int64_t ended_ns;
	uint8_t digest[32]; /* of the tag manifest */
	struct buf *why;
};

/* bundle.c: a whole file of the bag into the first body. */
int bundle_put_file(struct bundle *b, const char *path, struct slice s, struct spool_row *row);
/* Ends the body as a file of a log's folder. */
int bundle_end_file(struct bundle *b, struct bundle_part *p, unsigned body, const char *name);
/* Whether it is to end here. */
int bundle_step(struct bundle *b);

/* bundlelog.c: checkpoint to proofs.ndjson. */
int bundle_put_log(struct bundle *b, struct bundle_part *p);

/* bundlerecords.c: records.ndjson, records.csv and files/. */
int bundle_put_records(struct bundle *b, struct bundle_part *p);
/* Appends {"entry":…,"salt":…,"payload":… of a record that is there. */
void bundle_put_entry(struct buf *out, const struct record *r);
void bundle_put_payload(struct buf *out, const struct record *r);

/* bundletexts.c: README.txt, verify.html, bag-info.txt; bundle.json. */
int bundle_put_json(struct bundle *b, struct buf *out);
int bundle_put_texts(struct bundle *b);
/* bundlecertificate.c: certificate.html; and a hold or release entry that it tells of. */
int bundle_put_certificate(struct bundle *b, struct buf *out);
void bundle_tell_hold(struct bundle_part *p, const struct record *r);

/* bundlebag.c: manifests and signature, and all rows in their places. */
int bundle_put_bag(struct bundle *b);
uint64_t bundle_bag_bytes(const struct bundle *b, uint64_t *files); /* under data/ */

#endif
