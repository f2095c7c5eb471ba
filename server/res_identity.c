/* The server's identity: who it is and was, and a new one. */
#include "crypto/identity.h"
#include "proto/err.h"
#include "server/acting.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/store.h"

void
res_identity_put_successions(struct buf *b, const struct identity *id)
{
	buf_put_str(b, "\"successions\":[");
	for (size_t i = 0; i + 1 < identity_row(id)->n; i++) {
		buf_put_str(b, i ? "," : "");
		buf_put_json_str(b, identity_succession(id, i));
	}
	buf_put_u8(b, ']');
}

/* Without the closing brace. */
static void
put_identity(struct request *r, struct buf *b)
{
	struct identity *id = store_identity(r->server->store);

	buf_put_str(b, "{\"server\":");
	buf_put_json_str(b, slice_str(store_server_name(r->server->store)));
	buf_put_str(b, ",\"vkey\":");
	buf_put_json_str(b, slice_str(identity_vkey(id)));
	buf_printf(b, ",\"number\":%zu,", identity_row(id)->n - 1);
	res_identity_put_successions(b, id);
	identity_unref(id);
}

void
res_identity_get(struct request *r)
{
	struct buf *b;

	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	put_identity(r, b);
	buf_put_u8(b, '}');
	reply_end(r);
}

/* --- a new one (deed_keys.c) -------------------------------------------------------------- */

static int
fill(struct request *r, struct access *access)
{
	struct acting *a = r->state;

	(void)access;
	return json_object_set_new(a->act, "was", deed_identity_now(r->server)) == 0 ? 0
										     : STELE_ENOMEM;
}

static void
answer_rotated(struct request *r)
{
	struct buf *b;

	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	put_identity(r, b);
	acting_put_told(b, r->state);
	buf_put_u8(b, '}');
	reply_end(r);
}

void
res_identity_rotate(struct request *r)
{
	struct acting *a = acting_begin(r, "identity.rotate", PROBLEM_INVALID_APPROVAL);

	if (!a)
		return;
	a->fill = fill;
	a->answer = answer_rotated;
	acting_run(r);
}
