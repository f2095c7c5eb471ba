/*
 * The payload of a record that lies in a file of its own: read and verified
 * piece by piece on workers, as the peer takes it.
 */
#include <stdlib.h>

#include "proto/err.h"
#include "server/conn.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/object.h"

enum { PIECE_BYTES = 2 * LIMIT_OBJECT_CHUNK_BYTES };

struct download {
	struct object *object;
	uint64_t at, left;
	int err;
};

static void
free_download(void *source)
{
	struct download *d = source;

	object_close(d->object);
	free(d);
}

/* The next piece into r->out, behind what is there. On a worker. */
static void
read_piece(struct request *r, struct kit *kit)
{
	struct download *d = r->source;
	size_t n = d->left < PIECE_BYTES ? (size_t)d->left : PIECE_BYTES;

	d->err = buf_reserve(&r->out, n);
	if (d->err == 0)
		d->err = object_read(d->object, d->at, r->out.p + r->out.n, n, kit->tools);
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
	int err = d->err;

	if (err != 0) {
		request_drop_source(r);
		buf_reset(&r->out);
		r->status = 0;
		r->more_bytes = 0;
		reply_err(r, err);
		return;
	}
	r->more_bytes = d->left;
	if (d->left == 0)
		request_drop_source(r);
	reply_end(r);
}

void
res_object_send(struct request *r, struct object *o, uint64_t from, uint64_t n)
{
	struct download *d = calloc(1, sizeof *d);

	reply_body(r);
	if (!d || r->no_body || n == 0) {
		object_close(o);
		r->more_bytes = n;
		r->out.err = d ? r->out.err : STELE_ENOMEM;
		free(d);
		reply_end(r);
		return;
	}
	d->object = o;
	d->at = from;
	d->left = n;
	r->source = d;
	r->source_free = free_download;
	r->pull = pull;
	r->work = read_piece;
	r->then = send_first;
	loop_work(r);
}
