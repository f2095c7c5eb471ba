/*
 * Happy path: on_read fills the request's buffer, run steps it to its
 * head (router_admit) and its body (the handler), the handler's answer comes
 * to send_answer, goes out by one write, and run looks for the next
 * request. Under TLS on_read feeds the session, and run takes from it what the
 * buffer has room for. A handler that answers later finds the connection waiting, or
 * closed by its peer: then the answer is dropped.
 */
#include "server/conn.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "server/access.h"
#include "server/config.h"
#include "server/conn_life.h"
#include "server/problem.h"
#include "server/reply.h"
#include "server/router.h"
#include "server/tls_session.h"

/* Refused connections that may wait for their answer to be read. */
enum { REFUSED_MAX = 256 };

static void run(struct conn *c);
static void refuse(struct conn *c);
static void send_answer(struct request *r);

/* The request that bytes are for. False: memory is out. */
static bool
take_request(struct conn *c)
{
	if (c->r)
		return true;
	c->r = loop_take_request(c->loop);
	if (!c->r)
		return false;
	c->r->conn = c;
	c->r->send = send_answer;
	c->r->peer = c->wire.tls ? tls_peer(c->wire.tls) : NULL;
	return true;
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct conn *c = h->data;
	uint8_t *p = NULL;
	size_t n;

	(void)suggested;
	if (c->phase == CONN_LINGER || c->wire.tls) {
		*buf = uv_buf_init(c->loop->scratch, LOOP_SCRATCH_BYTES);
		return;
	}
	if (!take_request(c)) {
		*buf = uv_buf_init(NULL, 0);
		return;
	}
	n = http_room(&c->r->http, &p);
	*buf = uv_buf_init((char *)p, (unsigned)n);
}

static void
stop_reading(struct conn *c)
{
	uv_read_stop((uv_stream_t *)&c->wire.tcp);
	c->reading = false;
}

static void
fill(struct conn *c, size_t n)
{
	c->moved_ms = uv_now(&c->loop->uv);
	c->moved_bytes += n;
	http_fill(&c->r->http, n);
}

/* What TLS has for the request goes there, a record at most. False: nothing more, now or ever. */
static bool
decrypt(struct conn *c)
{
	uint8_t *p;
	ssize_t n;
	size_t room;

	if (!c->wire.tls || c->closing)
		return false;
	if (!take_request(c)) {
		conn_close(c);
		return false;
	}
	room = http_room(&c->r->http, &p);
	if (!room)
		return false;
	n = tls_read(c->wire.tls, p, room);
	if (wire_flush(&c->wire) < 0 || n == TLS_BROKEN) {
		conn_close(c);
		return false;
	}
	if (n == TLS_ENDED) {
		c->eof = true;
		stop_reading(c);
	}
	if (n <= 0)
		return false;
	fill(c, (size_t)n);
	return true;
}

/* --- the beginning of TLS -------------------------------------------------------- */

/* HTTP in clear where TLS is spoken: what a person who tries gets to read. */
static void
answer_in_clear(struct conn *c)
{
	struct buf out, body;

	conn_count_failure(c, TLS_IN_CLEAR);
	buf_init(&out);
	buf_init(&body);
	problem_begin(&body, PROBLEM_TLS_REQUIRED,
		      "This port speaks TLS: use https:// in the URL. Whatever this request "
		      "carried, a token too, has crossed the network in clear.");
	buf_put_u8(&body, '}');
	buf_printf(&out,
		   "HTTP/1.1 %d Bad Request\r\nContent-Type: application/problem+json\r\n"
		   "Content-Length: %zu\r\nConnection: close\r\n\r\n",
		   problem_status(PROBLEM_TLS_REQUIRED), body.n);
	buf_put_slice(&out, buf_slice(&body));
	tls_session_free(c->wire.tls);
	c->wire.tls = NULL;
	conn_send_interim(c, buf_slice(&out));
	buf_fini(&out);
	buf_fini(&body);
	if (!c->closing)
		conn_linger(c);
}

/* True once the handshake is done. */
static bool
shake_hands(struct conn *c)
{
	int rc = tls_handshake(c->wire.tls);
	bool sent = wire_flush(&c->wire) >= 0;

	if (rc == 0 && sent)
		return false;
	if (rc < 0)
		conn_count_failure(c, tls_failure(c->wire.tls));
	if (!sent)
		conn_close(c);
	else if (rc < 0)
		conn_linger(c); /* the alert says why, and is to be read */
	if (rc <= 0 || !sent)
		return false;
	metrics_add(&c->loop->metrics.handshakes, 1);
	metrics_add(&c->loop->metrics.resumed, tls_resumed(c->wire.tls));
	metrics_add(&c->loop->metrics.verified, tls_peer(c->wire.tls) != NULL);
	conn_set_phase(c, CONN_IDLE);
	if (c->refused)
		refuse(c);
	return !c->refused;
}

