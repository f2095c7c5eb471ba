/* Tokens: list, make, revoke. Changes are files, so they happen on a worker. */
#include <string.h>

#include <jansson.h>

#include "proto/duration.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "server/tokens.h"

enum { DEFAULT_ROWS = 100, FIRST_CHAR = 0x21, LAST_CHAR = 0x7e };

static void
put_time(struct buf *b, const char *name, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	if (ns == 0)
		return;
	timestamp_format(text, ns);
	buf_printf(b, ",\"%s\":\"%.*s\"", name, TIMESTAMP_BYTES, text);
}

/* Without the closing brace. */
static void
put_token(struct buf *b, const struct token *t)
{
	const char *comma = "";
	unsigned s;
	size_t i;

	buf_printf(b, "{\"id\":\"%s\",\"principal\":", t->id);
	buf_put_json_str(b, slice_str(t->principal));
	buf_put_str(b, ",\"scopes\":[");
	for (s = 1; s < SCOPE_ALL; s <<= 1) {
		if (!(t->scopes & s))
			continue;
		buf_printf(b, "%s\"%s\"", comma, scope_name(s));
		comma = ",";
	}
	buf_put_str(b, "],\"logs\":[");
	for (i = 0; i < t->n_patterns; i++) {
		buf_put_str(b, i ? "," : "");
		buf_put_json_str(b, t->patterns[i]);
	}
	buf_put_u8(b, ']');
	put_time(b, "created", t->created_ns);
	put_time(b, "expires", t->expires_ns);
}

void
res_tokens_list(struct request *r)
{
	struct slice after = slice_of("", 0);
	uint64_t limit = DEFAULT_ROWS;
	struct token **rows;
	struct buf *b;
	size_t i, n;

	if (request_query(r, "after", &after) < 0 || request_query_number(r, "limit", &limit) < 0)
		return;
	if (limit < 1 || limit > LIMIT_LIST_ROWS) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER, "limit must be from 1 to %u.",
			      LIMIT_LIST_ROWS);
		return;
	}
	rows = arena_alloc(&r->arena, (size_t)limit * sizeof *rows);
	if (!rows) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	n = tokens_list(r->server->tokens, after, rows, (size_t)limit);
	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_put_str(b, "{\"tokens\":[");
	for (i = 0; i < n; i++) {
		buf_put_str(b, i ? "," : "");
		put_token(b, rows[i]);
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

struct making {
	struct token_request request;
	char principal[LIMIT_WRITER_BYTES + 1];
	char patterns[TOKEN_PATTERNS][LIMIT_LOG_NAME_BYTES + 1];
	char text[TOKEN_CHARS + 1];
	struct token *token;
	int err;
};

/* Each of these returns NULL, or what is wrong. */
static const char *
read_scopes(struct making *m, json_t *v)
{
	json_t *e;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) == 0)
		return "scopes must be a list of append, read, verify, policy, access, operate.";
	json_array_foreach(v, i, e)
	{
		unsigned s = json_is_string(e) ? scope_parse(slice_str(json_string_value(e))) : 0;

		if (!s)
			return "The scopes are append, read, verify, policy, access and operate.";
		m->request.scopes |= s;
	}
	return NULL;
}

static const char *
read_logs(struct making *m, json_t *v)
{
	json_t *e;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) == 0 || json_array_size(v) > TOKEN_PATTERNS)
		return "logs must be a list of 1 to 32 names or patterns such as \"k8s-*\".";
	json_array_foreach(v, i, e)
	{
		struct slice pattern = slice_of(json_string_value(e), json_string_length(e));

		if (!json_is_string(e) || !scope_pattern_valid(pattern))
			return "A log pattern has 1 to 63 characters of a-z, 0-9, '.', '_', '-' "
			       "and '*'.";
		memcpy(m->patterns[i], pattern.p, pattern.n);
		m->request.patterns[i] = slice_of(m->patterns[i], pattern.n);
	}
	m->request.n_patterns = json_array_size(v);
	return NULL;
}

static const char *
read_principal(struct making *m, json_t *v)
{
	const char *s = json_string_value(v);
	size_t n = s ? json_string_length(v) : 0, i;

	if (n < 1 || n > LIMIT_WRITER_BYTES)
		return "principal must be an opaque id of 1 to 63 characters.";
	for (i = 0; i < n; i++) {
		if (s[i] < FIRST_CHAR || s[i] > LAST_CHAR || s[i] == '"' || s[i] == '\\')
			return "principal may have printable ASCII without spaces, quotes and "
			       "backslashes: entries keep it for ever.";
	}
	memcpy(m->principal, s, n);
	m->request.principal = slice_of(m->principal, n);
	return NULL;
}

