/* From JSON, strictly, and back. What was said is kept as it was. */
#include "server/hold.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "proto/utf8.h"
#include "server/access_json.h"
#include "server/deeds.h"
#include "server/scope.h"

/* What is being read: the strings gather in text, and are found there by their offsets. */
struct reading {
	struct buf text;
	size_t matter, name, logs, filter, said, by;
	struct buf *why;
	struct hold h;
};

static int
wrong(struct reading *r, const char *why)
{
	buf_reset(r->why);
	buf_put_str(r->why, why);
	return STELE_ESYNTAX;
}

static struct slice
text_of(const json_t *v)
{
	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

static size_t
keep(struct reading *r, struct slice s)
{
	size_t at = r->text.n;

	buf_put_slice(&r->text, s);
	buf_put_u8(&r->text, 0);
	return at;
}

/* A text of min to max bytes, without control characters but, where lines may be, newlines. */
static bool
is_text(const json_t *v, size_t min, size_t max, bool lines)
{
	struct slice s = text_of(v);

	if (!json_is_string(v) || s.n < min || s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < 0x20 && !(lines && s.p[i] == '\n')) || s.p[i] == 0x7f)
			return false;
	return true;
}

/* --- members ------------------------------------------------------------------------------- */

static int
read_words(struct reading *r, const json_t *o)
{
	const json_t *id = json_object_get(o, "id"), *owner = json_object_get(o, "owner");

	if (json_string_length(id) != CONTROL_HOLD_ID_CHARS)
		return wrong(r, "A hold's id has twelve characters.");
	memcpy(r->h.id, json_string_value(id), CONTROL_HOLD_ID_CHARS);
	if (!is_text(json_object_get(o, "matter"), 1, LIMIT_HOLD_WORDS_BYTES, false))
		return wrong(r,
			     "matter, the case that it belongs to, is a line of 1 to 127 bytes.");
	if (!is_text(json_object_get(o, "name"), 1, LIMIT_HOLD_WORDS_BYTES, false))
		return wrong(r, "name, by which people know it, is a line of 1 to 127 bytes.");
	if (!is_text(json_object_get(o, "reason"), 1, LIMIT_HOLD_REASON_BYTES, true))
		return wrong(r, "reason, why it is placed, is a text of 1 to 2000 bytes.");
	if (owner && !is_text(owner, 1, LIMIT_HOLD_WORDS_BYTES, false))
		return wrong(r, "owner, who answers for it, is a line of 1 to 127 bytes.");
	r->matter = keep(r, text_of(json_object_get(o, "matter")));
	r->name = keep(r, text_of(json_object_get(o, "name")));
	return 0;
}

static int
read_logs(struct reading *r, const json_t *o)
{
	const json_t *list = json_object_get(o, "logs"), *v;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > LIMIT_HOLD_PATTERNS)
		return wrong(r, "logs is a list of 1 to 32 names or patterns such as \"k8s-*\".");
	r->logs = r->text.n;
	json_array_foreach(list, i, v)
	{
		if (!json_is_string(v) || !scope_pattern_valid(text_of(v)))
			return wrong(r,
				     "A log pattern has 1 to 63 characters of a-z, 0-9, '.', '_', "
				     "'-' and '*'.");
		if (i)
			buf_put_u8(&r->text, ' ');
		buf_put_slice(&r->text, text_of(v));
	}
	buf_put_u8(&r->text, 0);
	return 0;
}

static int
read_time(struct reading *r, const json_t *o, const char *name, int64_t *ns)
{
	const json_t *v = json_object_get(o, name);

	if (!v || timestamp_parse(ns, text_of(v)) == 0)
		return 0;
	return wrong(r, "from, to and review_by are instants such as "
			"\"2027-01-31T00:00:00.000000000Z\".");
}

static int
read_times(struct reading *r, const json_t *o)
{
	int64_t review_ns;
	int err = read_time(r, o, "from", &r->h.from_ns);

	if (err == 0)
		err = read_time(r, o, "to", &r->h.to_ns);
	if (err == 0)
		err = read_time(r, o, "review_by", &review_ns);
	if (err == 0 && r->h.to_ns && r->h.to_ns <= r->h.from_ns)
		err = wrong(r, "to must be later than from.");
	return err;
}

