/* Legal holds: list, show, place, release. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "crypto/sha256.h"
#include "proto/base64.h"
#include "proto/err.h"
#include "proto/instant.h"
#include "proto/timestamp.h"
#include "server/access.h"
#include "server/acting.h"
#include "server/aliases.h"
#include "server/audit.h"
#include "server/examiner.h"
#include "server/hold_logs.h"
#include "server/hold_match.h"
#include "server/holds.h"
#include "server/loop.h"
#include "server/mapping.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/store.h"

enum { DEFAULT_ROWS = 100 };

static struct access *
access_of(const struct request *r)
{
	return audit_access(r->server->audit);
}

/* --- look: on a worker, because a hold may be in thousands of logs ------------------------------
 */

/* What is asked for, and the answer. */
struct looking {
	struct slice id, after, matter, state;
	struct log *log;
	uint64_t limit, rows;
	struct request *r;
	struct buf body;
	char last[CONTROL_HOLD_ID_CHARS + 1];
	bool by_filter; /* of the one that was put */
	uint8_t mapping[32];
	int err;
};

static bool
visible(const struct request *r, const struct hold *h)
{
	return token_may_some(r->token, SCOPE_HOLD, h->logs);
}

/* One hold with all that it covers, but for its end. */
static int
put_whole(void *ctx, const struct hold *h)
{
	struct looking *l = ctx;

	if (!visible(l->r, h))
		return STELE_ENOTFOUND;
	buf_put_u8(&l->body, '{');
	hold_put(&l->body, h);
	hold_logs_put(&l->body, l->r->server->store, h, l->r->token);
	l->by_filter = h->kind == HOLD_FILTER && !h->released_ns;
	memcpy(l->mapping, h->mapping, sizeof l->mapping);
	return l->body.err;
}

/* The hold of that id; and whether events are read in another way now, or the hold's way is none
 * that is known here. STELE_ENOTFOUND, STELE_ENOMEM. */
static int
put_hold_of(struct looking *l, struct slice id)
{
	struct access *access = access_of(l->r);
	int err = access_hold(access, id, put_whole, l);

	if (err != 0)
		return err;
	if (l->by_filter && !mapping_of_digest(access, l->mapping))
		buf_put_str(&l->body, ",\"mapping_unknown\":true");
	else if (l->by_filter && memcmp(l->mapping, mapping_now(access)->digest, 32) != 0)
		buf_put_str(&l->body, ",\"mapping_changed\":true");
	buf_put_u8(&l->body, '}');
	return l->body.err;
}

static void
answer_looked(struct request *r)
{
	struct looking *l = r->state;

	if (l->err == 0)
		l->err = l->body.err;
	if (l->err == STELE_ENOTFOUND)
		reply_problem(r, PROBLEM_UNKNOWN_HOLD, "No hold has that id.");
	else if (l->err)
		reply_err(r, l->err);
	else
		reply_bytes(r, 200, "application/json", buf_slice(&l->body));
	buf_fini(&l->body);
}

/* NULL without memory: answered. */
static struct looking *
look(struct request *r)
{
	struct looking *l = request_state(r, sizeof *l);

	if (!l)
		return NULL;
	buf_init(&l->body);
	l->r = r;
	return l;
}

static void
show_work(struct request *r, struct kit *kit)
{
	struct looking *l = r->state;

	(void)kit;
	l->err = put_hold_of(l, l->id);
}

void
res_holds_get(struct request *r)
{
	struct looking *l = look(r);

	if (!l)
		return;
	l->id = r->param[0];
	r->work = show_work;
	r->then = answer_looked;
	loop_work(r);
}

/* --- list ----------------------------------------------------------------------------------------
 */

static bool
wanted(const struct looking *l, const struct hold *h)
{
	struct lock_hold held;

	if ((l->matter.n && !slice_eq_str(l->matter, h->matter)) ||
	    (slice_eq_str(l->state, "placed") && h->released_ns) ||
	    (slice_eq_str(l->state, "released") && !h->released_ns))
		return false;
	return !l->log || locks_hold(log_locks(l->log), slice_str(h->id), &held);
}

