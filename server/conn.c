/*
 * Happy path: on_read fills the request's buffer, conn_run steps it to its
 * head (router_admit) and its body (the handler), the handler's answer comes
 * to send_answer, goes out by one write, and conn_run looks for the next
 * request. A handler that answers later finds the connection waiting, or
 * closed by its peer: then the answer is dropped.
 */
#include "server/conn.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "server/access.h"
#include "server/config.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/router.h"

#define CONN_MAGIC 0x636f6e6eu

/* Refused connections that may wait for their answer to be read. */
enum { REFUSED_MAX = 256 };

static void run(struct conn *c);
static void want_reading(struct conn *c, bool want);
static void send_answer(struct request *r);

static void
set_phase(struct conn *c, enum conn_phase phase)
{
	if (c->phase == phase && phase != CONN_IDLE)
		return;
	c->phase = phase;
	c->since_ms = c->moved_ms = uv_now(&c->loop->uv);
	c->moved_bytes = 0;
}

/* --- answers that wait for their peers ------------------------------------------- */

/* The answer alone stays, and counts. False: slow readers hold as much as they may. */
static bool
hold_answer(struct conn *c)
{
	struct http_budget *b = &c->loop->server->answers;
	uint64_t bytes = c->r->out.cap;

	request_answered(c->r);
	if (atomic_fetch_add(&b->used_bytes, bytes) + bytes > b->max_bytes) {
		atomic_fetch_sub(&b->used_bytes, bytes);
		metrics_add(&c->loop->metrics.cut, 1);
		return false;
	}
	c->held_bytes = bytes;
	return true;
}

static void
let_answer_go(struct conn *c)
{
	if (c->held_bytes)
		atomic_fetch_sub(&c->loop->server->answers.used_bytes, c->held_bytes);
	c->held_bytes = 0;
}

/* --- closing --------------------------------------------------------------------- */

/* The last step: closed, and no handler holds the request. */
static void
free_conn(struct conn *c)
{
	struct loop *l = c->loop;

	let_answer_go(c);
	if (c->r)
		loop_put_request(l, c->r);
	if (c->prev)
		c->prev->next = c->next;
	else
		l->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	l->n_conns--;
	atomic_fetch_sub(&l->server->connections, 1);
	c->magic = 0;
	free(c);
}

static void
on_closed(uv_handle_t *h)
{
	struct conn *c = h->data;

	c->closed = true;
	if (c->phase != CONN_HANDLER)
		free_conn(c);
}

static void
close_conn(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct conn *c = h->data;
	uint8_t *p = NULL;
	size_t n;

	(void)suggested;
	if (c->phase == CONN_LINGER) {
		*buf = uv_buf_init(c->loop->scratch, LOOP_SCRATCH_BYTES);
		return;
	}
	if (!c->r) {
		c->r = loop_take_request(c->loop);
		if (!c->r) {
			*buf = uv_buf_init(NULL, 0);
			return;
		}
		c->r->conn = c;
		c->r->send = send_answer;
	}
	n = http_room(&c->r->http, &p);
	*buf = uv_buf_init((char *)p, (unsigned)n);
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = s->data;
	uint8_t *p;

	(void)buf;
	CHECK(c->magic == CONN_MAGIC);
	if (n == 0)
		return;
	if (n < 0) {
		c->eof = true;
		uv_read_stop(s);
		c->reading = false;
		if (n != UV_EOF || (c->phase != CONN_HANDLER && c->phase != CONN_WRITE))
			close_conn(c);
		return;
	}
	if (c->phase == CONN_LINGER)
		return;
	metrics_add(&c->loop->metrics.read_bytes, (uint64_t)n);
	c->moved_ms = uv_now(&c->loop->uv);
	c->moved_bytes += (uint64_t)n;
	http_fill(&c->r->http, (size_t)n);
	run(c);
	if (!c->closing && (c->phase == CONN_HANDLER || c->phase == CONN_WRITE))
		want_reading(c, http_room(&c->r->http, &p) > 0);
}

static void
want_reading(struct conn *c, bool want)
{
	if (want == c->reading || c->eof)
		return;
	c->reading = want;
	if (want)
		uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
	else
		uv_read_stop((uv_stream_t *)&c->tcp);
}

void
conn_send_interim(struct conn *c, struct slice text)
{
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)text.p, (unsigned)text.n);

	if (!c->closing && uv_try_write((uv_stream_t *)&c->tcp, &buf, 1) != (int)text.n)
		close_conn(c);
}

/* "100 Continue" when the peer waits for it: its body is wanted and none of it has come. */
static void
send_continue(struct conn *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (!c->r->http.expect_continue || c->continued || c->r->http.n > c->r->http.head_n)
		return;
	c->continued = true;
	conn_send_interim(c, slice_of(text, sizeof text - 1));
}