/* The handshake begins now, or waits for its turn, or is given up. */
static void
begin_or_wait(struct conn *c)
{
	c->shaking = turns_now(&c->loop->turns, uv_hrtime());
	if (c->shaking)
		return;
	if (loop_wait_turn(c)) {
		conn_set_phase(c, CONN_TURN);
		return;
	}
	conn_count_failure(c, TLS_NO_TURN);
	conn_close(c);
}

/* What comes before the turn is kept, and is no more than a ClientHello. */
static void
count_early(struct conn *c, size_t n)
{
	c->moved_bytes += n;
	if (c->moved_bytes <= LIMIT_TLS_EARLY_BYTES)
		return;
	conn_count_failure(c, TLS_OTHER);
	conn_close(c);
}

/* False: nothing of it is for a request. */
static bool
feed(struct conn *c, const char *p, size_t n)
{
	bool first = c->phase == CONN_HANDSHAKE && !c->shaking;

	if (first && p[0] >= 'A' && p[0] <= 'Z') { /* TLS begins with 22 (RFC 8446 section 5.1) */
		answer_in_clear(c);
		return false;
	}
	if (!tls_feed(c->wire.tls, p, n)) {
		conn_close(c);
		return false;
	}
	if (first)
		begin_or_wait(c);
	if (c->phase == CONN_TURN)
		count_early(c, n);
	if (c->closing || c->phase == CONN_TURN || (c->phase == CONN_HANDSHAKE && !shake_hands(c)))
		return false;
	decrypt(c);
	return !c->closing;
}

/* --- what comes ------------------------------------------------------------------ */

/* Who waits for others with an answer half sent is told that its peer has ended. */
static bool
left(struct conn *c)
{
	if (!c->eof || c->phase != CONN_HANDLER || !c->r->left)
		return false;
	c->r->left(c->r);
	return true;
}

static void
on_end(struct conn *c, bool clean)
{
	c->eof = true;
	stop_reading(c);
	if (c->phase == CONN_TURN || (c->phase == CONN_HANDSHAKE && c->shaking))
		conn_count_failure(c, TLS_CLOSED);
	if (left(c))
		return;
	if (!clean || (c->phase != CONN_HANDLER && c->phase != CONN_WRITE))
		conn_close(c);
}

/* What came may be a request's. */
static void
go_on(struct conn *c)
{
	uint8_t *p;

	run(c);
	if (c->phase != CONN_HANDLER && c->phase != CONN_WRITE)
		return;
	while (decrypt(c))
		;
	if (!left(c) && !c->closing)
		conn_want_reading(c, http_room(&c->r->http, &p) > 0);
}

void
conn_take_turn(struct conn *c)
{
	CHECK(c->magic == CONN_MAGIC && c->phase == CONN_TURN);
	c->shaking = true;
	conn_set_phase(c, CONN_HANDSHAKE);
	if (!shake_hands(c))
		return;
	decrypt(c);
	if (!c->closing)
		go_on(c);
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = s->data;

	CHECK(c->magic == CONN_MAGIC);
	if (n < 0)
		on_end(c, n == UV_EOF);
	if (n <= 0 || c->phase == CONN_LINGER)
		return;
	metrics_add(&c->loop->metrics.read_bytes, (uint64_t)n);
	if (!c->wire.tls)
		fill(c, (size_t)n);
	else if (!feed(c, buf->base, (size_t)n))
		return;
	go_on(c);
}

void
conn_want_reading(struct conn *c, bool want)
{
	if (want == c->reading || c->eof)
		return;
	c->reading = want;
	if (want)
		uv_read_start((uv_stream_t *)&c->wire.tcp, on_alloc, on_read);
	else
		uv_read_stop((uv_stream_t *)&c->wire.tcp);
}

void
conn_send_interim(struct conn *c, struct slice text)
{
	if (!c->closing && wire_send(&c->wire, text) != 1)
		conn_close(c);
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

	if (http_idle(h) && !(c->wire.tls && tls_partial(c->wire.tls))) {
		loop_put_request(c->loop, c->r);
		c->r = NULL;
		conn_set_phase(c, CONN_IDLE);
		if (c->eof || c->loop->draining) {
			conn_close(c);
			return;
		}
	} else if (c->eof) {
		conn_close(c);
		return;
	} else if (!h->head_n) {
		conn_set_phase(c, CONN_HEADER);
	} else {
		conn_set_phase(c, CONN_BODY);
		send_continue(c);
	}
	conn_want_reading(c, true);
}