static int
read_range(struct reading *r, const json_t *v)
{
	const json_t *first = json_array_get(v, 0), *last = json_array_get(v, 1);
	uint64_t end;

	if (json_array_size(v) != 2 || !deed_index(first, &r->h.first) ||
	    !(json_is_null(last) || (deed_index(last, &end) && end >= r->h.first)))
		return wrong(
			r, "range is [first, last], both indexes in it; last may be null, which is "
			   "the log's end.");
	r->h.kind = HOLD_RANGE;
	return 0;
}

static int
read_set(struct reading *r, const json_t *list)
{
	const json_t *v;
	size_t i;

	r->h.kind = HOLD_SET;
	if (!json_is_array(list) || json_array_size(list) == 0 ||
	    json_array_size(list) > LIMIT_HOLD_RANGES)
		return wrong(r, "records is a list of 1 to 32768 ranges [first, last].");
	r->h.set = calloc(json_array_size(list), sizeof *r->h.set);
	if (!r->h.set)
		return STELE_ENOMEM;
	json_array_foreach(list, i, v)
	{
		struct control_range *at = &r->h.set[i];
		if (!deed_range(v, at) || (i && at->first <= at[-1].last))
			return wrong(
				r, "The ranges of records are [first, last], ascending and apart.");
		r->h.n_set++;
	}
	return 0;
}

/* One with an end is a set. */
static int
read_a_range(struct reading *r, const json_t *range)
{
	json_t *set;
	int err = read_range(r, range);

	if (err != 0 || json_is_null(json_array_get(range, 1)))
		return err;
	r->h.first = 0;
	set = json_pack("[O]", range);
	err = set ? read_set(r, set) : STELE_ENOMEM;
	json_decref(set);
	return err;
}

static bool
read_digest(const json_t *o, const char *name, uint8_t *out, size_t n)
{
	const json_t *v = json_object_get(o, name);

	return json_is_string(v) && base64_decode_exact(out, n, text_of(v)) == 0;
}

/* What it covers in its logs. */
static int
read_kind(struct reading *r, const json_t *o)
{
	const json_t *filter = json_object_get(o, "filter"), *range = json_object_get(o, "range"),
		     *set = json_object_get(o, "records"), *open = json_object_get(o, "open_ended");
	bool timed = r->h.from_ns || r->h.to_ns;

	if (open && !json_is_boolean(open))
		return wrong(r, "open_ended is true or false.");
	r->h.open_ended = json_is_true(open);
	if ((filter != NULL) + (range != NULL) + (set != NULL) > 1 || (timed && (range || set)))
		return wrong(r,
			     "One of filter, range and records says what is held; from and to go "
			     "with a filter, or alone.");
	if ((range || set) && (json_array_size(json_object_get(o, "logs")) != 1 ||
			       strchr((char *)r->text.p + r->logs, '*')))
		return wrong(r, "A range, and records, are of one log: name it in logs.");
	if (filter && !is_text(filter, 1, LIMIT_HOLD_FILTER_BYTES, true))
		return wrong(r, "filter is a text of 1 to 16384 bytes.");
	r->filter = keep(r, text_of(filter));
	if (r->h.open_ended && (set || json_is_integer(json_array_get(range, 1))))
		return wrong(r, "Records, and a range that has an end, are not open_ended; a range "
				"[first, null] may be.");
	if (set)
		return read_set(r, set);
	if (range)
		return read_a_range(r, range);
	r->h.kind = filter || timed ? HOLD_FILTER : HOLD_WHOLE;
	if (r->h.kind == HOLD_FILTER &&
	    (!read_digest(o, "filter_digest", r->h.filter_digest, sizeof r->h.filter_digest) ||
	     !read_digest(o, "mapping", r->h.mapping, sizeof r->h.mapping)))
		return wrong(r, "A hold by filter has the digests of both filter and mapping.");
	return 0;
}

static int
check_names(struct reading *r, const json_t *o)
{
	static const char *const names[] = {"id",         "matter",        "name",    "logs",
					    "filter",     "range",         "records", "from",
					    "to",         "owner",         "reason",  "review_by",
					    "open_ended", "filter_digest", "mapping"};
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)o, name, v)
	{
		bool known = false;
		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			known |= strcmp(name, names[i]) == 0;
		if (!known)
			return wrong(r,
				     "The members are matter, name, logs, filter, range, records, "
				     "from, to, open_ended, reason, owner and review_by.");
	}
	return 0;
}

