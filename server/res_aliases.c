/*
 * Aliases: list, set, remove. Who was invited for a matter sees that one's; who has the scope hold
 * sees and sets any matter's, unless it was invited for another one.
 */
#include <string.h>

#include "proto/err.h"
#include "server/acting.h"
#include "server/aliases.h"
#include "server/audit.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"

static struct access *
access_of(const struct request *r)
{
	return audit_access(r->server->audit);
}

/* The matter's aliases are the token's to see; false: answered. */
static bool
check_matter(struct request *r, struct slice *matter)
{
	bool may = alias_matter(r->token, matter);

	if (matter->n == 0)
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "Aliases are a matter's: say which one with matter=.");
	else if (!may)
		audit_denied(r->server->audit, r, slice_of("", 0), PROBLEM_INSUFFICIENT_SCOPE);
	if (matter->n && !may)
		reply_problem(
			r, PROBLEM_INSUFFICIENT_SCOPE,
			"Aliases are for whoever was invited for the matter, and for those with "
			"the scope hold who were invited for none.");
	return may;
}

void
res_aliases_list(struct request *r)
{
	struct slice matter = slice_of("", 0);
	struct buf *b;

	if (request_query(r, "matter", &matter) < 0 || !check_matter(r, &matter))
		return;
	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_put_str(b, "{\"matter\":");
	buf_put_json_str(b, matter);
	buf_put_str(b, ",\"aliases\":");
	access_put_aliases(access_of(r), matter, b);
	buf_put_u8(b, '}');
	reply_end(r);
}

/* --- set ------------------------------------------------------------------------------------- */

static struct slice
text_of(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

static void
answer_set(struct request *r)
{
	const struct acting *a = r->state;
	struct buf b;
	int err;

	buf_init(&b);
	err = access_put_alias(access_of(r), text_of(a->act, "matter"), text_of(a->act, "name"),
			       &b);
	if (err == STELE_ENOTFOUND) /* removed in the meantime */
		reply_problem(r, PROBLEM_UNKNOWN_ALIAS, "The matter has no alias of that name.");
	else if (b.err)
		reply_err(r, b.err);
	else
		reply_bytes(r, 200, "application/json", buf_slice(&b));
	buf_fini(&b);
}

/* Begins an act on the alias that the path names, of a matter. */
static struct acting *
begin(struct request *r, const char *type, struct slice matter)
{
	struct acting *a = acting_begin(r, type, PROBLEM_INVALID_ALIAS);

	if (!a)
		return NULL;
	json_object_set_new(a->act, "matter", json_stringn((const char *)matter.p, matter.n));
	json_object_set_new(a->act, "name",
			    json_stringn((const char *)r->param[0].p, r->param[0].n));
	return a;
}

void
res_aliases_put(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_ALIAS, false);
	struct slice matter = text_of(body, "matter");
	size_t known = 1 + (json_object_get(body, "matter") != NULL);
	struct acting *a;

	if (!body)
		return;
	if (!json_object_get(body, "values") || json_object_size(body) != known) {
		reply_problem(r, PROBLEM_INVALID_ALIAS,
			      "The body is {\"matter\": …, \"values\": […]}.");
	} else if (check_matter(r, &matter) && (a = begin(r, "alias.set", matter))) {
		json_object_set(a->act, "values", json_object_get(body, "values"));
		a->answer = answer_set;
		acting_run(r);
	}
	json_decref(body);
}

/* --- remove ---------------------------------------------------------------------------------- */

void
res_aliases_delete(struct request *r)
{
	struct slice matter = slice_of("", 0);

	if (request_query(r, "matter", &matter) < 0 || !check_matter(r, &matter))
		return;
	if (begin(r, "alias.remove", matter))
		acting_run(r);
}
