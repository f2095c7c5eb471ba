/*
 * Bytes of a connection through parser, router, authorisation and the heads of
 * appends, with storage and tokens stubbed here. The same bytes must get the
 * same answers however they are cut: the first byte says into what pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "server/access.h"
#include "server/append_read.h"
#include "server/audit.h"
#include "server/cloudevents.h"
#include "server/range.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/router.h"
#include "server/server.h"
#include "storage/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* --- what the request layer asks of the rest ------------------------------------------- */

static const struct policy open_policy = {.public = true}, closed_policy;
static struct principal nobody = {.id = "s-fuzz"};
static struct token everything = {.principal = &nobody};
static char a_log;

int
store_log_find(struct store *st, struct slice name, struct log **out)
{
	(void)st;
	if (name.n > 8)
		return -1;
	*out = (struct log *)(void *)&a_log;
	a_log = name.p[0] == 'p';
	return 0;
}

const struct policy *
log_policy(const struct log *log)
{
	(void)log;
	return a_log ? &open_policy : &closed_policy;
}

struct access *
audit_access(struct audit *a)
{
	(void)a;
	return NULL;
}

void
audit_refused(struct audit *a, enum access_answer answer, bool presented)
{
	(void)a;
	(void)answer;
	(void)presented;
}

void
audit_denied(struct audit *a, const struct request *r, struct slice log, enum problem problem)
{
	(void)problem;
	(void)a;
	(void)log;
	CHECK(r->token && r->route);
}

enum access_answer
access_check(struct access *a, struct slice text, int64_t now_ns, struct token **out)
{
	(void)a;
	(void)now_ns;
	if (text.n == 5)
		*out = &everything;
	return text.n == 5 ? ACCESS_OPENS : ACCESS_UNKNOWN;
}

bool
token_may(const struct token *token, unsigned scopes, struct slice log)
{
	(void)log;
	(void)token;
	return (scopes & ~(unsigned)SCOPE_POLICY) != 0;
}

/* No request here has a certificate. */
enum access_answer
access_check_names(struct access *a, const char *const *names, size_t n, int64_t now_ns,
		   struct token **out)
{
	(void)a;
	(void)names;
	(void)n;
	(void)now_ns;
	(void)out;
	CHECK(false);
	return ACCESS_UNKNOWN;
}

uint64_t
access_generation(struct access *a)
{
	(void)a;
	return 0;
}

enum access_answer
token_opens(const struct token *token, int64_t now_ns)
{
	(void)token;
	(void)now_ns;
	return ACCESS_OPENS;
}

bool
token_admit(struct token *token, uint64_t body_bytes, int64_t now_ns, uint64_t *wait_s)
{
	(void)token;
	(void)now_ns;
	*wait_s = 1;
	return body_bytes != 7;
}

void
token_unref(struct token *token)
{
	(void)token;
}

void
append_job_fini(struct append_job *job)
{
	(void)job;
	CHECK(false); /* nothing gets that far */
}

void
upload_abandon(struct request *r)
{
	(void)r;
	CHECK(false); /* neither does an upload begin */
}

int64_t
server_now_ns(const struct server *s)
{
	(void)s;
	return 1;
}

int64_t
server_monotonic_ns(void)
{
	return 1;
}

/* --- bodies that come in pieces ---------------------------------------------------------- */

static struct buf pieces;
static uint8_t window[LIMIT_HTTP_BUFFER_BYTES];

static bool
admit(struct request *r)
{
	buf_reset(&pieces);
	http_accept_stream(&r->http, LIMIT_HTTP_BUFFER_BYTES, 1 << 20);
	return true;
}

static void
take_piece(struct request *r)
{
	uint8_t *gathered;
	struct slice piece = http_piece(&r->http, &gathered);

	buf_put_slice(&pieces, piece);
	free(gathered);
	http_window(&r->http, window, sizeof window);
}

/* --- routes that answer with what they understood ---------------------------------------- */

static void
echo(struct request *r)
{
	uint64_t from = 0, n = 0, number = 0;
	struct slice v;
	struct buf *b;

	if (request_query(r, "a", &v) < 0 || request_query_number(r, "b", &number) < 0)
		return;
	if (r->http.known[HEADER_RANGE].p &&
	    range_read(r->http.known[HEADER_RANGE], 1000, &from, &n) == RANGE_PART)
		CHECK(from < 1000 && n > 0 && from + n <= 1000);
	reply_begin(r, 200, "application/octet-stream");
	b = reply_body(r);
	buf_put_slice(b, r->http.path);
	buf_printf(b, "|%llu|%d|", (unsigned long long)number, request_accepts(r, "text/plain"));
	buf_put_slice(b, buf_slice(&pieces));
	buf_put_slice(b, r->http.body);
	buf_reset(&pieces);
	reply_end(r);
}

