/*
 * C2SP tlog-tiles (formats.md section 3): checkpoint, tiles, entry bundles,
 * for any transparency log's client. Paths are strict; what is not there, or
 * not there yet, is 404.
 */
#include "proto/err.h"
#include "proto/policy.h"
#include "proto/tilepath.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "server/witnesses.h"
#include "storage/read.h"

void
res_tiles_checkpoint(struct request *r)
{
	enum witness_answer which = witnesses_checkpoint(r->server->witnesses, r->log, &r->decoded);
	struct head *head;

	if (which != WITNESS_NEWEST && which != WITNESS_KEPT) {
		witness_refuse(r, which);
		return;
	}
	head = log_head(r->log);
	reply_begin(r, 200, "text/plain; charset=utf-8");
	reply_header(r, "Cache-Control",
		     log_policy(r->log)->public ? "public, max-age=1" : "private, max-age=1");
	if (which == WITNESS_KEPT)
		buf_put_slice(reply_body(r), buf_slice(&r->decoded));
	else
		buf_put(reply_body(r), head->note, head->note_len);
	head_unref(head);
	reply_end(r);
}

struct tiling {
	struct tilepath path;
	int err;
};

static void
work(struct request *r, struct kit *kit)
{
	struct tiling *g = r->state;
	struct store *st = r->server->store;

	if (g->path.entries)
		g->err = read_bundle(st, r->log, g->path.n, g->path.width, kit->tools, &r->decoded);
	else
		g->err = read_tile(st, r->log, g->path.level, g->path.n, g->path.width, kit->tools,
				   &r->decoded);
}

static void
not_there(struct request *r)
{
	reply_problem(r, PROBLEM_UNKNOWN_TILE,
		      "The tree has no such tile, or it is not that wide yet.");
}

static void
then(struct request *r)
{
	const struct tiling *g = r->state;

	if (g->err == STELE_ENOTFOUND || g->err == STELE_EINVAL) {
		not_there(r);
		return;
	}
	if (g->err || r->decoded.err) {
		reply_err(r, g->err ? g->err : r->decoded.err);
		return;
	}
	reply_begin(r, 200, "application/octet-stream");
	reply_header(r, "Cache-Control",
		     log_policy(r->log)->public ? "public, max-age=31536000, immutable"
						: "private, max-age=31536000, immutable");
	buf_put_slice(reply_body(r), buf_slice(&r->decoded));
	reply_end(r);
}

void
res_tiles_get(struct request *r)
{
	struct tiling *g = arena_alloc(&r->arena, sizeof *g);

	if (!g) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	if (tilepath_parse(&g->path, r->param[1]) != 0) {
		not_there(r);
		return;
	}
	r->state = g;
	r->work = work;
	r->then = then;
	loop_work_briefly(r);
}