/* --- the whole ----------------------------------------------------------------------------- */

static struct hold *
made_of(struct reading *r)
{
	struct hold *h = r->text.err ? NULL : malloc(sizeof *h + r->text.n);

	if (!h)
		return NULL;
	*h = r->h;
	memcpy(h->text, r->text.p, r->text.n);
	h->matter = h->text + r->matter;
	h->name = h->text + r->name;
	h->logs = h->text + r->logs;
	h->filter = h->text + r->filter;
	h->said = h->text + r->said;
	h->by = h->text + r->by;
	return h;
}

int
hold_read(struct hold **out, const json_t *o, struct slice by, struct buf *why)
{
	struct reading r = {.why = why};
	char *said = json_is_object(o) ? json_dumps(o, JSON_COMPACT) : NULL;
	struct hold *h = NULL;
	int err = 0;

	buf_init(&r.text);
	if (!json_is_object(o))
		err = wrong(&r, "A hold is an object.");
	else if (!said)
		err = STELE_ENOMEM;
	if (err == 0)
		err = check_names(&r, o);
	if (err == 0)
		err = read_words(&r, o);
	if (err == 0)
		err = read_logs(&r, o);
	if (err == 0)
		err = read_times(&r, o);
	if (err == 0)
		err = read_kind(&r, o);
	if (err == 0) {
		r.said = keep(&r, slice_str(said));
		r.by = keep(&r, by);
		h = made_of(&r);
		err = h ? 0 : STELE_ENOMEM;
	}
	if (err == 0)
		*out = h;
	else
		free(r.h.set);
	buf_fini(&r.text);
	free(said);
	return err;
}

void
hold_free(struct hold *h)
{
	if (!h)
		return;
	free(h->set);
	free(h->release_reason);
	free(h);
}

bool
hold_matches(const struct hold *h, struct slice log)
{
	return scope_list_match(h->logs, log);
}

/* --- as JSON ------------------------------------------------------------------------------------
 */

static void
put_end(struct buf *b, const struct hold *h)
{
	access_put_time(b, "placed", h->placed_ns);
	buf_put_str(b, ",\"by\":");
	buf_put_json_str(b, slice_str(h->by));
	if (!h->released_ns)
		return;
	access_put_time(b, "released", h->released_ns);
	buf_put_str(b, ",\"released_by\":");
	buf_put_json_str(b, slice_str(h->released_by));
	buf_put_str(b, ",\"release_reason\":");
	buf_put_json_str(b, slice_str(h->release_reason));
}

void
hold_put(struct buf *b, const struct hold *h)
{
	buf_put(b, h->said + 1, strlen(h->said) - 2); /* without its braces */
	buf_printf(b, ",\"state\":\"%s\"", h->released_ns ? "released" : "placed");
	put_end(b, h);
}

void
hold_encode(struct buf *b, const struct hold *h)
{
	buf_put_str(b, "{\"hold\":");
	buf_put_str(b, h->said);
	put_end(b, h);
	buf_put_u8(b, '}');
}

static int
decode_release(struct hold *h, const json_t *o)
{
	struct slice by = text_of(json_object_get(o, "released_by"));
	const char *reason = json_string_value(json_object_get(o, "release_reason"));

	if (!json_object_get(o, "released"))
		return 0;
	if (timestamp_parse(&h->released_ns, text_of(json_object_get(o, "released"))) != 0 ||
	    by.n > LIMIT_WRITER_BYTES || !reason)
		return STELE_EDAMAGED;
	memcpy(h->released_by, by.p, by.n);
	h->release_reason = strdup(reason);
	return h->release_reason ? 0 : STELE_ENOMEM;
}

int
hold_decode(struct hold **out, const json_t *o)
{
	struct hold *h;
	struct buf why;
	int err;

	buf_init(&why);
	err = hold_read(&h, json_object_get(o, "hold"), text_of(json_object_get(o, "by")), &why);
	buf_fini(&why);
	if (err != 0)
		return err == STELE_ENOMEM ? err : STELE_EDAMAGED;
	err = timestamp_parse(&h->placed_ns, text_of(json_object_get(o, "placed"))) == 0
		      ? decode_release(h, o)
		      : STELE_EDAMAGED;
	if (err == 0)
		*out = h;
	else
		hold_free(h);
	return err;
}
