/* The server's identity: who it is and was, and a new one. */
#include "crypto/identity.h"
#include "proto/err.h"
#include "server/audit.h"
#include "server/loop.h"
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

/* --- a new one -------------------------------------------------------------------------- */

struct rotation {
	bool destroyed;
	int err;
};

static void
work(struct request *r, struct kit *kit)
{
	struct rotation *o = r->state;

	o->err = audit_rotate_identity(r->server->audit, r->token, kit, &o->destroyed);
}

static void
then(struct request *r)
{
	const struct rotation *o = r->state;
	bool destroyed = o->destroyed;
	struct buf *b;

	if (o->err == STELE_ECONFLICT) {
		reply_problem(r, PROBLEM_BACKUP_RUNNING,
			      "Its copy of the keys must be of the same moment as the records. "
			      "Rotate when it has ended.");
	} else if (o->err == STELE_ELIMIT) {
		reply_problem(r, PROBLEM_TOO_MANY_SUCCESSIONS,
			      "The identity was replaced %u times, and no more notes than that "
			      "travel with evidence.",
			      LIMIT_SUCCESSIONS);
	} else if (o->err) {
		reply_err(r, o->err);
	} else {
		reply_begin(r, 200, "application/json");
		b = reply_body(r);
		put_identity(r, b);
		buf_printf(b, ",\"old_key_destroyed\":%s}", destroyed ? "true" : "false");
		reply_end(r);
	}
}

void
res_identity_rotate(struct request *r)
{
	r->state = arena_alloc(&r->arena, sizeof(struct rotation));
	if (!r->state) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	*(struct rotation *)r->state = (struct rotation){.err = 0};
	r->work = work;
	r->then = then;
	loop_work(r);
}
