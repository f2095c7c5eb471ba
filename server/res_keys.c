/* A log's signing key: a new one (deed_keys.c). */
#include "proto/err.h"
#include "server/acting.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "storage/log.h"

static int
fill(struct request *r, struct access *access)
{
	struct acting *a = r->state;
	json_t *was = deed_key_now(r->log);

	(void)access;
	json_object_set_new(a->act, "epoch",
			    json_integer(json_integer_value(json_object_get(was, "epoch")) + 1));
	return json_object_set_new(a->act, "was", was) == 0 ? 0 : STELE_ENOMEM;
}

static void
put_rotated(struct request *r, struct buf *b, const struct acting *a)
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
	acting_put_told(b, a);
	buf_put_u8(b, '}');
	buf_fini(&statement);
	logkeys_unref(keys);
}

static void
answer(struct request *r)
{
	reply_begin(r, 200, "application/json");
	put_rotated(r, reply_body(r), r->state);
	reply_end(r);
}

void
res_keys_rotate(struct request *r)
{
	struct acting *a = acting_begin(r, "log.key.rotate", PROBLEM_INVALID_APPROVAL);

	if (!a)
		return;
	json_object_set_new(a->act, "log", json_string(log_name(r->log)));
	a->fill = fill;
	a->answer = answer;
	acting_run(r);
}