static int
put_row(void *ctx, const struct hold *h)
{
	struct looking *l = ctx;

	if (!wanted(l, h) || !visible(l->r, h))
		return 0;
	if (l->rows == l->limit)
		return 1;
	buf_put_str(&l->body, l->rows++ ? ",{" : "{");
	hold_put(&l->body, h);
	buf_put_u8(&l->body, '}');
	memcpy(l->last, h->id, sizeof l->last);
	return 0;
}

static void
list_work(struct request *r, struct kit *kit)
{
	struct looking *l = r->state;
	bool more;

	(void)kit;
	buf_put_str(&l->body, "{\"holds\":[");
	more = access_each_hold(access_of(r), l->after, put_row, l) != 0;
	buf_put_u8(&l->body, ']');
	if (more)
		buf_printf(&l->body, ",\"next\":\"%s\"", l->last);
	buf_put_u8(&l->body, '}');
}

/* The log that the query names; false: answered. */
static bool
read_log(struct request *r, struct looking *l)
{
	struct slice name = slice_of("", 0);
	int found = request_query(r, "log", &name);

	if (found < 0)
		return false;
	if (!found || (token_may(r->token, SCOPE_HOLD, name) &&
		       store_log_find(r->server->store, name, &l->log) == 0))
		return true;
	reply_problem(r, PROBLEM_UNKNOWN_LOG,
		      "There is no such log, or its holds are not yours to "
		      "see.");
	return false;
}

void
res_holds_list(struct request *r)
{
	struct looking *l = look(r);

	if (!l)
		return;
	l->limit = DEFAULT_ROWS;
	l->state = slice_str("placed");
	if (!request_page(r, &l->after, &l->limit) || request_query(r, "matter", &l->matter) < 0 ||
	    request_query(r, "state", &l->state) < 0 || !read_log(r, l))
		return;
	if (!slice_eq_str(l->state, "placed") && !slice_eq_str(l->state, "released") &&
	    !slice_eq_str(l->state, "all")) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "state must be placed, released or all.");
		return;
	}
	r->work = list_work;
	r->then = answer_looked;
	loop_work(r);
}

/* --- what both acts share
 * --------------------------------------------------------------------------
 */

/* Why it is not done, before it is an act. */
static int __attribute__((format(printf, 4, 5)))
refuse(struct acting *a, int err, enum problem p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	a->outcome.problem = p;
	buf_reset(&a->outcome.why);
	buf_put_str(&a->outcome.why, text);
	return err;
}

/* The act is about these logs, its own from here on: the token needs the scope on each. */
static int
take_covers(struct request *r, json_t *covers)
{
	struct acting *a = r->state;
	const json_t *row;
	size_t i;

	if (!covers || json_object_set_new(a->act, "covers", covers) != 0)
		return STELE_ENOMEM;
	json_array_foreach(covers, i, row)
	{
		const char *log = json_string_value(json_object_get(row, "log"));
		if (token_may(r->token, SCOPE_HOLD, slice_str(log)))
			continue;
		audit_denied(r->server->audit, r, slice_str(log), PROBLEM_INSUFFICIENT_SCOPE);
		return refuse(a, STELE_EPERM, PROBLEM_INSUFFICIENT_SCOPE,
			      "It is about logs, too, where the token has not the scope hold. "
			      "Nothing was done: somebody must who has it on all of them.");
	}
	return 0;
}

/* After the act: what the answer shows is made on the worker. */
static int
gather(struct request *r, struct kit *kit)
{
	struct acting *a = r->state;
	const json_t *id = json_object_get(a->act, "id");
	struct looking *l = a->state;

	(void)kit;
	if (!id)
		id = json_object_get(json_object_get(a->act, "hold"), "id");
	examiner_wake(r->server->examiner);
	return put_hold_of(l, slice_str(json_string_value(id)));
}

static void
answer_with(struct request *r, int status)
{
	struct acting *a = r->state;
	struct looking *l = a->state;

	if (a->err)
		reply_err(r, a->err);
	else
		reply_bytes(r, status, "application/json", buf_slice(&l->body));
	buf_fini(&l->body);
}

