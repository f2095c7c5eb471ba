/* Peers that answer well, badly, too much, late and never. */
#include "server/outbound.h"

#include <check.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/limits.h"

#include "suite.h"

/* Accepts one connection, keeps what is sent up to the body's end, answers, closes unless it hangs.
 */
struct peer {
	int fd;
	char url[64];
	const char *answer; /* NULL: none */
	pthread_t thread;
	atomic_bool asked; /* somebody has connected */
	char got[8192];
	size_t n;
};

static bool
is_whole(const struct peer *p)
{
	const char *end = memmem(p->got, p->n, "\r\n\r\n", 4);
	const char *length = memmem(p->got, p->n, "Content-Length: ", 16);

	return end && length && p->n >= (size_t)(end + 4 - p->got) + strtoul(length + 16, NULL, 10);
}

static void *
peer_main(void *arg)
{
	struct peer *p = arg;
	int c = accept(p->fd, NULL, NULL);
	ssize_t n;

	atomic_store(&p->asked, true);
	while (!is_whole(p) && (n = read(c, p->got + p->n, sizeof p->got - p->n)) > 0)
		p->n += (size_t)n;
	if (p->answer)
		(void)send(c, p->answer, strlen(p->answer), MSG_NOSIGNAL);
	else
		while (read(c, p->got, sizeof p->got) > 0)
			;
	close(c);
	return NULL;
}

static void
peer_start(struct peer *p, const char *answer)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;

	memset(p, 0, sizeof *p);
	p->answer = answer;
	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(p->fd, (struct sockaddr *)&a, n), 0);
	ck_assert_int_eq(listen(p->fd, 1), 0);
	getsockname(p->fd, (struct sockaddr *)&a, &n);
	snprintf(p->url, sizeof p->url, "http://127.0.0.1:%u/add", ntohs(a.sin_port));
	ck_assert_int_eq(pthread_create(&p->thread, NULL, peer_main, p), 0);
}

static void
peer_end(struct peer *p)
{
	pthread_join(p->thread, NULL);
	close(p->fd);
}

struct world {
	uv_loop_t loop;
	struct outbound *o;
	int done, err, status;
	char type[256], body[4096], why[512];
};

static void
start(struct world *w)
{
	struct buf why;

	setenv("no_proxy", "127.0.0.1", 1);
	memset(w, 0, sizeof *w);
	buf_init(&why);
	ck_assert_int_eq(uv_loop_init(&w->loop), 0);
	ck_assert_int_eq(outbound_new(&w->o, &w->loop, NULL, &why), 0);
	buf_fini(&why);
}

static void
end(struct world *w)
{
	outbound_close(w->o);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&w->loop), 0);
}

static void
on_done(void *ctx, const struct outbound_reply *r)
{
	struct world *w = ctx;

	w->done++;
	w->err = r->err;
	w->status = r->status;
	ck_assert_uint_lt(r->body.n, sizeof w->body);
	memcpy(w->type, r->type.p ? r->type.p : (const uint8_t *)"", r->type.n);
	w->type[r->type.n] = 0;
	memcpy(w->body, r->body.n ? r->body.p : (const uint8_t *)"", r->body.n);
	w->body[r->body.n] = 0;
	snprintf(w->why, sizeof w->why, "%s", r->why);
}

static int
post(struct world *w, const char *url, uint64_t timeout_ms)
{
	struct outbound_ask ask = {.url = url,
				   .type = "text/plain; charset=utf-8",
				   .accept = "text/plain",
				   .body = slice_str("old 0\n\nbody\n"),
				   .max_reply = 16,
				   .timeout_ms = timeout_ms,
				   .done = on_done,
				   .ctx = w};

	return outbound_post(w->o, &ask);
}

/* Sends, and runs until it is told. */
static void
ask(struct world *w, const char *url, uint64_t timeout_ms)
{
	int before = w->done;

	ck_assert_int_eq(post(w, url, timeout_ms), 0);
	ck_assert_int_eq(w->done, before);
	while (w->done == before)
		uv_run(&w->loop, UV_RUN_ONCE);
	ck_assert_int_eq(w->done, before + 1);
	ck_assert_uint_eq(outbound_waiting(w->o), 0);
}

