/* Logs: list those one may see, create with a policy, describe, seal. */
#include <string.h>

#include "crypto/identity.h"
#include "proto/base64.h"
#include "proto/dec.h"
#include "proto/entry.h"
#include "proto/err.h"
#include "proto/policy.h"
#include "proto/timestamp.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/retention.h"
#include "server/router.h"
#include "server/server.h"
#include "server/access.h"
#include "server/acting.h"
#include "server/audit.h"
#include "server/schemas.h"
#include "storage/log.h"
#include "storage/store.h"
#include "storage/writer.h"

enum { DEFAULT_ROWS = 100, SCAN_ROWS = 256 };

static void
put_time(struct buf *b, const char *name, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	buf_printf(b, ",\"%s\":\"%.*s\"", name, TIMESTAMP_BYTES, text);
}

/* The members that a listing and a description share, without closing brace. */
static void
put_summary(struct request *r, struct buf *b, struct log *log, const struct head *head)
{
	char schema[LIMIT_LOG_NAME_BYTES + 1];

	buf_printf(b, "{\"log\":\"%s\",\"origin\":", log_name(log));
	buf_put_json_str(b, slice_str(log_origin(log)));
	buf_put_str(b, ",\"size\":");
	buf_put_dec(b, head->size);
	put_time(b, "created", log_created_ns(log));
	put_time(b, "time", head->time_ns);
	if (access_log_schema(audit_access(r->server->audit), slice_str(log_name(log)), schema))
		buf_printf(b, ",\"schema\":\"%s\"", schema);
	retention_put_policy(r->server, b, log);
	if (r->server->demo)
		buf_put_str(b, ",\"demo\":true");
}

/* Whom one talks to: the name, and the key that auditors pin. */
static void
put_server(struct request *r, struct buf *b, const struct identity *id)
{
	buf_put_str(b, ",\"server\":");
	buf_put_json_str(b, slice_str(store_server_name(r->server->store)));
	buf_put_str(b, ",\"server_vkey\":");
	buf_put_json_str(b, slice_str(identity_vkey(id)));
}

static void
put_storage(struct buf *b, struct log *log)
{
	struct log_storage s;

	log_storage_get(log, &s);
	buf_printf(
		b,
		",\"storage\":{\"payload_bytes\":%llu,\"sealed\":%llu,\"segments\":%llu,"
		"\"segment_bytes\":%llu,\"quarantined\":%llu,\"immutable\":%llu,\"verity\":%llu}",
		(unsigned long long)s.payload_bytes, (unsigned long long)s.sealed,
		(unsigned long long)s.segments, (unsigned long long)s.segment_bytes,
		(unsigned long long)s.quarantined, (unsigned long long)s.immutable,
		(unsigned long long)s.verity);
}

/* The current key statement, and those of the epochs before it. */
static void
put_keys(struct buf *b, const struct logkeys *keys)
{
	size_t last = logkeys_count(keys) - 1;
	struct buf note;

	buf_init(&note);
	b->err = b->err ? b->err : logkeys_put_statement(keys, last, &note);
	buf_put_str(b, ",\"key_statement\":");
	buf_put_json_str(b, buf_slice(&note));
	buf_put_str(b, ",\"earlier_key_statements\":[");
	for (size_t i = 0; i < last; i++) {
		buf_reset(&note);
		b->err = b->err ? b->err : logkeys_put_statement(keys, i, &note);
		buf_put_str(b, i ? "," : "");
		buf_put_json_str(b, buf_slice(&note));
	}
	buf_put_u8(b, ']');
	buf_fini(&note);
}

