/* Ranges are pairs of numbers, both ends in them. */
#include "storage/purgeentry.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/err.h"
#include "proto/limits.h"

static const char *const own[] = {"type", "ranges", "count", "root"};

void
purge_set_fini(struct purge_set *s)
{
	free(s->ranges);
	*s = (struct purge_set){.n = 0};
}

const struct purge_range *
purge_set_find(const struct purge_set *s, uint64_t index)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->ranges[mid].last < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n && s->ranges[lo].first <= index ? &s->ranges[lo] : NULL;
}

static struct slice
trimmed(struct slice s)
{
	while (s.n && strchr(" \t\r\n", s.p[0]))
		s = slice_of(s.p + 1, s.n - 1);
	while (s.n && strchr(" \t\r\n", s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Whether the text is one object without the members that are put here; *any: has others. */
static bool
members_valid(struct slice text, bool *any)
{
	json_t *o = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	bool valid = json_is_object(o);

	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		valid = valid && !json_object_get(o, own[i]);
	*any = json_object_size(o) != 0;
	json_decref(o);
	return valid;
}

int
purge_entry_put(struct buf *out, const struct purge_set *s, struct slice members)
{
	struct slice text = trimmed(members);
	bool any;

	if (!members_valid(text, &any))
		return STELE_EINVAL;
	buf_put_str(out, "{\"type\":\"purge\",\"ranges\":[");
	for (size_t i = 0; i < s->n; i++)
		buf_printf(out, "%s[%llu,%llu]", i ? "," : "",
			   (unsigned long long)s->ranges[i].first,
			   (unsigned long long)s->ranges[i].last);
	buf_printf(out, "],\"count\":%llu,\"root\":\"", (unsigned long long)s->records);
	buf_put_base64(out, s->root, sizeof s->root);
	buf_put_str(out, any ? "\"," : "\"");
	buf_put(out, text.p + 1, text.n - 1);
	return out->err;
}

/* One pair, which must lie behind the range before it. */
static bool
take_range(struct purge_set *s, json_t *pair)
{
	json_t *first = json_array_get(pair, 0), *last = json_array_get(pair, 1);
	struct purge_range r;

	if (json_array_size(pair) != 2 || !json_is_integer(first) || !json_is_integer(last) ||
	    json_integer_value(first) < 0 || json_integer_value(last) < json_integer_value(first) ||
	    (uint64_t)json_integer_value(last) > LIMIT_TREE_SIZE)
		return false;
	r = (struct purge_range){(uint64_t)json_integer_value(first),
				 (uint64_t)json_integer_value(last)};
	if (s->n && r.first <= s->ranges[s->n - 1].last)
		return false;
	s->ranges[s->n++] = r;
	s->records += r.last - r.first + 1;
	return true;
}

static int
take_ranges(struct purge_set *s, json_t *list)
{
	size_t n = json_array_size(list);

	if (n == 0)
		return STELE_ESYNTAX;
	if (n > LIMIT_PURGE_RANGES)
		return STELE_ELIMIT;
	s->ranges = malloc(n * sizeof *s->ranges);
	if (!s->ranges)
		return STELE_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!take_range(s, json_array_get(list, i)))
			return STELE_ESYNTAX;
	}
	return 0;
}

int
purge_entry_read(struct purge_set *s, struct slice payload)
{
	json_t *o = json_loadb((const char *)payload.p, payload.n, JSON_REJECT_DUPLICATES, NULL);
	const char *type = json_string_value(json_object_get(o, "type"));
	const char *root = json_string_value(json_object_get(o, "root"));
	json_t *count = json_object_get(o, "count");
	struct purge_set got = {.n = 0};
	int err = type && strcmp(type, "purge") == 0 && root && json_is_integer(count)
			  ? take_ranges(&got, json_object_get(o, "ranges"))
			  : STELE_ESYNTAX;

	if (err == 0 &&
	    (json_integer_value(count) < 0 || (uint64_t)json_integer_value(count) != got.records ||
	     base64_decode_exact(got.root, 32, slice_str(root)) != 0))
		err = STELE_ESYNTAX;
	json_decref(o);
	if (err == 0)
		*s = got;
	else
		purge_set_fini(&got);
	return err;
}
