/*
 * The bundle that an export made: the same bytes each time, whole or a range of them, read and
 * verified piece by piece on workers as the peer takes it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "server/audit.h"
#include "server/download.h"
#include "server/erasures.h"
#include "server/exporter.h"
#include "server/exports.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/range.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/spool.h"

enum { PIECE_BYTES = 512 << 10, ETAG_BYTES = 66 };

struct download {
	struct export *e;
	struct spool_reader *spool;
	int err;
};

static void
free_download(void *source)
{
	struct download *d = source;

	spool_close(d->spool);
	export_unref(d->e);
	free(d);
}

/* --- pieces --------------------------------------------------------------------------------------
 */

static int
read_spooled(void *source, uint64_t at, void *out, size_t n, struct kit *kit)
{
	const struct download *d = source;

	(void)kit;
	return spool_read(d->spool, at, out, n);
}

static void
gone(struct request *r, int err)
{
	if (err == STELE_EGONE || err == STELE_ENOTFOUND) {
		exporter_wake(r->server->exporter); /* which finds out why */
		reply_problem(r, PROBLEM_EXPORT_GONE,
			      "The bundle is not there any more: records of it were purged, or it "
			      "was removed. Export again.");
	} else {
		reply_err(r, err);
	}
}

static const struct download_from how = {
	.piece_bytes = PIECE_BYTES,
	.read = read_spooled,
	.failed = gone,
	.free = free_download,
};

/* --- the head ------------------------------------------------------------------------------------
 */

/* Says who took which bytes of which bundle. */
static void
note_download(struct request *r, const struct export *e, uint64_t from, uint64_t n)
{
	struct buf b;

	buf_init(&b);
	buf_printf(&b, ",\"export\":\"%s\",\"sha256\":\"%s\",\"from\":%llu,\"bytes\":%llu", e->id,
		   e->sha256, (unsigned long long)from, (unsigned long long)n);
	audit_access_event(r->server->audit, "download", r->token,
			   b.err ? slice_of(NULL, 0) : buf_slice(&b));
	buf_fini(&b);
}

static void
begin(struct request *r, int status, const struct export *e, const char *etag)
{
	char name[64];

	snprintf(name, sizeof name, "attachment; filename=\"stele-%s.zip\"", e->id);
	reply_begin(r, status, status == 304 ? NULL : "application/zip");
	reply_header(r, "ETag", etag);
	reply_header(r, "Accept-Ranges", "bytes");
	reply_header(r, "Cache-Control", "private, no-cache");
	reply_header(r, "Content-Disposition", name);
	reply_header(r, "X-Content-Type-Options", "nosniff");
}

/* d, whose spool is open, goes out: all of it, or the range that is asked for. */
static void
answer(struct request *r, struct download *d)
{
	const struct slice *known = r->http.known;
	uint64_t size = spool_bytes(d->spool), from = 0, n = size;
	enum range_answer range = RANGE_WHOLE;
	char etag[ETAG_BYTES + 1], text[80];

	snprintf(etag, sizeof etag, "\"%s\"", d->e->sha256);
	if (known[HEADER_RANGE].p &&
	    (!known[HEADER_IF_RANGE].p || slice_eq_str(known[HEADER_IF_RANGE], etag)))
		range = range_read(known[HEADER_RANGE], size, &from, &n);
	if (range == RANGE_UNSATISFIABLE) {
		struct buf *b =
			reply_problem_begin(r, PROBLEM_RANGE_NOT_SATISFIABLE,
					    "The bundle has %llu bytes.", (unsigned long long)size);
		buf_printf(b, ",\"size\":%llu", (unsigned long long)size);
		free_download(d);
		reply_problem_end(r);
		return;
	}
	begin(r, range == RANGE_PART ? 206 : 200, d->e, etag);
	if (range == RANGE_PART) {
		snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)from,
			 (unsigned long long)(from + n - 1), (unsigned long long)size);
		reply_header(r, "Content-Range", text);
	}
	if (!r->no_body)
		note_download(r, d->e, from, n);
	download_send(r, &how, d, from, n);
}

