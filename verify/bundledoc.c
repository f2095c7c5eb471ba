#include "verify/bundledoc.h"

#include <stdlib.h>
#include <string.h>

#include "proto/entry.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/jsonline.h"
#include "proto/timestamp.h"

/* --- the request --------------------------------------------------------------------------- */

static bool
number(const json_t *o, const char *name, bool *has, uint64_t *out)
{
	const json_t *v = json_object_get(o, name);

	*has = v != NULL;
	if (v && (!json_is_integer(v) || json_integer_value(v) < 0))
		return false;
	*out = v ? (uint64_t)json_integer_value(v) : 0;
	return true;
}

static bool
instant(const json_t *o, const char *name, bool *has, int64_t *out)
{
	const json_t *v = json_object_get(o, name);

	*has = v != NULL;
	return !v ||
	       (json_is_string(v) &&
		timestamp_parse(out, slice_of(json_string_value(v), json_string_length(v))) == 0);
}

/* {"LOG":[[first,last],…],…} */
static bool
records_valid(const json_t *records)
{
	const json_t *list, *pair;
	const char *log;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)records, log, list)
	{
		if (!entry_log_name_valid(slice_str(log)) || !json_is_array(list))
			return false;
		json_array_foreach(list, i, pair)
		{
			const json_t *first = json_array_get(pair, 0),
				     *last = json_array_get(pair, 1);
			if (json_array_size(pair) != 2 || !json_is_integer(first) ||
			    !json_is_integer(last) ||
			    json_integer_value(first) > json_integer_value(last))
				return false;
		}
	}
	return json_is_object(records);
}

/* No other members than these, in this order. */
static bool
known(const json_t *o)
{
	static const char *const names[] = {"kind",          "logs",        "first", "last",
					    "received_from", "received_to", "from",  "to",
					    "filter",        "records",     "hold",  "matter",
					    "since",         "certify",     "reason"};
	const size_t n = sizeof names / sizeof *names;
	const json_t *v;
	const char *name;
	size_t at = 0;

	json_object_foreach((json_t *)(uintptr_t)o, name, v)
	{
		while (at < n && strcmp(names[at], name) != 0)
			at++;
		if (at++ == n)
			return false;
	}
	return true;
}

static bool
read_request(struct bundledoc *d)
{
	struct bundledoc_request *r = &d->asked;
	const json_t *o, *records, *logs, *kind;

	if (d->request.n > LIMIT_BUNDLE_REQUEST_BYTES)
		return false;
	d->request_doc = json_loadb((const char *)d->request.p, d->request.n,
				    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	o = d->request_doc;
	records = json_object_get(o, "records");
	logs = json_object_get(o, "logs");
	kind = json_object_get(o, "kind");
	if (!json_is_object(o) || !known(o) || !json_is_array(logs) || !json_is_string(kind) ||
	    strcmp(json_string_value(kind), d->is_range ? "range" : "selection") != 0)
		return false;
	r->by_records = records != NULL;
	r->judged = json_object_get(o, "filter") || json_object_get(o, "hold") ||
		    json_object_get(o, "from") || json_object_get(o, "to");
	return number(o, "first", &r->has_first, &r->first) &&
	       number(o, "last", &r->has_last, &r->last) &&
	       instant(o, "received_from", &r->has_from, &r->from_ns) &&
	       instant(o, "received_to", &r->has_to, &r->to_ns) &&
	       (!records || records_valid(records));
}

bool
bundledoc_asks(const struct bundledoc *d, const char *log)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(d->request_doc, "logs"), i, name)
	{
		if (json_is_string(name) && strcmp(json_string_value(name), log) == 0)
			return true;
	}
	return false;
}

size_t
bundledoc_asked_logs(const struct bundledoc *d)
{
	return json_array_size(json_object_get(d->request_doc, "logs"));
}

bool
bundledoc_has_record(const struct bundledoc *d, const char *log, uint64_t index)
{
	const json_t *pair, *list;
	size_t i;

	list = json_object_get(json_object_get(d->request_doc, "records"), log);
	json_array_foreach(list, i, pair)
	{
		if ((uint64_t)json_integer_value(json_array_get(pair, 0)) <= index &&
		    (uint64_t)json_integer_value(json_array_get(pair, 1)) >= index)
			return true;
	}
	return false;
}

/* --- the document -------------------------------------------------------------------------- */