/* --- place
 * ----------------------------------------------------------------------------------------- */

static int
set_base64(json_t *o, const char *name, const uint8_t *p, size_t n)
{
	struct buf b;
	int err;

	buf_init(&b);
	buf_put_base64(&b, p, n);
	err = b.err || json_object_set_new(o, name, json_stringn((const char *)b.p, b.n))
		      ? STELE_ENOMEM
		      : 0;
	buf_fini(&b);
	return err;
}

/* The filter with the values that the matter's aliases have now: that is what is held. */
static int
expand_filter(struct request *r, struct access *access, json_t *hold, struct slice text)
{
	const json_t *matter = json_object_get(hold, "matter");
	struct slice of = slice_of(json_is_string(matter) ? json_string_value(matter) : "",
				   json_string_length(matter));
	struct acting *a = r->state;
	struct alias_use use;
	struct buf expanded;
	int err;

	buf_init(&expanded);
	alias_use_init(&use, access, &r->arena, of, !alias_matter(r->token, &of));
	err = hold_filter_check(text, &use.aliases, &expanded, &a->outcome.why);
	err = err ? err : expanded.err;
	if (err == 0 && use.used &&
	    json_object_set_new(hold, "filter",
				json_stringn((const char *)expanded.p, expanded.n)) != 0)
		err = STELE_ENOMEM;
	if (err == STELE_ESYNTAX || err == STELE_ELIMIT)
		a->outcome.problem = PROBLEM_INVALID_HOLD;
	buf_fini(&expanded);
	return err;
}

/* Digests of filter and mapping, when there is something to be matched. */
static int
fill_filter(struct request *r, struct access *access, json_t *hold)
{
	const json_t *filter = json_object_get(hold, "filter");
	struct slice text = slice_of(json_is_string(filter) ? json_string_value(filter) : "",
				     json_string_length(filter));
	uint8_t digest[KDIGEST_BYTES];
	int err;

	if (!filter && !json_object_get(hold, "from") && !json_object_get(hold, "to"))
		return 0;
	err = expand_filter(r, access, hold, text);
	filter = json_object_get(hold, "filter");
	access_filter_digest(access,
			     slice_of(json_is_string(filter) ? json_string_value(filter) : "",
				      json_string_length(filter)),
			     digest);
	if (err == 0)
		err = set_base64(hold, "filter_digest", digest, sizeof digest);
	if (err == 0)
		err = set_base64(hold, "mapping", mapping_now(access)->digest, 32);
	return err;
}

/* By what was asked alone, whatever logs there are: nobody learns of those of others so. */
static int
check_patterns(struct request *r, const json_t *hold)
{
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(hold, "logs"), i, v)
	{
		struct slice pattern = slice_str(json_string_value(v));
		if (token_may_pattern(r->token, SCOPE_HOLD, pattern))
			continue;
		audit_denied(r->server->audit, r, pattern, PROBLEM_INSUFFICIENT_SCOPE);
		return refuse(
			r->state, STELE_EPERM, PROBLEM_INSUFFICIENT_SCOPE,
			"The token has not the scope hold on all that %s may name. Nothing was "
			"done: name the logs that are yours to hold.",
			json_string_value(v));
	}
	return 0;
}

static int
fill_place(struct request *r, struct access *access)
{
	struct acting *a = r->state;
	json_t *hold = json_object_get(a->act, "hold");
	char id[CONTROL_HOLD_ID_CHARS + 1];
	struct hold *h;
	int err;

	access_new_hold_id(access, id);
	json_object_set_new(hold, "id", json_string(id));
	err = fill_filter(r, access, hold);
	if (err == 0) {
		err = hold_read(&h, hold, slice_str(r->token->principal->id), &a->outcome.why);
		if (err == STELE_ESYNTAX)
			a->outcome.problem = PROBLEM_INVALID_HOLD;
	}
	if (err != 0)
		return err;
	err = check_patterns(r, hold);
	if (err == 0)
		err = take_covers(r, hold_logs_matching(r->server->store, access_of(r), h));
	hold_free(h);
	return err;
}