static void
wait_for_bytes(struct conn *c)
{
	struct http *h = &c->r->http;

	if (http_idle(h)) {
		loop_put_request(c->loop, c->r);
		c->r = NULL;
		set_phase(c, CONN_IDLE);
		if (c->eof || c->loop->draining) {
			close_conn(c);
			return;
		}
	} else if (c->eof) {
		close_conn(c);
		return;
	} else if (!h->head_n) {
		set_phase(c, CONN_HEADER);
	} else {
		set_phase(c, CONN_BODY);
		send_continue(c);
	}
	want_reading(c, true);
}

static void
begin_answering(struct conn *c)
{
	set_phase(c, CONN_HANDLER);
	c->r->close = !c->r->http.keep_alive || c->loop->draining || c->eof;
}

static void
on_head(struct conn *c)
{
	struct request *r = c->r;

	r->started_ns = uv_hrtime();
	begin_answering(c);
	if (!http_whole(&r->http))
		r->close = true;
	if (router_admit(r))
		c->phase = CONN_HEADER; /* its body follows: not answered yet */
}

/* A piece of a large body, for whoever takes it: an answer now would come before its end. */
static void
on_piece(struct conn *c)
{
	set_phase(c, CONN_HANDLER);
	c->r->close = true;
	c->r->piece(c->r);
}

static void
on_bad(struct conn *c)
{
	struct request *r = c->r;

	if (!r->started_ns)
		r->started_ns = uv_hrtime();
	metrics_add(&c->loop->metrics.malformed, 1);
	set_phase(c, CONN_HANDLER);
	r->close = true;
	r->status = 0;
	reply_problem(r, r->http.problem, "%s", r->http.detail);
}

/*
 * Steps the request until it needs bytes or an answer. Answers that come at
 * once return here through send_answer, which leaves the phase that goes on.
 */
static void
run(struct conn *c)
{
	if (c->running)
		return;
	c->running = true;
	while (!c->closing && c->r && c->phase <= CONN_BODY) {
		enum http_step step = http_step(&c->r->http);

		if (step == STEP_MORE) {
			wait_for_bytes(c);
			break;
		}
		if (step == STEP_HEAD) {
			on_head(c);
		} else if (step == STEP_READY) {
			begin_answering(c);
			c->r->route->handle(c->r);
		} else if (step == STEP_PIECE) {
			on_piece(c);
		} else {
			on_bad(c);
		}
	}
	c->running = false;
}

void
conn_go_on(struct conn *c)
{
	CHECK(c->phase == CONN_HANDLER);
	set_phase(c, CONN_BODY);
	if (!c->closing)
		run(c);
	else if (c->closed)
		free_conn(c);
}

static void
on_shutdown(uv_shutdown_t *req, int status)
{
	struct conn *c = req->handle->data;

	if (status < 0 || c->eof)
		close_conn(c);
}

/* A refusal may cross a body still on its way: closing now could take the answer along. */
static void
linger(struct conn *c)
{
	set_phase(c, CONN_LINGER);
	if (c->eof || uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) != 0) {
		close_conn(c);
		return;
	}
	want_reading(c, true);
}

/* The answer has left. */
static void
written(struct conn *c)
{
	struct request *r = c->r;

	metrics_add(&c->loop->metrics.written_bytes, r->out.n);
	if (r->source) {
		set_phase(c, CONN_HANDLER);
		r->pull(r);
		return;
	}
	if (r->close || c->eof) {
		if (r->http.state == STEP_READY)
			close_conn(c);
		else
			linger(c);
		return;
	}
	http_next(&r->http);
	request_reset(r);
	c->continued = false;
	c->phase = CONN_BODY; /* whatever: run() sets the one that fits */
	set_phase(c, CONN_IDLE);
	run(c);
}

static void
on_written(uv_write_t *req, int status)
{
	struct conn *c = req->handle->data;

	let_answer_go(c);
	if (status < 0)
		close_conn(c);
	else if (!c->closing)
		written(c);
}

static void
count(struct conn *c)
{
	struct request *r = c->r;
	size_t route = r->route ? (size_t)(r->route - router_table) : router_routes;

	metrics_count(&c->loop->metrics, route, r->status, uv_hrtime() - r->started_ns);
	if (r->token && r->http.chunked)
		token_charge(r->token, r->http.raw_bytes, server_monotonic_ns());
	r->started_ns = 0;
}

