/* The scan, the list around the items, the items. */
#include "server/k8s_events.h"

#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/limits.h"

static const char group[] = "audit.k8s.io/";

/* --- the scan: each gives where what begins at `at` ends, or 0 when it does not ----------------
 */

static size_t
skip_space(struct slice s, size_t at)
{
	while (at < s.n &&
	       (s.p[at] == ' ' || s.p[at] == '\n' || s.p[at] == '\r' || s.p[at] == '\t'))
		at++;
	return at;
}

static size_t
string_end(struct slice s, size_t at)
{
	for (at++; at < s.n; at++) {
		if (s.p[at] == '"')
			return at + 1;
		at += s.p[at] == '\\';
	}
	return 0;
}

static size_t
container_end(struct slice s, size_t at)
{
	size_t depth = 0;

	while (at < s.n) {
		uint8_t c = s.p[at];

		if (c == '"') {
			at = string_end(s, at);
			if (at == 0)
				return 0;
			continue;
		}
		at++;
		if (c == '{' || c == '[')
			depth++;
		else if ((c == '}' || c == ']') && --depth == 0)
			return at;
	}
	return 0;
}

static size_t
word_end(struct slice s, size_t at)
{
	size_t from = at;

	while (at < s.n && !memchr("{}[],:\" \n\r\t", s.p[at], 11))
		at++;
	return at > from ? at : 0;
}

static size_t
value_end(struct slice s, size_t at)
{
	if (at >= s.n)
		return 0;
	if (s.p[at] == '"')
		return string_end(s, at);
	return s.p[at] == '{' || s.p[at] == '[' ? container_end(s, at) : word_end(s, at);
}

static bool
is_at(struct slice s, size_t at, uint8_t c)
{
	return at < s.n && s.p[at] == c;
}

/* The array at `at`, element by element: 0, too, when there is no comma between two. */
static size_t
array_end(struct slice s, size_t at)
{
	at = skip_space(s, at + 1);
	if (is_at(s, at, ']'))
		return at + 1;
	for (;;) {
		at = value_end(s, at);
		if (at == 0)
			return 0;
		at = skip_space(s, at);
		if (is_at(s, at, ']'))
			return at + 1;
		if (!is_at(s, at, ','))
			return 0;
		at = skip_space(s, at + 1);
	}
}

/* --- the list ------------------------------------------------------------------------------- */

/* Where the value of "items" lies; to 0: there is none. */
struct items {
	size_t from, to;
};

/* One member at `at`; where it ends, or 0. */
static size_t
member_end(struct slice s, size_t at, struct items *items)
{
	static const char name[] = "\"items\"";
	size_t end = is_at(s, at, '"') ? string_end(s, at) : 0;
	bool found = end && slice_eq_str(slice_of(s.p + at, end - at), name);

	at = end ? skip_space(s, end) : 0;
	if (end == 0 || !is_at(s, at, ':'))
		return 0;
	at = skip_space(s, at + 1);
	if (!found)
		return value_end(s, at);
	if (items->to)
		return 0; /* twice: programs disagree about which one counts */
	items->from = at;
	return items->to = is_at(s, at, '[') ? array_end(s, at) : value_end(s, at);
}

/* Whether the body is one object as far as the scan sees, and where its items are. */
static bool
find_items(struct slice s, size_t at, struct items *items)
{
	at = skip_space(s, at + 1);
	if (!is_at(s, at, '}')) {
		for (;;) {
			at = member_end(s, at, items);
			if (at == 0)
				return false;
			at = skip_space(s, at);
			if (!is_at(s, at, ','))
				break;
			at = skip_space(s, at + 1);
		}
	}
	return is_at(s, at, '}') && skip_space(s, at + 1) == s.n;
}

/* The body with an empty list in the place of its items: what is asked of the strict reader. */
static int
head_of(struct slice s, const struct items *items, struct arena *a, struct slice *head)
{
	size_t tail = s.n - items->to, n = items->from + 2 + tail;
	uint8_t *p;

	if (items->to == 0) {
		*head = s;
		return s.n > LIMIT_VENDOR_HEAD_BYTES ? STELE_ELIMIT : 0;
	}
	if (n > LIMIT_VENDOR_HEAD_BYTES)
		return STELE_ELIMIT;
	p = arena_alloc(a, n);
	if (!p)
		return STELE_ENOMEM;
	memcpy(p, s.p, items->from);
	memcpy(p + items->from, "[]", 2);
	memcpy(p + items->from + 2, s.p + items->to, tail);
	*head = slice_of(p, n);
	return 0;
}

static bool
is_audit(const struct slice values[2], const bool present[2])
{
	size_t n = sizeof group - 1;

	return present[0] && present[1] && slice_eq_str(values[0], "EventList") &&
	       values[1].n > n && memcmp(values[1].p, group, n) == 0;
}

/* What an object is whose items are there, or not. */
static int
judge(struct json_scanner *js, struct arena *a, struct slice s, const struct items *items,
      enum k8s_body *what)
{
	static const char *const names[] = {"kind", "apiVersion"};
	struct slice head, values[2], value = slice_of(s.p + items->from, items->to - items->from);
	bool present[2];
	int err = head_of(s, items, a, &head);

	if (err == 0)
		err = json_pick(js, head, names, 2, a, values, present);
	if (err == STELE_ENOMEM)
		return err;
	if (err)
		*what = K8S_BROKEN;
	else if (!is_audit(values, present))
		*what = K8S_OTHER;
	else if (items->to && is_at(value, 0, '['))
		*what = is_at(value, skip_space(value, 1), ']') ? K8S_NOTHING : K8S_LIST;
	else
		*what = slice_eq_str(value, "null") ? K8S_NOTHING : K8S_BROKEN;
	return 0;
}

int
k8s_events_open(struct k8s_events *e, struct json_scanner *js, struct arena *a, struct slice body,
		enum k8s_body *what)
{
	size_t at = skip_space(body, 0);
	struct items items = {0, 0};
	int err;

	*what = at == body.n ? K8S_NOTHING : K8S_BROKEN;
	if (at == body.n)
		return 0;
	if (body.p[at] != '{') {
		err = body.n > LIMIT_RECORD_BYTES ? STELE_ELIMIT : json_validate(js, body, NULL);
		*what = err ? K8S_BROKEN : K8S_OTHER;
		return err == STELE_ENOMEM ? err : 0;
	}
	if (!find_items(body, at, &items))
		return 0;
	err = judge(js, a, body, &items, what);
	*e = (struct k8s_events){.body = body, .at = items.from + 1};
	return err;
}

/* --- the items ---------------------------------------------------------------------------------
 */

bool
k8s_events_next(struct k8s_events *e, struct slice *item)
{
	size_t from = skip_space(e->body, e->at), to;

	if (is_at(e->body, from, ']'))
		return false;
	to = value_end(e->body, from);
	CHECK(to > from); /* k8s_events_open went the same way */
	*item = slice_of(e->body.p + from, to - from);
	to = skip_space(e->body, to);
	e->at = is_at(e->body, to, ',') ? to + 1 : to;
	return true;
}

int
k8s_event_identity(struct json_scanner *js, struct slice item, struct arena *a, struct slice id[2])
{
	static const char *const names[] = {"auditID", "stage"};
	bool present[2];
	int err = json_pick(js, item, names, 2, a, id, present);

	if (err == 0 && (!present[0] || !present[1] || !id[0].n || !id[1].n))
		return STELE_ESYNTAX;
	return err;
}
