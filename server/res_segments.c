/*
 * A damaged segment's files, put back from a copy, each by a PUT of its own: the
 * manifest first. A file is some tens of megabytes and is held in memory until it is
 * written, within the budget of all large bodies.
 */
#include <string.h>

#include "proto/err.h"
#include "server/acting.h"
#include "server/kit.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/mend.h"

struct mending {
	struct segment_name name;
	bool manifest;
};

static int
mend(struct request *r, struct kit *kit)
{
	struct acting *a = r->state;
	const struct mending *m = a->state;
	struct store *st = r->server->store;

	return m->manifest ? mend_manifest(st, r->log, &m->name, r->http.body, &a->why)
			   : mend_segment(st, r->log, &m->name, r->http.body, kit->tools, &a->why);
}

static void
mended(struct request *r)
{
	struct acting *a = r->state;
	int n = (int)a->why.n;
	const char *why = n ? (const char *)a->why.p : "";

	if (a->err == STELE_EKEY) {
		reply_problem(r, PROBLEM_SEGMENT_REFUSED,
			      "Nothing was changed: the segment's data key is gone.");
	} else if (a->err == STELE_EVERIFY) {
		reply_problem(r, PROBLEM_SEGMENT_REFUSED, "Nothing was changed: %.*s.", n, why);
	} else if (a->err == STELE_ENOTFOUND) {
		reply_problem(r, PROBLEM_UNKNOWN_SEGMENT, "Nothing was changed: %.*s.", n, why);
	} else if (a->err) {
		reply_err(r, a->err);
	} else {
		reply_begin(r, 204, NULL);
		reply_body(r);
		reply_end(r);
	}
}

/* FIRST-COUNT.GEN.seg or .manifest. */
static bool
read_name(struct mending *m, struct slice file)
{
	static const char *const suffixes[] = {".seg", ".manifest"};

	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(suffixes[i]);
		m->manifest = i == 1;
		if (file.n > n && memcmp(file.p + file.n - n, suffixes[i], n) == 0)
			return segment_name_parse(&m->name, slice_of(file.p, file.n - n)) == 0;
	}
	return false;
}

void
res_segments_put(struct request *r)
{
	struct mending *m = arena_alloc(&r->arena, sizeof *m);
	struct acting *a;

	if (!m) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	if (r->http.known[HEADER_CONTENT_ENCODING].p) {
		reply_problem(r, PROBLEM_UNSUPPORTED_ENCODING, "Send the file as it is.");
		return;
	}
	if (!read_name(m, r->param[1])) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "A segment's files are named FIRST-COUNT.GENERATION.seg and "
			      ".manifest.");
		return;
	}
	a = acting_begin(r, "segment.restore", PROBLEM_NONE);
	if (!a)
		return;
	json_object_set_new(a->act, "log", json_string(log_name(r->log)));
	json_object_set_new(a->act, "file",
			    json_stringn((const char *)r->param[1].p, r->param[1].n));
	a->state = m;
	a->perform = mend;
	a->answer = mended;
	acting_run(r);
}
