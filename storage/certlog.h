/*
 * The part of a certificate that is about one log: its parts follow each other from entry 0 to the
 * tree's end, and each match is where it may be. Inside storage/certcheck.c's doing only.
 */
#ifndef STELE_STORAGE_CERTLOG_H
#define STELE_STORAGE_CERTLOG_H

#include "crypto/sha256.h"
#include "proto/certificate.h"
#include "proto/checkpoint.h"
#include "proto/filter.h"
#include "proto/note.h"
#include "storage/certcheck.h"

enum { CERTLOG_WHY_BYTES = 320 };

/* A key of the log, and since which size it speaks for it. */
struct certlog_key {
	struct note_vkey key;
	uint64_t epoch, first_size;
};

struct certlog {
	struct sha256 *h, *matches; /* the second one: of the matches so far */
	const struct certificate *said;
	const struct certificate_log *log;
	const struct filter *filter;
	const struct certcheck_sink *sink;
	struct checkpoint tree; /* checked */
	const struct certlog_key *keys;
	size_t n_keys;

	uint64_t next;     /* the first entry that no part had yet */
	uint64_t matched;  /* so far */
	uint64_t segments; /* shown */
	uint64_t shown;    /* entries in them */
	uint64_t records;  /* of these, no control entries */
	uint64_t may;      /* of these, those that the index cannot rule out */
	uint64_t unsure;   /* of these, those that it says nothing of */
	uint64_t pages;
	uint64_t looked; /* entries in parts that were scanned */
	char why[CERTLOG_WHY_BYTES];
};

/* The next part: STELE_EVERIFY, with why; STELE_ENOMEM; what the sink returned. */
int certlog_part(struct certlog *l, const struct certificate_part *p);

/* Behind the last one: whether it all comes to what was said. Errors as above. */
int certlog_end(struct certlog *l);

#endif
