/* Principals: list, show, make, invite, change, disable. */
#include <string.h>

#include "proto/err.h"
#include "server/access.h"
#include "server/access_json.h"
#include "server/acting.h"
#include "server/audit.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"

enum { DEFAULT_ROWS = 100 };

/* --- look ------------------------------------------------------------------------------ */

void
res_principals_list(struct request *r)
{
	struct access *access = audit_access(r->server->audit);
	struct slice after = slice_of("", 0);
	uint64_t limit = DEFAULT_ROWS;
	struct principal **rows;
	struct buf *b;
	size_t i, n;

	if (!request_page(r, &after, &limit))
		return;
	rows = arena_alloc(&r->arena, (size_t)limit * sizeof(struct principal *));
	if (!rows) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	n = access_principals(access, after, rows, (size_t)limit);
	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_put_str(b, "{\"principals\":[");
	for (i = 0; i < n; i++) {
		buf_put_str(b, i ? ",{" : "{");
		principal_put(b, rows[i]);
		buf_put_u8(b, '}');
	}
	buf_put_u8(b, ']');
	if (n == limit) {
		buf_put_str(b, ",\"next\":");
		buf_put_json_str(b, slice_str(rows[n - 1]->id));
	}
	buf_put_u8(b, '}');
	for (i = 0; i < n; i++)
		principal_unref(rows[i]);
	reply_end(r);
}

static bool
put_one(struct request *r, struct buf *b, struct slice id)
{
	struct principal *p = access_principal(audit_access(r->server->audit), id);

	if (!p)
		return false;
	principal_put(b, p);
	principal_unref(p);
	return true;
}

void
res_principals_get(struct request *r)
{
	struct buf b;

	buf_init(&b);
	buf_put_u8(&b, '{');
	if (put_one(r, &b, r->param[0])) {
		buf_put_u8(&b, '}');
		reply_bytes(r, 200, "application/json", buf_slice(&b));
	} else {
		reply_problem(r, PROBLEM_UNKNOWN_PRINCIPAL, "No principal has that id.");
	}
	buf_fini(&b);
}

/* --- what a request says ------------------------------------------------------------------ */

/*
 * Puts the members that are the caller's into the principal. NULL, or what is wrong; what is in
 * them is looked at when the act is.
 */
static const char *
take_members(json_t *body, json_t *principal, bool create, int64_t now_ns, json_t **token)
{
	const char *name;
	json_t *v;

	json_object_foreach(body, name, v)
	{
		if (strcmp(name, "ends") == 0) {
			json_object_del(principal, "ends");
			if (!acting_instant(principal, "ends", v, now_ns))
				return "ends must be a period such as \"90d\", a later instant such "
				       "as \"2027-01-31T00:00:00.000000000Z\", or null.";
		} else if (strcmp(name, "token") == 0 && create && json_is_object(v)) {
			*token = v;
		} else if (strcmp(name, "grants") == 0 || strcmp(name, "matter") == 0 ||
			   strcmp(name, "names") == 0 ||
			   (create && (strcmp(name, "id") == 0 || strcmp(name, "kind") == 0))) {
			json_object_set(principal, name, v);
		} else {
			return create ? "The members are kind, id, grants, names, ends, matter and token."
				      : "The members are grants, names, ends and matter.";
		}
	}
	return NULL;
}

/* The answer to what made or changed one. */
static void
answer_with(struct request *r, int status)
{
	struct acting *a = r->state;
	json_t *p = json_object_get(a->act, "principal");
	struct slice id = slice_str(json_string_value(json_object_get(p, "id")));
	struct buf *b;

	reply_begin(r, status, "application/json");
	reply_header(r, "Cache-Control", "no-store");
	b = reply_body(r);
	buf_put_u8(b, '{');
	(void)put_one(r, b, id); /* principals are never removed */
	if (a->makes_token)
		buf_printf(b, ",\"token\":\"%s\"", a->text);
	buf_put_u8(b, '}');
	reply_end(r);
}

static void
answer_made(struct request *r)
{
	answer_with(r, 201);
}

static void
answer_changed(struct request *r)
{
	answer_with(r, 200);
}

/* --- make ------------------------------------------------------------------------------------ */

