/* In the order of a life: phases, what an answer holds, the ways to the end, and its deadlines. */
#include "server/conn_life.h"

#include <stdlib.h>

#include "proto/check.h"
#include "server/access.h"
#include "server/config.h"
#include "server/reply.h"

void
conn_set_phase(struct conn *c, enum conn_phase phase)
{
	if (c->phase == phase && phase != CONN_IDLE)
		return;
	c->phase = phase;
	c->since_ms = c->moved_ms = uv_now(&c->loop->uv);
	c->moved_bytes = 0;
}

/* --- answers that wait for their peers ------------------------------------------- */

bool
conn_hold_answer(struct conn *c)
{
	struct http_budget *b = &c->loop->server->answers;
	uint64_t bytes = c->r->out.cap + (c->wire.held ? LIMIT_TLS_SLICE_BYTES : 0);

	request_answered(c->r);
	if (atomic_fetch_add(&b->used_bytes, bytes) + bytes > b->max_bytes) {
		atomic_fetch_sub(&b->used_bytes, bytes);
		metrics_add(&c->loop->metrics.cut, 1);
		return false;
	}
	c->held_bytes = bytes;
	return true;
}

void
conn_let_answer_go(struct conn *c)
{
	if (c->held_bytes)
		atomic_fetch_sub(&c->loop->server->answers.used_bytes, c->held_bytes);
	c->held_bytes = 0;
}

/* --- closing --------------------------------------------------------------------- */

void
conn_free(struct conn *c)
{
	struct loop *l = c->loop;

	conn_let_answer_go(c);
	if (c->r)
		loop_put_request(l, c->r);
	wire_fini(&c->wire);
	token_unref(c->cert);
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
		conn_free(c);
}

void
conn_say_goodbye(struct conn *c)
{
	if (!c->wire.tls || !tls_ready(c->wire.tls))
		return;
	tls_goodbye(c->wire.tls);
	(void)wire_flush(&c->wire); /* the connection ends in any case */
}

void
conn_close(struct conn *c)
{
	if (c->closing)
		return;
	if (c->phase == CONN_IDLE || c->phase == CONN_HEADER || c->phase == CONN_BODY)
		conn_say_goodbye(c);
	if (c->phase == CONN_TURN)
		loop_leave_turn(c);
	c->closing = true;
	uv_close((uv_handle_t *)&c->wire.tcp, on_closed);
}

static void
on_shutdown(uv_shutdown_t *req, int status)
{
	struct conn *c = req->handle->data;

	if (status < 0 || c->eof)
		conn_close(c);
}

/* A refusal may cross a body still on its way: closing now could take the answer along. */
void
conn_linger(struct conn *c)
{
	conn_set_phase(c, CONN_LINGER);
	conn_say_goodbye(c);
	if (c->eof || uv_shutdown(&c->shutdown, (uv_stream_t *)&c->wire.tcp, on_shutdown) != 0) {
		conn_close(c);
		return;
	}
	conn_want_reading(c, true);
}

void
conn_count_failure(struct conn *c, enum tls_failure why)
{
	metrics_add(&c->loop->metrics.handshakes_failed[why], 1);
}

void
conn_drop(struct request *r)
{
	if (r->conn->phase == CONN_HANDLER)
		conn_cut(r);
	else
		conn_close(r->conn);
}

bool
conn_left(const struct request *r)
{
	return r->conn->eof || r->conn->closing;
}

/* --- deadlines ------------------------------------------------------------------- */

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
	case CONN_HANDSHAKE:
	case CONN_TURN:
		return now_ms - c->since_ms > c->loop->server->config->header_timeout_ms;
	case CONN_IDLE:
		return now_ms - c->since_ms > c->loop->server->config->idle_timeout_ms;
	case CONN_HEADER:
		return now_ms - c->since_ms > c->loop->server->config->header_timeout_ms;
	case CONN_BODY:
		return too_slow(c, now_ms, c->loop->server->config->body_timeout_ms);
	case CONN_WRITE:
		left = wire_waiting(&c->wire); /* which TLS makes more, a little */
		if (c->write_bytes > left + c->moved_bytes) {
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
	if (c->phase == CONN_HANDSHAKE || c->phase == CONN_TURN)
		conn_count_failure(c, c->phase == CONN_TURN ? TLS_NO_TURN : TLS_TIMEOUT);
	if (c->phase == CONN_WRITE && c->r->left)
		metrics_add(&c->loop->metrics.tails_dropped, 1);
	if (c->phase != CONN_HEADER && c->phase != CONN_BODY) {
		conn_close(c);
		return;
	}
	metrics_add(&c->loop->metrics.timeouts, 1);
	if (!c->r->started_ns)
		c->r->started_ns = uv_hrtime();
	conn_set_phase(c, CONN_HANDLER);
	c->r->close = true;
	reply_problem(c->r, PROBLEM_REQUEST_TIMEOUT,
		      "The request did not come in time; nothing was stored.");
}

void
conn_drain(struct conn *c, bool by_force)
{
	if (c->phase <= CONN_IDLE || (by_force && c->phase != CONN_HANDLER))
		conn_close(c);
}