static void
begin_answering(struct conn *c)
{
	conn_set_phase(c, CONN_HANDLER);
	c->r->close = !c->r->http.keep_alive || c->loop->draining || c->eof ||
		      (c->wire.tls && tls_stale(c->wire.tls));
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
	conn_set_phase(c, CONN_HANDLER);
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
	conn_set_phase(c, CONN_HANDLER);
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
			if (decrypt(c))
				continue;
			if (!c->closing)
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
	conn_set_phase(c, CONN_BODY);
	if (!c->closing)
		run(c);
	else if (c->closed)
		conn_free(c);
}

/* The answer has left. */
static void
written(struct conn *c)
{
	struct request *r = c->r;

	metrics_add(&c->loop->metrics.written_bytes, r->lent.n ? r->lent.n : r->out.n);
	if (r->source) {
		conn_set_phase(c, CONN_HANDLER);
		if (!left(c))
			r->pull(r);
		return;
	}
	if (r->close || c->eof) {
		if (r->http.state != STEP_READY) {
			conn_linger(c);
			return;
		}
		conn_say_goodbye(c);
		conn_close(c);
		return;
	}
	http_next(&r->http);
	request_reset(r);
	c->continued = false;
	c->phase = CONN_BODY; /* whatever: run() sets the one that fits */
	conn_set_phase(c, CONN_IDLE);
	run(c);
}

/* The last of an answer has left, or nothing will. */
static void
on_sent(struct wire *w, int status)
{
	struct conn *c = w->tcp.data;

	conn_let_answer_go(c);
	if (status < 0)
		conn_close(c);
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
		token_charge(r->token, r->http.streamed_bytes + r->http.body.n,
			     server_monotonic_ns());
	r->started_ns = 0;
}

static void
send_out(struct request *r)
{
	struct conn *c = r->conn;
	int rc;

	CHECK(c->magic == CONN_MAGIC && c->phase == CONN_HANDLER);
	conn_set_phase(c, CONN_WRITE);
	if (c->closing) {
		if (c->closed)
			conn_free(c);
		return;
	}
	rc = wire_send(&c->wire, r->lent.n ? r->lent : buf_slice(&r->out));
	if (rc == 1) {
		written(c);
		return;
	}
	c->write_bytes = wire_waiting(&c->wire);
	if (rc < 0 || !conn_hold_answer(c))
		conn_close(c);
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
	conn_set_phase(c, CONN_WRITE);
	if (c->closed)
		conn_free(c);
	else
		conn_close(c);
}

static const char refusal[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
			      "Retry-After: 1\r\nConnection: close\r\n\r\n";

/* More connections than allowed: say so and let it read that. */
static void
refuse(struct conn *c)
{
	metrics_add(&c->loop->metrics.refused, 1);
	conn_send_interim(c, slice_of(refusal, sizeof refusal - 1));
	if (!c->closing)
		conn_linger(c);
}

void
conn_accept(struct loop *l)
{
	struct conn *c = calloc(1, sizeof *c);
	unsigned max = l->server->config->max_connections, open;
	bool tls = l->server->tls != NULL;

	CHECK(c); /* libuv would wait for ever for this one to be accepted */
	c->magic = CONN_MAGIC;
	c->loop = l;
	c->turn.conn = c;
	wire_init(&c->wire, &l->uv, l->scratch, on_sent);
	c->wire.tcp.data = c;
	c->next = l->conns;
	if (l->conns)
		l->conns->prev = c;
	l->conns = c;
	l->n_conns++;
	open = atomic_fetch_add(&l->server->connections, 1);
	c->phase = CONN_LINGER;
	if (uv_accept((uv_stream_t *)&l->listener, (uv_stream_t *)&c->wire.tcp) != 0 ||
	    open >= max + REFUSED_MAX ||
	    (tls && !(c->wire.tls = tls_session_new(l->server->tls)))) {
		conn_close(c);
		return;
	}
	uv_tcp_nodelay(&c->wire.tcp, 1);
	metrics_add(&l->metrics.accepted, 1);
	c->refused = open >= max;
	conn_set_phase(c, tls ? CONN_HANDSHAKE : CONN_IDLE);
	if (c->refused && !tls)
		refuse(c);
	else
		conn_want_reading(c, true);
}
