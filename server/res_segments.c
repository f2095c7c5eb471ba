/*
 * A damaged segment's files, put back from a copy, each by a PUT of its own: the
 * manifest first. A file is some tens of megabytes and is held in memory until it is
 * written, within the budget of all large bodies.
 */
#include <string.h>

#include "proto/err.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/mend.h"

struct mending {
	struct segment_name name;
	bool manifest;
	int err;
	struct buf why;
};

static void
work(struct request *r, struct kit *kit)
{
	struct mending *m = r->state;
	struct store *st = r->server->store;

	m->err = m->manifest
			 ? mend_manifest(st, r->log, &m->name, r->http.body, &m->why)
			 : mend_segment(st, r->log, &m->name, r->http.body, kit->tools, &m->why);
}

static void
then(struct request *r)
{
	struct mending *m = r->state;

	buf_put_u8(&m->why, 0);
	if (m->err == STELE_EVERIFY || m->err == STELE_EKEY) {
		reply_problem(r, PROBLEM_SEGMENT_REFUSED, "Nothing was changed: %s.",
			      m->err == STELE_EKEY ? "the segment's data key is gone"
						   : (const char *)m->why.p);
	} else if (m->err == STELE_ENOTFOUND) {
		reply_problem(r, PROBLEM_UNKNOWN_SEGMENT, "Nothing was changed: %s.",
			      (const char *)m->why.p);
	} else if (m->err) {
		reply_err(r, m->err);
	} else {
		reply_begin(r, 204, NULL);
		reply_body(r);
		reply_end(r);
	}
	buf_fini(&m->why);
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

	if (!m) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	if (r->http.known[FIELD_CONTENT_ENCODING].p) {
		reply_problem(r, PROBLEM_UNSUPPORTED_ENCODING, "Send the file as it is.");
		return;
	}
	if (!read_name(m, r->param[1])) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "A segment's files are named FIRST-COUNT.GENERATION.seg and "
			      ".manifest.");
		return;
	}
	buf_init(&m->why);
	r->state = m;
	r->work = work;
	r->then = then;
	loop_work(r);
}
