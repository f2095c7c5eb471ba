/* Member by member, in the order of the canonical request; then what goes together. */
#include "server/export_request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/err.h"
#include "proto/field.h"
#include "proto/instant.h"
#include "proto/timestamp.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/deeds.h"
#include "server/export_reading.h"
#include "server/holds.h"
#include "server/server.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/store.h"

enum { LIST_ROWS = 256 };

/* --- refusing -------------------------------------------------------------------------------- */

int
export_refuse(struct export_reading *r, int err, enum problem p, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	r->out->problem = p;
	buf_reset(&r->out->why);
	buf_put_str(&r->out->why, text);
	return err;
}

int
export_deny(struct export_reading *r, const char *log, const char *scope, const char *what)
{
	return export_refuse(
		r, STELE_EPERM, PROBLEM_INSUFFICIENT_SCOPE,
		"The token has not the scope %s on %.100s, which %s takes. Nothing was begun.",
		scope, log, what);
}

/* --- members --------------------------------------------------------------------------------- */

const json_t *
export_member(const struct export_reading *r, const char *name)
{
	return json_object_get(r->body, name);
}

struct slice
export_text(const json_t *v)
{
	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

int
export_put_member(struct export_reading *r, const char *name, json_t *value)
{
	return json_object_set_new(r->out->request, name, value) == 0 ? 0 : STELE_ENOMEM;
}

/* Others read it on a terminal and on paper: no controls, and nothing that turns text around. */
static bool
is_plain(const char *text)
{
	for (const uint8_t *p = (const uint8_t *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) ||
		    (p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0xaa && p[2] <= 0xae) ||
		    (p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9))
			return false;
	return true;
}

int
export_read_word(struct export_reading *r, const char *name, size_t max)
{
	const json_t *v = export_member(r, name);

	if (!v)
		return 0;
	if (!json_is_string(v) || json_string_length(v) == 0 || json_string_length(v) > max ||
	    !is_plain(json_string_value(v)))
		return EXPORT_INVALID(r,
				      "%s is a text of 1 to %zu bytes, without control characters.",
				      name, max);
	return export_put_member(r, name, json_string(json_string_value(v)));
}

static bool
is_known(const char *name)
{
	static const char *const names[] = {"kind",   "logs",          "first",       "last",
					    "filter", "received_from", "received_to", "from",
					    "to",     "records",       "hold",        "matter",
					    "since",  "certify",       "reason"};
	int field = field_find(slice_str(name));

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return field >= FIELD_WRITER && field <= FIELD_ANY;
}

static int
check_names(struct export_reading *r)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)r->body, name, v)
	{
		if (!is_known(name))
			return EXPORT_INVALID(
				r,
				"%.60s is no member of an export: see docs/formats.md section "
				"10, and the simple terms of queries.",
				name);
	}
	return 0;
}

