/* On the loop, on a worker, on the loop again. */
#include "server/acting.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/duration.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/audit.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/server.h"
#include "storage/log.h"

struct acting *
acting_begin(struct request *r, const char *type, enum problem syntax)
{
	struct acting *a = request_state(r, sizeof *a);

	if (!a)
		return NULL;
	buf_init(&a->why);
	deed_outcome_init(&a->outcome);
	a->act = json_object();
	a->syntax = syntax;
	json_object_set_new(a->act, "type", json_string(type));
	return a;
}

static void
drop(struct acting *a)
{
	json_decref(a->act);
	buf_fini(&a->why);
	deed_outcome_fini(&a->outcome);
	explicit_bzero(a->text, sizeof a->text);
}

void
acting_drop(struct request *r)
{
	drop(r->state);
}

/* --- reading ----------------------------------------------------------------------------- */

json_t *
acting_body(struct request *r, enum problem syntax, bool may_be_empty)
{
	struct slice body = r->http.body;
	json_t *root;

	if (body.n == 0 && may_be_empty)
		return json_object();
	root = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(root))
		return root;
	json_decref(root);
	reply_problem(r, syntax, "The body must be a JSON object.");
	return NULL;
}

bool
acting_instant(json_t *to, const char *name, const json_t *v, int64_t now_ns)
{
	struct slice s = slice_of(json_string_value(v), json_string_length(v));
	char text[TIMESTAMP_BYTES];
	struct duration d;
	int64_t ns = 0;

	if (json_is_null(v))
		return true;
	if (!json_is_string(v) ||
	    (timestamp_parse(&ns, s) != 0 &&
	     (duration_parse(&d, s) != 0 || duration_add(&ns, now_ns, &d) != 0)) ||
	    ns <= now_ns)
		return false;
	timestamp_format(text, ns);
	return json_object_set_new(to, name, json_stringn(text, sizeof text)) == 0;
}

/* --- the worker's part ---------------------------------------------------------------------- */

static int
put_token(struct acting *a, struct access *access, const char *principal)
{
	json_t *token = json_object_get(a->act, "token");
	uint8_t hash[TOKEN_HASH_BYTES];
	struct buf text;

	access_new_token(access, a->text, hash);
	json_object_set_new(token, "id",
			    json_stringn(a->text + sizeof "stele_" - 1, TOKEN_ID_CHARS));
	if (principal)
		json_object_set_new(token, "principal", json_string(principal));
	buf_init(&text);
	buf_put_base64(&text, hash, sizeof hash);
	json_object_set_new(token, "hash", json_stringn((const char *)text.p, text.n));
	buf_fini(&text);
	return text.err;
}

/* What only the server can choose. */
static int
fill(struct access *access, void *ctx)
{
	struct request *r = ctx;
	struct acting *a = r->state;
	json_t *principal = json_object_get(a->act, "principal");
	char id[LIMIT_WRITER_BYTES + 1];

	if (a->makes_principal && !json_object_get(principal, "id")) {
		access_new_principal_id(access, a->kind, id);
		json_object_set_new(principal, "id", json_string(id));
	}
	if (a->fill)
		return a->fill(r, access);
	if (!a->makes_token)
		return 0;
	return put_token(a, access,
			 a->makes_principal ? json_string_value(json_object_get(principal, "id"))
					    : NULL);
}

static void
work(struct request *r, struct kit *kit)
{
	struct acting *a = r->state;

	a->err = audit_act(r->server->audit, a->act, fill, r, r->token, kit, &a->outcome);
	a->recorded = a->err == 0;
	if (a->recorded && a->perform)
		a->err = a->perform(r, kit);
}

/* --- answers -----------------------------------------------------------------------------------
 */

void
acting_put_told(struct buf *b, const struct acting *a)
{
	const char *name;
	json_t *v;

	json_object_foreach(a->outcome.told, name, v)
	{
		char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		buf_printf(b, ",\"%s\":%s", name, text ? text : "null");
		free(text);
	}
}

/* It waits for a second principal. A token that it makes opens something once it is approved. */
static void
refuse_alone(struct request *r, const struct acting *a)
{
	const char *id = json_string_value(json_object_get(a->act, "approval"));
	struct buf *b = reply_problem_begin(
		r, PROBLEM_DUAL_CONTROL_REQUIRED,
		"A second principal must approve it, as it is shown under /api/v1/approvals/%s, within "
		"seven days. Then it happens; do not send it again.",
		id);

	buf_printf(b, ",\"approval\":\"%s\"", id);
	if (a->makes_token)
		buf_printf(b, ",\"token\":\"%s\"", a->text);
	reply_problem_end(r);
}

