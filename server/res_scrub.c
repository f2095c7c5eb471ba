/* Scrubbing: how far it is, and a pass now. */
#include "server/acting.h"
#include "storage/scrub.h"

#include "proto/timestamp.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"

static void
put_time(struct buf *b, const char *name, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	if (!ns)
		return;
	timestamp_format(text, ns);
	buf_printf(b, "\"%s\":\"%.*s\",", name, TIMESTAMP_BYTES, text);
}

static void
put_pass(struct buf *b, const char *name, const struct scrub_pass *p)
{
	if (!p->begun_ns)
		return;
	buf_printf(b, ",\"%s\":{", name);
	put_time(b, "begun", p->begun_ns);
	put_time(b, "ended", p->ended_ns);
	buf_printf(b,
		   "\"segments\":%llu,\"bytes\":%llu,\"objects\":%llu,\"object_bytes\":%llu,"
		   "\"damaged\":%llu,\"unread\":%llu}",
		   (unsigned long long)p->segments, (unsigned long long)p->bytes,
		   (unsigned long long)p->objects, (unsigned long long)p->object_bytes,
		   (unsigned long long)p->damaged, (unsigned long long)p->unread);
}

static void
put_state(struct request *r)
{
	struct scrub_state s;
	struct buf *b;

	store_scrub_get(r->server->store, &s);
	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_printf(b, "{\"running\":%s,\"passes\":%llu,\"total_bytes\":%llu",
		   s.running ? "true" : "false", (unsigned long long)s.passes,
		   (unsigned long long)s.total_bytes);
	put_pass(b, "now", &s.now);
	put_pass(b, "last", &s.last);
	buf_put_u8(b, '}');
	reply_end(r);
}

void
res_scrub_get(struct request *r)
{
	put_state(r);
}

static int
start(struct request *r, struct kit *kit)
{
	(void)kit;
	store_scrub_start(r->server->store);
	return 0;
}

void
res_scrub_post(struct request *r)
{
	struct acting *a = acting_begin(r, "scrub.start", PROBLEM_NONE);

	if (!a)
		return;
	a->perform = start;
	a->answer = put_state;
	acting_run(r);
}