/* Whether some member says that not everything is wanted. */
static bool
selects(const struct export_reading *r)
{
	static const char *const names[] = {"filter", "from", "to", "records", "hold", "matter"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (export_member(r, names[i]))
			return true;
	for (int f = FIELD_WRITER; f <= FIELD_ANY; f++)
		if (export_member(r, field_name((enum field)f)))
			return true;
	return false;
}

static int
read_kind(struct export_reading *r)
{
	const json_t *kind = export_member(r, "kind");
	bool some = selects(r);

	if (kind && !slice_eq_str(export_text(kind), "range") &&
	    !slice_eq_str(export_text(kind), "selection"))
		return EXPORT_INVALID(
			r, "kind is range, all entries from one to another, or selection.");
	r->range = kind ? slice_eq_str(export_text(kind), "range") : !some;
	if (!r->range && !some)
		return EXPORT_INVALID(
			r, "A selection says what: a filter, times, records, a hold or a "
			   "matter.");
	return export_put_member(r, "kind", json_string(r->range ? "range" : "selection"));
}

/* --- logs ------------------------------------------------------------------------------------ */

/* The hold or matter that is asked for has this one. */
static bool
is_asked_hold(const struct export_reading *r, const struct hold *h)
{
	return !h->released_ns &&
	       (!export_member(r, "hold") ||
		slice_eq_str(export_text(export_member(r, "hold")), h->id)) &&
	       (!export_member(r, "matter") ||
		slice_eq_str(export_text(export_member(r, "matter")), h->matter));
}

struct held {
	const struct export_reading *r;
	struct log *log;
	bool found;
};

static int
see_hold(void *ctx, const struct hold *h)
{
	struct held *held = ctx;
	struct lock_hold l;

	held->found = is_asked_hold(held->r, h) &&
		      token_may_some(held->r->token, SCOPE_EXPORT | SCOPE_HOLD, h->logs) &&
		      (!held->log ||
		       (locks_hold(log_locks(held->log), slice_str(h->id), &l) && !l.released));
	return held->found;
}

bool
export_is_held(const struct export_reading *r, struct log *log)
{
	struct held held = {r, log, false};

	(void)access_each_hold(audit_access(r->s->audit), slice_of("", 0), see_hold, &held);
	return held.found;
}

/* Before its logs are looked for. */
static int
check_hold(struct export_reading *r)
{
	if ((!export_member(r, "hold") && !export_member(r, "matter")) || export_is_held(r, NULL))
		return 0;
	return export_refuse(r, STELE_ENOTFOUND, PROBLEM_UNKNOWN_HOLD,
			     "There is no such hold that is not released.");
}

static int
add_log(struct export_reading *r, struct log *log)
{
	struct slice name = slice_str(log_name(log));
	struct head *head = log_head(log);
	json_t *row = json_pack("{s:s, s:I}", "log", log_name(log), "size", (json_int_t)head->size);
	int err = row ? 0 : STELE_ENOMEM;

	head_unref(head);
	if (json_array_size(r->out->logs) == LIMIT_EXPORT_LOGS) {
		json_decref(row);
		return EXPORT_INVALID(
			r, "One export is of %u logs at most: name fewer, or a narrower pattern.",
			LIMIT_EXPORT_LOGS);
	}
	if (err == 0 && token_may(r->token, SCOPE_READ, name))
		err = json_object_set_new(row, "read", json_true()) ? STELE_ENOMEM : 0;
	if (err == 0 && token_may(r->token, SCOPE_HOLD, name))
		err = json_object_set_new(row, "hold", json_true()) ? STELE_ENOMEM : 0;
	if (err == 0)
		return json_array_append_new(r->out->logs, row) == 0 ? 0 : STELE_ENOMEM;
	json_decref(row);
	return err;
}

/* A log that is named by itself must be there and be the asker's; patterns leave out others. */
static int
check_named(struct export_reading *r, const json_t *list)
{
	struct log *log;
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		struct slice name = export_text(v);
		if (name.n == 0 || name.n > LIMIT_LOG_NAME_BYTES)
			return EXPORT_INVALID(
				r, "logs is a list of names of logs, and of patterns with *.");
		if (memchr(name.p, '*', name.n))
			continue;
		if (!token_may(r->token, SCOPE_EXPORT, name))
			return export_deny(r, json_string_value(v), "export", "an export of it");
		if (store_log_find(r->s->store, name, &log) != 0)
			return export_refuse(r, STELE_ENOTFOUND, PROBLEM_UNKNOWN_LOG,
					     "There is no log %s.", json_string_value(v));
	}
	return 0;
}

/* Whether the list names the log, by itself or by a pattern. */
static bool
is_wanted(const struct export_reading *r, const json_t *list, struct log *log)
{
	struct slice name = slice_str(log_name(log));
	const json_t *v;
	size_t i;
	bool by_pattern = false;

	json_array_foreach(list, i, v)
	{
		struct slice one = export_text(v);
		if (slice_eq(one, name))
			return true;
		by_pattern |=
			scope_pattern_match(one, name) && (name.p[0] != '_' || one.p[0] == '_');
	}
	return by_pattern && token_may(r->token, SCOPE_EXPORT, name) &&
	       ((!export_member(r, "hold") && !export_member(r, "matter")) ||
		export_is_held(r, log));
}

static int
find_logs(struct export_reading *r, const json_t *list)
{
	struct log *logs[LIST_ROWS];
	struct slice after = slice_of("", 0);
	size_t n = LIST_ROWS;
	int err = check_named(r, list);

	while (err == 0 && n == LIST_ROWS) {
		n = store_log_list(r->s->store, after, logs, LIST_ROWS);
		for (size_t i = 0; err == 0 && i < n; i++)
			if (is_wanted(r, list, logs[i]))
				err = add_log(r, logs[i]);
		after = n ? slice_str(log_name(logs[n - 1])) : after;
	}
	return err;
}

static int
read_logs(struct export_reading *r)
{
	const json_t *list = export_member(r, "logs"), *row;
	json_t *names = json_array(), *all = NULL;
	size_t i;
	int err;

	if (!list && (export_member(r, "hold") || export_member(r, "matter")))
		list = all = json_pack("[s]", "*");
	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > LIMIT_EXPORT_LOGS)
		err = EXPORT_INVALID(
			r, "Say which logs: \"logs\" is a list of 1 to %u names or patterns.",
			LIMIT_EXPORT_LOGS);
	else
		err = find_logs(r, list);
	if (err == 0 && json_array_size(r->out->logs) == 0)
		err = EXPORT_INVALID(
			r, "There is no log that this names and that the token may export.");
	json_array_foreach(r->out->logs, i, row)
	{
		json_array_append(names, json_object_get(row, "log"));
	}
	json_decref(all);
	if (err != 0) {
		json_decref(names);
		return err;
	}
	return export_put_member(r, "logs", names);
}