static void
put_description(struct request *r, struct buf *b, struct log *log)
{
	struct identity *id = store_identity(r->server->store);
	struct logkeys *keys = log_keys(log);
	struct head *head = log_head(log);

	put_summary(r, b, log, head);
	buf_put_str(b, ",\"root\":\"");
	buf_put_base64(b, head->root, sizeof head->root);
	buf_put_str(b, "\",\"vkey\":");
	buf_put_json_str(b, slice_str(logkeys_vkey(keys)));
	put_storage(b, log);
	buf_put_str(b, ",\"used\":");
	retention_put_used(b, log);
	put_server(r, b, id);
	put_keys(b, keys);
	buf_put_u8(b, ',');
	res_identity_put_successions(b, id);
	identity_unref(id);
	buf_put_str(b, ",\"checkpoint\":");
	buf_put_json_str(b, slice_of(head->note, head->note_len));
	if (r->server->demo)
		buf_put_str(b, ",\"warning\":\"This server's name was made up at its first start: "
			       "start it with --origin for evidence that counts.\"");
	buf_put_u8(b, '}');
	head_unref(head);
	logkeys_unref(keys);
}

void
res_logs_get(struct request *r)
{
	reply_begin(r, 200, "application/json");
	put_description(r, reply_body(r), r->log);
	reply_end(r);
}

/* A log that the token may neither read nor verify is not there. */
static bool
visible(const struct request *r, const struct log *log)
{
	return token_may(r->token, r->route->scopes, slice_str(log_name(log)));
}

/*
 * Appends up to limit rows; *after is the last one's name, or empty at the end.
 * How far the scan went, past logs that the token may not see, is nobody's business.
 */
static void
put_rows(struct request *r, struct buf *b, struct slice *after, size_t limit)
{
	struct log *logs[SCAN_ROWS];
	struct slice at = *after;
	size_t rows = 0, i, n;

	while ((n = store_log_list(r->server->store, at, logs, SCAN_ROWS)) > 0) {
		for (i = 0; i < n; i++) {
			struct head *head;

			if (!visible(r, logs[i]))
				continue;
			if (rows == limit)
				return;
			head = log_head(logs[i]);
			buf_put_str(b, rows++ ? "," : "");
			put_summary(r, b, logs[i], head);
			buf_put_u8(b, '}');
			head_unref(head);
			*after = slice_str(log_name(logs[i]));
		}
		at = slice_str(log_name(logs[n - 1]));
		if (n < SCAN_ROWS)
			break;
	}
	*after = slice_of("", 0);
}

void
res_logs_list(struct request *r)
{
	struct slice after = slice_of("", 0);
	uint64_t limit = DEFAULT_ROWS;
	struct identity *id;
	struct buf *b;

	if (!request_page(r, &after, &limit))
		return;
	id = store_identity(r->server->store);
	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_put_str(b, "{\"logs\":[");
	put_rows(r, b, &after, (size_t)limit);
	buf_put_u8(b, ']');
	if (after.n) {
		buf_put_str(b, ",\"next\":");
		buf_put_json_str(b, after);
	}
	put_server(r, b, id);
	identity_unref(id);
	buf_put_u8(b, '}');
	reply_end(r);
}

/* --- create ------------------------------------------------------------------------- */

struct creation {
	struct policy policy;
	struct slice schema; /* that is chosen, or empty */
	bool created;
	int err;
};

static void
create_work(struct request *r, struct kit *kit)
{
	struct creation *c = r->state;

	c->err = audit_create_log(r->server->audit, r->param[0], &c->policy, c->schema, r->token,
				  kit, &r->log, &c->created);
}

/* Whether the log is read by that schema, or none is asked for. */
static bool
has_schema(const struct request *r, struct slice schema)
{
	char is[LIMIT_LOG_NAME_BYTES + 1] = "";

	return schema.n == 0 || (access_log_schema(audit_access(r->server->audit),
						   slice_str(log_name(r->log)), is) &&
				 slice_eq_str(schema, is));
}