/* Somebody tried what may not be done: that is recorded, as a missing scope is. */
static void
note(struct request *r, enum problem p)
{
	if (problem_status(p) == 403 || p == PROBLEM_CLOCK_FROZEN)
		audit_denied(r->server->audit, r, slice_str(r->log ? log_name(r->log) : ""), p);
}

/* Why a deed cannot be done, with the members that it tells. */
static void
refuse_deed(struct request *r, const struct acting *a)
{
	const struct buf *why = &a->outcome.why;
	struct buf *b = reply_problem_begin(r, a->outcome.problem, "%.*s", (int)why->n,
					    why->n ? (const char *)why->p : "");

	acting_put_told(b, a);
	reply_problem_end(r);
}

/* What the errors of folding are, by the beginning of the act's type; the last row is of all
 * others. */
struct refusal {
	const char *type;
	enum problem not_found, conflict, limit;
};

static const struct refusal *
refusal_of(const char *type)
{
	static const struct refusal rows[] = {
		{"token.", PROBLEM_UNKNOWN_TOKEN, PROBLEM_PRINCIPAL_CONFLICT,
		 PROBLEM_TOO_MANY_TOKENS},
		{"approval.", PROBLEM_UNKNOWN_APPROVAL, PROBLEM_APPROVAL_CONFLICT,
		 PROBLEM_TOO_MANY_PRINCIPALS},
		{"hold.", PROBLEM_UNKNOWN_HOLD, PROBLEM_HOLD_CONFLICT, PROBLEM_TOO_MANY_HOLDS},
		{"erasure.", PROBLEM_UNKNOWN_PRINCIPAL, PROBLEM_PRINCIPAL_CONFLICT,
		 PROBLEM_TOO_MANY_ERASURES},
		{"export.", PROBLEM_UNKNOWN_EXPORT, PROBLEM_EXPORT_CONFLICT,
		 PROBLEM_TOO_MANY_EXPORTS},
		{"schema.", PROBLEM_UNKNOWN_SCHEMA, PROBLEM_SCHEMA_CONFLICT,
		 PROBLEM_TOO_MANY_SCHEMAS},
		{"log.schema", PROBLEM_UNKNOWN_SCHEMA, PROBLEM_SCHEMA_CONFLICT,
		 PROBLEM_TOO_MANY_SCHEMAS},
		{"alias.", PROBLEM_UNKNOWN_ALIAS, PROBLEM_UNKNOWN_ALIAS, PROBLEM_TOO_MANY_ALIASES},
		{"", PROBLEM_UNKNOWN_PRINCIPAL, PROBLEM_PRINCIPAL_CONFLICT,
		 PROBLEM_TOO_MANY_PRINCIPALS},
	};
	const struct refusal *row = rows;

	while (strncmp(type, row->type, strlen(row->type)) != 0)
		row++;
	return row;
}

static void
refuse(struct request *r, const struct acting *a)
{
	const char *type = json_string_value(json_object_get(a->act, "type"));
	const struct refusal *row = refusal_of(type);
	const struct buf *why = &a->outcome.why;
	enum problem p = a->syntax;

	if (a->outcome.problem != PROBLEM_NONE) {
		note(r, a->outcome.problem);
		refuse_deed(r, a);
		return;
	}
	switch (a->err) {
	case STELE_ESYNTAX:
		break;
	case STELE_EAPPROVAL:
		refuse_alone(r, a);
		return;
	case STELE_EPERM:
		p = PROBLEM_NOT_YOURS_TO_APPROVE;
		break;
	case STELE_EEXIST:
		p = PROBLEM_PRINCIPAL_EXISTS;
		break;
	case STELE_ENOTFOUND:
		/* whom a new token is for */
		p = json_object_get(a->act, "token") ? PROBLEM_UNKNOWN_PRINCIPAL : row->not_found;
		break;
	case STELE_ECONFLICT:
		p = row->conflict;
		break;
	case STELE_ELIMIT:
		p = row->limit;
		break;
	default:
		reply_err(r, a->err);
		return;
	}
	note(r, p);
	reply_problem(r, p, "%.*s", (int)why->n, why->n ? (const char *)why->p : "");
}

/* A copy: with the answer on its way, the request's arena is another's. */
static void
then(struct request *r)
{
	struct acting a = *(struct acting *)r->state;

	explicit_bzero(((struct acting *)r->state)->text, sizeof a.text);
	r->state = &a;
	if (!a.recorded) {
		refuse(r, &a);
	} else if (a.answer) {
		a.answer(r);
	} else {
		reply_begin(r, 204, NULL);
		reply_body(r);
		reply_end(r);
	}
	drop(&a);
}

void
acting_run(struct request *r)
{
	r->work = work;
	r->then = then;
	loop_work(r);
}