static void
send_out(struct request *r)
{
	struct conn *c = r->conn;
	uv_buf_t buf = uv_buf_init((char *)r->out.p, (unsigned)r->out.n);
	int n;

	CHECK(c->magic == CONN_MAGIC && c->phase == CONN_HANDLER);
	set_phase(c, CONN_WRITE);
	if (c->closing) {
		if (c->closed)
			free_conn(c);
		return;
	}
	n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
	if (n < 0 && n != UV_EAGAIN) {
		close_conn(c);
		return;
	}
	if (n > 0) {
		buf.base += n;
		buf.len -= (size_t)n;
	}
	c->write_bytes = buf.len;
	if (buf.len == 0)
		written(c);
	else if (!hold_answer(c) ||
		 uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0)
		close_conn(c);
}

static void
send_answer(struct request *r)
{
	count(r->conn);
	send_out(r);
}

void
conn_send_more(struct request *r)
{
	send_out(r);
}

void
conn_cut(struct request *r)
{
	struct conn *c = r->conn;

	CHECK(c->phase == CONN_HANDLER);
	set_phase(c, CONN_WRITE);
	if (c->closed)
		free_conn(c);
	else
		close_conn(c);
}

static const char refusal[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
			      "Retry-After: 1\r\nConnection: close\r\n\r\n";

/* More connections than allowed: say so and let it read that. */
static void
refuse(struct conn *c)
{
	uv_buf_t buf;

	memcpy(&buf, &(uv_buf_t){.base = (char *)(uintptr_t)refusal, .len = sizeof refusal - 1},
	       sizeof buf);
	metrics_add(&c->loop->metrics.refused, 1);
	if (uv_try_write((uv_stream_t *)&c->tcp, &buf, 1) == (int)sizeof refusal - 1)
		linger(c);
	else
		close_conn(c);
}

void
conn_accept(struct loop *l)
{
	struct conn *c = calloc(1, sizeof *c);
	unsigned max = l->server->config->max_connections, open;

	CHECK(c); /* libuv would wait for ever for this one to be accepted */
	c->magic = CONN_MAGIC;
	c->loop = l;
	uv_tcp_init(&l->uv, &c->tcp);
	c->tcp.data = c;
	c->next = l->conns;
	if (l->conns)
		l->conns->prev = c;
	l->conns = c;
	l->n_conns++;
	open = atomic_fetch_add(&l->server->connections, 1);
	if (uv_accept((uv_stream_t *)&l->listener, (uv_stream_t *)&c->tcp) != 0 ||
	    open >= max + REFUSED_MAX) {
		close_conn(c);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	metrics_add(&l->metrics.accepted, 1);
	c->phase = CONN_BODY;
	set_phase(c, CONN_IDLE);
	if (open >= max)
		refuse(c);
	else
		want_reading(c, true);
}

/* Since the phase began, a peer may take this long for what it moved. */
static bool
too_slow(const struct conn *c, uint64_t now_ms, uint64_t quiet_ms)
{
	return now_ms - c->moved_ms > quiet_ms ||
	       now_ms - c->since_ms > quiet_ms + c->moved_bytes * 1000 / LIMIT_RATE_BYTES_PER_S;
}

static bool
expired(struct conn *c, uint64_t now_ms)
{
	size_t left;

	switch (c->phase) {
	case CONN_IDLE:
		return now_ms - c->since_ms > c->loop->server->config->idle_timeout_ms;
	case CONN_HEADER:
		return now_ms - c->since_ms > c->loop->server->config->header_timeout_ms;
	case CONN_BODY:
		return too_slow(c, now_ms, c->loop->server->config->body_timeout_ms);
	case CONN_WRITE:
		left = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
		if (c->write_bytes - left > c->moved_bytes) {
			c->moved_bytes = c->write_bytes - left;
			c->moved_ms = now_ms;
		}
		return too_slow(c, now_ms, c->loop->server->config->write_timeout_ms);
	case CONN_LINGER:
		return now_ms - c->since_ms > LIMIT_LINGER_TIMEOUT_MS;
	case CONN_HANDLER:
		break;
	}
	return false;
}

void
conn_check_deadline(struct conn *c, uint64_t now_ms)
{
	if (c->closing || !expired(c, now_ms))
		return;
	if (c->phase != CONN_HEADER && c->phase != CONN_BODY) {
		close_conn(c);
		return;
	}
	metrics_add(&c->loop->metrics.timeouts, 1);
	if (!c->r->started_ns)
		c->r->started_ns = uv_hrtime();
	set_phase(c, CONN_HANDLER);
	c->r->close = true;
	reply_problem(c->r, PROBLEM_REQUEST_TIMEOUT,
		      "The request did not come in time; nothing was stored.");
}

void
conn_drain(struct conn *c, bool by_force)
{
	if (c->phase == CONN_IDLE || (by_force && c->phase != CONN_HANDLER))
		close_conn(c);
}