/* {"token":{"expires":…}}: a token for all that the principal may. */
static const char *
take_token(json_t *act, const json_t *wanted, int64_t now_ns)
{
	json_t *token = json_object(), *expires = json_object_get(wanted, "expires");

	json_object_set_new(act, "token", token);
	if (json_object_size(wanted) != (expires ? 1 : 0))
		return "The member of token is expires.";
	if (expires && !acting_instant(token, "expires", expires, now_ns))
		return "expires must be a period such as \"90d\", or a later instant.";
	return NULL;
}

void
res_principals_post(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_PRINCIPAL, false), *principal, *token = NULL;
	struct acting *a;
	const char *why;

	if (!body)
		return;
	a = acting_begin(r, "principal.create", PROBLEM_INVALID_PRINCIPAL);
	if (!a) {
		json_decref(body);
		return;
	}
	principal = json_object();
	json_object_set_new(a->act, "principal", principal);
	why = take_members(body, principal, true, server_now_ns(r->server), &token);
	if (!why && token)
		why = take_token(a->act, token, server_now_ns(r->server));
	a->makes_principal = true;
	a->makes_token = token != NULL;
	a->kind = principal_kind(json_string_value(json_object_get(principal, "kind")));
	a->answer = answer_made;
	json_decref(body);
	if (!why && !a->kind)
		why = "kind must be person, service or job.";
	if (why) {
		acting_drop(r);
		reply_problem(r, PROBLEM_INVALID_PRINCIPAL, "%s", why);
		return;
	}
	acting_run(r);
}

/* --- change ---------------------------------------------------------------------------------- */

/* The principal as it is, as JSON of its own; NULL: there is none, or no memory. */
static json_t *
as_it_is(struct request *r)
{
	json_t *o = NULL;
	struct buf b;

	buf_init(&b);
	buf_put_u8(&b, '{');
	if (put_one(r, &b, r->param[0])) {
		buf_put_u8(&b, '}');
		o = json_loadb((const char *)b.p, b.n, 0, NULL);
	}
	buf_fini(&b);
	return o;
}

void
res_principals_patch(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_PRINCIPAL, false), *principal;
	struct acting *a;
	const char *why;

	if (!body)
		return;
	principal = as_it_is(r);
	if (!principal) {
		json_decref(body);
		reply_problem(r, PROBLEM_UNKNOWN_PRINCIPAL, "No principal has that id.");
		return;
	}
	a = acting_begin(r, "principal.change", PROBLEM_INVALID_PRINCIPAL);
	if (!a) {
		json_decref(body);
		json_decref(principal);
		return;
	}
	json_object_set_new(a->act, "principal", principal);
	json_object_set_new(a->act, "was", json_deep_copy(principal));
	why = take_members(body, principal, false, server_now_ns(r->server), NULL);
	json_decref(body);
	if (why) {
		acting_drop(r);
		reply_problem(r, PROBLEM_INVALID_PRINCIPAL, "%s", why);
		return;
	}
	a->answer = answer_changed;
	acting_run(r);
}

/* --- disable --------------------------------------------------------------------------------- */

static void
answer_disabled(struct request *r)
{
	struct acting *a = r->state;
	struct slice id = slice_str(json_string_value(json_object_get(a->act, "id")));
	struct buf *b;

	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_put_u8(b, '{');
	(void)put_one(r, b, id);
	buf_put_u8(b, '}');
	reply_end(r);
}

void
res_principals_disable(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_PRINCIPAL, true), *successor;
	struct acting *a;
	bool valid;

	if (!body)
		return;
	successor = json_object_get(body, "successor");
	valid = json_object_size(body) == (successor ? 1 : 0) &&
		(!successor || json_is_string(successor));
	a = valid ? acting_begin(r, "principal.disable", PROBLEM_INVALID_PRINCIPAL) : NULL;
	if (a) {
		json_object_set_new(a->act, "id",
				    json_stringn((const char *)r->param[0].p, r->param[0].n));
		if (successor)
			json_object_set(a->act, "successor", successor);
		a->answer = answer_disabled;
	}
	json_decref(body);
	if (!valid)
		reply_problem(r, PROBLEM_INVALID_PRINCIPAL,
			      "The body may name a successor, and nothing else.");
	else if (a)
		acting_run(r);
}
