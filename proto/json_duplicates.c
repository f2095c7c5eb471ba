/*
 * All members of all objects in one array, sorted so that equal ones are
 * neighbours. The order is total: no choice of names makes it slow or wrong.
 */
#include "proto/json_duplicates.h"

#include <stdlib.h>

#include "proto/err.h"
#include "proto/json_string.h"
#include "proto/limits.h"

struct json_member {
	uint32_t object; /* its object's token */
	uint32_t n;      /* bytes of its name */
	const uint8_t *name;
};

static int
by_object_and_name(const void *a, const void *b)
{
	const struct json_member *x = a, *y = b;

	if (x->object != y->object)
		return x->object < y->object ? -1 : 1;
	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return x->n ? memcmp(x->name, y->name, x->n) : 0;
}

/* Where the bytes of the name go, when it has escapes: room was made for all of them. */
static void
set_name(struct json_duplicates *d, struct json_member *m, struct slice raw)
{
	m->name = raw.p;
	m->n = (uint32_t)raw.n;
	if (raw.n == 0 || !memchr(raw.p, '\\', raw.n))
		return;
	m->name = d->names.p + d->names.n;
	m->n = (uint32_t)json_string_unescape(d->names.p + d->names.n, raw);
	d->names.n += m->n;
}

/* Room for a member at each colon, and for the names with escapes. */
static int
make_room(struct json_duplicates *d, const struct json_index *x)
{
	size_t n = 0, bytes = 0;

	for (const uint32_t *at = x->at; at < x->end; at++) {
		struct slice raw;
		if (x->p[*at] != ':')
			continue;
		n++;
		raw = json_string_raw(x, at - 1);
		bytes += raw.n && memchr(raw.p, '\\', raw.n) ? raw.n : 0;
	}
	if (n > d->cap) {
		struct json_member *members = realloc(d->members, n * sizeof *members);
		if (!members)
			return STELE_ENOMEM;
		d->members = members;
		d->cap = n;
	}
	buf_reset(&d->names);
	return buf_reserve(&d->names, bytes);
}

static size_t
collect(struct json_duplicates *d, const struct json_index *x)
{
	uint32_t open[LIMIT_JSON_DEPTH];
	size_t depth = 0, n = 0;

	for (const uint32_t *at = x->at; at < x->end; at++) {
		switch (x->p[*at]) {
		case '{':
		case '[':
			open[depth++] = (uint32_t)(at - x->at);
			break;
		case '}':
		case ']':
			depth--;
			break;
		case ':':
			d->members[n].object = open[depth - 1];
			set_name(d, &d->members[n++], json_string_raw(x, at - 1));
			break;
		default:
			break;
		}
	}
	return n;
}

int
json_duplicates_find(struct json_duplicates *d, const struct json_index *x, bool *twice)
{
	size_t n;
	int code = make_room(d, x);

	if (code)
		return code;
	n = collect(d, x);
	*twice = false;
	if (n < 2)
		return 0;
	qsort(d->members, n, sizeof *d->members, by_object_and_name);
	for (size_t i = 1; i < n && !*twice; i++)
		*twice = by_object_and_name(&d->members[i - 1], &d->members[i]) == 0;
	return 0;
}

void
json_duplicates_fini(struct json_duplicates *d)
{
	free(d->members);
	buf_fini(&d->names);
	*d = (struct json_duplicates){0};
}
