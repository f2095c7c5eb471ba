/* jansson takes the JSON apart; what matters of it is then checked member by member. */
#include "proto/control.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/base64.h"
#include "proto/err.h"
#include "proto/timestamp.h"

bool
control_kind(enum entry_kind kind)
{
	return kind == ENTRY_POLICY || kind == ENTRY_HOLD || kind == ENTRY_RELEASE ||
	       kind == ENTRY_EXTEND || kind == ENTRY_EVENT || kind == ENTRY_PURGE;
}

void
control_free(struct control *c)
{
	if (c)
		free(c->ranges);
	free(c);
}

void
control_put_ranges(struct buf *out, const struct control_range *r, size_t n)
{
	buf_put_u8(out, '[');
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s[%llu,%llu]", i ? "," : "", (unsigned long long)r[i].first,
			   (unsigned long long)r[i].last);
	buf_put_u8(out, ']');
}

/* --- writing ----------------------------------------------------------------------------- */

void
control_put_actors(struct buf *out, const struct control_actors *a)
{
	buf_put_str(out, ",\"by\":");
	buf_put_json_str(out, a->by);
	if (a->approved_by.n) {
		buf_put_str(out, ",\"approved_by\":");
		buf_put_json_str(out, a->approved_by);
	}
}

static void
put_time(struct buf *out, const char *name, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	buf_printf(out, ",\"%s\":\"%.*s\"", name, TIMESTAMP_BYTES, text);
}

void
control_put_policy(struct buf *out, const struct policy *p, const struct control_actors *a)
{
	buf_put_str(out, "{\"policy\":");
	policy_write(out, p);
	control_put_actors(out, a);
	buf_put_u8(out, '}');
}

void
control_put_extend(struct buf *out, const struct control_range *r, size_t n, int64_t until_ns,
		   bool shorten, struct slice reason, const struct control_actors *a)
{
	buf_put_str(out, "{\"type\":\"extend\",\"ranges\":");
	control_put_ranges(out, r, n);
	put_time(out, "until", until_ns);
	if (shorten)
		buf_put_str(out, ",\"shorten\":true");
	buf_put_str(out, ",\"reason\":");
	buf_put_json_str(out, reason);
	control_put_actors(out, a);
	buf_put_u8(out, '}');
}

void
control_put_event(struct buf *out, struct slice name, int64_t at_ns, int64_t until_ns,
		  const struct control_actors *a)
{
	buf_put_str(out, "{\"type\":\"event\",\"event\":");
	buf_put_json_str(out, name);
	put_time(out, "at", at_ns);
	put_time(out, "until", until_ns);
	control_put_actors(out, a);
	buf_put_u8(out, '}');
}

static void
put_digest(struct buf *out, const char *name, struct slice digest)
{
	if (digest.n == 0)
		return;
	buf_printf(out, ",\"%s\":\"", name);
	buf_put_base64(out, digest.p, digest.n);
	buf_put_u8(out, '"');
}

void
control_put_hold(struct buf *out, const struct control_hold *h)
{
	buf_printf(out, "{\"type\":\"hold\",\"hold\":\"%s\",\"ranges\":", h->id);
	control_put_ranges(out, h->r, h->n);
	if (h->open_from != CONTROL_OPEN)
		buf_printf(out, ",\"open_from\":%llu", (unsigned long long)h->open_from);
	put_digest(out, "mapping", h->mapping);
	put_digest(out, "filter", h->filter);
	buf_put_slice(out, h->more);
	buf_put_u8(out, '}');
}

void
control_put_release(struct buf *out, struct slice id, struct slice more)
{
	buf_printf(out, "{\"type\":\"release\",\"hold\":\"%.*s\"", (int)id.n, (const char *)id.p);
	buf_put_slice(out, more);
	buf_put_u8(out, '}');
}

bool
control_event_valid(struct slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= 0x20 || name.p[i] >= 0x7f || name.p[i] == '"' || name.p[i] == '\\')
			return false;
	return name.n >= 1 && name.n <= LIMIT_EVENT_BYTES;
}

/* --- members ----------------------------------------------------------------------------- */

static struct slice
text_of(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	return slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
}

static bool
index_of(const json_t *v, uint64_t *out)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > LIMIT_INTEGER)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

static int
read_hold_id(struct control *c, const json_t *o)
{
	struct slice id = text_of(o, "hold");

	if (id.n != CONTROL_HOLD_ID_CHARS)
		return STELE_ESYNTAX;
	memcpy(c->hold, id.p, id.n);
	return 0;
}

