/*
 * One record: its payload as it came, whole or a range of it; or, for
 * Accept: application/json, the receipt with the payload in it.
 */
#include <stdio.h>

#include "proto/dec.h"
#include "proto/err.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/erasures.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/range.h"
#include "server/receipt.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/object.h"
#include "storage/read.h"

struct reading {
	uint64_t index;
	bool json;
	int err;
	struct record record;
	struct object *object; /* open, when the payload is one and is wanted */
	struct head *head;     /* counted; with json only */
	struct proof proof;
	char erasure[CONTROL_HOLD_ID_CHARS +
		     1]; /* that it waits for, so that it is not shown; or "" */
};

/* Whether its payload, which is there, is to be erased, and this reader may not see it till then.
 */
static bool
is_restricted(struct request *r, struct reading *g)
{
	return !g->record.gone && g->record.entry.kind == ENTRY_RECORD &&
	       access_restricts(audit_access(r->server->audit), log_name(r->log), g->index,
				g->erasure) &&
	       !(r->token && token_may(r->token, SCOPE_HOLD, r->param[0]));
}

static void
work(struct request *r, struct kit *kit)
{
	struct reading *g = r->state;
	struct store *st = r->server->store;

	if (g->json)
		g->head = log_head(r->log);
	g->err = read_entry(st, r->log, g->index, kit->tools, &r->arena, &g->record);
	if (!g->err && is_restricted(r, g))
		g->err = STELE_EPERM;
	if (!g->err && !g->json && g->record.object)
		g->err = object_open(&g->object, st, r->log, g->index, g->record.payload);
	if (g->err == STELE_EGONE) /* between the two: then it says by which entry */
		g->err = read_entry(st, r->log, g->index, kit->tools, &r->arena, &g->record);
	if (!g->err && g->json)
		g->err = read_inclusion(st, r->log, g->index, g->head->size, kit->tools, &g->proof);
}

static void
answer_json(struct request *r, const struct reading *g)
{
	struct receipt receipt = {
		.log = r->log,
		.index = g->index,
		.time_ns = g->record.entry.time_ns,
		.entry = g->record.text,
		.salt = g->record.gone ? NULL : g->record.salt,
		.proof = g->proof.hash,
		.n_proof = g->proof.n,
		.head = g->head,
	};
	struct buf *b;

	reply_begin(r, 200, "application/json");
	reply_header(r, "Cache-Control", "private, no-cache");
	reply_header(r, "Vary", "Accept");
	b = reply_body(r);
	receipt_put(b, &receipt);
	buf_put_str(b, ",\"media_type\":");
	buf_put_json_str(b, g->record.entry.media_type);
	if (g->record.gone)
		buf_printf(b, ",\"purged\":%llu", (unsigned long long)g->record.purge);
	else if (g->record.object) /* any size: by itself, and in ranges */
		buf_printf(b, ",\"payload_url\":\"/api/v1/logs/%s/records/%llu\"", log_name(r->log),
			   (unsigned long long)g->index);
	else
		receipt_put_payload(b, g->record.payload);
	if (!g->record.gone && !g->record.object && !r->no_body)
		audit_read(r->server->audit, r->token, r->log, g->index);
	buf_put_u8(b, '}');
	reply_end(r);
}

enum { ETAG_BYTES = 34 };

/* A strong validator: the entry's hash says all there is to say about it. */
static void
make_etag(char out[ETAG_BYTES + 1], const uint8_t leaf[32])
{
	static const char digits[] = "0123456789abcdef";

	out[0] = '"';
	for (size_t i = 0; i < 16; i++) {
		out[1 + 2 * i] = digits[leaf[i] >> 4];
		out[2 + 2 * i] = digits[leaf[i] & 15];
	}
	out[33] = '"';
	out[34] = '\0';
}

/* True when the list of validators names etag, or is "*" (RFC 9110 section 13.1.2). */
static bool
etag_listed(struct slice list, const char *etag)
{
	if (slice_eq_str(list, "*"))
		return true;
	return list.n >= ETAG_BYTES && memmem(list.p, list.n, etag, ETAG_BYTES) != NULL;
}

/* Payloads are other people's bytes: no browser may run them as ours. */
static void
begin_payload(struct request *r, int status, const struct reading *g, const char *etag)
{
	reply_begin(r, status, NULL);
	reply_header_slice(r, "Content-Type", g->record.entry.media_type);
	reply_header(r, "ETag", etag);
	reply_header(r, "Accept-Ranges", "bytes");
	reply_header(r, "Cache-Control", "private, no-cache");
	reply_header(r, "Vary", "Accept");
	reply_header(r, "X-Content-Type-Options", "nosniff");
	reply_header(r, "Content-Security-Policy", "sandbox; default-src 'none'");
	reply_header_slice(r, "Stele-Index", r->param[1]);
}

