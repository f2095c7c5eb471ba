/* Acts, read strictly; the JSON that they came as stays beside what was read. */
#include "server/export.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/access_json.h"

static struct slice
text_of(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

static int
wrong(struct buf *why, const char *text)
{
	buf_reset(why);
	buf_put_str(why, text);
	return STELE_ESYNTAX;
}

/* A number of 0 or more. */
static bool
read_number(const json_t *o, const char *name, uint64_t *out)
{
	const json_t *v = json_object_get(o, name);

	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > LIMIT_INTEGER)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

static bool
is_id(struct slice id)
{
	if (id.n != EXPORT_ID_CHARS || memcmp(id.p, "x-", 2) != 0)
		return false;
	for (size_t i = 2; i < id.n; i++)
		if (!((id.p[i] >= 'a' && id.p[i] <= 'z') || (id.p[i] >= '2' && id.p[i] <= '7')))
			return false;
	return true;
}

/* --- begin --------------------------------------------------------------------------------- */

static int
read_logs(struct export *e, const json_t *list, struct buf *why)
{
	const json_t *v;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > LIMIT_EXPORT_LOGS)
		return wrong(why, "An export is of 1 to 64 logs.");
	e->logs = calloc(json_array_size(list), sizeof *e->logs);
	if (!e->logs)
		return STELE_ENOMEM;
	json_array_foreach(list, i, v)
	{
		struct export_log *l = &e->logs[i];
		struct slice name = text_of(v, "log");
		if (name.n == 0 || name.n > LIMIT_LOG_NAME_BYTES ||
		    !read_number(v, "size", &l->begun_size) ||
		    (i && strcmp(e->logs[i - 1].name, (const char *)name.p) >= 0))
			return wrong(why, "logs have names, in order, and sizes.");
		l->name = (const char *)name.p;
		l->read = json_is_true(json_object_get(v, "read"));
		l->hold = json_is_true(json_object_get(v, "hold"));
		e->n_logs++;
	}
	return 0;
}

static int
read_begin(struct export *e, const json_t *act, struct buf *why)
{
	const json_t *request = json_object_get(act, "request"), *by = json_object_get(act, "by");
	struct slice id = text_of(act, "export"), who = text_of(by, "principal"),
		     token = text_of(by, "token");

	if (!is_id(id))
		return wrong(why, "An export's id has twelve characters, of which x- comes first.");
	if (!json_is_object(request))
		return wrong(why, "request is an object.");
	if (who.n == 0 || who.n > LIMIT_WRITER_BYTES || token.n > TOKEN_ID_CHARS)
		return wrong(why, "by names a principal and a token.");
	memcpy(e->id, id.p, id.n);
	e->by = (const char *)who.p;
	e->token = (const char *)token.p;
	e->reason = (const char *)text_of(request, "reason").p;
	e->certify = json_is_true(json_object_get(request, "certify"));
	e->request = json_dumps(request, JSON_COMPACT);
	return e->request ? read_logs(e, json_object_get(act, "logs"), why) : STELE_ENOMEM;
}

/* --- finish -------------------------------------------------------------------------------- */

static int
read_ranges(struct ranges *set, const json_t *list, struct buf *why)
{
	const json_t *v;
	size_t i;
	int err = 0;

	if (!json_is_array(list) || json_array_size(list) > LIMIT_EXPORT_RANGES)
		return wrong(why, "ranges is a list of ranges of records.");
	json_array_foreach(list, i, v)
	{
		const json_t *first = json_array_get(v, 0), *last = json_array_get(v, 1);
		json_int_t f = json_integer_value(first), l = json_integer_value(last);
		if (json_array_size(v) != 2 || !json_is_integer(first) || !json_is_integer(last) ||
		    f < 0 || l < f || l > (json_int_t)LIMIT_INTEGER ||
		    (set->n && (uint64_t)f <= set->r[set->n - 1].last))
			return wrong(why, "A range is [FIRST, LAST], in order and apart.");
		err = ranges_add(set, (uint64_t)f, (uint64_t)l);
		if (err != 0)
			return err;
	}
	return 0;
}

