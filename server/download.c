/* One piece on a worker, then on the wire, then the next. */
#include "server/download.h"

#include <stdlib.h>

#include "proto/err.h"
#include "server/conn.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"

struct download {
	const struct download_from *how;
	void *source;
	uint64_t at, left;
	int err;
};

static void
free_download(void *p)
{
	struct download *d = p;

	d->how->free(d->source);
	free(d);
}

/* The next piece into r->out, behind what is there. On a worker. */
static void
read_piece(struct request *r, struct kit *kit)
{
	struct download *d = r->source;
	size_t n = d->left < d->how->piece_bytes ? (size_t)d->left : d->how->piece_bytes;

	d->err = buf_reserve(&r->out, n);
	if (d->err == 0)
		d->err = d->how->read(d->source, d->at, r->out.p + r->out.n, n, kit);
	if (d->err != 0)
		return;
	r->out.n += n;
	d->at += n;
	d->left -= n;
}

static void
send_piece(struct request *r)
{
	struct download *d = r->source;

	if (d->err != 0) { /* the head is out: only a connection cut short can say it */
		conn_cut(r);
		return;
	}
	if (d->left == 0)
		request_drop_source(r);
	conn_send_more(r);
}

static void
pull(struct request *r)
{
	buf_reset(&r->out);
	r->work = read_piece;
	r->then = send_piece;
	loop_work(r);
}

/* The first piece is in: only now is the head certain. */
static void
send_first(struct request *r)
{
	struct download *d = r->source;
	void (*failed)(struct request * r, int err) = d->how->failed;
	int err = d->err;

	if (err != 0) {
		request_drop_source(r);
		buf_reset(&r->out);
		r->status = 0;
		r->more_bytes = 0;
		failed(r, err);
		return;
	}
	r->more_bytes = d->left;
	if (d->left == 0)
		request_drop_source(r);
	reply_end(r);
}

void
download_send(struct request *r, const struct download_from *how, void *source, uint64_t from,
	      uint64_t n)
{
	struct download *d = calloc(1, sizeof *d);

	reply_body(r);
	if (!d || r->no_body || n == 0) {
		how->free(source);
		r->more_bytes = n;
		r->out.err = d ? r->out.err : STELE_ENOMEM;
		free(d);
		reply_end(r);
		return;
	}
	*d = (struct download){.how = how, .source = source, .at = from, .left = n};
	r->source = d;
	r->source_free = free_download;
	r->pull = pull;
	r->work = read_piece;
	r->then = send_first;
	loop_work(r);
}
