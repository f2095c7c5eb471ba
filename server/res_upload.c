/*
 * Large payloads: a single record's body that streams, and resumable uploads in the manner
 * of draft-ietf-httpbis-resumable-upload:
 *
 *   POST .../records with Upload-Complete      creates; 104 with its URL at once
 *   HEAD or GET .../uploads/{id}               how far it came
 *   PATCH .../uploads/{id} with Upload-Offset  goes on there
 *   DELETE .../uploads/{id}                    cancels
 *
 * Whichever request brings the last byte gets the append's answer.
 */
#include <stdio.h>
#include <string.h>

#include "proto/dec.h"
#include "proto/err.h"
#include "server/append_read.h"
#include "server/config.h"
#include "server/conn.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/router.h"
#include "server/server.h"
#include "server/access.h"
#include "server/upload.h"
#include "storage/append.h"
#include "storage/deposit.h"
#include "storage/log.h"

/* --- the record ------------------------------------------------------------------------- */

/* The payload is on disk, or small enough to go into the record: to the writer with it. */
static void
append_upload(struct request *r)
{
	struct upload *u = r->upload;
	struct append_item *item = arena_alloc(&r->arena, sizeof *item);
	const struct append *a = r->state;
	int err = item ? 0 : STELE_ENOMEM;

	if (err == 0) {
		memset(item, 0, sizeof *item);
		if (!upload_is_small(u, &item->payload))
			deposit_item(u->deposit, item);
		item->media_type = slice_str(u->type);
		item->has_key = u->has_key;
		memcpy(item->key, u->key, sizeof item->key);
		append_job_init(&r->job);
		r->has_job = true;
		r->job.log = r->log;
		r->job.writer = slice_str(u->writer);
		r->job.items = item;
		r->job.n_items = 1;
		r->job.wish = wish_of(&u->wish);
		r->job.want_receipts = !a->minimal;
		err = append_prepare(&r->job, r->loop->kit->tools);
	}
	if (err != 0) {
		upload_settle(r, UPLOAD_DROP, 0);
		reply_err(r, err);
		return;
	}
	u->length = upload_offset(u);
	res_append_submit(r);
}

/* --- header fields ---------------------------------------------------------------------- */

/* A structured field's boolean: 1, 0, or -1 when it is none. */
static int
read_bool(struct slice value)
{
	if (slice_eq_str(value, "?1"))
		return 1;
	return slice_eq_str(value, "?0") ? 0 : -1;
}

/* Upload-Complete, which must be there. False: answered. */
static bool
read_complete(struct request *r, bool *complete)
{
	int v = read_bool(r->http.known[HEADER_UPLOAD_COMPLETE]);

	if (v < 0)
		reply_problem(r, PROBLEM_INVALID_HEADER, "Upload-Complete must be ?0 or ?1.");
	*complete = v == 1;
	return v >= 0;
}

/* A number; *value stays when the field is absent. False: answered. */
static bool
read_number(struct request *r, enum header field, const char *name, uint64_t *value)
{
	struct slice text = r->http.known[field];

	if (!text.p || dec_parse(value, text, LIMIT_INTEGER) == 0)
		return true;
	reply_problem(r, PROBLEM_INVALID_HEADER, "%s must be a number of bytes.", name);
	return false;
}

/* An upload is let go before the answer: its client may be back before this goes on. */
static void
let_go(struct upload *u)
{
	if (u)
		upload_release(u);
}

/* Whether so many bytes are allowed. False: u, when there is one, is let go; answered. */
static bool
fits(struct request *r, struct upload *u, uint64_t length)
{
	uint64_t max = r->server->config->max_object_bytes;
	struct buf *b;

	if (length == UINT64_MAX || length <= max)
		return true;
	let_go(u);
	b = reply_problem_begin(r, PROBLEM_BODY_TOO_LARGE,
				"A payload may have %llu bytes here; nothing was stored.",
				(unsigned long long)max);
	buf_printf(b, ",\"limit\":%llu", (unsigned long long)max);
	reply_problem_end(r);
	return false;
}

