/* Requests from bytes: however they are cut, and nothing that two parsers could read differently.
 */
#include "server/http.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct http_budget budget = {.max_bytes = 64 << 20};
static struct arena arena;
static struct http h;

/* Feeds text in pieces of n bytes; stops at anything but STEP_MORE. Returns bytes fed. */
static size_t
feed(const char *text, size_t len, size_t n, enum http_step *step)
{
	size_t at = 0;

	while ((*step = http_step(&h)) == STEP_MORE && at < len) {
		uint8_t *p;
		size_t room = http_room(&h, &p), k = len - at < n ? len - at : n;

		ck_assert_uint_gt(room, 0);
		k = k < room ? k : room;
		memcpy(p, text + at, k);
		http_fill(&h, k);
		at += k;
	}
	return at;
}

/* A whole request, head and body, cut into pieces of n bytes; the last step. */
static enum http_step
request(const char *text, size_t n, uint64_t max_body)
{
	size_t len = strlen(text), at;
	enum http_step step;

	http_fini(&h);
	at = feed(text, len, n, &step);
	if (step != STEP_HEAD)
		return step;
	http_accept(&h, max_body);
	feed(text + at, len - at, n, &step);
	return step;
}

static void
assert_refused(const char *text, enum problem problem)
{
	size_t n;

	for (n = 1; n < strlen(text) + 2; n += n < 8 ? 1 : 13) {
		ck_assert_msg(request(text, n, 1 << 20) == STEP_BAD, "accepted: %s", text);
		ck_assert_msg(h.problem == problem, "%s instead of %s: %s", problem_name(h.problem),
			      problem_name(problem), text);
		ck_assert_ptr_nonnull(h.detail);
	}
}

static void
assert_body(const char *text, const char *body)
{
	size_t n;

	for (n = 1; n < strlen(text) + 2; n++) {
		ck_assert_msg(request(text, n, 1 << 20) == STEP_READY, "%zu: %s", n,
			      h.detail ? h.detail : text);
		ck_assert(slice_eq_str(h.body, body));
	}
}

#define GET "GET /a/b?c=d HTTP/1.1\r\nHost: x\r\n"
#define POST "POST /a HTTP/1.1\r\nHost: x\r\n"

START_TEST(a_request_is_the_same_however_it_is_cut)
{
	const char *text = GET "accept:  text/plain \r\nX-Empty:\r\nPrefer: a\r\nprefer: b\r\n\r\n";
	struct slice value;
	size_t n;

	for (n = 1; n < strlen(text) + 2; n++) {
		ck_assert_int_eq(request(text, n, 0), STEP_READY);
		ck_assert_int_eq(h.method, METHOD_GET);
		ck_assert(slice_eq_str(h.path, "/a/b"));
		ck_assert(slice_eq_str(h.query, "c=d"));
		ck_assert(slice_eq_str(h.known[HEADER_ACCEPT], "text/plain"));
		ck_assert(slice_eq_str(h.known[HEADER_PREFER], "a, b"));
		ck_assert(http_field_find(&h, "x-empty", &value) && value.n == 0);
		ck_assert(!http_field_find(&h, "x-other", &value));
		ck_assert(h.keep_alive && h.http_1_1);
	}
}
END_TEST

START_TEST(bodies_come_with_a_length_or_in_chunks)
{
	assert_body(POST "Content-Length: 5\r\n\r\nhello", "hello");
	assert_body(POST "Content-Length: 0\r\n\r\n", "");
	assert_body(POST "\r\n", "");
	assert_body(POST "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
		    "hello");
	assert_body(POST "transfer-encoding: Chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n", "hello");
	assert_body(POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "");
}
END_TEST

START_TEST(a_large_body_is_read_beside_the_buffer)
{
	enum { N = 3000000 };
	static char text[N + 200];
	enum http_step step;
	size_t head, at, i;

	head = (size_t)sprintf(text, POST "Content-Length: %d\r\n\r\n", N);
	for (i = 0; i < N; i++)
		text[head + i] = (char)('a' + i % 23);
	http_fini(&h);
	at = feed(text, head + N, 70000, &step);
	ck_assert_int_eq(step, STEP_HEAD);
	http_accept(&h, N);
	feed(text + at, head + N - at, 70000, &step);
	ck_assert_int_eq(step, STEP_READY);
	ck_assert_uint_eq(h.body.n, N);
	ck_assert_int_eq(memcmp(h.body.p, text + head, N), 0);
	ck_assert_uint_gt(atomic_load(&budget.used_bytes), N - 1);
	ck_assert_uint_lt(atomic_load(&budget.used_bytes), N + 1);
	http_next(&h);
	ck_assert_uint_eq(atomic_load(&budget.used_bytes), 0);
	ck_assert(http_idle(&h));
}
END_TEST

