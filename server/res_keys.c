/* A log's signing key: a new one. */
#include "proto/err.h"
#include "server/audit.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/log.h"

struct rotation {
	bool destroyed;
	int err;
};

static void
work(struct request *r, struct kit *kit)
{
	struct rotation *o = r->state;

	o->err = audit_rotate_key(r->server->audit, r->log, r->token, kit, &o->destroyed);
}

static void
put_rotated(struct request *r, struct buf *b, bool destroyed)
{
	struct logkeys *keys = log_keys(r->log);
	struct buf statement;

	buf_init(&statement);
	b->err = b->err ? b->err : logkeys_put_statement(keys, logkeys_count(keys) - 1, &statement);
	buf_printf(b,
		   "{\"log\":\"%s\",\"epoch\":%u,\"first_size\":%llu,\"vkey\":", log_name(r->log),
		   logkeys_epoch(keys), (unsigned long long)logkeys_first_size(keys));
	buf_put_json_str(b, slice_str(logkeys_vkey(keys)));
	buf_put_str(b, ",\"key_statement\":");
	buf_put_json_str(b, buf_slice(&statement));
	buf_printf(b, ",\"old_key_destroyed\":%s}", destroyed ? "true" : "false");
	buf_fini(&statement);
	logkeys_unref(keys);
}

static void
then(struct request *r)
{
	const struct rotation *o = r->state;
	bool destroyed = o->destroyed;

	if (o->err == STELE_ECONFLICT) {
		reply_problem(r, PROBLEM_BACKUP_RUNNING,
			      "Its copy of the keyring must be of the same moment as the records. "
			      "Rotate when it has ended.");
	} else if (o->err) {
		reply_err(r, o->err);
	} else {
		reply_begin(r, 200, "application/json");
		put_rotated(r, reply_body(r), destroyed);
		reply_end(r);
	}
}

void
res_keys_rotate(struct request *r)
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