/*
 * What this request's body makes of the length: its end is the payload's when it
 * completes it. False: it contradicts what was announced; u, when there is one, is let
 * go; answered.
 */
static bool
settle_length(struct request *r, struct upload *u, bool complete, uint64_t offset, uint64_t *length)
{
	uint64_t end = r->http.chunked ? UINT64_MAX : offset + r->http.length;

	if (end != UINT64_MAX && !fits(r, u, end))
		return false;
	if (complete && *length == UINT64_MAX)
		*length = end;
	if (end == UINT64_MAX || *length == UINT64_MAX ||
	    (complete ? end == *length : end <= *length))
		return true;
	let_go(u);
	reply_problem(r, PROBLEM_INVALID_HEADER,
		      "Offset and body make %llu bytes; the upload was announced to have %llu.",
		      (unsigned long long)end, (unsigned long long)*length);
	return false;
}

/* Takes the body: what may still come, in pieces when it is much. */
static void
accept_body(struct request *r, const struct upload *u, uint64_t offset)
{
	uint64_t max = u->length == UINT64_MAX ? r->server->config->max_object_bytes : u->length;
	uint64_t left = max > offset ? max - offset : 0;

	if (left >= LIMIT_RECORD_BYTES)
		http_accept_stream(&r->http, LIMIT_RECORD_BYTES, left);
	else
		http_accept(&r->http, left);
}

/* --- creation --------------------------------------------------------------------------- */

static void
put_url(struct buf *b, const struct upload *u)
{
	buf_printf(b, "/api/v1/logs/%s/uploads/%s", log_name(u->log), u->id);
}

static void
put_limits(struct buf *b, const struct server *s)
{
	buf_printf(b, "max-size=%llu, max-age=%llu",
		   (unsigned long long)s->config->max_object_bytes,
		   (unsigned long long)s->config->upload_timeout_ms / 1000);
}

/* The URL before the body is in: all that a client needs to go on after the connection broke. */
static void
send_url(struct request *r, const struct upload *u)
{
	struct buf b;

	if (!r->http.http_1_1)
		return;
	buf_init(&b);
	buf_put_str(&b, "HTTP/1.1 104 Upload Resumption Supported\r\nLocation: ");
	put_url(&b, u);
	buf_put_str(&b, "\r\nUpload-Limit: ");
	put_limits(&b, r->server);
	buf_put_str(&b, "\r\n\r\n");
	if (!b.err)
		conn_send_interim(r->conn, buf_slice(&b));
	buf_fini(&b);
}

static bool
create(struct request *r, struct append *a)
{
	uint64_t length = UINT64_MAX;
	struct upload *u;
	bool complete;

	if (a->form != APPEND_ONE || a->coding != CODING_NONE) {
		reply_problem(r, PROBLEM_INVALID_HEADER,
			      "An upload is one record, sent without a content coding: batches and "
			      "CloudEvents do not resume.");
		return false;
	}
	if (!read_complete(r, &complete) ||
	    !read_number(r, HEADER_UPLOAD_LENGTH, "Upload-Length", &length) ||
	    !fits(r, NULL, length))
		return false;
	if (!settle_length(r, NULL, complete, 0, &length))
		return false;
	u = upload_begin(r, a, true, length);
	if (!u)
		return false;
	u->completes = complete;
	if (r->http.chunked || r->http.length)
		send_url(r, u);
	accept_body(r, u, 0);
	return true;
}

/* The first piece of a body too large to hold: from here on it is an upload. */
static void
begin_plain(struct request *r)
{
	struct upload *u =
		upload_begin(r, r->state, false, r->http.chunked ? UINT64_MAX : r->http.length);

	if (!u)
		return;
	u->completes = true;
	upload_piece(r);
}

