/* Tokens: list, make, rotate, revoke. */
#include <string.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/access.h"
#include "server/access_json.h"
#include "server/acting.h"
#include "server/audit.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"

enum { DEFAULT_ROWS = 100 };

static const char overlap[] = "24h";

void
res_tokens_list(struct request *r)
{
	struct slice after = slice_of("", 0);
	uint64_t limit = DEFAULT_ROWS;
	struct token **rows;
	struct buf *b;
	size_t i, n;

	if (!request_page(r, &after, &limit))
		return;
	rows = arena_alloc(&r->arena, (size_t)limit * sizeof(struct token *));
	if (!rows) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	n = access_tokens(audit_access(r->server->audit), after, rows, (size_t)limit);
	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_put_str(b, "{\"tokens\":[");
	for (i = 0; i < n; i++) {
		buf_put_str(b, i ? ",{" : "{");
		token_put(b, rows[i], false);
		buf_put_u8(b, '}');
	}
	buf_put_u8(b, ']');
	if (n == limit)
		buf_printf(b, ",\"next\":\"%s\"", rows[n - 1]->id);
	buf_put_u8(b, '}');
	for (i = 0; i < n; i++)
		token_unref(rows[i]);
	reply_end(r);
}

/* --- make ------------------------------------------------------------------------------ */

static const char bad_expires[] = "expires must be a period such as \"90d\", a later instant such "
				  "as \"2027-01-31T00:00:00.000000000Z\", or null.";

/* Puts the members into the act's token. *kind is of a principal that is to be made. NULL, or
 * what is wrong. */
static const char *
take_members(json_t *body, json_t *token, int64_t now_ns, json_t **kind)
{
	const char *name;
	json_t *v;

	json_object_foreach(body, name, v)
	{
		if (strcmp(name, "expires") == 0) {
			if (!acting_instant(token, "expires", v, now_ns))
				return bad_expires;
		} else if (strcmp(name, "kind") == 0) {
			*kind = v;
		} else if (strcmp(name, "scopes") == 0 || strcmp(name, "logs") == 0 ||
			   strcmp(name, "requests_per_s") == 0 ||
			   strcmp(name, "bytes_per_s") == 0 || strcmp(name, "principal") == 0 ||
			   strcmp(name, "log") == 0 || strcmp(name, "paths") == 0) {
			json_object_set(token, name, v);
		} else {
			return "The members are scopes, logs, log, paths, principal, kind, "
			       "expires, requests_per_s and bytes_per_s.";
		}
	}
	return NULL;
}

/*
 * Of a principal that is not there yet, one is made with it, which may what the token may. Of one
 * that is, a token only narrows what it may.
 */
static const char *
take_principal(struct acting *a, json_t *token, const json_t *kind)
{
	json_t *id = json_object_get(token, "principal"),
	       *scopes = json_object_get(token, "scopes"), *logs = json_object_get(token, "logs"),
	       *principal;

	if (!scopes || !logs)
		return "A new principal needs scopes and logs.";
	a->kind = kind ? principal_kind(json_string_value(kind)) : 's';
	if (!a->kind)
		return "kind must be person, service or job.";
	principal = json_pack("{s:s, s:[{s:O, s:O}]}", "kind", principal_kind_name(a->kind),
			      "grants", "scopes", scopes, "logs", logs);
	if (id)
		json_object_set(principal, "id", id);
	json_object_set_new(a->act, "type", json_string("principal.create"));
	json_object_set_new(a->act, "principal", principal);
	a->makes_principal = true;
	return NULL;
}

static void
answer_made(struct request *r)
{
	struct acting *a = r->state;
	struct token *t = NULL;
	struct buf *b;

	reply_begin(r, 201, "application/json");
	reply_header(r, "Cache-Control", "no-store");
	b = reply_body(r);
	buf_put_u8(b, '{');
	if (access_check(audit_access(r->server->audit), slice_of(a->text, TOKEN_CHARS), 0, &t) ==
	    ACCESS_OPENS) {
		token_put(b, t, false);
		buf_put_u8(b, ',');
		token_unref(t);
	} /* else it was revoked a moment ago */
	buf_printf(b, "\"token\":\"%s\"}", a->text);
	reply_end(r);
}

static bool
is_known(struct request *r, const json_t *id)
{
	struct principal *p =
		access_principal(audit_access(r->server->audit),
				 slice_of(json_string_value(id), json_string_length(id)));

	principal_unref(p);
	return p != NULL;
}

