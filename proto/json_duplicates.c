/*
 * Members go into a hash table by object and name; where names were chosen so that
 * too many of them meet in it, all members are sorted instead. Both are exact: no
 * choice of names makes the answer slow or wrong.
 */
#include "proto/json_duplicates.h"

#include <stdlib.h>

#include "proto/err.h"
#include "proto/json_string.h"
#include "proto/limits.h"

enum { MOST_STEPS = 32 }; /* in the table, before it is given up */

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

/* Of the object and up to 16 bytes of the name: more are rarely needed to tell names apart. */
static uint64_t
hash(const struct json_member *m)
{
	uint64_t first = 0, last = 0, h;

	if (m->n >= 8) {
		memcpy(&first, m->name, 8);
		memcpy(&last, m->name + m->n - 8, 8);
	} else {
		for (uint32_t i = 0; i < m->n; i++)
			first = first << 8 | m->name[i];
	}
	h = (first ^ (m->n + (uint64_t)m->object * 0x10001)) * UINT64_C(0x9e3779b97f4a7c15);
	h = (h ^ h >> 32 ^ last) * UINT64_C(0xff51afd7ed558ccd);
	return h ^ h >> 29;
}

/* Room for a member at each colon, and a table twice as large, empty. */
static int
make_room(struct json_duplicates *d, const struct json_index *x)
{
	size_t n = 0, slots = 16;

	for (const uint32_t *at = x->at; at < x->end; at++)
		n += x->p[*at] == ':';
	while (slots < 2 * n)
		slots *= 2;
	if (slots > d->slots) {
		struct json_member *members = realloc(d->members, slots / 2 * sizeof *members);
		uint32_t *table = members ? realloc(d->table, slots * sizeof *table) : NULL;
		if (members)
			d->members = members;
		if (!table)
			return STELE_ENOMEM;
		d->table = table;
		d->slots = slots;
	}
	d->mask = slots - 1;
	d->n = 0;
	memset(d->table, 0, slots * sizeof *d->table);
	buf_reset(&d->names);
	return 0;
}

/* The name at a token, unescaped; names never take more room than the document. */
static int
set_name(struct json_duplicates *d, struct json_member *m, const struct json_index *x,
	 const uint32_t *at)
{
	struct slice raw = json_string_raw(x, at);

	m->name = raw.p;
	m->n = (uint32_t)raw.n;
	if (raw.n == 0 || !memchr(raw.p, '\\', raw.n))
		return 0;
	if (d->names.n == 0 && buf_reserve(&d->names, x->n) != 0)
		return STELE_ENOMEM; /* all at once: names that are there stay where they are */
	m->name = d->names.p + d->names.n;
	m->n = (uint32_t)json_string_unescape(d->names.p + d->names.n, raw);
	d->names.n += m->n;
	return 0;
}

/* Adds the newest member to the table: true when it is there. *crowded: it was given up. */
static bool
is_there(struct json_duplicates *d, bool *crowded)
{
	const struct json_member *m = &d->members[d->n - 1];
	size_t slot = (size_t)hash(m) & d->mask;

	for (int steps = 0; d->table[slot]; steps++) {
		if (by_object_and_name(m, &d->members[d->table[slot] - 1]) == 0)
			return true;
		if (steps == MOST_STEPS) {
			*crowded = true;
			return false;
		}
		slot = (slot + 1) & d->mask;
	}
	d->table[slot] = (uint32_t)d->n;
	return false;
}

/* Takes the members in turn, until one is there twice. */
static int
collect(struct json_duplicates *d, const struct json_index *x, bool *twice, bool *crowded)
{
	uint32_t open[LIMIT_JSON_DEPTH];
	size_t depth = 0;

	for (const uint32_t *at = x->at; at < x->end && !*twice; at++) {
		struct json_member *m = &d->members[d->n];
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
			m->object = open[depth - 1];
			if (set_name(d, m, x, at - 1) != 0)
				return STELE_ENOMEM;
			d->n++;
			*twice = !*crowded && is_there(d, crowded);
			break;
		default:
			break;
		}
	}
	return 0;
}

int
json_duplicates_find(struct json_duplicates *d, const struct json_index *x, bool *twice)
{
	bool found = false, crowded = false;
	int code = make_room(d, x);

	if (code == 0)
		code = collect(d, x, &found, &crowded);
	if (code)
		return code;
	if (crowded)
		qsort(d->members, d->n, sizeof *d->members, by_object_and_name);
	for (size_t i = 1; crowded && !found && i < d->n; i++)
		found = by_object_and_name(&d->members[i - 1], &d->members[i]) == 0;
	*twice = found;
	return 0;
}

void
json_duplicates_fini(struct json_duplicates *d)
{
	free(d->members);
	free(d->table);
	buf_fini(&d->names);
	*d = (struct json_duplicates){0};
}