static int
read_ranges(struct control *c, const json_t *o)
{
	const json_t *list = json_object_get(o, "ranges"), *pair;
	size_t i, n = json_array_size(list);

	if (!json_is_array(list))
		return STELE_ESYNTAX;
	c->ranges = calloc(n ? n : 1, sizeof *c->ranges);
	if (!c->ranges)
		return STELE_ENOMEM;
	json_array_foreach(list, i, pair)
	{
		struct control_range *r = &c->ranges[i];
		if (json_array_size(pair) != 2 || !index_of(json_array_get(pair, 0), &r->first) ||
		    !index_of(json_array_get(pair, 1), &r->last) || r->first > r->last ||
		    (i && r->first <= c->ranges[i - 1].last))
			return STELE_ESYNTAX;
		c->n_ranges++;
	}
	return 0;
}

static int
read_hold(struct control *c, const json_t *o)
{
	const json_t *open = json_object_get(o, "open_from");
	int err = read_hold_id(c, o);

	c->has_mapping = json_object_get(o, "mapping") != NULL;
	if (err == 0 && c->has_mapping)
		err = base64_decode_exact(c->mapping, sizeof c->mapping, text_of(o, "mapping"));

	if (err == 0)
		err = read_ranges(c, o);
	if (err == 0 && open && !index_of(open, &c->open_from))
		err = STELE_ESYNTAX;
	return err;
}

static int
read_extend(struct control *c, const json_t *o)
{
	const json_t *shorten = json_object_get(o, "shorten");
	int err = read_ranges(c, o);

	c->shorten = json_is_true(shorten);
	if (err == 0 && (timestamp_parse(&c->until_ns, text_of(o, "until")) != 0 ||
			 (shorten && !json_is_boolean(shorten))))
		err = STELE_ESYNTAX;
	return err;
}

static int
read_event(struct control *c, const json_t *o)
{
	struct slice name = text_of(o, "event");

	if (!control_event_valid(name) || timestamp_parse(&c->at_ns, text_of(o, "at")) != 0 ||
	    timestamp_parse(&c->until_ns, text_of(o, "until")) != 0)
		return STELE_ESYNTAX;
	memcpy(c->event, name.p, name.n);
	return 0;
}

static int
read_policy(struct control *c, const json_t *o, struct buf *why)
{
	char *policy = json_dumps(json_object_get(o, "policy"), JSON_COMPACT);
	int err = policy ? policy_read(&c->policy, slice_str(policy), why) : STELE_ESYNTAX;

	free(policy);
	return err;
}

/* --- the whole --------------------------------------------------------------------------- */

static int
read_members(struct control *c, const json_t *o, struct buf *why)
{
	/* entry 0 and its like carry a policy, and no type */
	if (c->kind != ENTRY_POLICY && !slice_eq_str(text_of(o, "type"), entry_kind_name(c->kind)))
		return STELE_ESYNTAX;
	switch (c->kind) {
	case ENTRY_POLICY:
		return read_policy(c, o, why);
	case ENTRY_HOLD:
		return read_hold(c, o);
	case ENTRY_RELEASE:
		return read_hold_id(c, o);
	case ENTRY_EXTEND:
		return read_extend(c, o);
	case ENTRY_EVENT:
		return read_event(c, o);
	case ENTRY_PURGE:
		return read_ranges(c, o);
	default:
		return STELE_EINVAL;
	}
}

int
control_read(struct control **out, enum entry_kind kind, uint64_t index, struct slice json,
	     struct buf *why)
{
	json_t *root = json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, NULL);
	struct control *c = calloc(1, sizeof *c + json.n + 1);
	int err = c ? STELE_ESYNTAX : STELE_ENOMEM;

	if (c) {
		c->kind = kind;
		c->index = index;
		c->open_from = CONTROL_OPEN;
		c->n_text = json.n;
		memcpy(c->text, json.p, json.n);
	}
	if (c && json_is_object(root))
		err = read_members(c, root, why);
	json_decref(root);
	if (err != 0) {
		if (err == STELE_ESYNTAX && why->n == 0)
			buf_printf(why, "the %s entry at index %llu does not say what one says.",
				   entry_kind_name(kind), (unsigned long long)index);
		control_free(c);
		return err;
	}
	*out = c;
	return 0;
}
