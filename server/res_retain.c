/*
 * Longer locks, shorter ones, and events: what a request asks for becomes an act (deed_retain.c,
 * deed_event.c).
 */
#include <stdlib.h>
#include <string.h>

#include "proto/control.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/timestamp.h"
#include "server/acting.h"
#include "server/erasure_find.h"
#include "server/loop.h"
#include "server/mapping.h"
#include "server/audit.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/retention.h"
#include "server/server.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/ranges.h"

/* --- which records ------------------------------------------------------------------------- */

static const char bad_records[] =
	"Say which records: records, a list of indexes, or range, [first, last], or filter, alone or "
	"within a range; at most 262144 of them.";

static int
by_index(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The indexes of a list, in any order, more than once, as ranges. */
static bool
read_records(struct request *r, const json_t *list, struct ranges *out)
{
	size_t n = json_array_size(list), i;
	uint64_t *at = n ? arena_alloc(&r->arena, n * sizeof *at) : NULL;
	const json_t *v;

	if (!at)
		return false;
	json_array_foreach(list, i, v) if (!deed_index(v, &at[i])) return false;
	qsort(at, n, sizeof *at, by_index);
	for (i = 0; i < n; i++)
		if ((i == 0 || at[i] != at[i - 1]) && ranges_add(out, at[i], at[i]) != 0)
			return false;
	return true;
}

static bool
read_range(const json_t *pair, struct ranges *out)
{
	struct control_range one;

	return deed_range(pair, &one) && one.last - one.first < LIMIT_EXTEND_RECORDS &&
	       ranges_add(out, one.first, one.last) == 0;
}

/* --- extensions ------------------------------------------------------------------------------ */

/* One that is asked for, while its records are found. */
struct extending {
	struct erasure_find find; /* with a filter; else what is named is what is found */
	json_t *act;              /* its members */
	bool shorten;
	struct buf why; /* of what is wrong with the filter */
	int err;
};

/* What an answer tells of a filter. */
struct found {
	uint64_t records, unread;
};

static void
drop(struct extending *x)
{
	erasure_find_fini(&x->find);
	json_decref(x->act);
	buf_fini(&x->why);
}

static const char *
check_members(const json_t *body)
{
	static const char known[] = " records range filter until for reason shorten ";
	const json_t *reason = json_object_get(body, "reason"),
		     *shorten = json_object_get(body, "shorten");
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)body, name, v)
	{
		const char *at = strstr(known, name);
		size_t n = strlen(name);
		if (n == 0 || !at || at[-1] != ' ' || at[n] != ' ')
			return "The members are records, range and filter, until or for, reason, "
			       "and shorten.";
	}
	if (shorten && !json_is_boolean(shorten))
		return "shorten is true or false.";
	if (json_string_length(reason) < 1 || json_string_length(reason) > LIMIT_REASON_BYTES)
		return "reason says why, in 1 to 1000 bytes: it is kept for ever.";
	return NULL;
}

/* The records of a filter, within a range or the whole log: they are looked for in steps. */
static const char *
take_filter(struct request *r, struct extending *x, const json_t *filter, const json_t *range)
{
	struct control_range within = {0, LIMIT_INTEGER};

	if (range && !deed_range(range, &within))
		return bad_records;
	if (json_string_length(filter) < 1 || json_string_length(filter) > LIMIT_HOLD_FILTER_BYTES)
		return "filter is a filter of audit queries, in a string.";
	if (erasure_find_filter(&x->find,
				mapping_of_log(audit_access(r->server->audit), r->param[0]),
				json_string_value(filter), &x->why)) {
		buf_put_u8(&x->why, 0);
		return x->why.n > 1 && !x->why.err ? (const char *)x->why.p : "No such filter.";
	}
	return ranges_add(&x->find.named, within.first, within.last) == 0 ? NULL : bad_records;
}

/* NULL, or what is wrong. */
static const char *
take_which(struct request *r, struct extending *x, const json_t *body)
{
	const json_t *records = json_object_get(body, "records"),
		     *range = json_object_get(body, "range"),
		     *filter = json_object_get(body, "filter");

	if ((records != NULL) == (range || filter))
		return bad_records;
	if (filter)
		return take_filter(r, x, filter, range);
	return (records ? read_records(r, records, &x->find.found)
			: read_range(range, &x->find.found))
		       ? NULL
		       : bad_records;
}