START_TEST(pipelined_requests_come_one_after_the_other)
{
	const char *text = POST "Content-Length: 3\r\n\r\none" POST
				"Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n" GET
				"\r\n\r\n" GET "\r\n";
	const char *bodies[] = {"one", "two", "", ""};
	enum http_step step;
	size_t n, i, at;

	for (n = 1; n < strlen(text) + 2; n++) {
		http_fini(&h);
		at = 0;
		for (i = 0; i < 4; i++) {
			at += feed(text + at, strlen(text) - at, n, &step);
			ck_assert_int_eq(step, STEP_HEAD);
			http_accept(&h, 100);
			at += feed(text + at, strlen(text) - at, n, &step);
			ck_assert_int_eq(step, STEP_READY);
			ck_assert(slice_eq_str(h.body, bodies[i]));
			http_next(&h);
		}
		ck_assert(http_idle(&h));
	}
}
END_TEST

START_TEST(an_early_answer_may_skip_a_body_that_is_there)
{
	const char *text = POST "Content-Length: 3\r\n\r\noneGET ";
	enum http_step step;

	http_fini(&h);
	feed(text, strlen(text), 1000, &step);
	ck_assert_int_eq(step, STEP_HEAD);
	ck_assert(http_whole(&h));
	http_next(&h);
	ck_assert_uint_eq(h.n, 4);

	http_fini(&h);
	feed(text, strlen(text) - 5, 1000, &step);
	ck_assert_int_eq(step, STEP_HEAD);
	ck_assert(!http_whole(&h));
}
END_TEST