static const char *
read_kind(struct making *m, json_t *v)
{
	static const char *const kinds[] = {"person", "service", "job"};
	size_t i;

	for (i = 0; i < 3; i++) {
		if (json_is_string(v) && strcmp(json_string_value(v), kinds[i]) == 0) {
			m->request.kind = kinds[i][0];
			return NULL;
		}
	}
	return "kind must be person, service or job.";
}

/* A period from now, or an instant in the one spelling that answers use. */
static const char *
read_expires(struct making *m, json_t *v)
{
	struct slice s = slice_of(json_string_value(v), json_string_length(v));
	struct duration d;

	if (json_is_null(v))
		return NULL;
	if (json_is_string(v) && timestamp_parse(&m->request.expires_ns, s) == 0 &&
	    m->request.expires_ns > m->request.created_ns)
		return NULL;
	if (json_is_string(v) && duration_parse(&d, s) == 0 &&
	    duration_add(&m->request.expires_ns, m->request.created_ns, &d) == 0 &&
	    m->request.expires_ns > m->request.created_ns)
		return NULL;
	return "expires must be a period such as \"90d\", a later instant such as "
	       "\"2027-01-31T00:00:00.000000000Z\", or null.";
}

static const char *
read_request(struct making *m, json_t *root)
{
	const char *name, *why = NULL;
	json_t *v;

	if (!json_is_object(root))
		return "The body must be a JSON object with scopes and logs.";
	json_object_foreach(root, name, v)
	{
		if (strcmp(name, "scopes") == 0)
			why = read_scopes(m, v);
		else if (strcmp(name, "logs") == 0)
			why = read_logs(m, v);
		else if (strcmp(name, "principal") == 0)
			why = read_principal(m, v);
		else if (strcmp(name, "kind") == 0)
			why = read_kind(m, v);
		else if (strcmp(name, "expires") == 0)
			why = read_expires(m, v);
		else
			why = "The members are scopes, logs, principal, kind and expires.";
		if (why)
			return why;
	}
	if (!m->request.scopes || !m->request.n_patterns)
		return "A token needs scopes and logs.";
	return NULL;
}

static void
make_work(struct request *r, struct kit *kit)
{
	struct making *m = r->state;

	(void)kit;
	m->err = tokens_create(r->server->tokens, &m->request, m->text, &m->token);
}

static void
make_then(struct request *r)
{
	struct making *m = r->state;
	struct buf *b;

	if (m->err == STELE_ELIMIT) {
		reply_problem(r, PROBLEM_TOO_MANY_TOKENS,
			      "There may be %u tokens, with 1024 characters of log patterns each. "
			      "Revoke some.",
			      LIMIT_TOKENS);
		return;
	}
	if (m->err) {
		reply_err(r, m->err);
		return;
	}
	reply_begin(r, 201, "application/json");
	reply_header(r, "Cache-Control", "no-store");
	b = reply_body(r);
	put_token(b, m->token);
	buf_printf(b, ",\"token\":\"%s\"}", m->text);
	token_unref(m->token);
	explicit_bzero(m->text, sizeof m->text);
	reply_end(r);
}

void
res_tokens_post(struct request *r)
{
	struct making *m = arena_alloc(&r->arena, sizeof *m);
	const char *why;
	json_t *root;

	if (!m) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	memset(m, 0, sizeof *m);
	m->request.kind = 's';
	m->request.created_ns = server_now_ns();
	root = json_loadb((const char *)r->http.body.p, r->http.body.n, JSON_REJECT_DUPLICATES,
			  NULL);
	why = read_request(m, root);
	json_decref(root);
	if (why) {
		reply_problem(r, PROBLEM_INVALID_TOKEN_REQUEST, "%s", why);
		return;
	}
	r->state = m;
	r->work = make_work;
	r->then = make_then;
	loop_work(r);
}

/* --- revoke ----------------------------------------------------------------------------- */

static void
revoke_work(struct request *r, struct kit *kit)
{
	int *err = r->state;

	(void)kit;
	*err = tokens_revoke(r->server->tokens, r->param[0]);
}

static void
revoke_then(struct request *r)
{
	const int *err = r->state;

	if (*err == STELE_ENOTFOUND) {
		reply_problem(r, PROBLEM_UNKNOWN_TOKEN, "No token has that id.");
	} else if (*err) {
		reply_err(r, *err);
	} else {
		reply_begin(r, 204, NULL);
		reply_body(r);
		reply_end(r);
	}
}

void
res_tokens_delete(struct request *r)
{
	int *err = arena_alloc(&r->arena, sizeof *err);

	if (!err) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	r->state = err;
	r->work = revoke_work;
	r->then = revoke_then;
	loop_work(r);
}
