/* What is wanted of the logs: by what is in it, by index, by hold; and what growth is proven from.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/field.h"
#include "proto/filter.h"
#include "server/access.h"
#include "server/aliases.h"
#include "server/audit.h"
#include "server/deeds.h"
#include "server/export_reading.h"
#include "server/server.h"
#include "storage/ranges.h"

/* --- the filter --------------------------------------------------------------------------------
 */

static int
add_term(struct export_reading *r, struct filter_simple_term *terms, size_t *n, int field,
	 const json_t *v)
{
	if (!json_is_string(v))
		return EXPORT_INVALID(r, "%s is a text, or a list of texts.",
				      field_name((enum field)field));
	if (*n == LIMIT_QUERY_TERMS)
		return EXPORT_INVALID(r,
				      "More than %u values are asked for: ask with filter instead.",
				      LIMIT_QUERY_TERMS);
	terms[(*n)++] = (struct filter_simple_term){(enum field)field, export_text(v)};
	return 0;
}

static int
read_terms(struct export_reading *r, struct filter_simple_term *terms, size_t *n)
{
	int err = 0;

	for (int f = FIELD_WRITER; err == 0 && f <= FIELD_ANY; f++) {
		const json_t *v = export_member(r, field_name((enum field)f)), *one;
		size_t i;
		if (v && !json_is_array(v))
			err = add_term(r, terms, n, f, v);
		json_array_foreach(v, i, one)
		{
			err = err ? err : add_term(r, terms, n, f, one);
		}
	}
	return err;
}

/* One filter out of all; its canonical text. */
static int
build_filter(struct export_reading *r, const struct filter_simple *simple)
{
	struct text_error e = {0};
	struct filter filter;
	struct buf text;
	int err = filter_build(&filter, &r->arena, simple, &e);

	if (err == STELE_ESYNTAX || err == STELE_ELIMIT)
		return export_refuse(r, err, PROBLEM_INVALID_FILTER, "At character %zu: %s.",
				     e.column, e.message);
	if (err != 0)
		return err;
	r->by_term = filter.root->kind != FILTER_ALL;
	if (!r->by_term)
		return 0;
	buf_init(&text);
	filter_print(&text, &filter);
	err = text.err ? text.err
		       : export_put_member(r, "filter", json_stringn((const char *)text.p, text.n));
	buf_fini(&text);
	return err;
}

int
export_read_filter(struct export_reading *r)
{
	struct filter_simple_term terms[LIMIT_QUERY_TERMS];
	struct slice matter = export_text(export_member(r, "matter"));
	struct filter_simple simple = {.has_from = r->has_from,
				       .has_to = r->has_to,
				       .from_ns = r->from_ns,
				       .to_ns = r->to_ns,
				       .terms = terms,
				       .filter = export_text(export_member(r, "filter"))};
	struct alias_use use;
	const json_t *row;
	size_t i;
	int err = read_terms(r, terms, &simple.n_terms);

	if (err == 0 && export_member(r, "filter") && !json_is_string(export_member(r, "filter")))
		return EXPORT_INVALID(r, "filter is a text.");
	alias_use_init(&use, audit_access(r->s->audit), &r->arena, matter,
		       !alias_matter(r->token, &matter));
	use.matter = matter;
	simple.aliases = &use.aliases;
	err = err ? err : build_filter(r, &simple);
	json_array_foreach(r->out->logs, i, row)
	{
		if (err == 0 && r->by_term && !json_object_get(row, "read"))
			err = export_deny(r, json_string_value(json_object_get(row, "log")), "read",
					  "finding records by what is in them");
	}
	return err;
}

/* --- records, holds ----------------------------------------------------------------------------
 */

static int
compare(const void *left, const void *right)
{
	const struct control_range *a = left, *b = right;

	return (a->first > b->first) - (a->first < b->first);
}