static const char *
take_end(struct request *r, struct extending *x, const json_t *body)
{
	int64_t until_ns;
	const char *wrong =
		retention_read_end(body, retention_later_ns(r->server, r->log), &until_ns);

	if (wrong)
		return wrong;
	x->act = json_object();
	json_object_set_new(x->act, "until", retention_time(until_ns));
	json_object_set(x->act, "reason", json_object_get(body, "reason"));
	x->shorten = json_is_true(json_object_get(body, "shorten"));
	return NULL;
}

static void
answer_extended(struct request *r)
{
	const struct acting *a = r->state;
	const struct found *found = a->state;
	struct buf *b;

	reply_begin(r, 201, "application/json");
	b = reply_body(r);
	buf_printf(b, "{\"log\":\"%s\"", log_name(r->log));
	if (found)
		buf_printf(b, ",\"records\":%llu,\"unread\":%llu",
			   (unsigned long long)found->records, (unsigned long long)found->unread);
	acting_put_told(b, a);
	buf_put_u8(b, '}');
	reply_end(r);
}

/* What a filter found, for the answer; NULL: there was none, or no memory to tell. */
static struct found *
note_found(struct request *r, const struct extending *x)
{
	struct found *found = x->find.matcher ? arena_alloc(&r->arena, sizeof *found) : NULL;

	if (found)
		*found = (struct found){ranges_count(&x->find.found), x->find.unread};
	return found;
}

/* The records are known: the act names them, and nothing of the filter. x is dropped. */
static void
act(struct request *r, struct extending *x)
{
	struct acting *a = acting_begin(r, x->shorten ? "retain.shorten" : "retain.extend",
					PROBLEM_INVALID_RETENTION);
	struct buf text;

	if (a) {
		buf_init(&text);
		control_put_ranges(&text, x->find.found.r, x->find.found.n);
		json_object_set_new(a->act, "log", json_string(log_name(r->log)));
		json_object_set_new(a->act, "ranges",
				    json_loadb((const char *)text.p, text.n, 0, NULL));
		json_object_update(a->act, x->act);
		buf_fini(&text);
		a->answer = answer_extended;
		a->state = note_found(r, x);
	}
	drop(x);
	if (a)
		acting_run(r);
}

static void
find_work(struct request *r, struct kit *kit)
{
	struct extending *x = r->state;

	x->err = erasure_find_step(&x->find, r->server->store, r->log, kit->tools);
}

/* What was not found. */
static void
refuse_found(struct request *r, const struct extending *x)
{
	if (x->err == 0 && !x->find.found.n)
		reply_problem(r, PROBLEM_INVALID_RETENTION, "No record matches the filter.");
	else if (x->err == 0 || x->err == STELE_ELIMIT)
		reply_problem(r, PROBLEM_INVALID_RETENTION,
			      "Too many records match: ask for a range at a time.");
	else if (x->err == STELE_ENOTFOUND)
		reply_problem(r, PROBLEM_UNKNOWN_RECORD, "The range ends beyond the log.");
	else
		reply_err(r, x->err);
}

/* With an answer on its way the request's arena is another's: x is the caller's copy there. */
static void
find_then(struct request *r)
{
	struct extending x = *(struct extending *)r->state;

	if (x.err == 1 && !atomic_load(&r->server->draining)) {
		loop_work(r);
		return;
	}
	if (x.err == 1)
		x.err = STELE_ECLOSED;
	if (x.err == 0 && x.find.found.n && ranges_count(&x.find.found) <= LIMIT_EXTEND_RECORDS) {
		act(r, &x);
		return;
	}
	refuse_found(r, &x);
	drop(&x);
}

static void
find(struct request *r, const struct extending *x)
{
	struct extending *kept = arena_dup(&r->arena, x, sizeof *x);
	struct extending mine = *x;

	if (!kept) {
		drop(&mine);
		reply_err(r, STELE_ENOMEM);
		return;
	}
	r->state = kept;
	r->work = find_work;
	r->then = find_then;
	loop_work(r);
}

void
res_extensions_post(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_RETENTION, false);
	struct extending x = {.shorten = false};
	const char *wrong;

	if (!body)
		return;
	buf_init(&x.why);
	wrong = check_members(body);
	if (!wrong)
		wrong = take_which(r, &x, body);
	if (!wrong)
		wrong = take_end(r, &x, body);
	json_decref(body);
	if (wrong) {
		reply_problem(r, PROBLEM_INVALID_RETENTION, "%s", wrong);
		drop(&x);
	} else if (x.find.matcher) {
		find(r, &x);
	} else {
		act(r, &x);
	}
}

