/* From JSON, strictly, and back. */
#include "server/erasure.h"

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

/* A text of at most max bytes, without control characters but, where lines may be, newlines. */
static bool
is_text(struct slice s, size_t max, bool lines)
{
	if (s.n > max)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if ((s.p[i] < 0x20 && !(lines && s.p[i] == '\n')) || s.p[i] == 0x7f)
			return false;
	return true;
}

static bool
is_id(struct slice id)
{
	return id.n == CONTROL_HOLD_ID_CHARS && memcmp(id.p, "e-", 2) == 0 &&
	       is_text(id, CONTROL_HOLD_ID_CHARS, false);
}

static int
wrong(struct buf *why, const char *text)
{
	buf_reset(why);
	buf_put_str(why, text);
	return STELE_ESYNTAX;
}

/* [[F,L],…], in order and apart, all that it is about. */
static int
read_ranges(struct ranges *set, const json_t *list, struct buf *why)
{
	const json_t *v;
	size_t i;
	int err = 0;

	if (!json_is_array(list) || json_array_size(list) > LIMIT_ERASURE_RANGES)
		return wrong(why, "ranges is a list of at most 4096 ranges of records.");
	json_array_foreach(list, i, v)
	{
		const json_t *first = json_array_get(v, 0), *last = json_array_get(v, 1);
		json_int_t f = json_integer_value(first), l = json_integer_value(last);
		if (json_array_size(v) != 2 || !json_is_integer(first) || !json_is_integer(last) ||
		    f < 0 || l < f || l >= (json_int_t)LIMIT_INTEGER ||
		    (set->n && (uint64_t)f <= set->r[set->n - 1].last))
			return wrong(why,
				     "A range of records is [FIRST, LAST], in order and apart.");
		err = ranges_add(set, (uint64_t)f, (uint64_t)l);
		if (err != 0)
			return err;
	}
	return 0;
}

/* With the strings in memory of its own. */
static struct erasure *
with_text(struct slice log, struct slice matter, struct slice reason, struct slice by)
{
	const struct slice texts[] = {log, matter, reason, by};
	struct erasure *e = calloc(1, sizeof *e + log.n + matter.n + reason.n + by.n + 4);
	const char **out[4];
	char *at;

	if (!e)
		return NULL;
	out[0] = &e->log;
	out[1] = &e->matter;
	out[2] = &e->reason;
	out[3] = &e->by;
	at = e->text;
	for (size_t i = 0; i < 4; i++) {
		memcpy(at, texts[i].p, texts[i].n);
		*out[i] = at;
		at += texts[i].n + 1;
	}
	return e;
}

int
erasure_read(struct erasure **out, const json_t *act, struct slice by, struct buf *why)
{
	struct slice id = text_of(act, "id"), log = text_of(act, "log"),
		     matter = text_of(act, "case"), reason = text_of(act, "reason");
	struct erasure *e;
	int err;

	if (!is_id(id))
		return wrong(why,
			     "An erasure's id has twelve characters, of which e- comes first.");
	if (log.n == 0 || !is_text(log, LIMIT_LOG_NAME_BYTES, false))
		return wrong(why, "log is the name of a log.");
	if (matter.n == 0 || !is_text(matter, LIMIT_HOLD_WORDS_BYTES, false))
		return wrong(
			why,
			"case, under which the request is filed, is a line of 1 to 127 bytes.");
	if (!is_text(reason, LIMIT_HOLD_REASON_BYTES, true) ||
	    (json_object_get(act, "reason") && reason.n == 0))
		return wrong(why, "reason is a text of 1 to 2000 bytes.");
	if (by.n > LIMIT_WRITER_BYTES)
		return wrong(why, "by names a principal.");
	e = with_text(log, matter, reason, by);
	if (!e)
		return STELE_ENOMEM;
	memcpy(e->id, id.p, id.n);
	err = read_ranges(&e->set, json_object_get(act, "ranges"), why);
	e->records = ranges_count(&e->set);
	if (err == 0)
		*out = e;
	else
		erasure_free(e);
	return err;
}

void
erasure_free(struct erasure *e)
{
	if (!e)
		return;
	ranges_fini(&e->set);
	free(e);
}

int
erasure_copy(struct erasure **out, const struct erasure *e)
{
	struct erasure *c = with_text(slice_str(e->log), slice_str(e->matter), slice_str(e->reason),
				      slice_str(e->by));
	int err = c ? 0 : STELE_ENOMEM;

	for (size_t i = 0; err == 0 && i < e->set.n; i++)
		err = ranges_add(&c->set, e->set.r[i].first, e->set.r[i].last);
	if (err != 0) {
		erasure_free(c);
		return err;
	}
	memcpy(c->id, e->id, sizeof c->id);
	c->requested_ns = e->requested_ns;
	c->ended_ns = e->ended_ns;
	c->records = e->records;
	*out = c;
	return 0;
}

/* --- as JSON ------------------------------------------------------------------------------- */

static void
put_text(struct buf *b, const char *name, const char *text)
{
	buf_printf(b, ",\"%s\":", name);
	buf_put_json_str(b, slice_str(text));
}

void
erasure_put(struct buf *b, const struct erasure *e)
{
	buf_printf(b, "\"id\":\"%s\"", e->id);
	put_text(b, "log", e->log);
	put_text(b, "case", e->matter);
	if (*e->reason)
		put_text(b, "reason", e->reason);
	put_text(b, "by", e->by);
	access_put_time(b, "requested", e->requested_ns);
	access_put_time(b, "ended", e->ended_ns);
	buf_printf(b, ",\"records\":%llu", (unsigned long long)e->records);
}

void
erasure_put_ranges(struct buf *b, const struct erasure *e)
{
	buf_put_str(b, ",\"ranges\":[");
	for (size_t i = 0; i < e->set.n; i++)
		buf_printf(b, "%s[%llu,%llu]", i ? "," : "", (unsigned long long)e->set.r[i].first,
			   (unsigned long long)e->set.r[i].last);
	buf_put_u8(b, ']');
}

void
erasure_encode(struct buf *b, const struct erasure *e)
{
	buf_put_u8(b, '{');
	erasure_put(b, e);
	erasure_put_ranges(b, e);
	buf_put_u8(b, '}');
}

static int
decode_state(struct erasure *e, const json_t *o)
{
	json_int_t records = json_integer_value(json_object_get(o, "records"));

	if (timestamp_parse(&e->requested_ns, text_of(o, "requested")) != 0 ||
	    (json_object_get(o, "ended") &&
	     timestamp_parse(&e->ended_ns, text_of(o, "ended")) != 0) ||
	    records <= 0 || (e->ended_ns ? e->set.n != 0 : (uint64_t)records != e->records))
		return STELE_EDAMAGED;
	e->records = (uint64_t)records;
	return 0;
}

int
erasure_decode(struct erasure **out, const json_t *o)
{
	struct erasure *e;
	struct buf why;
	int err;

	buf_init(&why);
	err = erasure_read(&e, o, text_of(o, "by"), &why);
	buf_fini(&why);
	if (err != 0)
		return err == STELE_ENOMEM ? err : STELE_EDAMAGED;
	err = decode_state(e, o);
	if (err == 0)
		*out = e;
	else
		erasure_free(e);
	return err;
}
