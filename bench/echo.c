/*
 * bench-echo: the floor of every HTTP figure. libuv and llhttp answer 200 to
 * each request, read to its end, and do nothing else: one loop, keep-alive,
 * pipelining, one read and one write per request.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llhttp.h>
#include <uv.h>

#include "proto/check.h"

enum {
	READ_BYTES = 64 << 10,
	BACKLOG = 1024,
	ANSWERS_AT_ONCE = 64, /* of pipelined requests in one write */
};

static const char answer[] = "HTTP/1.1 200 OK\r\n"
			     "Content-Type: application/json\r\n"
			     "Content-Length: 15\r\n"
			     "\r\n"
			     "{\"status\":\"ok\"}";

struct server {
	uv_loop_t loop;
	uv_tcp_t listener;
	uv_signal_t sigterm, sigint;
	llhttp_settings_t settings;
	char answers[ANSWERS_AT_ONCE * (sizeof answer - 1)];
	char read_buf[READ_BYTES]; /* for all: libuv reads and hands over in one go */
};

struct conn {
	uv_tcp_t tcp;
	llhttp_t parser;
	struct server *server;
	unsigned due; /* answers to requests complete in this read */
};

/* What one uv_try_write left over: it waits for the socket. */
struct rest {
	uv_write_t req;
	char bytes[];
};

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
close_conn(struct conn *c)
{
	if (!uv_is_closing((uv_handle_t *)&c->tcp))
		uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static int
on_message_complete(llhttp_t *parser)
{
	struct conn *c = parser->data;

	c->due++;
	return 0;
}

static void
on_written(uv_write_t *req, int status)
{
	struct conn *c = req->data;

	free(req);
	if (status < 0)
		close_conn(c);
}

static void
write_rest(struct conn *c, const char *p, size_t n)
{
	struct rest *rest = malloc(sizeof *rest + n);
	uv_buf_t buf;

	if (!rest) {
		close_conn(c);
		return;
	}
	memcpy(rest->bytes, p, n);
	rest->req.data = c;
	buf = uv_buf_init(rest->bytes, (unsigned)n);
	if (uv_write(&rest->req, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0) {
		free(rest);
		close_conn(c);
	}
}

static void
answer_due(struct conn *c)
{
	while (c->due && !uv_is_closing((uv_handle_t *)&c->tcp)) {
		unsigned k = c->due < ANSWERS_AT_ONCE ? c->due : ANSWERS_AT_ONCE;
		size_t n = k * (sizeof answer - 1);
		uv_buf_t buf = uv_buf_init(c->server->answers, (unsigned)n);
		int wrote = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);

		c->due -= k;
		if (wrote < 0 && wrote != UV_EAGAIN) {
			close_conn(c);
			return;
		}
		if (wrote < 0)
			wrote = 0;
		if ((size_t)wrote < n)
			write_rest(c, c->server->answers + wrote, n - (size_t)wrote);
	}
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct conn *c = h->data;

	(void)suggested;
	*buf = uv_buf_init(c->server->read_buf, READ_BYTES);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = stream->data;

	if (n == 0)
		return;
	if (n < 0 || llhttp_execute(&c->parser, buf->base, (size_t)n) != HPE_OK) {
		close_conn(c);
		return;
	}
	answer_due(c);
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct server *s = listener->data;
	struct conn *c;

	if (status < 0)
		return;
	c = calloc(1, sizeof *c);
	CHECK(c != NULL);
	c->server = s;
	CHECK(uv_tcp_init(&s->loop, &c->tcp) == 0);
	c->tcp.data = c;
	llhttp_init(&c->parser, HTTP_REQUEST, &s->settings);
	c->parser.data = c;
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0 || uv_tcp_nodelay(&c->tcp, 1) != 0 ||
	    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
		close_conn(c);
}

static void
on_signal(uv_signal_t *sig, int signum)
{
	(void)signum;
	uv_stop(sig->loop);
}

static unsigned
listen_on(struct server *s, unsigned port)
{
	struct sockaddr_in addr;
	int n = sizeof addr;
	int err;

	CHECK(uv_ip4_addr("127.0.0.1", (int)port, &addr) == 0);
	CHECK(uv_tcp_init(&s->loop, &s->listener) == 0);
	s->listener.data = s;
	err = uv_tcp_bind(&s->listener, (const struct sockaddr *)&addr, 0);
	if (!err)
		err = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
	if (!err)
		err = uv_tcp_getsockname(&s->listener, (struct sockaddr *)&addr, &n);
	if (err) {
		fprintf(stderr, "bench-echo: cannot listen on 127.0.0.1:%u: %s\n", port,
			uv_strerror(err));
		exit(1);
	}
	return ntohs(addr.sin_port);
}

int
main(int argc, char **argv)
{
	static struct server s;
	unsigned port = 0;

	if (argc > 2 || (argc == 2 && (sscanf(argv[1], "%5u", &port) != 1 || port > 65535))) {
		fprintf(stderr, "usage: bench-echo [PORT]\n"
				"Answers 200 to every request on 127.0.0.1 until SIGTERM.\n");
		return 3;
	}
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < ANSWERS_AT_ONCE; i++)
		memcpy(s.answers + i * (sizeof answer - 1), answer, sizeof answer - 1);
	llhttp_settings_init(&s.settings);
	s.settings.on_message_complete = on_message_complete;
	CHECK(uv_loop_init(&s.loop) == 0);
	CHECK(uv_signal_init(&s.loop, &s.sigterm) == 0 && uv_signal_init(&s.loop, &s.sigint) == 0);
	CHECK(uv_signal_start(&s.sigterm, on_signal, SIGTERM) == 0);
	CHECK(uv_signal_start(&s.sigint, on_signal, SIGINT) == 0);
	printf("bench-echo: listening on http://127.0.0.1:%u\n", listen_on(&s, port));
	fflush(stdout);
	uv_run(&s.loop, UV_RUN_DEFAULT);
	return 0;
}