static void
answer_placed(struct request *r)
{
	answer_with(r, 201);
}

/* A date, an instant as people write them, or, where it may be, a period from now on. */
static bool
take_instant(const struct server *s, json_t *hold, const char *name, const json_t *v, bool period)
{
	char text[TIMESTAMP_BYTES];
	int64_t ns;

	if (json_is_string(v) &&
	    instant_read_text(&ns, slice_of(json_string_value(v), json_string_length(v)), 0) == 0) {
		timestamp_format(text, ns);
		return json_object_set_new(hold, name, json_stringn(text, sizeof text)) == 0;
	}
	return period && acting_instant(hold, name, v, server_now_ns(s));
}

/* The members that are the caller's; NULL, or what is wrong. */
static const char *
take_members(const struct server *s, json_t *hold, json_t *body)
{
	static const char *const plain[] = {"matter",  "name",       "logs",   "filter", "range",
					    "records", "open_ended", "reason", "owner"};
	const char *name;
	json_t *v;

	json_object_foreach(body, name, v)
	{
		bool known = false;
		for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
			known |= strcmp(name, plain[i]) == 0;
		if (known)
			json_object_set(hold, name, v);
		else if (strcmp(name, "from") == 0 || strcmp(name, "to") == 0)
			known = take_instant(s, hold, name, v, false);
		else if (strcmp(name, "review_by") == 0)
			known = take_instant(s, hold, name, v, true);
		else
			return "The members are matter, name, logs, filter, range, records, from, to, "
			       "open_ended, reason, owner and review_by.";
		if (!known)
			return "from and to are dates or instants such as \"2027-01-31\" or "
			       "\"2027-01-31T08:00:00Z\"; review_by may be a period such as \"1y\".";
	}
	return NULL;
}

void
res_holds_post(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_HOLD, false), *hold;
	struct looking *l = body ? look(r) : NULL;
	struct acting *a = l ? acting_begin(r, "hold.place", PROBLEM_INVALID_HOLD) : NULL;
	const char *why;

	if (!a) {
		json_decref(body);
		return;
	}
	hold = json_object();
	json_object_set_new(a->act, "hold", hold);
	why = take_members(r->server, hold, body);
	json_decref(body);
	if (why) {
		acting_drop(r);
		reply_problem(r, PROBLEM_INVALID_HOLD, "%s", why);
		return;
	}
	a->state = l;
	a->fill = fill_place;
	a->perform = gather;
	a->answer = answer_placed;
	acting_run(r);
}

/* --- release
 * --------------------------------------------------------------------------------------- */

static int
fill_release(struct request *r, struct access *access)
{
	struct acting *a = r->state;
	struct slice id = slice_str(json_string_value(json_object_get(a->act, "id")));
	const struct hold *h = access_find_hold(access, id);

	if (!h || !visible(r, h))
		return refuse(a, STELE_ENOTFOUND, PROBLEM_UNKNOWN_HOLD, "No hold has that id.");
	return take_covers(r, hold_logs_held(r->server->store, id));
}

static void
answer_released(struct request *r)
{
	answer_with(r, 200);
}

void
res_holds_release(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_HOLD, false), *reason;
	struct looking *l = body ? look(r) : NULL;
	struct acting *a = l ? acting_begin(r, "hold.release", PROBLEM_INVALID_HOLD) : NULL;
	bool valid;

	if (!a) {
		json_decref(body);
		return;
	}
	reason = json_object_get(body, "reason");
	valid = json_is_string(reason) && json_object_size(body) == 1;
	json_object_set_new(a->act, "id", json_stringn((const char *)r->param[0].p, r->param[0].n));
	if (valid)
		json_object_set(a->act, "reason", reason);
	json_decref(body);
	if (!valid) {
		acting_drop(r);
		reply_problem(r, PROBLEM_INVALID_HOLD,
			      "Say why: {\"reason\": …}, and nothing else.");
		return;
	}
	a->state = l;
	a->fill = fill_release;
	a->perform = gather;
	a->answer = answer_released;
	acting_run(r);
}
