/* What is done to a log in the same commit as its record in `_system`. */
#include <jansson.h>

#include "proto/err.h"
#include "server/audit.h"
#include "server/kit.h"
#include "storage/log.h"
#include "storage/writer.h"

/* --- a new log ------------------------------------------------------------------------- */

struct creation {
	struct slice name;
	const struct policy *policy;
	struct log **out;
	bool *created;
};

static int
fill_creation(json_t *act, void *ctx)
{
	const struct creation *c = ctx;
	json_t *policy;
	struct buf text;

	buf_init(&text);
	policy_write(&text, c->policy);
	policy = json_loadb((const char *)text.p, text.n, 0, NULL);
	buf_fini(&text);
	json_object_set_new(act, "type", json_string("log.create"));
	json_object_set_new(act, "log", json_stringn((const char *)c->name.p, c->name.n));
	json_object_set_new(act, "policy", policy);
	return policy ? 0 : STELE_ENOMEM;
}

static int
create(struct writer *w, const struct token *by, struct kit *kit, struct append_job *record,
       void *ctx)
{
	const struct creation *c = ctx;

	(void)kit;
	return writer_create_log(w, c->name, c->policy, slice_str(by->principal->id), record,
				 c->out, c->created);
}

int
audit_create_log(struct audit *a, struct slice name, const struct policy *policy,
		 const struct token *by, struct kit *kit, struct log **out, bool *created)
{
	struct creation c = {name, policy, out, created};
	const struct audit_deed deed = {fill_creation, create, &c};

	return audit_together(a, &deed, by, kit);
}

/* --- a new key ------------------------------------------------------------------------- */

struct rotation {
	struct log *log;
	bool *destroyed;
};

/* Nothing else changes epochs, and there is one act at a time. */
static int
fill_rotation(json_t *act, void *ctx)
{
	const struct rotation *r = ctx;
	struct logkeys *keys = log_keys(r->log);

	json_object_set_new(act, "type", json_string("log.key.rotate"));
	json_object_set_new(act, "log", json_string(log_name(r->log)));
	json_object_set_new(act, "epoch", json_integer((json_int_t)logkeys_epoch(keys) + 1));
	logkeys_unref(keys);
	return 0;
}

static int
rotate(struct writer *w, const struct token *by, struct kit *kit, struct append_job *record,
       void *ctx)
{
	const struct rotation *r = ctx;

	return writer_rotate_key(w, r->log, slice_str(by->principal->id), record, kit->tools,
				 r->destroyed);
}

int
audit_rotate_key(struct audit *a, struct log *log, const struct token *by, struct kit *kit,
		 bool *destroyed)
{
	struct rotation r = {log, destroyed};
	const struct audit_deed deed = {fill_rotation, rotate, &r};

	return audit_together(a, &deed, by, kit);
}