static int
read_finished_log(struct export_log *l, const json_t *v, struct buf *why)
{
	if (strcmp((const char *)text_of(v, "log").p, l->name) != 0 ||
	    !read_number(v, "size", &l->size) || !read_number(v, "entries", &l->entries) ||
	    !read_number(v, "payloads", &l->payloads) || !read_number(v, "purged", &l->purged) ||
	    !read_number(v, "withheld", &l->withheld) ||
	    !read_number(v, "controls", &l->controls) || !read_number(v, "bytes", &l->bytes))
		return wrong(why, "A finished export has counts of each of its logs, in order.");
	return read_ranges(&l->set, json_object_get(v, "ranges"), why);
}

static int
read_finish(struct export *e, const json_t *act, struct buf *why)
{
	const json_t *logs = json_object_get(act, "logs");
	struct slice hash = text_of(act, "sha256");
	int err = 0;

	if (hash.n != 64 || strspn((const char *)hash.p, "0123456789abcdef") != 64 ||
	    !read_number(act, "bytes", &e->bytes) || json_array_size(logs) != e->n_logs)
		return wrong(why, "A finished export has a digest, a length and its logs.");
	memcpy(e->sha256, hash.p, 64);
	for (size_t i = 0; err == 0 && i < e->n_logs; i++)
		err = read_finished_log(&e->logs[i], json_array_get(logs, i), why);
	e->finished = err == 0;
	return err;
}

/* --- all of it ------------------------------------------------------------------------------- */

static int
read_time(const json_t *doc, const char *name, int64_t *out, struct buf *why)
{
	return timestamp_parse(out, text_of(doc, name)) == 0
		       ? 0
		       : wrong(why, "What happened to an export has a time.");
}

/* Why, as the act says. */
static int
read_why(const char **out, const json_t *act, const char *name, struct buf *why)
{
	struct slice text = text_of(act, name);

	*out = (const char *)text.p;
	return text.n && text.n <= LIMIT_EXPORT_WHY_BYTES
		       ? 0
		       : wrong(why, "An export that failed or was removed says why.");
}

static int
read_all(struct export *e, struct buf *why)
{
	const json_t *finish = json_object_get(e->acts, "finish"),
		     *fail = json_object_get(e->acts, "fail"),
		     *remove = json_object_get(e->acts, "remove");
	int err = read_begin(e, json_object_get(e->acts, "begin"), why);

	err = err ? err : read_time(e->acts, "begun", &e->begun_ns, why);
	if (err == 0 && finish) {
		e->state = EXPORT_FINISHED;
		err = read_finish(e, finish, why);
		err = err ? err : read_time(e->acts, "finished", &e->ended_ns, why);
	} else if (err == 0 && fail) {
		e->state = EXPORT_FAILED;
		err = read_why(&e->failed, fail, "reason", why);
		err = err ? err : read_time(e->acts, "failed", &e->ended_ns, why);
	}
	if (err == 0 && remove) {
		e->state = EXPORT_REMOVED;
		err = read_why(&e->removed, remove, "why", why);
		err = err ? err : read_time(e->acts, "removed", &e->removed_ns, why);
	}
	return err;
}

/* Lists of records and sizes may be long: they stand in the texts, once. */
static void
drop_lists(json_t *doc)
{
	json_t *request = json_object_get(json_object_get(doc, "begin"), "request");

	json_object_del(request, "records");
	json_object_del(request, "since");
}

int
export_new(struct export **out, const json_t *doc, struct buf *why)
{
	struct export *e = calloc(1, sizeof *e);
	int err;

	if (!e)
		return STELE_ENOMEM;
	atomic_init(&e->refs, 1);
	e->acts = json_deep_copy(doc);
	e->doc = json_dumps(doc, JSON_COMPACT);
	err = e->acts && e->doc ? read_all(e, why) : STELE_ENOMEM;
	if (err == 0) {
		drop_lists(e->acts);
		*out = e;
	} else {
		export_unref(e);
	}
	return err;
}

struct export *
export_ref(struct export *e)
{
	atomic_fetch_add(&e->refs, 1);
	return e;
}