static void
answer_payload(struct request *r, const struct reading *g)
{
	const struct slice *known = r->http.known;
	uint64_t size = g->record.entry.size, from = 0, n = size;
	enum range_answer range = RANGE_WHOLE;
	char etag[ETAG_BYTES + 1];

	make_etag(etag, g->record.leaf);
	if (known[HEADER_IF_NONE_MATCH].p && etag_listed(known[HEADER_IF_NONE_MATCH], etag)) {
		begin_payload(r, 304, g, etag);
		reply_body(r);
		object_close(g->object);
		reply_end(r);
		return;
	}
	if (known[HEADER_RANGE].p &&
	    (!known[HEADER_IF_RANGE].p || slice_eq_str(known[HEADER_IF_RANGE], etag)))
		range = range_read(known[HEADER_RANGE], size, &from, &n);
	if (range == RANGE_UNSATISFIABLE) {
		struct buf *b = reply_problem_begin(r, PROBLEM_RANGE_NOT_SATISFIABLE,
						    "The payload has %llu bytes.",
						    (unsigned long long)size);

		buf_printf(b, ",\"size\":%llu", (unsigned long long)size);
		object_close(g->object);
		reply_problem_end(r);
		return;
	}
	begin_payload(r, range == RANGE_PART ? 206 : 200, g, etag);
	if (range == RANGE_PART) {
		char text[80];

		snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)from,
			 (unsigned long long)(from + n - 1), (unsigned long long)size);
		reply_header(r, "Content-Range", text);
	}
	if (!r->no_body)
		audit_read(r->server->audit, r->token, r->log, g->index);
	if (g->object) {
		res_object_send(r, g->object, from, n);
		return;
	}
	buf_put(reply_body(r), g->record.payload.p + from, (size_t)n);
	reply_end(r);
}

/* By which entry of the log the payload went; all but the payload is in the JSON form. */
static void
answer_gone(struct request *r, const struct reading *g)
{
	struct buf *b = reply_problem_begin(
		r, PROBLEM_PURGED,
		"The payload was purged, as record %llu of the log says. Its entry, proof and "
		"checkpoint are there: ask for application/json.",
		(unsigned long long)g->record.purge);

	buf_printf(b, ",\"index\":%llu,\"purge\":%llu", (unsigned long long)g->index,
		   (unsigned long long)g->record.purge);
	reply_problem_end(r);
}

/* Somebody may ask that it be erased, and something locks it yet. */
static void
answer_restricted(struct request *r, const struct reading *g)
{
	struct buf *b = reply_problem_begin(
		r, PROBLEM_RESTRICTED,
		"The payload is to be erased and waits for its last lock to end: until then only who "
		"may hold the log reads it. Its proof and its entry are there as before.");

	buf_printf(b, ",\"index\":%llu,\"erasure\":\"%s\"", (unsigned long long)g->index,
		   g->erasure);
	reply_problem_end(r);
}

static void
then(struct request *r)
{
	struct reading *g = r->state;

	if (g->err == STELE_ENOTFOUND)
		reply_problem(r, PROBLEM_UNKNOWN_RECORD, "The log has no record of that index.");
	else if (g->err == STELE_EPERM)
		answer_restricted(r, g);
	else if (g->err)
		reply_err(r, g->err);
	else if (g->json)
		answer_json(r, g);
	else if (g->record.gone)
		answer_gone(r, g);
	else
		answer_payload(r, g);
}

/* The head must be dropped before the answer takes the request away. */
static void
then_drop(struct request *r)
{
	struct reading *g = r->state;
	struct head *head = g->head;

	then(r);
	head_unref(head);
}

void
res_records_get(struct request *r)
{
	struct reading *g = arena_alloc(&r->arena, sizeof *g);

	if (!g) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	g->head = NULL;
	g->object = NULL;
	g->json = request_accepts(r, "application/json");
	if (dec_parse(&g->index, r->param[1], LIMIT_INTEGER) != 0) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "A record's index is a decimal number without leading zeros.");
		return;
	}
	r->state = g;
	r->work = work;
	r->then = then_drop;
	loop_work_briefly(r);
}