START_TEST(a_post_brings_status_type_and_body)
{
	struct world w;
	struct peer p;

	start(&w);
	peer_start(&p, "HTTP/1.1 100 Continue\r\nContent-Type: no/no\r\n\r\n"
		       "HTTP/1.1 409 Conflict\r\ncontent-type: \t text/x.tlog.size \r\n"
		       "Content-Length: 16\r\n\r\n0123456789abcdef");
	ask(&w, p.url, 60000);
	peer_end(&p);
	ck_assert_int_eq(w.err, 0);
	ck_assert_int_eq(w.status, 409);
	ck_assert_str_eq(w.type, "text/x.tlog.size");
	ck_assert_str_eq(w.body, "0123456789abcdef");
	ck_assert_str_eq(w.why, "");
	ck_assert_ptr_nonnull(strstr(p.got, "POST /add HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(p.got, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
	ck_assert_ptr_nonnull(strstr(p.got, "\r\nAccept: text/plain\r\n"));
	ck_assert_ptr_nonnull(strstr(p.got, "\r\nUser-Agent: steled/"));
	ck_assert_ptr_nonnull(strstr(p.got, "\r\n\r\nold 0\n\nbody\n"));
	ck_assert_ptr_null(strstr(p.got, "Expect"));
	end(&w);
}
END_TEST

START_TEST(a_redirect_is_an_answer_and_not_followed)
{
	struct world w;
	struct peer to, p;
	char answer[256];
	struct pollfd asked;

	start(&w);
	peer_start(&to, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	snprintf(answer, sizeof answer,
		 "HTTP/1.1 307 Temporary Redirect\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
		 to.url);
	peer_start(&p, answer);
	ask(&w, p.url, 60000);
	ck_assert_int_eq(w.err, 0);
	ck_assert_int_eq(w.status, 307);
	asked = (struct pollfd){.fd = to.fd, .events = POLLIN};
	ck_assert_int_eq(poll(&asked, 1, 0), 0);
	peer_end(&p);
	ask(&w, to.url, 60000); /* so that its thread ends */
	peer_end(&to);
	end(&w);
}
END_TEST

START_TEST(what_is_longer_than_asked_for_is_refused)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n0123456789abcdefg",
		"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n0123456789abcdefg",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"11\r\n0123456789abcdefg\r\n0\r\n\r\n",
	};
	struct world w;
	struct peer p;
	char *head = calloc(1, 2 * LIMIT_OUTBOUND_HEAD_BYTES);
	size_t n;

	start(&w);
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		peer_start(&p, answers[i]);
		ask(&w, p.url, 60000);
		peer_end(&p);
		ck_assert_int_eq(w.err, STELE_ELIMIT);
		ck_assert_str_eq(w.why, "the reply is too long");
		ck_assert_int_eq(w.status, 0);
	}
	strcpy(head, "HTTP/1.1 200 OK\r\n");
	for (n = strlen(head); n < LIMIT_OUTBOUND_HEAD_BYTES; n += 8)
		memcpy(head + n, "X: 123\r\n", 8);
	strcpy(head + n, "Content-Length: 0\r\n\r\n");
	peer_start(&p, head);
	ask(&w, p.url, 60000);
	peer_end(&p);
	ck_assert_int_eq(w.err, STELE_ELIMIT);
	free(head);
	end(&w);
}
END_TEST

START_TEST(a_reply_that_is_cut_or_none_is_an_error)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123",
		"",
		"hello\r\n\r\n",
	};
	struct world w;
	struct peer p;

	start(&w);
	for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
		peer_start(&p, answers[i]);
		ask(&w, p.url, 60000);
		peer_end(&p);
		ck_assert_int_eq(w.err, STELE_EIO);
		ck_assert_int_ne(w.why[0], 0);
	}
	ask(&w, p.url, 60000); /* nobody is there any more */
	ck_assert_int_eq(w.err, STELE_EIO);
	end(&w);
}
END_TEST

START_TEST(a_peer_that_hangs_is_left_when_the_time_is_over)
{
	struct world w;
	struct peer p;

	start(&w);
	peer_start(&p, NULL);
	ask(&w, p.url, 50);
	peer_end(&p); /* it ends, since the connection was closed */
	ck_assert_int_eq(w.err, STELE_EBUSY);
	end(&w);
}
END_TEST

START_TEST(closing_ends_what_is_under_way)
{
	struct world w;
	struct peer p;

	start(&w);
	peer_start(&p, NULL);
	ck_assert_int_eq(post(&w, p.url, 60000), 0);
	ck_assert_int_eq(post(&w, p.url, 60000), 0);
	while (!atomic_load(&p.asked))
		uv_run(&w.loop, UV_RUN_NOWAIT);
	ck_assert_uint_eq(outbound_waiting(w.o), 2);
	end(&w);
	ck_assert_int_eq(w.done, 2);
	ck_assert_int_eq(w.err, STELE_ECLOSED);
	peer_end(&p);
}
END_TEST

