/* push() moves what there is towards the socket, until that takes no more: then on_written does. */
#include "server/wire.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/limits.h"
#include "server/loop.h"
#include "server/tls_session.h"

void
wire_init(struct wire *w, uv_loop_t *loop, char *scratch, void (*sent)(struct wire *w, int status))
{
	uv_tcp_init(loop, &w->tcp);
	w->scratch = scratch;
	w->sent = sent;
}

void
wire_fini(struct wire *w)
{
	tls_session_free(w->tls);
	free(w->held);
}

static struct slice
cut(struct slice *s, size_t n)
{
	struct slice first = slice_of(s->p, n < s->n ? n : s->n);

	*s = slice_of(s->p + first.n, s->n - first.n);
	return first;
}

/* What goes next: 1 and *out; 0, nothing; negative, broken. */
static int
next(struct wire *w, struct slice *out)
{
	struct slice plain;
	size_t n;

	if (!w->tls) {
		*out = cut(&w->rest, SIZE_MAX);
		return out->n > 0;
	}
	n = tls_take(w->tls, w->scratch, LOOP_SCRATCH_BYTES);
	if (!n && w->rest.n) {
		plain = cut(&w->rest, LIMIT_TLS_SLICE_BYTES);
		if (!tls_write(w->tls, plain.p, plain.n))
			return UV_EPROTO;
		n = tls_take(w->tls, w->scratch, LOOP_SCRATCH_BYTES);
	}
	*out = slice_of(w->scratch, n);
	return n > 0;
}

static int push(struct wire *w);

static void
on_written(uv_write_t *req, int status)
{
	struct wire *w = req->data;
	int rc;

	w->flying = false;
	free(w->held);
	w->held = NULL;
	rc = status < 0 ? status : push(w);
	if (rc < 0)
		w->sent(w, rc);
	if (rc <= 0 || !w->message)
		return;
	w->message = false;
	w->sent(w, 0);
}

/* The rest of what the socket did not take at once. */
static int
fly(struct wire *w, struct slice rest)
{
	uv_buf_t buf;

	if (w->tls) {
		w->held = malloc(rest.n);
		if (!w->held)
			return UV_ENOMEM;
		memcpy(w->held, rest.p, rest.n);
		rest.p = w->held;
	}
	buf = uv_buf_init((char *)(uintptr_t)rest.p, (unsigned)rest.n);
	w->write.data = w;
	w->flying = true;
	return uv_write(&w->write, (uv_stream_t *)&w->tcp, &buf, 1, on_written);
}

/* 1: all has gone; 0: a write is under way; negative: broken. */
static int
push(struct wire *w)
{
	struct slice piece;
	uv_buf_t buf;
	int n;

	if (w->flying)
		return 0;
	while ((n = next(w, &piece)) > 0) {
		buf = uv_buf_init((char *)(uintptr_t)piece.p, (unsigned)piece.n);
		n = uv_try_write((uv_stream_t *)&w->tcp, &buf, 1);
		if (n < 0 && n != UV_EAGAIN)
			return n;
		if (n > 0)
			cut(&piece, (size_t)n);
		if (piece.n)
			return fly(w, piece);
	}
	return n < 0 ? n : 1;
}

int
wire_send(struct wire *w, struct slice bytes)
{
	int rc;

	CHECK(!w->message);
	w->rest = bytes;
	rc = push(w);
	w->message = rc == 0;
	return rc;
}

int
wire_flush(struct wire *w)
{
	if (!w->tls || !tls_waiting(w->tls))
		return 1;
	if (w->flying && tls_waiting(w->tls) > LIMIT_TLS_OWN_BYTES)
		return UV_ENOBUFS;
	return push(w);
}

size_t
wire_waiting(const struct wire *w)
{
	size_t own = w->tls ? tls_waiting(w->tls) : 0;

	return own + w->rest.n + uv_stream_get_write_queue_size((const uv_stream_t *)&w->tcp);
}
