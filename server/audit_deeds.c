/* What is done to a log in the same commit as its record in `_system`. */
#include <jansson.h>

#include "crypto/identity.h"
#include "proto/err.h"
#include "server/audit.h"
#include "server/audit_state.h"
#include "server/deeds.h"
#include "server/hold_logs.h"
#include "server/holds.h"
#include "server/kit.h"
#include "server/mapping.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/store.h"
#include "storage/writer.h"

/* --- a new log ------------------------------------------------------------------------- */

struct creation {
	struct slice name;
	const struct policy *policy;
	struct slice schema;           /* that is chosen for it; empty: none */
	const struct mapping *mapping; /* of that; NULL */
	struct access *access;
	struct log **out;
	bool *created;
};

/* Open-ended holds whose patterns match the new log's name: it is born under them. */
struct birth {
	const struct creation *c;
	struct hold_entries entries;
	struct deed_jobs *jobs;
	struct append_job *record;
	struct kit *kit;
	struct slice by;
	struct log *log;
	json_t *ids; /* NULL: the entries are made */
};

static int
each_open(void *ctx, const struct hold *h)
{
	struct birth *b = ctx;
	const struct slice by = slice_str(",\"by\":\"" AUDIT_WRITER "\"");

	if (!h->open_ended || h->released_ns || !hold_matches(h, b->c->name))
		return 0;
	if (b->ids)
		return json_array_append_new(b->ids, json_string(h->id)) == 0 ? 0 : STELE_ENOMEM;
	return hold_entries_first(&b->entries, b->log, h,
				  b->c->mapping ? b->c->mapping->digest : h->mapping, by);
}

/* Entries of those holds, and the record, for the commit that founds the log. */
static int
fill_birth(void *ctx, struct log *log, struct append_job **jobs)
{
	struct birth *b = ctx;
	int err;

	b->log = log;
	*jobs = b->record;
	err = access_each_hold(b->c->access, slice_of("", 0), each_open, b);
	if (err != 0 || b->entries.n == 0)
		return err;
	return deed_jobs_new(&b->jobs, b->entries.e, b->entries.n, b->by, b->record, b->kit, jobs);
}

/* The schema that is chosen is one in this turn. */
static int
fill_schema(json_t *act, struct creation *c)
{
	c->mapping = mapping_of_schema(c->access, c->schema);
	if (!c->mapping)
		return STELE_ENOTFOUND;
	return json_object_set_new(act, "schema",
				   json_stringn((const char *)c->schema.p, c->schema.n)) == 0
		       ? 0
		       : STELE_ENOMEM;
}

static int
fill_creation(json_t *act, void *ctx)
{
	struct creation *c = ctx;
	struct birth b = {.c = c, .ids = json_array()};
	json_t *policy;
	struct buf text;
	int err = 0;

	buf_init(&text);
	policy_write(&text, c->policy);
	policy = json_loadb((const char *)text.p, text.n, 0, NULL);
	buf_fini(&text);
	json_object_set_new(act, "type", json_string("log.create"));
	json_object_set_new(act, "log", json_stringn((const char *)c->name.p, c->name.n));
	json_object_set_new(act, "policy", policy);
	if (!policy || !b.ids)
		err = STELE_ENOMEM;
	if (err == 0 && c->schema.n)
		err = fill_schema(act, c);
	if (err == 0)
		err = access_each_hold(c->access, slice_of("", 0), each_open, &b);
	if (err == 0 && json_array_size(b.ids))
		err = json_object_set(act, "holds", b.ids) ? STELE_ENOMEM : 0;
	json_decref(b.ids);
	return err;
}

/* It was recorded that the log has a schema: from now on it has. */
static int
choose(const struct creation *c, int64_t time_ns)
{
	json_t *act = json_pack("{s:s, s:s%, s:s%}", "type", "log.create", "log", c->name.p,
				c->name.n, "schema", c->schema.p, c->schema.n);
	struct buf why;
	int err;

	buf_init(&why);
	err = act ? access_apply(c->access, act, time_ns, false, &why) : STELE_ENOMEM;
	buf_fini(&why);
	json_decref(act);
	return err;
}

static int
create(struct writer *w, const struct token *by, struct kit *kit, struct append_job *record,
       void *ctx)
{
	const struct creation *c = ctx;
	struct birth b = {.c = c, .record = record, .kit = kit, .by = slice_str(by->principal->id)};
	const struct writer_birth birth = {fill_birth, &b};
	int err;

	hold_entries_init(&b.entries);
	err = writer_bear_log(w, c->name, c->policy, b.by, &birth, c->out, c->created);
	deed_jobs_free(b.jobs);
	hold_entries_fini(&b.entries);
	if (err == 0 && *c->created && c->schema.n)
		err = choose(c, record->time_ns);
	return err;
}

int
audit_create_log(struct audit *a, struct slice name, const struct policy *policy,
		 struct slice schema, const struct token *by, struct kit *kit, struct log **out,
		 bool *created)
{
	struct creation c = {.name = name,
			     .policy = policy,
			     .schema = schema,
			     .access = audit_access(a),
			     .out = out,
			     .created = created};
	const struct audit_deed deed = {fill_creation, create, &c};

	return audit_together(a, &deed, by, kit);
}