bool
res_append_admit(struct request *r)
{
	struct http *h = &r->http;
	struct append *a;

	if (!h->chunked && h->length <= LIMIT_RECORD_BYTES && !h->known[HEADER_UPLOAD_COMPLETE].p) {
		http_accept(h, r->route->max_body);
		return true;
	}
	a = arena_alloc(&r->arena, sizeof *a);
	if (!a) {
		reply_err(r, STELE_ENOMEM);
		return false;
	}
	if (!append_read_head(r, a))
		return false;
	r->state = a;
	if (!wish_offered(r, &a->wish, a->key.n > 0)) /* before it is sent */
		return false;
	if (h->known[HEADER_UPLOAD_COMPLETE].p)
		return create(r, a);
	if (a->form != APPEND_ONE || a->coding != CODING_NONE) {
		http_accept(h, r->route->max_body);
		return true;
	}
	if (!h->chunked && !fits(r, NULL, h->length))
		return false;
	r->piece = begin_plain;
	http_accept_stream(h, LIMIT_RECORD_BYTES, r->server->config->max_object_bytes);
	return true;
}

/* --- answers ------------------------------------------------------------------------------ */

static void
put_headers(struct request *r, const struct upload *u)
{
	struct buf b;

	buf_init(&b);
	buf_put_dec(&b, upload_offset(u));
	reply_header_slice(r, "Upload-Offset", buf_slice(&b));
	reply_header(r, "Upload-Complete", u->done ? "?1" : "?0");
	if (u->length != UINT64_MAX) {
		buf_reset(&b);
		buf_put_dec(&b, u->length);
		reply_header_slice(r, "Upload-Length", buf_slice(&b));
	}
	buf_reset(&b);
	put_limits(&b, r->server);
	reply_header_slice(r, "Upload-Limit", buf_slice(&b));
	if (b.err) /* then so will the answer's buffer be, and says that there is no memory */
		r->out.err = b.err;
	buf_fini(&b);
}

static void
put_state(struct buf *b, const struct upload *u)
{
	buf_printf(b, "{\"upload\":\"%s\",\"offset\":%llu,\"complete\":%s", u->id,
		   (unsigned long long)upload_offset(u), u->done ? "true" : "false");
	if (u->length != UINT64_MAX)
		buf_printf(b, ",\"length\":%llu", (unsigned long long)u->length);
	if (u->done)
		buf_printf(b, ",\"index\":%llu", (unsigned long long)u->index);
	buf_put_u8(b, '}');
}

/* A part is in, and more will come. */
static void
answer_part(struct request *r)
{
	struct upload *u = r->upload;
	bool created = r->http.method == METHOD_POST;
	struct buf url, *b;

	reply_begin(r, created ? 201 : 204, created ? "application/json" : NULL);
	put_headers(r, u);
	if (created) {
		buf_init(&url);
		put_url(&url, u);
		reply_header_slice(r, "Location", buf_slice(&url));
		buf_fini(&url);
	}
	reply_header(r, "Cache-Control", "no-store");
	b = reply_body(r);
	if (created)
		put_state(b, u);
	upload_settle(r, UPLOAD_STAYS, 0);
	reply_end(r);
}

void
res_upload_body(struct request *r)
{
	r->then = r->upload->completes ? append_upload : answer_part;
	upload_end(r);
}

/* --- one that waits ----------------------------------------------------------------------- */

/* The upload that the path names, or NULL: answered. */
static struct upload *
take(struct request *r)
{
	struct upload *u = NULL;
	int err = upload_take(r, r->param[1], &u);

	if (err == STELE_EBUSY)
		reply_problem(r, PROBLEM_UPLOAD_BUSY,
			      "Another request is sending it, or its connection has not been found "
			      "dead yet. Try again after the time in Retry-After.");
	else if (err)
		reply_problem(r, PROBLEM_UNKNOWN_UPLOAD,
			      "It was completed some time ago, cancelled, or left waiting for too "
			      "long; or the server was restarted. Begin again, with the same "
			      "Idempotency-Key.");
	return err ? NULL : u;
}

