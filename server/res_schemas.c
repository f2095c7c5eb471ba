/*
 * Schemas: list, show, add, retire; and which one is chosen for a log. Those that hold for every
 * log are changed by who may change the policy of every log.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/hex.h"
#include "server/access.h"
#include "server/acting.h"
#include "server/audit.h"
#include "server/mapping.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/schemas.h"
#include "server/server.h"
#include "storage/log.h"

static struct access *
access_of(const struct request *r)
{
	return audit_access(r->server->audit);
}

/* --- looking ------------------------------------------------------------------------------- */

static void
put_mapping(struct buf *b, const struct mapping *m)
{
	buf_put_str(b, ",\"mapping\":\"");
	buf_put_base64(b, m->digest, sizeof m->digest);
	buf_put_u8(b, '"');
}

void
res_schemas_list(struct request *r)
{
	struct buf *b;

	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_put_str(b, "{\"schemas\":");
	access_put_schemas(access_of(r), b);
	put_mapping(b, mapping_now(access_of(r)));
	buf_put_u8(b, '}');
	reply_end(r);
}

/* One of that name, in a version or in the last one. */
static void
answer_with(struct request *r, int status, struct slice name, struct slice version)
{
	struct buf b;
	int err;

	buf_init(&b);
	err = access_put_schema(access_of(r), name, version, &b);
	if (err == STELE_ENOTFOUND)
		reply_problem(r, PROBLEM_UNKNOWN_SCHEMA, "There is no schema of that %s.",
			      version.n ? "name and version" : "name");
	else if (b.err)
		reply_err(r, b.err);
	else
		reply_bytes(r, status, "application/json", buf_slice(&b));
	buf_fini(&b);
}

void
res_schemas_get(struct request *r)
{
	struct slice version = slice_of("", 0);

	if (request_query(r, "version", &version) < 0)
		return;
	answer_with(r, 200, r->param[0], version);
}

/* --- adding -------------------------------------------------------------------------------- */

/* What is read by schemas is every log: false, answered. */
static bool
may_change(struct request *r)
{
	if (token_may_pattern(r->token, SCOPE_POLICY, slice_str("*")))
		return true;
	audit_denied(r->server->audit, r, slice_of("", 0), PROBLEM_INSUFFICIENT_SCOPE);
	reply_problem(r, PROBLEM_INSUFFICIENT_SCOPE,
		      "Schemas are of all logs: it needs the scope policy on all of them (\"*\").");
	return false;
}

static void
answer_changed(struct request *r)
{
	const struct acting *a = r->state;
	const json_t *name = json_object_get(a->act, "name");

	answer_with(r, json_object_get(a->act, "schema") ? 201 : 200,
		    slice_of(json_string_value(name), json_string_length(name)), slice_of("", 0));
}

static void
set_hex(json_t *act, const char *name, const uint8_t digest[32])
{
	char hex[65];

	hex_format(hex, digest, 32);
	json_object_set_new(act, name, json_string(hex));
}

/* The version that is there when it is asked for: what comes between is a conflict. */
static bool
set_was(struct request *r, json_t *act, struct slice name)
{
	char hex[65] = "";
	bool is = access_schema_version(access_of(r), name, hex);

	json_object_set_new(act, "was", json_string(hex));
	return is;
}

/* The act that adds a version; or, when that is in force already, an answer. */
static void
add(struct request *r, const struct schema_version *v)
{
	struct acting *a = acting_begin(r, "schema.add", PROBLEM_INVALID_SCHEMA);
	struct slice name = v->schema.name;

	if (!a)
		return;
	json_object_set_new(a->act, "name", json_stringn((const char *)name.p, name.n));
	json_object_set_new(a->act, "schema", json_stringn((const char *)v->text.p, v->text.n));
	set_hex(a->act, "digest", v->digest);
	if (set_was(r, a->act, name) &&
	    json_equal(json_object_get(a->act, "was"), json_object_get(a->act, "digest"))) {
		acting_drop(r);
		answer_with(r, 200, name, slice_of("", 0));
		return;
	}
	a->answer = answer_changed;
	acting_run(r);
}

void
res_schemas_post(struct request *r)
{
	struct schema_version *v;
	struct buf why;
	int err;

	buf_init(&why);
	err = schema_version_new(&v, r->http.body, &why);
	if (err == STELE_ESYNTAX || err == STELE_ELIMIT)
		reply_problem(r, PROBLEM_INVALID_SCHEMA, "%.*s", (int)why.n,
			      why.n ? (const char *)why.p : "");
	else if (err != 0)
		reply_err(r, err);
	buf_fini(&why);
	if (err != 0)
		return;
	if (may_change(r))
		add(r, v);
	schema_version_free(v);
}

/* --- retiring ------------------------------------------------------------------------------ */

void
res_schemas_retire(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_SCHEMA, true);
	bool empty = json_object_size(body) == 0;
	struct acting *a;

	if (!body)
		return;
	json_decref(body);
	if (!empty)
		reply_problem(r, PROBLEM_INVALID_SCHEMA, "The body is empty.");
	if (!empty || !may_change(r))
		return;
	a = acting_begin(r, "schema.retire", PROBLEM_INVALID_SCHEMA);
	if (!a)
		return;
	json_object_set_new(a->act, "name",
			    json_stringn((const char *)r->param[0].p, r->param[0].n));
	(void)set_was(r, a->act, r->param[0]); /* one that there is not is found so by the act */
	a->answer = answer_changed;
	acting_run(r);
}

/* --- of a log ------------------------------------------------------------------------------ */

static void
answer_log(struct request *r)
{
	const struct mapping *m = mapping_of_log(access_of(r), slice_str(log_name(r->log)));
	char name[LIMIT_LOG_NAME_BYTES + 1];
	struct buf *b;

	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_printf(b, "{\"log\":\"%s\",\"schema\":", log_name(r->log));
	if (access_log_schema(access_of(r), slice_str(log_name(r->log)), name))
		buf_printf(b, "\"%s\"", name);
	else
		buf_put_str(b, "null");
	put_mapping(b, m);
	buf_put_u8(b, '}');
	reply_end(r);
}

void
res_log_schema_get(struct request *r)
{
	answer_log(r);
}

void
res_log_schema_put(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_SCHEMA, false), *name;
	char was[LIMIT_LOG_NAME_BYTES + 1] = "";
	struct acting *a;

	if (!body)
		return;
	name = json_object_get(body, "schema");
	if (json_object_size(body) != 1 || !(json_is_string(name) || json_is_null(name))) {
		json_decref(body);
		reply_problem(r, PROBLEM_INVALID_SCHEMA,
			      "The body is {\"schema\": NAME}; null: the schema of each record is "
			      "found by its `when`.");
		return;
	}
	(void)access_log_schema(access_of(r), slice_str(log_name(r->log)), was);
	if (strcmp(was, json_is_null(name) ? "" : json_string_value(name)) == 0) {
		json_decref(body);
		answer_log(r);
		return;
	}
	a = acting_begin(r, "log.schema", PROBLEM_INVALID_SCHEMA);
	if (a) {
		json_object_set_new(a->act, "log", json_string(log_name(r->log)));
		json_object_set_new(a->act, "schema",
				    json_string(json_is_null(name) ? "" : json_string_value(name)));
		json_object_set_new(a->act, "was", json_string(was));
		a->answer = answer_log;
		acting_run(r);
	}
	json_decref(body);
}
