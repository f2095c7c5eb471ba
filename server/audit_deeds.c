/* What is done to a log in the same commit as its record in `_system`. */
#include <jansson.h>

#include "crypto/identity.h"
#include "proto/err.h"
#include "server/audit.h"
#include "server/audit_state.h"
#include "server/kit.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/store.h"
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

/* --- a new identity --------------------------------------------------------------------- */

struct taking_over {
	struct audit *a;
	bool *destroyed;
};

/* What the note says of it, the store adds. */
static int
fill_succession(json_t *act, void *ctx)
{
	(void)ctx;
	return json_object_set_new(act, "type", json_string("identity.rotate")) ? STELE_ENOMEM : 0;
}

/* The state knows how many there were, so that a start notices a key file of before. */
static int
note_succession(struct audit *a)
{
	struct identity *id = store_identity(a->s->store);
	json_t *act = json_pack("{s:s, s:I}", "type", "identity.rotate", "number",
				(json_int_t)identity_row(id)->n - 1);
	struct buf why;
	int err;

	buf_init(&why);
	err = act ? access_apply(a->access, act, 0, false, &why) : STELE_ENOMEM;
	a->changed = true;
	json_decref(act);
	buf_fini(&why);
	identity_unref(id);
	return err;
}

static int
succeed(struct writer *w, const struct token *by, struct kit *kit, struct append_job *record,
	void *ctx)
{
	const struct taking_over *s = ctx;
	int err = writer_replace_identity(w, record, s->destroyed);

	(void)by;
	(void)kit;
	return err ? err : note_succession(s->a);
}

int
audit_rotate_identity(struct audit *a, const struct token *by, struct kit *kit, bool *destroyed)
{
	struct taking_over s = {a, destroyed};
	const struct audit_deed deed = {fill_succession, succeed, &s};

	return audit_together(a, &deed, by, kit);
}