void
res_upload_get(struct request *r)
{
	struct upload *u = take(r);

	if (!u)
		return;
	reply_begin(r, 200, "application/json");
	put_headers(r, u);
	reply_header(r, "Cache-Control", "no-store");
	put_state(reply_body(r), u);
	upload_release(u);
	reply_end(r);
}

/* The request goes on where the upload stands, and it is not complete. False: let go; answered. */
static bool
check_offset(struct request *r, struct upload *u, uint64_t offset)
{
	uint64_t expected = upload_offset(u), index = u->index;
	bool done = u->done;
	struct buf *b;

	if (!done && offset == expected)
		return true;
	let_go(u);
	if (done) {
		b = reply_problem_begin(r, PROBLEM_UPLOAD_COMPLETED,
					"Its record is stored, at \"index\".");
		buf_printf(b, ",\"index\":%llu", (unsigned long long)index);
	} else {
		b = reply_problem_begin(
			r, PROBLEM_UPLOAD_OFFSET,
			"Send what follows \"expected-offset\"; nothing of this was taken.");
		buf_printf(b, ",\"expected-offset\":%llu,\"provided-offset\":%llu",
			   (unsigned long long)expected, (unsigned long long)offset);
	}
	reply_problem_end(r);
	return false;
}

/* Everything about the PATCH that needs no upload. False: answered. */
static bool
read_patch(struct request *r, struct append *a, bool *complete, uint64_t *offset)
{
	if (!append_read_head(r, a) || !read_complete(r, complete) ||
	    !read_number(r, HEADER_UPLOAD_OFFSET, "Upload-Offset", offset))
		return false;
	if (!r->http.known[HEADER_UPLOAD_OFFSET].p || r->http.known[HEADER_UPLOAD_LENGTH].p) {
		reply_problem(r, PROBLEM_INVALID_HEADER,
			      "Upload-Offset says where the body goes on; Upload-Length belongs to "
			      "the request that creates the upload.");
		return false;
	}
	if (a->hold.n) {
		reply_problem(r, PROBLEM_INVALID_HEADER,
			      "The holds of a record are named by the request that creates the "
			      "upload.");
		return false;
	}
	if (wish_of(&a->wish)) {
		reply_problem(r, PROBLEM_INVALID_HEADER,
			      "The lock of a record is said by the request that creates the "
			      "upload.");
		return false;
	}
	if (!slice_eq_str(a->type, "application/partial-upload") || a->coding != CODING_NONE) {
		reply_problem(r, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
			      "Send application/partial-upload, without a content coding.");
		return false;
	}
	return true;
}

bool
res_upload_admit(struct request *r)
{
	struct append *a = arena_alloc(&r->arena, sizeof *a);
	uint64_t offset = 0, length;
	struct upload *u;
	bool complete;

	if (!a) {
		reply_err(r, STELE_ENOMEM);
		return false;
	}
	if (!read_patch(r, a, &complete, &offset))
		return false;
	u = take(r);
	if (!u)
		return false;
	length = u->length;
	if (!check_offset(r, u, offset) || !settle_length(r, u, complete, offset, &length))
		return false;
	u->completes = complete;
	u->length = length;
	r->state = a;
	if (!upload_attach(r, u))
		return false;
	accept_body(r, u, offset);
	return true;
}

/* Its files go before the answer: a cancelled upload leaves nothing. On a worker. */
static void
cancel(struct request *r, struct kit *kit)
{
	(void)kit;
	upload_cancel(r->state);
}

static void
cancelled(struct request *r)
{
	reply_begin(r, 204, NULL);
	reply_body(r);
	reply_end(r);
}

void
res_upload_delete(struct request *r)
{
	struct upload *u = take(r);

	if (!u)
		return;
	r->state = u;
	r->work = cancel;
	r->then = cancelled;
	loop_work(r);
}