void
export_unref(struct export *e)
{
	if (!e || atomic_fetch_sub(&e->refs, 1) != 1)
		return;
	for (size_t i = 0; e->logs && i < e->n_logs; i++)
		ranges_fini(&e->logs[i].set);
	free(e->logs);
	free((char *)(uintptr_t)e->request);
	free(e->doc);
	json_decref(e->acts);
	free(e);
}

int
export_with(struct export **out, const struct export *e, const char *what, const char *when,
	    const json_t *act, int64_t time_ns, struct buf *why)
{
	json_t *doc = json_loads(e->doc, 0, NULL);
	char text[TIMESTAMP_BYTES];
	int err = STELE_ENOMEM;

	timestamp_format(text, time_ns);
	if (strcmp(what, "finish") != 0) /* it ended: `_system` has them */
		drop_lists(doc);
	if (doc && json_object_set_new(doc, what, json_deep_copy(act)) == 0 &&
	    json_object_set_new(doc, when, json_stringn(text, sizeof text)) == 0)
		err = export_new(out, doc, why);
	json_decref(doc);
	return err;
}

/* --- asking ---------------------------------------------------------------------------------- */

bool
export_has(const struct export *e, struct slice log, const struct ranges *records)
{
	for (size_t i = 0; i < e->n_logs; i++) {
		const struct export_log *l = &e->logs[i];
		if (!slice_eq_str(log, l->name) || !l->size)
			continue;
		return (e->certify && records->n && records->r[0].first < l->size) ||
		       (l->read && l->payloads && ranges_meet(&l->set, records));
	}
	return false;
}

bool
export_meets(const struct export *e, const struct export_log *logs, size_t n)
{
	for (size_t i = 0; i < e->n_logs; i++)
		for (size_t k = 0; k < n; k++)
			if (strcmp(e->logs[i].name, logs[k].name) == 0 &&
			    ranges_meet(&e->logs[i].set, &logs[k].set))
				return true;
	return false;
}

bool
export_visible(const struct export *e, const struct token *token)
{
	bool all = true;

	if (strcmp(e->by, token->principal->id) == 0 && token->narrowed.scopes == 0)
		return true;
	for (size_t i = 0; all && i < e->n_logs; i++)
		all = token_may(token, SCOPE_EXPORT, slice_str(e->logs[i].name));
	return all;
}

static void
put_log(struct buf *b, const struct export *e, const struct export_log *l)
{
	buf_put_str(b, "{\"log\":");
	buf_put_json_str(b, slice_str(l->name));
	buf_printf(b, ",\"size\":%llu",
		   (unsigned long long)(e->finished ? l->size : l->begun_size));
	if (e->finished)
		buf_printf(b,
			   ",\"entries\":%llu,\"payloads\":%llu,\"purged\":%llu,\"withheld\":%llu,"
			   "\"controls\":%llu,\"bytes\":%llu",
			   (unsigned long long)l->entries, (unsigned long long)l->payloads,
			   (unsigned long long)l->purged, (unsigned long long)l->withheld,
			   (unsigned long long)l->controls, (unsigned long long)l->bytes);
	buf_put_u8(b, '}');
}

void
export_put(struct buf *b, const struct export *e)
{
	buf_printf(b, "\"id\":\"%s\",\"by\":", e->id);
	buf_put_json_str(b, slice_str(e->by));
	buf_printf(b, ",\"request\":%s", e->request);
	access_put_time(b, "begun", e->begun_ns);
	access_put_time(b, e->failed ? "failed" : "finished", e->ended_ns);
	if (e->failed) {
		buf_put_str(b, ",\"reason\":");
		buf_put_json_str(b, slice_str(e->failed));
	}
	if (e->finished)
		buf_printf(b, ",\"sha256\":\"%s\",\"bytes\":%llu", e->sha256,
			   (unsigned long long)e->bytes);
	access_put_time(b, "removed", e->removed_ns);
	if (e->removed) {
		buf_put_str(b, ",\"why\":");
		buf_put_json_str(b, slice_str(e->removed));
	}
	buf_put_str(b, ",\"logs\":[");
	for (size_t i = 0; i < e->n_logs; i++) {
		buf_put_str(b, i ? "," : "");
		put_log(b, e, &e->logs[i]);
	}
	buf_put_u8(b, ']');
}