static void
append(struct request *r)
{
	struct cloudevents_identity id;
	struct append a;
	const char *why = "";

	if (!append_read_head(r, &a))
		return;
	reply_begin(r, 201, "application/json");
	reply_body(r);
	buf_printf(&r->out, "%d|%d|%d|", a.form, a.coding, a.minimal);
	buf_put_slice(&r->out, a.type);
	if (a.form == APPEND_EVENT_BINARY &&
	    cloudevents_from_binary(&r->http, a.type, false, r->http.body, &r->arena, &r->out, &id,
				    &why) == 0)
		CHECK(id.id.n && id.source.n);
	buf_put_slice(&r->out, a.key);
	buf_put_str(&r->out, why);
	reply_end(r);
}

const struct route router_table[] = {
	{METHOD_POST, "/l/{log}/records", SCOPE_APPEND, .max_body = 1000, .query = "proof ",
	 .handle = append},
	{METHOD_GET, "/l/{log}/tile/{path*}", SCOPE_VERIFY, .public_able = true, .handle = echo},
	{METHOD_PUT, "/l/{log}", SCOPE_POLICY, .creates_log = true, .max_body = 100,
	 .handle = echo},
	{METHOD_GET, "/x", .query = "a b ", .handle = echo},
	{METHOD_POST, "/x", .max_body = 1u << 20, .query = "a b ", .handle = echo},
	{METHOD_PATCH, "/x", .max_body = 1u << 20, .handle = echo, .admit = admit},
};
const size_t router_routes = sizeof router_table / sizeof *router_table;

/* --- the connection ------------------------------------------------------------------------ */

static struct server server = {.bodies = {.max_bytes = 1 << 20}};
static struct buf transcript;
static bool answered;

static void
take(struct request *r)
{
	CHECK(!answered);
	answered = true;
	CHECK(r->out.err == 0 && r->out.n >= 12 && memcmp(r->out.p, "HTTP/1.1 ", 9) == 0);
	buf_put(&transcript, r->out.p, r->out.n);
}

/* One request's steps; false when the connection ends. */
static bool
step(struct request *r)
{
	answered = false;
	switch (http_step(&r->http)) {
	case STEP_MORE:
		return false;
	case STEP_HEAD:
		if (router_admit(r)) {
			CHECK(!answered);
			return true;
		}
		CHECK(answered);
		return false;
	case STEP_READY:
		r->route->handle(r);
		CHECK(answered);
		http_next(&r->http);
		request_reset(r);
		return true;
	case STEP_PIECE:
		take_piece(r);
		return true;
	case STEP_BAD:
		reply_problem(r, r->http.problem, "%s", r->http.detail);
		return false;
	}
	return false;
}

static void
run(struct request *r, const uint8_t *data, size_t n, size_t piece)
{
	uint8_t *p;
	size_t room;

	buf_reset(&transcript);
	buf_reset(&pieces);
	while (n) {
		size_t k = n < piece ? n : piece;

		while (step(r))
			;
		if (answered)
			break;
		room = http_room(&r->http, &p);
		CHECK(room > 0);
		k = k < room ? k : room;
		memcpy(p, data, k);
		http_fill(&r->http, k);
		data += k;
		n -= k;
	}
	if (!answered) {
		while (step(r))
			;
	}
	request_reset(r);
	http_fini(&r->http);
	CHECK(atomic_load(&server.bodies.used_bytes) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct request r;
	struct buf whole;

	if (n < 2 || n > 32768)
		return 0;
	if (!r.server) {
		r.server = &server;
		r.send = take;
		http_init(&r.http, &r.arena, &server.bodies);
	}
	run(&r, data + 1, n - 1, 32768);
	whole = transcript;
	buf_init(&transcript);
	run(&r, data + 1, n - 1, (size_t)data[0] + 1);
	CHECK(slice_eq(buf_slice(&whole), buf_slice(&transcript)));
	buf_fini(&whole);
	buf_fini(&transcript);
	buf_fini(&pieces);
	return 0;
}
