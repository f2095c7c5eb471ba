/* The server judges what they mean, and whether they are in order. */
#include "tools/range_args.h"

#include <string.h>

#include "proto/dec.h"
#include "proto/limits.h"
#include "proto/slice.h"

static json_t *
range_of(struct slice text, bool open)
{
	const uint8_t *dash = text.n ? memchr(text.p, '-', text.n) : NULL;
	struct slice left = slice_of(text.p, dash ? (size_t)(dash - text.p) : text.n),
		     right = dash ? slice_of(dash + 1, text.n - left.n - 1) : left;
	uint64_t first, last;

	if (dec_parse(&first, left, LIMIT_INTEGER) != 0)
		return NULL;
	if (right.n == 0 && open)
		return json_pack("[I, n]", (json_int_t)first);
	if (dec_parse(&last, right, LIMIT_INTEGER) != 0)
		return NULL;
	return json_pack("[I, I]", (json_int_t)first, (json_int_t)last);
}

json_t *
range_args_pair(const char *text, bool open)
{
	return strchr(text, '-') ? range_of(slice_str(text), open) : NULL;
}

json_t *
range_args_list(const char *text)
{
	json_t *list = json_array(), *range;
	const char *p = text;
	size_t n;

	for (;; p += n + 1) {
		n = strcspn(p, ",");
		range = range_of(slice_of(p, n), false);
		if (!range) {
			json_decref(list);
			return NULL;
		}
		json_array_append_new(list, range);
		if (p[n] == '\0')
			return list;
	}
}
