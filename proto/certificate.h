/*
 * A search certificate's text (docs/formats.md section 9): what a log's index says of a filter's
 * terms, and a signed statement of what was found. Shape only: storage/certcheck.h judges it.
 *
 *   evidence: lines, none of them empty
 *   <blank line>
 *   the statement: a signed note that has the evidence's length and hash
 */
#ifndef STELE_PROTO_CERTIFICATE_H
#define STELE_PROTO_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/limits.h"
#include "proto/lines.h"
#include "proto/slice.h"

/* --- the statement ------------------------------------------------------------------------- */

/* What it says of one log. */
struct certificate_log {
	struct slice origin;
	uint64_t size;    /* of the tree that was searched, at least 1 */
	uint8_t root[32]; /* of that tree */
	uint64_t scanned, matched, unparsed, purged, restricted, unreadable; /* records */
	uint8_t matches[32]; /* SHA-256 of their indexes, ascending, decimal, each with a newline */
};

struct certificate {
	struct slice issuer; /* the key's name that signs: a log's origin, or the server's */
	int64_t time_ns;
	struct slice filter; /* canonical text; empty: every record */
	uint8_t mapping[32];
	size_t n_logs; /* 1..LIMIT_CERTIFICATE_LOGS, in ascending order of their origins */
	struct certificate_log logs[LIMIT_CERTIFICATE_LOGS];
	uint64_t evidence_bytes;
	uint8_t evidence[32]; /* SHA-256 */
};

/*
 * Appends the text that is signed. STELE_EINVAL, and nothing appended, when a part of it is out of
 * its range.
 */
int certificate_put(struct buf *out, const struct certificate *c);

/*
 * Reads one, which must be exactly what certificate_put gives; slices point into text.
 * STELE_EVERSION for another version; STELE_ESYNTAX.
 */
int certificate_parse(struct certificate *c, struct slice text);

/* Whether a file looks like one, whole or not. */
bool certificate_is(struct slice file);

/*
 * Where evidence and signed note lie in a file: STELE_ESYNTAX when there is no blank line,
 * STELE_ELIMIT above LIMIT_CERTIFICATE_BYTES.
 */
int certificate_split(struct slice file, struct slice *evidence, struct slice *note);

/* --- the evidence -------------------------------------------------------------------------- */

/* Of a proof, from the leaf's side upward. */
struct certificate_hashes {
	const uint8_t (*hash)[32];
	size_t n; /* at most LIMIT_PROOF_HASHES */
};

/* What comes before a log's parts. */
struct certificate_source {
	struct slice origin;
	const struct slice *keys;        /* key statements, signed notes */
	size_t n_keys;                   /* at most LIMIT_STATEMENTS */
	struct slice checkpoint;         /* signed note; of the size searched or a later one */
	struct certificate_hashes grown; /* from the size searched to the checkpoint's */
};

struct certificate_page {
	uint64_t number;
	struct slice bytes;
	struct certificate_hashes proof;
};

/* Indexes of matches, both ends in it. */
struct certificate_range {
	uint64_t first, last;
};

/* A run of a log's entries: a segment whose index is shown, or what had to be scanned. */
struct certificate_part {
	bool shown;
	uint64_t first, last; /* unless shown: the entries, both ends in it */

	struct slice manifest;           /* signed note */
	struct certificate_hashes grown; /* from its size to the checkpoint's */
	struct slice head;               /* plain bytes (storage/segterms.h) */
	struct certificate_hashes proof; /* of the head */
	const struct certificate_page *pages;
	size_t n_pages;               /* at most LIMIT_INDEX_LOOKUPS */
	const struct slice *postings; /* plain bytes of those that have boxes of their own */
	size_t n_postings;            /* likewise */

	const struct certificate_range *matched; /* ascending, apart by one at least */
	size_t n_matched;
};

/* The first line; then identities, then for each log a source and its parts. Errors stick. */
void certificate_put_begin(struct buf *out);
/* A succession note. */
void certificate_put_identity(struct buf *out, struct slice note);
void certificate_put_source(struct buf *out, const struct certificate_source *s);
void certificate_put_part(struct buf *out, const struct certificate_part *p);

/* Reads evidence, line by line. What it gives is the arena's, or points into the evidence. */
struct certificate_reader {
	struct lines l;
	struct arena *arena;
};

/*
 * Begins: *identities are the succession notes. STELE_EVERSION, STELE_ESYNTAX; STELE_ELIMIT above
 * a bound; STELE_ENOMEM.
 */
int certificate_read(struct certificate_reader *r, struct slice evidence, struct arena *arena,
		     const struct slice **identities, size_t *n);
/* The next log: 1 when there is no other. Errors as above. */
int certificate_next_source(struct certificate_reader *r, struct certificate_source *s);
/* The log's next part: 1 behind its last. Errors as above. */
int certificate_next_part(struct certificate_reader *r, struct certificate_part *p);

#endif