START_TEST(only_so_many_are_under_way)
{
	struct world w;
	struct peer p;

	start(&w);
	peer_start(&p, NULL);
	for (size_t i = 0; i < LIMIT_OUTBOUND; i++)
		ck_assert_int_eq(post(&w, p.url, 60000), 0);
	ck_assert_int_eq(post(&w, p.url, 60000), STELE_EBUSY);
	while (!atomic_load(&p.asked)) /* the peer will see one of them go */
		uv_run(&w.loop, UV_RUN_NOWAIT);
	end(&w);
	ck_assert_int_eq(w.done, LIMIT_OUTBOUND);
	peer_end(&p);
}
END_TEST

static void
again(void *ctx, const struct outbound_reply *r)
{
	struct world *w = ctx;

	w->done++;
	w->err = r->err;
	if (w->done == 1)
		ck_assert_int_eq(post(w, "http://127.0.0.1:1/", 60000), 0);
}

START_TEST(an_answer_may_begin_the_next_request)
{
	struct world w;
	struct outbound_ask first = {
		.url = "http://127.0.0.1:1/", .type = "a/b", .timeout_ms = 60000, .done = again};

	start(&w);
	first.ctx = &w;
	ck_assert_int_eq(outbound_post(w.o, &first), 0);
	while (w.done < 2)
		uv_run(&w.loop, UV_RUN_ONCE);
	ck_assert_int_eq(w.err, STELE_EIO);
	end(&w);
}
END_TEST

START_TEST(addresses_that_nobody_can_be_asked_at_are_refused)
{
	static const char *const good[] = {"http://127.0.0.1:8080", "https://w.example.com/a/b",
					   "http://[::1]:80/"};
	static const char *const bad[] = {"",
					  "ftp://a/",
					  "file:///etc/passwd",
					  "HTTP://a/",
					  "http://",
					  "http:///a",
					  "http://u:p@a/",
					  "http://a/?q",
					  "http://a/#f",
					  "http://a/ b",
					  "http://a/\n",
					  "http://\xc3\xa4/"};
	char longest[LIMIT_OUTBOUND_URL_BYTES + 2];
	struct world w;
	struct buf why;

	start(&w);
	buf_init(&why);
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		ck_assert_int_eq(outbound_url(good[i], &why), 0);
	ck_assert_uint_eq(why.n, 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		buf_reset(&why);
		ck_assert_int_eq(outbound_url(bad[i], &why), STELE_EINVAL);
		ck_assert_uint_gt(why.n, 0);
		ck_assert_int_eq(post(&w, bad[i], 1000), STELE_EINVAL);
	}
	memset(longest, 'a', sizeof longest);
	memcpy(longest, "http://", 7);
	longest[LIMIT_OUTBOUND_URL_BYTES + 1] = 0;
	ck_assert_int_eq(outbound_url(longest, &why), STELE_EINVAL);
	longest[LIMIT_OUTBOUND_URL_BYTES] = 0;
	ck_assert_int_eq(outbound_url(longest, &why), 0);
	buf_fini(&why);
	ck_assert_int_eq(w.done, 0);
	end(&w);
}
END_TEST

START_TEST(authorities_that_cannot_be_read_are_said)
{
	struct outbound *o;
	struct buf why;
	uv_loop_t loop;

	buf_init(&why);
	uv_loop_init(&loop);
	ck_assert_int_eq(outbound_new(&o, &loop, "/nowhere/ca.pem", &why), STELE_EINVAL);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&why), "/nowhere/ca.pem"));
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	buf_fini(&why);
}
END_TEST

int
main(void)
{
	const TTest *tests[] = {
		a_post_brings_status_type_and_body,
		a_redirect_is_an_answer_and_not_followed,
		what_is_longer_than_asked_for_is_refused,
		a_reply_that_is_cut_or_none_is_an_error,
		a_peer_that_hangs_is_left_when_the_time_is_over,
		closing_ends_what_is_under_way,
		only_so_many_are_under_way,
		an_answer_may_begin_the_next_request,
		addresses_that_nobody_can_be_asked_at_are_refused,
		authorities_that_cannot_be_read_are_said,
	};

	return suite_run("outbound", tests, sizeof tests / sizeof *tests, 60);
}