START_TEST(lines_end_in_crlf_and_nothing_else)
{
	assert_refused("GET / HTTP/1.1\nHost: x\n\n", PROBLEM_MALFORMED_HTTP);
	assert_refused("GET / HTTP/1.1\r\nHost: x\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused("GET / HTTP/1.1\r\nHost: x\r\n\n", PROBLEM_MALFORMED_HTTP);
	assert_refused("GET / HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused("GET / HTTP/1.1\r\nHost: x\r\nA: b\r\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused("GET / HTTP/1.1\r\n Host: x\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(GET "A: b\r\n c\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(GET "A: b\r\n\tc\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked\r\n\r\n2\nhe\r\n0\r\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\n0\r\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\n\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\nhe\r\n0\r\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
}
END_TEST

/* Refused by a rule of ours, whatever the parser underneath thinks of it. */
static void
assert_refused_by(const char *text, const char *rule)
{
	assert_refused(text, PROBLEM_MALFORMED_HTTP);
	ck_assert_msg(strstr(h.detail, rule) != NULL, "%s: %s", h.detail, text);
}

START_TEST(the_rules_that_matter_are_our_own)
{
	assert_refused_by("GET / HTTP/1.1\nHost: x\r\n\r\n", "LF without CR");
	assert_refused_by(GET "A: b\n\r\n", "LF without CR");
	assert_refused_by(GET "A: b\rC: d\r\n\r\n", "CR that ends nothing");
	assert_refused_by(GET "A: b\r\n c\r\n\r\n", "folded");
	assert_refused_by(GET ": b\r\n\r\n", "no name");
}
END_TEST

START_TEST(there_is_one_way_to_say_where_a_body_ends)
{
	assert_refused(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Content-Length: 5, 5\r\n\r\nhello", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Content-Length: +5\r\n\r\nhello", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Content-Length: -5\r\n\r\nhello", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Content-Length: 5 5\r\n\r\nhello", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Content-Length: 0x5\r\n\r\nhello", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Content-Length:\r\n\r\nhello", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Content-Length: 99999999999999999999\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: gzip\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Content-Length : 5\r\n\r\nhello", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked\r\n\r\nx\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked\r\n\r\n-1\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked\r\n\r\n fffffffffffffffff\r\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(POST "Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
}
END_TEST

START_TEST(a_head_that_breaks_a_rule_is_refused_by_its_rule)
{
	assert_refused("GET / HTTP/1.1\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(GET "Host: y\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(GET "Authorization: a\r\nAuthorization: b\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(GET "Idempotency-Key: a\r\nidempotency-key: b\r\n\r\n",
		       PROBLEM_MALFORMED_HTTP);
	assert_refused(GET "A\x01: b\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(GET ": b\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused(GET "A: b\x01\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused("GET nothing HTTP/1.1\r\nHost: x\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused("GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused("get / HTTP/1.1\r\nHost: x\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused("\x16\x03\x01 / HTTP/1.1\r\nHost: x\r\n\r\n", PROBLEM_MALFORMED_HTTP);
	assert_refused("BREW / HTTP/1.1\r\nHost: x\r\n\r\n", PROBLEM_UNKNOWN_METHOD);
	assert_refused("GET / HTTP/2.0\r\nHost: x\r\n\r\n", PROBLEM_HTTP_VERSION);
	assert_refused("GET / HTTP/3.7\r\nHost: x\r\n\r\n", PROBLEM_HTTP_VERSION);
	assert_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PROBLEM_HTTP_VERSION);
	assert_refused(POST "Expect: 200-ok\r\n\r\n", PROBLEM_EXPECTATION_FAILED);
}
END_TEST

START_TEST(every_size_has_its_bound)
{
	static char text[200000];
	char *p;
	size_t n;
	int i;

	p = text + sprintf(text, "GET /");
	memset(p, 'a', LIMIT_HTTP_TARGET_BYTES);
	strcpy(p + LIMIT_HTTP_TARGET_BYTES, " HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_refused(text, PROBLEM_TARGET_TOO_LONG);
	strcpy(p + LIMIT_HTTP_TARGET_BYTES - 1, " HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_int_eq(request(text, 1000, 0), STEP_READY);

	p = text + sprintf(text, GET "A: ");
	memset(p, 'a', 100000);
	strcpy(p + 100000, "\r\n\r\n");
	assert_refused(text, PROBLEM_HEADERS_TOO_LARGE);

	n = strlen(strcpy(text, GET));
	for (i = 0; i < (int)LIMIT_HTTP_HEADERS - 1; i++)
		n += (size_t)snprintf(text + n, 32, "A%d: b\r\n", i);
	strcpy(text + n, "\r\n");
	ck_assert_int_eq(request(text, 1000, 0), STEP_READY);
	strcpy(text + n, "B: c\r\n\r\n");
	assert_refused(text, PROBLEM_HEADERS_TOO_LARGE);

	ck_assert_int_eq(request(POST "Content-Length: 6\r\n\r\nhellos", 7, 5), STEP_BAD);
	ck_assert_int_eq(h.problem, PROBLEM_BODY_TOO_LARGE);
	ck_assert_int_eq(request(POST "Transfer-Encoding: chunked\r\n\r\n6\r\nhellos", 7, 5),
			 STEP_BAD);
	ck_assert_int_eq(h.problem, PROBLEM_BODY_TOO_LARGE);
	ck_assert_int_eq(request(GET "Content-Length: 1\r\n\r\nx", 7, 0), STEP_BAD);
	ck_assert_int_eq(h.problem, PROBLEM_BODY_TOO_LARGE);
}
END_TEST

START_TEST(chunks_that_are_mostly_framing_are_refused)
{
	static char text[400000];
	size_t n = strlen(strcpy(text, POST "Transfer-Encoding: chunked\r\n\r\n"));
	int i;

	for (i = 0; i < 300; i++) {
		n += (size_t)sprintf(text + n, "1;");
		memset(text + n, 'x', 900);
		n += 900;
		n += (size_t)sprintf(text + n, "\r\ny\r\n");
	}
	ck_assert_int_eq(request(text, 4000, 1 << 20), STEP_BAD);
	ck_assert_int_eq(h.problem, PROBLEM_MALFORMED_HTTP);
	ck_assert_ptr_nonnull(strstr(h.detail, "more framing than content"));

	n = strlen(strcpy(text, POST "Transfer-Encoding: chunked\r\n\r\n1;"));
	memset(text + n, 'x', 2000);
	text[n + 2000] = '\0';
	ck_assert_int_eq(request(text, 4000, 1 << 20), STEP_BAD);
	ck_assert_ptr_nonnull(strstr(h.detail, "too long"));
}
END_TEST

START_TEST(all_large_bodies_share_one_budget)
{
	struct http_budget small = {.max_bytes = 1 << 20};
	const char *text = POST "Content-Length: 900000\r\n\r\n";
	enum http_step step;

	http_fini(&h);
	h.budget = &small;
	atomic_store(&small.used_bytes, 200000);
	feed(text, strlen(text), 1000, &step);
	ck_assert_int_eq(step, STEP_HEAD);
	http_accept(&h, 1 << 20);
	ck_assert_int_eq(http_step(&h), STEP_BAD);
	ck_assert_int_eq(h.problem, PROBLEM_OVERLOADED);
	ck_assert_uint_eq(atomic_load(&small.used_bytes), 200000);
	http_fini(&h);
	h.budget = &budget;
}
END_TEST

START_TEST(the_old_and_the_absolute_form_are_understood)
{
	ck_assert_int_eq(request("GET / HTTP/1.0\r\n\r\n", 3, 0), STEP_READY);
	ck_assert(!h.keep_alive && !h.http_1_1);
	ck_assert_int_eq(request("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 3, 0),
			 STEP_READY);
	ck_assert(h.keep_alive);
	ck_assert_int_eq(request(GET "Connection: close\r\n\r\n", 3, 0), STEP_READY);
	ck_assert(!h.keep_alive);
	ck_assert_int_eq(request("GET http://x:80/a?b HTTP/1.1\r\nHost: x\r\n\r\n", 3, 0),
			 STEP_READY);
	ck_assert(slice_eq_str(h.path, "/a") && slice_eq_str(h.query, "b"));
	ck_assert_int_eq(request("GET https://x:80/a?b HTTP/1.1\r\nHost: x\r\n\r\n", 3, 0),
			 STEP_READY);
	ck_assert(slice_eq_str(h.path, "/a"));
	ck_assert_int_eq(request("GET http://x?b=/a HTTP/1.1\r\nHost: x\r\n\r\n", 3, 0), STEP_BAD);
	ck_assert_int_eq(request("GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", 3, 0), STEP_READY);
	ck_assert(slice_eq_str(h.path, "/"));
	ck_assert_int_eq(request("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 3, 0), STEP_READY);
	ck_assert_int_eq(request(GET "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 3, 0),
			 STEP_READY);
	ck_assert_int_eq(request(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", 3, 1),
			 STEP_READY);
	ck_assert(h.expect_continue);
}
END_TEST

/* --- bodies that come in pieces ---------------------------------------------------------- */

enum { GATHER = 50000, WINDOW = 40000, MOST = 400000 };

/* A request with n bytes of body, n < MOST + 100: by length, or in chunks of `chunk` bytes. */
static char *
large_request(size_t n, size_t chunk, size_t *len)
{
	char *text = malloc(2 * (MOST + 100) + 4096), *p = text;
	size_t at, k;

	ck_assert_ptr_nonnull(text);
	p += sprintf(p, POST);
	p += chunk ? sprintf(p, "Transfer-Encoding: chunked\r\n\r\n")
		   : sprintf(p, "Content-Length: %zu\r\n\r\n", n);
	for (at = 0; at < n; at += k) {
		size_t i;

		k = chunk && chunk < n - at ? chunk : n - at;
		p += chunk ? sprintf(p, "%zx\r\n", k) : 0;
		for (i = 0; i < k; i++)
			*p++ = (char)('a' + (at + i) % 23);
		p += chunk ? sprintf(p, "\r\n") : 0;
	}
	p += chunk ? sprintf(p, "0\r\n\r\n") : 0;
	p += sprintf(p, "%s", chunk ? GET "\r\n" : ""); /* and the next request behind it */
	*len = (size_t)(p - text);
	return text;
}

/* What came of a body: appended to body, its length in *n; the number of pieces. */
static unsigned
stream(const char *text, size_t len, size_t cut, uint8_t *body, size_t *n, enum http_step *step)
{
	static uint8_t windows[2][WINDOW];
	uint8_t *gathered;
	unsigned pieces = 0;
	size_t at;

	http_fini(&h);
	*n = 0;
	at = feed(text, len, cut, step);
	ck_assert_int_eq(*step, STEP_HEAD);
	http_accept_stream(&h, GATHER, MOST);
	at += feed(text + at, len - at, cut, step);
	while (*step == STEP_PIECE) {
		struct slice piece = http_piece(&h, &gathered);
		uint8_t *p;

		ck_assert_uint_eq(http_room(&h, &p), 0);
		if (piece.n) /* the first one of a body whose length is known is empty */
			memcpy(body + *n, piece.p, piece.n);
		*n += piece.n;
		free(gathered);
		ck_assert_uint_eq(atomic_load(&budget.used_bytes), 0);
		http_window(&h, windows[pieces++ % 2], WINDOW);
		at += feed(text + at, len - at, cut, step);
	}
	if (*step == STEP_READY && h.body.n) {
		memcpy(body + *n, h.body.p, h.body.n);
		*n += h.body.n;
		ck_assert_uint_eq(h.n - h.used_n + len - at, h.chunked ? strlen(GET "\r\n") : 0);
	}
	return pieces;
}

START_TEST(a_large_body_comes_in_pieces_and_a_small_one_whole)
{
	static const size_t sizes[] = {0,      1,          GATHER - 1,     GATHER,   GATHER + 1,
				       WINDOW, 2 * WINDOW, 3 * WINDOW + 7, MOST - 1, MOST};
	static const size_t chunks[] = {0, 997, WINDOW, 100000};
	static const size_t cuts[] = {61, 4096, 37000, 1 << 20};
	static uint8_t body[MOST + 100];
	size_t i, c, k;

	for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		for (c = 0; c < sizeof chunks / sizeof *chunks; c++) {
			for (k = 0; k < sizeof cuts / sizeof *cuts; k++) {
				size_t len, n, at;
				char *text = large_request(sizes[i], chunks[c], &len);
				enum http_step step;
				unsigned pieces = stream(text, len, cuts[k], body, &n, &step);

				ck_assert_int_eq(step, STEP_READY);
				ck_assert_uint_eq(n, sizes[i]);
				ck_assert((pieces > 0) == (n > GATHER));
				for (at = 0; at < n && body[at] == 'a' + at % 23; at++)
					;
				ck_assert_uint_eq(at, n);
				free(text);
			}
		}
	}
}
END_TEST

START_TEST(a_body_above_the_most_is_refused_before_or_as_it_comes)
{
	static uint8_t body[MOST + 200];
	size_t c;

	for (c = 0; c < 2; c++) {
		size_t len, n;
		char *text = large_request(MOST + 1, c * 997, &len);
		enum http_step step;

		stream(text, len, 4096, body, &n, &step);
		ck_assert_int_eq(step, STEP_BAD);
		ck_assert_int_eq(h.problem, PROBLEM_BODY_TOO_LARGE);
		ck_assert(n <= MOST && (n > 0) == (c > 0));
		free(text);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("http");
	TCase *t = tcase_create("http");
	SRunner *r;
	int failed;

	arena_init(&arena);
	http_init(&h, &arena, &budget);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_request_is_the_same_however_it_is_cut);
	tcase_add_test(t, bodies_come_with_a_length_or_in_chunks);
	tcase_add_test(t, a_large_body_is_read_beside_the_buffer);
	tcase_add_test(t, a_large_body_comes_in_pieces_and_a_small_one_whole);
	tcase_add_test(t, a_body_above_the_most_is_refused_before_or_as_it_comes);
	tcase_add_test(t, pipelined_requests_come_one_after_the_other);
	tcase_add_test(t, an_early_answer_may_skip_a_body_that_is_there);
	tcase_add_test(t, lines_end_in_crlf_and_nothing_else);
	tcase_add_test(t, the_rules_that_matter_are_our_own);
	tcase_add_test(t, there_is_one_way_to_say_where_a_body_ends);
	tcase_add_test(t, a_head_that_breaks_a_rule_is_refused_by_its_rule);
	tcase_add_test(t, every_size_has_its_bound);
	tcase_add_test(t, chunks_that_are_mostly_framing_are_refused);
	tcase_add_test(t, all_large_bodies_share_one_budget);
	tcase_add_test(t, the_old_and_the_absolute_form_are_understood);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	http_fini(&h);
	arena_fini(&arena);
	return failed ? 1 : 0;
}