uint64_t
export_size_of(const json_t *row)
{
	return (uint64_t)json_integer_value(json_object_get(row, "size"));
}

/* --- where ----------------------------------------------------------------------------------- */

/* An index that every one of the logs has. */
static int
read_index(struct export_reading *r, const char *name)
{
	const json_t *v = export_member(r, name), *row;
	uint64_t index;
	size_t i;

	if (!v)
		return 0;
	if (!r->range)
		return EXPORT_INVALID(r, "%s is of a range: a selection says records.", name);
	if (!deed_index(v, &index))
		return EXPORT_INVALID(r, "%s is the index of an entry.", name);
	json_array_foreach(r->out->logs, i, row)
	{
		if (index >= export_size_of(row))
			return EXPORT_INVALID(r, "%s has %llu entries: there is no %llu.",
					      json_string_value(json_object_get(row, "log")),
					      (unsigned long long)export_size_of(row),
					      (unsigned long long)index);
	}
	return export_put_member(r, name, json_integer((json_int_t)index));
}

/* An instant as people write it, spelled as entries do. */
static int
read_instant(struct export_reading *r, const char *name, bool *has, int64_t *ns)
{
	const json_t *v = export_member(r, name);
	char text[TIMESTAMP_BYTES];

	if (!v)
		return 0;
	if (!json_is_string(v) || instant_read_text(ns, export_text(v), 0) != 0)
		return EXPORT_INVALID(
			r, "%s is a date or an instant: 2026-11-01, 2026-11-01T08:00:00Z.", name);
	*has = true;
	timestamp_format(text, *ns);
	return export_put_member(r, name, json_stringn(text, sizeof text));
}

static int
read_where(struct export_reading *r)
{
	bool from = false, to = false;
	int64_t from_ns = 0, to_ns = 0;
	int err = read_index(r, "first");

	err = err ? err : read_index(r, "last");
	err = err ? err : read_instant(r, "received_from", &from, &from_ns);
	err = err ? err : read_instant(r, "received_to", &to, &to_ns);
	if (err != 0)
		return err;
	if ((from || to) && (!r->range || export_member(r, "first") || export_member(r, "last")))
		return EXPORT_INVALID(
			r, "received_from and received_to are of a range, without first and "
			   "last.");
	if (from && to && to_ns < from_ns)
		return EXPORT_INVALID(r, "received_to is before received_from.");
	if (export_member(r, "first") && export_member(r, "last") &&
	    json_integer_value(export_member(r, "last")) <
		    json_integer_value(export_member(r, "first")))
		return EXPORT_INVALID(r, "last is before first.");
	return 0;
}

/* A certificate is of a filter over whole logs, and nothing else. */
static int
read_certify(struct export_reading *r)
{
	const json_t *v = export_member(r, "certify");

	if (!v || json_is_false(v))
		return 0;
	if (!json_is_true(v))
		return EXPORT_INVALID(r, "certify is true or false.");
	if (r->range || !r->by_term || export_member(r, "records") || export_member(r, "hold") ||
	    export_member(r, "matter"))
		return EXPORT_INVALID(
			r, "certify is of a selection by a filter or times alone: a range is "
			   "complete by itself, and what is named is not searched for.");
	return export_put_member(r, "certify", json_true());
}

static int
read_members(struct export_reading *r)
{
	int err = check_names(r);

	err = err ? err : read_kind(r);
	err = err ? err : check_hold(r);
	err = err ? err : read_logs(r);
	err = err ? err : read_where(r);
	err = err ? err : read_instant(r, "from", &r->has_from, &r->from_ns);
	err = err ? err : read_instant(r, "to", &r->has_to, &r->to_ns);
	err = err ? err : export_read_filter(r);
	err = err ? err : export_read_records(r);
	err = err ? err : export_read_holds(r);
	err = err ? err : export_read_since(r);
	err = err ? err : read_certify(r);
	err = err ? err : export_read_word(r, "reason", LIMIT_HOLD_REASON_BYTES);
	if (err == 0 && !r->range && !r->by_term && !export_member(r, "records") &&
	    !export_member(r, "hold") && !export_member(r, "matter"))
		return EXPORT_INVALID(r, "The filter says nothing: ask for a range.");
	return err;
}

int
export_request_read(struct export_asked *out, struct server *s, struct token *token,
		    const json_t *body)
{
	struct export_reading r = {.out = out, .s = s, .token = token, .body = body};
	int err;

	*out = (struct export_asked){.request = json_object(), .logs = json_array()};
	buf_init(&out->why);
	arena_init(&r.arena);
	err = out->request && out->logs ? read_members(&r) : STELE_ENOMEM;
	arena_fini(&r.arena);
	return err;
}

void
export_asked_fini(struct export_asked *a)
{
	json_decref(a->request);
	json_decref(a->logs);
	buf_fini(&a->why);
}