static void
create_then(struct request *r)
{
	struct creation *c = r->state;
	struct buf *b;

	if (c->err == STELE_EEXIST) {
		b = reply_problem_begin(r, PROBLEM_LOG_EXISTS,
					"A log is never re-created; PUT .../policy changes its "
					"policy, which is in \"policy\".");
		retention_put_policy(r->server, b, r->log);
		reply_problem_end(r);
		return;
	}
	if (c->err == STELE_ENOTFOUND) {
		reply_problem(r, PROBLEM_UNKNOWN_SCHEMA,
			      "There is no schema %.*s to be chosen; the log was not created.",
			      (int)c->schema.n, (const char *)c->schema.p);
		return;
	}
	if (c->err) {
		reply_err(r, c->err);
		return;
	}
	if (!c->created && !has_schema(r, c->schema)) {
		reply_problem(
			r, PROBLEM_LOG_EXISTS,
			"A log is never re-created; PUT .../schema chooses another schema for "
			"it.");
		return;
	}
	reply_begin(r, c->created ? 201 : 200, "application/json");
	if (c->created)
		reply_header_slice(r, "Location", r->http.path);
	put_description(r, reply_body(r), r->log);
	reply_end(r);
}

static bool
is_json_or_absent(const struct request *r)
{
	struct slice type = r->http.known[HEADER_CONTENT_TYPE];
	char text[LIMIT_MEDIA_TYPE_BYTES];
	const char *semi;
	size_t n;

	if (!type.p || r->http.body.n == 0)
		return true;
	if (entry_media_type_normalise(text, sizeof text, &n, type) != 0)
		return false;
	semi = memchr(text, ';', n);
	return slice_eq_str(slice_of(text, semi ? (size_t)(semi - text) : n), "application/json");
}

/* What a policy may say for itself and not for a new log. */
static int
check_new(const struct request *r, const struct policy *p, struct buf *why)
{
	if (p->compliance_from_ns)
		buf_put_str(why, deed_policy_lock_only);
	else if (p->mode == ENTRY_MODE_COMPLIANCE && r->server->demo)
		buf_put_str(why, deed_policy_demo);
	return why->n ? STELE_ESYNTAX : 0;
}

void
res_logs_put(struct request *r)
{
	struct creation *c = arena_alloc(&r->arena, sizeof *c);
	struct buf why;
	int err;

	if (r->http.known[HEADER_CONTENT_ENCODING].p) {
		reply_problem(r, PROBLEM_UNSUPPORTED_ENCODING, "Send the policy as it is.");
		return;
	}
	if (!is_json_or_absent(r)) {
		reply_problem(r, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
			      "Send the policy as application/json.");
		return;
	}
	if (!c) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	c->schema = slice_of("", 0);
	if (request_query(r, "schema", &c->schema) < 0)
		return;
	buf_init(&why);
	err = policy_read(&c->policy, r->http.body, &why);
	if (err == 0)
		err = check_new(r, &c->policy, &why);
	if (err)
		reply_problem(r, PROBLEM_INVALID_POLICY, "%.*s", (int)why.n,
			      why.n ? (const char *)why.p : "");
	buf_fini(&why);
	if (err)
		return;
	r->state = c;
	r->work = create_work;
	r->then = create_then;
	loop_work(r);
}

/* --- seal --------------------------------------------------------------------------- */

static int
seal(struct request *r, struct kit *kit)
{
	struct acting *a = r->state;

	(void)kit;
	return store_seal_log(r->server->store, r->log, &a->why);
}

static void
sealed(struct request *r)
{
	struct acting *a = r->state;

	if (a->err == STELE_EDAMAGED) {
		reply_problem(r, PROBLEM_DAMAGED,
			      "What is to be sealed is damaged and stays where it is: %.*s. Run "
			      "`stele fsck` and restore it from a copy.",
			      (int)a->why.n, a->why.n ? (const char *)a->why.p : "");
	} else if (a->err) {
		reply_err(r, a->err);
	} else {
		reply_begin(r, 200, "application/json");
		put_description(r, reply_body(r), r->log);
		reply_end(r);
	}
}

void
res_logs_seal(struct request *r)
{
	struct acting *a = acting_begin(r, "log.seal", PROBLEM_NONE);

	if (!a)
		return;
	json_object_set_new(a->act, "log", json_string(log_name(r->log)));
	a->perform = seal;
	a->answer = sealed;
	acting_run(r);
}