static int
read_log(struct bundledoc *d, struct jsonline *j, struct buf *room)
{
	struct bundledoc_log l = {.size = 0}, *more;
	struct slice name;

	jsonline_expect(j, "{\"log\":");
	name = jsonline_string(j, room);
	if (!j->err && !entry_log_name_valid(name))
		jsonline_fail(j, "a log's name is none");
	if (!j->err)
		memcpy(l.name, name.p, name.n);
	jsonline_expect(j, ",\"size\":");
	l.size = jsonline_integer(j);
	jsonline_expect(j, ",\"entries\":");
	l.entries = jsonline_integer(j);
	jsonline_expect(j, ",\"payloads\":");
	l.payloads = jsonline_integer(j);
	jsonline_expect(j, ",\"purged\":");
	l.purged = jsonline_integer(j);
	jsonline_expect(j, ",\"withheld\":");
	l.withheld = jsonline_integer(j);
	jsonline_expect(j, ",\"controls\":");
	l.controls = jsonline_integer(j);
	jsonline_expect(j, ",\"bytes\":");
	l.bytes = jsonline_integer(j);
	jsonline_expect(j, "}");
	if (!j->err && d->n_logs && strcmp(d->logs[d->n_logs - 1].name, l.name) >= 0)
		jsonline_fail(j, "its logs are not in ascending order");
	if (j->err)
		return j->err;
	more = realloc(d->logs, (d->n_logs + 1) * sizeof *more);
	if (!more)
		return STELE_ENOMEM;
	d->logs = more;
	d->logs[d->n_logs++] = l;
	return 0;
}

static int
read_logs(struct bundledoc *d, struct jsonline *j)
{
	struct buf room;
	int err;

	buf_init(&room);
	jsonline_expect(j, ",\"logs\":[");
	do {
		err = read_log(d, j, &room);
	} while (!err && jsonline_have(j, ","));
	jsonline_expect(j, "]}\n");
	buf_fini(&room);
	return err ? err : jsonline_end(j);
}

static void
read_software(struct jsonline *j)
{
	struct slice hash;
	struct buf room;

	buf_init(&room);
	jsonline_expect(j, ",\"software\":{\"version\":");
	jsonline_string(j, &room);
	jsonline_expect(j, ",\"sha256\":");
	hash = jsonline_string(j, &room);
	for (size_t i = 0; !j->err && i < hash.n; i++)
		if (!memchr("0123456789abcdef", hash.p[i], 16))
			jsonline_fail(j, "the software's digest is not in hex");
	if (!j->err && hash.n != 64)
		jsonline_fail(j, "the software's digest is not in hex");
	jsonline_expect(j, "}");
	buf_fini(&room);
}

/* The members up to the request. */
static void
read_head(struct bundledoc *d, struct jsonline *j)
{
	struct slice s;

	jsonline_expect(j, "{\"v\":1,\"export\":");
	s = jsonline_string(j, &d->room[0]);
	if (!j->err && s.n != sizeof d->export - 1)
		jsonline_fail(j, "the export's id is none");
	if (!j->err)
		memcpy(d->export, s.p, s.n);
	jsonline_expect(j, ",\"server\":");
	d->server = jsonline_string(j, &d->room[0]);
	jsonline_expect(j, ",\"kind\":");
	d->is_range = jsonline_have(j, "\"range\"");
	if (!d->is_range)
		jsonline_expect(j, "\"selection\"");
	jsonline_expect(j, ",\"request\":");
	d->request = jsonline_value(j);
}

int
bundledoc_read(struct bundledoc *d, struct slice text, const char **what)
{
	struct jsonline j;
	struct slice time;
	struct buf room;
	int err;

	*d = (struct bundledoc){.n_logs = 0};
	buf_init(&room);
	jsonline_init(&j, text);
	read_head(d, &j);
	if (!j.err && !read_request(d))
		jsonline_fail(&j, "the request is none, or of another kind");
	jsonline_expect(&j, ",\"requester\":");
	d->requester = jsonline_string(&j, &d->room[1]);
	jsonline_expect(&j, ",\"reason\":");
	d->reason = jsonline_string(&j, &d->room[2]);
	jsonline_expect(&j, ",\"begun\":");
	time = jsonline_string(&j, &room);
	if (!j.err && timestamp_parse(&d->begun_ns, time) != 0)
		jsonline_fail(&j, "when it was begun is no time");
	read_software(&j);
	err = j.err ? j.err : read_logs(d, &j);
	buf_fini(&room);
	*what = j.what;
	return err;
}

void
bundledoc_fini(struct bundledoc *d)
{
	json_decref(d->request_doc);
	free(d->logs);
	for (size_t i = 0; i < 3; i++)
		buf_fini(&d->room[i]);
}
