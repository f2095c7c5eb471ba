/* Timestamps by authorities (RFC 3161): those there are, and one now. */
#include <stdlib.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/acting.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "server/timestamp_record.h"
#include "server/timestamps.h"

static void
put_instant(struct buf *b, const char *name, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	buf_printf(b, ",\"%s\":\"%.*s\"", name, TIMESTAMP_BYTES, text);
}

static void
put_one(struct buf *b, const struct timestamp_record *r)
{
	buf_printf(b, "{\"index\":%llu,\"size\":%llu,\"authority\":", (unsigned long long)r->index,
		   (unsigned long long)r->size);
	buf_put_json_str(b, slice_str(r->authority));
	put_instant(b, "time", r->time_ns);
	buf_put_str(b, ",\"name\":");
	buf_put_json_str(b, slice_str(r->name));
	buf_put_str(b, ",\"serial\":");
	buf_put_json_str(b, slice_str(r->serial));
	put_instant(b, "expires", r->expires_ns);
	buf_printf(b, ",\"trusted\":%s}", r->trusted ? "true" : "false");
}

/* The newest, from the newest back. */
static int
put_list(struct buf *b, struct server *s, struct kit *kit)
{
	struct timestamp_record r = {.before = -1};
	struct trail t;
	int err = trail_open(&t, s, kit);

	if (err != 0)
		return err;
	err = timestamp_record_newest(&t, &r);
	for (unsigned i = 0; err == 0 && i < LIMIT_TIMESTAMP_LIST; i++) {
		buf_put_str(b, i ? "," : "");
		put_one(b, &r);
		err = timestamp_record_before(&t, &r);
	}
	timestamp_record_fini(&r);
	trail_close(&t);
	return err == STELE_ENOTFOUND ? 0 : err;
}

static int
put_all(struct request *r, struct kit *kit)
{
	struct timestamps_figures f;
	struct buf *b = &r->decoded;
	int err;

	timestamps_figures(r->server->timestamps, &f);
	buf_printf(b, "{\"late\":%s,\"authorities\":", f.late ? "true" : "false");
	timestamps_put(r->server->timestamps, b);
	buf_put_str(b, ",\"timestamps\":[");
	err = put_list(b, r->server, kit);
	buf_put_str(b, "]}");
	return err ? err : b->err;
}

static void
look(struct request *r, struct kit *kit)
{
	int err = put_all(r, kit);

	if (err != 0)
		r->decoded.err = err;
}

static void
answer(struct request *r)
{
	if (r->decoded.err)
		reply_err(r, r->decoded.err);
	else
		reply_bytes(r, 200, "application/json", buf_slice(&r->decoded));
}

void
res_timestamps_get(struct request *r)
{
	r->work = look;
	r->then = answer;
	loop_work(r);
}

static int
ask(struct request *r, struct kit *kit)
{
	timestamps_now(r->server->timestamps);
	return put_all(r, kit);
}

void
res_timestamps_post(struct request *r)
{
	struct acting *a;

	if (!r->server->timestamps) {
		reply_problem(r, PROBLEM_NOT_FOUND,
			      "No authority is asked: steled --timestamp-url names them.");
		return;
	}
	a = acting_begin(r, "timestamp.ask", PROBLEM_NONE);
	if (!a)
		return;
	a->perform = ask;
	a->answer = answer;
	acting_run(r);
}