void
res_tokens_post(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_TOKEN_REQUEST, false), *token, *kind = NULL,
	       *id;
	struct acting *a;
	const char *why;

	if (!body)
		return;
	a = acting_begin(r, "token.create", PROBLEM_INVALID_TOKEN_REQUEST);
	if (!a) {
		json_decref(body);
		return;
	}
	token = json_object();
	json_object_set_new(a->act, "token", token);
	a->makes_token = true;
	a->answer = answer_made;
	why = take_members(body, token, server_now_ns(r->server), &kind);
	id = json_object_get(token, "principal");
	if (!why && id && !json_is_string(id))
		why = "principal must be a principal's id.";
	if (!why && (!id || !is_known(r, id)))
		why = take_principal(a, token, kind);
	else if (!why && kind)
		why = "kind is for a principal that is new.";
	json_decref(body);
	if (why) {
		acting_drop(r);
		reply_problem(r, PROBLEM_INVALID_TOKEN_REQUEST, "%s", why);
		return;
	}
	acting_run(r);
}

/* --- rotate ------------------------------------------------------------------------------- */

/* The same rights and the same life from now on, under another secret. */
static const char *
take_same(struct acting *a, const struct token *t, const json_t *keep, int64_t now_ns)
{
	char text[TIMESTAMP_BYTES];
	json_t *token;
	struct buf b;

	buf_init(&b);
	buf_printf(&b, "{\"principal\":\"%s\"", t->principal->id);
	if (t->narrowed.scopes) {
		buf_put_u8(&b, ',');
		grant_put(&b, &t->narrowed);
	}
	token_put_vendor(&b, t);
	buf_put_u8(&b, '}');
	token = b.err ? NULL : json_loadb((const char *)b.p, b.n, 0, NULL);
	buf_fini(&b);
	if (!token)
		return "There is no memory for it.";
	json_object_set_new(a->act, "token", token);
	if (t->requests_per_s)
		json_object_set_new(token, "requests_per_s",
				    json_integer((json_int_t)t->requests_per_s));
	if (t->bytes_per_s)
		json_object_set_new(token, "bytes_per_s", json_integer((json_int_t)t->bytes_per_s));
	if (t->expires_ns) {
		timestamp_format(text, now_ns + (t->expires_ns - t->created_ns));
		json_object_set_new(token, "expires", json_stringn(text, sizeof text));
	}
	if (!acting_instant(a->act, "expires", keep, now_ns))
		return "overlap must be a period such as \"1h\".";
	return NULL;
}

void
res_tokens_rotate(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_TOKEN_REQUEST, true), *keep;
	struct token *t = access_token(audit_access(r->server->audit), r->param[0]);
	struct acting *a = NULL;
	const char *why = NULL;

	if (!body) {
		token_unref(t);
		return;
	}
	keep = json_object_get(body, "overlap");
	if (json_object_size(body) != (keep ? 1 : 0)) {
		why = "The body may say for how long the old token opens: {\"overlap\":\"1h\"}.";
		reply_problem(r, PROBLEM_INVALID_TOKEN_REQUEST, "%s", why);
	} else if (!t) {
		reply_problem(r, PROBLEM_UNKNOWN_TOKEN, "No token has that id.");
	} else if ((a = acting_begin(r, "token.rotate", PROBLEM_INVALID_TOKEN_REQUEST))) {
		json_t *otherwise = json_string(overlap);
		json_object_set_new(a->act, "id", json_string(t->id));
		why = take_same(a, t, keep ? keep : otherwise, server_now_ns(r->server));
		json_decref(otherwise);
		a->makes_token = true;
		a->answer = answer_made;
		if (why) {
			acting_drop(r);
			reply_problem(r, PROBLEM_INVALID_TOKEN_REQUEST, "%s", why);
		} else {
			acting_run(r);
		}
	}
	json_decref(body);
	token_unref(t);
}

/* --- revoke ------------------------------------------------------------------------------ */

void
res_tokens_delete(struct request *r)
{
	struct acting *a = acting_begin(r, "token.revoke", PROBLEM_INVALID_TOKEN_REQUEST);

	if (!a)
		return;
	json_object_set_new(a->act, "id", json_stringn((const char *)r->param[0].p, r->param[0].n));
	acting_run(r);
}
