/*
 * Which records of a log have a payload with this SHA-256: those whose payload is an
 * object, whose sealed descriptors say it. Nothing about payloads is kept in the clear to
 * search in, so each descriptor is opened; a request looks at a bounded number of them.
 */
#include <string.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/receipt.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/object.h"
#include "storage/read.h"

enum { USUAL_ROWS = 100 };

struct search {
	uint8_t sha256[32];
	struct slice hex;
	uint64_t from, limit, size, found;
	bool more;       /* from says where to go on */
	struct buf rows; /* JSON objects, comma-separated */
	int err;
};

static void
put_row(struct search *s, const struct record *r)
{
	struct buf *b = &s->rows;

	buf_printf(b, "%s{\"index\":%llu,", s->found++ ? "," : "",
		   (unsigned long long)r->entry.index);
	receipt_put_time(b, r->entry.time_ns);
	buf_printf(b, ",\"size\":%llu,\"media_type\":", (unsigned long long)r->entry.size);
	buf_put_json_str(b, r->entry.media_type);
	buf_put_u8(b, '}');
}

static int
look_at(struct search *s, const struct record *r)
{
	struct object_descriptor d;

	if (object_descriptor_read(&d, r->payload) != 0)
		return STELE_EDAMAGED;
	if (memcmp(d.sha256, s->sha256, sizeof d.sha256) == 0)
		put_row(s, r);
	explicit_bzero(&d, sizeof d);
	return 0;
}

static void
search(struct request *r, struct kit *kit)
{
	struct search *s = r->state;
	struct head *head = log_head(r->log);
	struct record record;
	struct arena arena;
	unsigned n;

	s->size = head->size;
	head_unref(head);
	arena_init(&arena);
	for (n = 0; s->err == 0 && n < LIMIT_OBJECTS_A_STEP && s->found < s->limit; n++) {
		arena_reset(&arena);
		s->err = read_next_object(r->server->store, r->log, s->from, kit->tools, &arena,
					  &record);
		if (s->err == 0)
			s->err = look_at(s, &record);
		if (s->err == 0)
			s->from = record.entry.index + 1;
	}
	arena_fini(&arena);
	s->more = s->err == 0;
	if (s->err == STELE_ENOTFOUND)
		s->err = 0;
}

static void
found(struct request *r)
{
	struct search *s = r->state;
	struct buf *b;

	if (s->err) {
		int err = s->err;

		buf_fini(&s->rows);
		reply_err(r, err);
		return;
	}
	reply_begin(r, 200, "application/json");
	reply_header(r, "Cache-Control", "private, no-cache");
	b = reply_body(r);
	buf_printf(b, "{\"log\":\"%s\",\"sha256\":", log_name(r->log));
	buf_put_json_str(b, s->hex);
	buf_printf(b, ",\"size\":%llu,\"records\":[", (unsigned long long)s->size);
	buf_put_slice(b, buf_slice(&s->rows));
	buf_put_u8(b, ']');
	if (s->more)
		buf_printf(b, ",\"next\":%llu", (unsigned long long)s->from);
	buf_put_u8(b, '}');
	if (s->rows.err)
		b->err = s->rows.err;
	buf_fini(&s->rows);
	reply_end(r);
}

/* 64 lower-case hex digits. */
static bool
read_hex(uint8_t out[32], struct slice hex)
{
	if (hex.n != 64)
		return false;
	for (size_t i = 0; i < 64; i++) {
		uint8_t c = hex.p[i], v = (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] << 4 | v : v);
	}
	return true;
}

void
res_find_get(struct request *r)
{
	struct search *s = arena_alloc(&r->arena, sizeof *s);
	int has;

	if (!s) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	memset(s, 0, sizeof *s);
	s->limit = USUAL_ROWS;
	has = request_query(r, "sha256", &s->hex);
	if (has < 0 || request_query_number(r, "from", &s->from) < 0 ||
	    request_query_number(r, "limit", &s->limit) < 0)
		return;
	if (!has || !read_hex(s->sha256, s->hex)) {
		reply_problem(
			r, PROBLEM_INVALID_PARAMETER,
			"sha256 is needed: the payload's SHA-256 as 64 lower-case hex digits.");
		return;
	}
	if (s->limit == 0 || s->limit > LIMIT_LIST_ROWS) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER, "limit is a number from 1 to %u.",
			      LIMIT_LIST_ROWS);
		return;
	}
	r->state = s;
	r->work = search;
	r->then = found;
	loop_work(r);
}