/* --- events ------------------------------------------------------------------------------------
 */

/* The event that the path names. False: answered. */
static bool
read_name(struct request *r, struct slice *name)
{
	if (request_param(r, 1, name) && control_event_valid(*name))
		return true;
	reply_problem(r, PROBLEM_INVALID_PARAMETER,
		      "An event's name has 1 to 63 printable ASCII characters without space, "
		      "quotes and backslashes, percent-encoded where a path needs it.");
	return false;
}

/* The last entry of one event. */
struct last {
	struct slice name;
	uint64_t index, n;
	int64_t at_ns, until_ns;
};

static void
see(void *ctx, const struct control *c)
{
	struct last *last = ctx;

	if (c->kind != ENTRY_EVENT || !slice_eq_str(last->name, c->event))
		return;
	last->n++;
	last->index = c->index;
	last->at_ns = c->at_ns;
	last->until_ns = c->until_ns;
}

static bool
find_last(struct request *r, struct slice name, struct last *last)
{
	*last = (struct last){.name = name};
	locks_each_control(log_locks(r->log), 0, see, last);
	return last->n != 0;
}

static void
put_last(struct request *r, int status, const struct last *last)
{
	char at[TIMESTAMP_BYTES], until[TIMESTAMP_BYTES];
	struct buf *b;

	timestamp_format(at, last->at_ns);
	timestamp_format(until, last->until_ns);
	reply_begin(r, status, "application/json");
	b = reply_body(r);
	buf_printf(b, "{\"log\":\"%s\",\"event\":", log_name(r->log));
	buf_put_json_str(b, last->name);
	buf_printf(b, ",\"at\":\"%.*s\",\"until\":\"%.*s\",\"index\":%llu,\"entries\":%llu}",
		   TIMESTAMP_BYTES, at, TIMESTAMP_BYTES, until, (unsigned long long)last->index,
		   (unsigned long long)last->n);
	reply_end(r);
}

void
res_event_get(struct request *r)
{
	struct slice name;
	struct last last;

	if (!read_name(r, &name))
		return;
	if (find_last(r, name, &last))
		put_last(r, 200, &last);
	else
		reply_problem(r, PROBLEM_UNKNOWN_EVENT,
			      "No event of that name was recorded: what waits for it is locked.");
}

static void
answer_event(struct request *r)
{
	const struct acting *a = r->state;
	struct slice name = slice_str(json_string_value(json_object_get(a->act, "event")));
	struct last last;

	find_last(r, name, &last); /* it is there: it was just recorded */
	put_last(r, 201, &last);
}

/* When it came, and when its locks end: NULL, or what is wrong. */
static const char *
read_at(struct request *r, const json_t *body, int64_t *at_ns, int64_t *until_ns)
{
	const json_t *at = json_object_get(body, "at");
	int err;

	if (json_object_size(body) != (at ? 1 : 0) || (at && !json_is_string(at)))
		return "The body may say when it came: {\"at\":INSTANT}.";
	*at_ns = retention_later_ns(r->server, r->log);
	if (at && timestamp_read(at_ns, slice_of(json_string_value(at), json_string_length(at))))
		return "at is an instant in UTC before the year 2262, such as "
		       "2033-01-31T00:00:00Z.";
	err = retention_event_end(r->log, *at_ns, until_ns);
	if (err == STELE_ENOTFOUND)
		return "The policy has no retain.default, which says how long locks last after an "
		       "event.";
	if (err != 0)
		return "A lock must end before the year 2262.";
	return NULL;
}

void
res_event_post(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_RETENTION, true);
	struct acting *a = NULL;
	struct slice name;
	int64_t at_ns, until_ns;
	const char *wrong;

	if (!body)
		return;
	if (read_name(r, &name)) {
		wrong = read_at(r, body, &at_ns, &until_ns);
		if (wrong)
			reply_problem(r, PROBLEM_INVALID_RETENTION, "%s", wrong);
		else
			a = acting_begin(r, "retain.event", PROBLEM_INVALID_RETENTION);
	}
	if (a) {
		json_object_set_new(a->act, "log", json_string(log_name(r->log)));
		json_object_set_new(a->act, "event", json_stringn((const char *)name.p, name.n));
		json_object_set_new(a->act, "at", retention_time(at_ns));
		json_object_set_new(a->act, "until", retention_time(until_ns));
		a->answer = answer_event;
		acting_run(r);
	}
	json_decref(body);
}