/* [3, [7, 9]] in any order: as ranges, in order and apart. */
static int
read_list(struct export_reading *r, const json_t *list, uint64_t size, json_t **out)
{
	size_t n = json_array_size(list);
	struct control_range *found =
		n && n <= LIMIT_EXPORT_RECORD_RANGES ? calloc(n, sizeof *found) : NULL;
	struct ranges set = {0};
	bool good = found != NULL;
	int err = 0;

	for (size_t i = 0; good && i < n; i++) {
		const json_t *v = json_array_get(list, i);
		good = deed_index(v, &found[i].first) || deed_range(v, &found[i]);
		if (good && !json_is_array(v))
			found[i].last = found[i].first;
		good = good && found[i].last < size;
	}
	if (good)
		qsort(found, n, sizeof *found, compare);
	for (size_t i = 0; good && err == 0 && i < n; i++) {
		good = i == 0 || found[i].first > found[i - 1].last;
		err = good ? ranges_add(&set, found[i].first, found[i].last) : 0;
	}
	if (good && err == 0)
		*out = deed_ranges(&set);
	ranges_fini(&set);
	free(found);
	return good ? err
		    : EXPORT_INVALID(
			      r,
			      "records is {LOG: [3, [7, 9]]}: up to %u indexes and ranges of entries "
			      "that the log has, none twice.",
			      LIMIT_EXPORT_RECORD_RANGES);
}

int
export_read_records(struct export_reading *r)
{
	const json_t *records = export_member(r, "records"), *row;
	json_t *out, *list = NULL;
	size_t i, known = 0;
	int err = 0;

	if (!records)
		return 0;
	out = json_object();
	json_array_foreach(r->out->logs, i, row)
	{
		const char *log = json_string_value(json_object_get(row, "log"));
		const json_t *v = json_object_get(records, log);
		if (err != 0 || !v)
			continue;
		known++;
		err = read_list(r, v, export_size_of(row), &list);
		if (err == 0 && json_object_set_new(out, log, list) != 0)
			err = STELE_ENOMEM;
	}
	if (err == 0 && (known == 0 || json_object_size(records) != known))
		err = EXPORT_INVALID(r, "records is {LOG: [3, [7, 9]]} for some of the logs.");
	if (err != 0) {
		json_decref(out);
		return err;
	}
	return export_put_member(r, "records", out);
}

int
export_read_holds(struct export_reading *r)
{
	int err = export_read_word(r, "hold", CONTROL_HOLD_ID_CHARS);

	return err ? err : export_read_word(r, "matter", LIMIT_HOLD_WORDS_BYTES);
}

/* --- since, certify, reason ----------------------------------------------------------------------
 */

/* Sizes of older trees, ascending. */
static int
read_sizes(struct export_reading *r, const json_t *list, uint64_t size, json_t **out)
{
	const json_t *v;
	size_t i;
	uint64_t last = 0, at = 0;
	bool good = json_array_size(list) > 0 && json_array_size(list) <= LIMIT_EXPORT_SINCE;

	json_array_foreach(list, i, v)
	{
		good = good && deed_index(v, &at) && at > last && at <= size;
		last = at;
	}
	if (!good)
		return EXPORT_INVALID(
			r,
			"since is {LOG: [SIZE, …]}: up to %u sizes of checkpoints of that log, "
			"ascending, none larger than it is.",
			LIMIT_EXPORT_SINCE);
	*out = json_deep_copy(list);
	return *out ? 0 : STELE_ENOMEM;
}

int
export_read_since(struct export_reading *r)
{
	const json_t *since = export_member(r, "since"), *row;
	json_t *out, *list = NULL;
	size_t i, known = 0;
	int err = 0;

	if (!since)
		return 0;
	out = json_object();
	json_array_foreach(r->out->logs, i, row)
	{
		const char *log = json_string_value(json_object_get(row, "log"));
		const json_t *v = json_object_get(since, log);
		if (err != 0 || !v)
			continue;
		known++;
		err = read_sizes(r, v, export_size_of(row), &list);
		if (err == 0 && json_object_set_new(out, log, list) != 0)
			err = STELE_ENOMEM;
	}
	if (err == 0 && (known == 0 || json_object_size(since) != known))
		err = EXPORT_INVALID(r, "since is {LOG: [SIZE, …]} for some of the logs.");
	if (err != 0) {
		json_decref(out);
		return err;
	}
	return export_put_member(r, "since", out);
}
