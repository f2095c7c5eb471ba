/*
 * A query's certificate (docs/formats.md section 9): all of it searched in one go, log by log, then
 * what the segments' indexes show of its terms, and a signed statement. In steps on workers, as a
 * page is made. What is held of it: evidence up to LIMIT_CERTIFICATE_BYTES, a log's matches.
 */
#ifndef STELE_SERVER_QUERY_CERTIFY_H
#define STELE_SERVER_QUERY_CERTIFY_H

#include "proto/arena.h"
#include "proto/buf.h"
#include "proto/certificate.h"
#include "proto/filter.h"

struct identity;
struct kit;
struct logkeys;
struct query;
struct sha256;

struct query_certify {
	struct query *q;
	struct certificate said;
	struct filter filter; /* the query's text, read as who checks it does */
	struct buf cursor;    /* where rows of the same trees begin; empty: the query has one */
	struct buf evidence;  /* then the whole certificate */
	struct arena arena;   /* of one part */
	struct buf matched;   /* of one log: struct certificate_range, in order */
	struct sha256 *h;
	uint8_t hash[32]; /* of the certificate */

	size_t log;           /* under work */
	size_t evidence_at;   /* where its evidence begins; SIZE_MAX: it is still searched */
	struct head *head;    /* its checkpoint; counted */
	struct logkeys *keys; /* and its keys */
	uint64_t next;        /* the first entry that no part has */
	size_t next_match;    /* the first of matched that no part has had all of */
	unsigned attempts;
	const char *refused; /* what to do about it, when it is the asker's to do */
};

/*
 * Makes it ready: q was read, and may have a cursor, whose trees it is about then. Errors as
 * query_begin; STELE_EINVAL with c->refused.
 */
int query_certify_begin(struct query_certify *c, struct query *q);

/*
 * Goes on for a step: 1 when there is more to do, 0 when c->evidence is the certificate.
 * STELE_EINVAL with c->refused: it is too long, or takes too long. STELE_EBUSY: a log's key is
 * being replaced; STELE_ECLOSED; STELE_EDAMAGED, STELE_EIO, STELE_ENOMEM. A worker thread.
 */
int query_certify_step(struct query_certify *c, struct kit *kit);

/* Frees what it has; not the query. */
void query_certify_fini(struct query_certify *c);

#endif