/* --- the way of a request
 * -------------------------------------------------------------------------- */

static void
open_work(struct request *r, struct kit *kit)
{
	struct download *d = r->state;

	(void)kit;
	d->err = spool_open(&d->spool, r->server->store, slice_str(d->e->id));
}

static void
opened(struct request *r)
{
	struct download *d = r->state;
	int err = d->err;

	if (err == 0) {
		answer(r, d);
		return;
	}
	free_download(d);
	gone(r, err);
}

/* Whether there is a bundle; false: answered. */
static bool
check_state(struct request *r, const struct export *e)
{
	if (e->state == EXPORT_REMOVED)
		reply_problem(r, PROBLEM_EXPORT_GONE, "The bundle was removed (%s). Export again.",
			      e->removed);
	else if (e->state == EXPORT_FAILED)
		reply_problem(r, PROBLEM_EXPORT_CONFLICT, "There is no bundle: %s", e->failed);
	else if (e->state == EXPORT_BEGUN)
		reply_problem(r, PROBLEM_EXPORT_CONFLICT,
			      "The bundle is not made yet: look at /api/v1/exports/%s until it is "
			      "finished.",
			      e->id);
	return e->state == EXPORT_FINISHED;
}

/* Whether the token may see all payloads that are in it; false: answered. */
static bool
check_payloads(struct request *r, const struct export *e)
{
	struct access *access = audit_access(r->server->audit);

	for (size_t i = 0; i < e->n_logs; i++) {
		const struct export_log *l = &e->logs[i];
		struct slice name = slice_str(l->name);
		/* payloads of control entries are no secret; what a search found is one */
		if (!l->read || (l->payloads == 0 && !e->certify))
			continue;
		if (!token_may(r->token, SCOPE_READ, name)) {
			audit_denied(r->server->audit, r, name, PROBLEM_INSUFFICIENT_SCOPE);
			reply_problem(
				r, PROBLEM_INSUFFICIENT_SCOPE,
				"The bundle has payloads of %s, which the token may not read.",
				l->name);
			return false;
		}
		/* of what waited already when it was asked for it has what only a holder may see */
		if (!token_may(r->token, SCOPE_HOLD, name) &&
		    access_restricts_some(access, l->name, &l->set, l->hold ? 0 : e->begun_ns)) {
			audit_denied(r->server->audit, r, name, PROBLEM_RESTRICTED);
			reply_problem(
				r, PROBLEM_RESTRICTED,
				"The bundle may have payloads of %s that are to be erased since: "
				"export again, without them.",
				l->name);
			return false;
		}
	}
	return true;
}

/* The peer has these bytes already. */
static bool
is_known(const struct request *r, const struct export *e)
{
	struct slice list = r->http.known[HEADER_IF_NONE_MATCH];

	return list.p && (slice_eq_str(list, "*") ||
			  (list.n >= 64 && memmem(list.p, list.n, e->sha256, 64) != NULL));
}

void
res_bundle_get(struct request *r)
{
	struct download *d = calloc(1, sizeof *d);
	char etag[ETAG_BYTES + 1];

	if (!d) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	if (access_export(audit_access(r->server->audit), r->param[0], &d->e) != 0 ||
	    !export_visible(d->e, r->token)) {
		free_download(d);
		reply_problem(r, PROBLEM_UNKNOWN_EXPORT,
			      "No export has that id, or it is not yours to see.");
		return;
	}
	if (!check_state(r, d->e) || !check_payloads(r, d->e)) {
		free_download(d);
		return;
	}
	if (is_known(r, d->e)) {
		snprintf(etag, sizeof etag, "\"%s\"", d->e->sha256);
		begin(r, 304, d->e, etag);
		reply_body(r);
		free_download(d);
		reply_end(r);
		return;
	}
	r->state = d;
	r->work = open_work;
	r->then = opened;
	loop_work(r);
}
