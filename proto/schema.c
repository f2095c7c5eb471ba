/* Schemas are small and read seldom: jansson, then member by member, nothing ignored. */
#include "proto/schema.h"

#include <jansson.h>
#include <stdarg.h>

#include "proto/err.h"
#include "proto/limits.h"

struct reader {
	struct arena *a;
	struct buf *why;
	size_t n_places; /* read so far */
	int code;        /* the first error; then nothing more is read */
};

static void fail(struct reader *r, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void
fail(struct reader *r, int code, const char *fmt, ...)
{
	char sentence[320];
	va_list args;

	if (r->code)
		return;
	r->code = code;
	va_start(args, fmt);
	vsnprintf(sentence, sizeof sentence, fmt, args);
	va_end(args);
	buf_put_str(r->why, sentence);
}

static void *
take(struct reader *r, size_t n)
{
	void *p = r->code ? NULL : arena_alloc(r->a, n);

	if (!p && !r->code)
		r->code = STELE_ENOMEM;
	return p;
}

/* A JSON string's text as a slice of the arena; empty after an error. */
static struct slice
take_text(struct reader *r, const json_t *value)
{
	size_t n = json_string_length(value);
	void *copy = take(r, n + 1);

	if (!copy)
		return slice_of(NULL, 0);
	memcpy(copy, json_string_value(value), n);
	return slice_of(copy, n);
}

static void
read_name(struct reader *r, struct schema *s, json_t *value)
{
	s->name = json_is_string(value) ? take_text(r, value) : slice_of("", 0);
	for (size_t i = 0; i < s->name.n; i++) {
		uint8_t c = s->name.p[i];
		bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
		if (!word && (i == 0 || !c || !strchr("._-", c)))
			s->name.n = 0;
	}
	if (s->name.n == 0 || s->name.n > LIMIT_LOG_NAME_BYTES)
		fail(r, STELE_ESYNTAX,
		     "name must be a string of a-z, 0-9, points and dashes, at most %u, such as "
		     "\"our-gateway\".",
		     LIMIT_LOG_NAME_BYTES);
}

/* True when no term of the filter is over a field. */
static bool
only_paths(const struct filter_node *node)
{
	for (size_t i = 0; i < node->n; i++) {
		if (!only_paths(node->children[i]))
			return false;
	}
	return node->kind != FILTER_TERM || node->term.field < 0;
}

static void
read_when(struct reader *r, struct schema *s, json_t *value)
{
	struct text_error err;
	int code;

	if (r->code)
		return;
	if (!json_is_string(value)) {
		fail(r, STELE_ESYNTAX,
		     "when must be a filter in a string: what a record must have, such as "
		     "\"eventID:* AND eventSource:*\".");
		return;
	}
	code = filter_parse(&s->when, r->a,
			    slice_of(json_string_value(value), json_string_length(value)), &err);
	if (code == STELE_ENOMEM)
		r->code = code;
	else if (code)
		fail(r, code, "when, column %zu: %s.", err.column, err.message);
	else if (!only_paths(s->when.root))
		fail(r, STELE_ESYNTAX,
		     "when is about paths, since it decides what the fields are: quote a member "
		     "that has the name of a field, such as \"type\".");
}

static void
read_nothing(struct reader *r, struct schema *s, json_t *value)
{
	size_t n = json_array_size(value);
	struct slice *texts;

	if (!value)
		return;
	if (!json_is_array(value) || n > LIMIT_SCHEMA_NOTHING) {
		fail(r, STELE_ESYNTAX,
		     "nothing must be an array of at most %u texts that stand for no value.",
		     LIMIT_SCHEMA_NOTHING);
		return;
	}
	texts = take(r, (n + 1) * sizeof *texts);
	for (size_t i = 0; texts && i < n; i++) {
		json_t *text = json_array_get(value, i);
		if (!json_is_string(text))
			fail(r, STELE_ESYNTAX, "nothing must hold texts only, such as \"-\".");
		texts[i] = take_text(r, text);
	}
	s->nothing = texts;
	s->n_nothing = n;
}

static void
read_path(struct reader *r, struct schema_place *place, const char *field, const json_t *value)
{
	struct slice text = slice_of(json_string_value(value), json_string_length(value));
	struct text_error err;
	size_t at = 0;
	int code;

	if (r->code)
		return;
	code = jsonpath_read(&place->path, NULL, r->a, text, &at, &err);
	if (code == STELE_ENOMEM)
		r->code = code;
	else if (code)
		fail(r, code, "fields.%s, path, column %zu: %s.", field, err.column, err.message);
	else if (at < text.n)
		fail(r, STELE_ESYNTAX,
		     "fields.%s: a path is names with points between them; quote a name with other "
		     "characters.",
		     field);
}

static void
read_map(struct reader *r, struct schema_place *place, const char *field, json_t *map)
{
	struct schema_map *lines;
	const char *pattern;
	json_t *value;
	size_t i = 0;

	if (!json_is_object(map) || json_object_size(map) == 0 ||
	    json_object_size(map) > LIMIT_SCHEMA_MAP) {
		fail(r, STELE_ESYNTAX,
		     "fields.%s: map must be an object of 1 to %u texts, such as {\"2*\": "
		     "\"success\"}.",
		     field, LIMIT_SCHEMA_MAP);
		return;
	}
	lines = take(r, json_object_size(map) * sizeof *lines);
	json_object_foreach(map, pattern, value)
	{
		size_t n = strlen(pattern);
		struct slice text;
		if (!json_is_string(value) || json_string_length(value) == 0)
			fail(r, STELE_ESYNTAX, "fields.%s: a map's values are texts.", field);
		if (!lines || r->code)
			return;
		lines[i].prefix = n && pattern[n - 1] == '*';
		text = slice_of(arena_dup(r->a, pattern, n), n - lines[i].prefix);
		if (!text.p)
			r->code = STELE_ENOMEM;
		lines[i].pattern = text;
		lines[i++].value = take_text(r, value);
	}
	place->map = lines;
	place->n_map = i;
}

static enum instant_unit
unit_of(const char *text)
{
	static const char *const units[] = {
		[INSTANT_S] = "s", [INSTANT_MS] = "ms", [INSTANT_US] = "us", [INSTANT_NS] = "ns"};

	for (int i = INSTANT_S; text && i <= INSTANT_NS; i++) {
		if (strcmp(text, units[i]) == 0)
			return (enum instant_unit)i;
	}
	return INSTANT_GUESS;
}

/* {"path", "map", "unit"} or {"value"} */
static void
read_place_object(struct reader *r, struct schema_place *place, const char *field, json_t *object)
{
	json_t *path = json_object_get(object, "path"), *map = json_object_get(object, "map");
	json_t *unit = json_object_get(object, "unit"), *value = json_object_get(object, "value");
	bool time = strcmp(field, "time") == 0;
	size_t known = (size_t) !!path + !!map + !!unit + !!value;

	if (known != json_object_size(object) || (path != NULL) == (value != NULL) ||
	    (value && (known != 1 || time)))
		fail(r, STELE_ESYNTAX,
		     "fields.%s: a place is a path, {\"path\"} with \"map\" or (for time) "
		     "\"unit\", or (not for time) {\"value\"}.",
		     field);
	else if ((value && (!json_is_string(value) || json_string_length(value) == 0)) ||
		 (path && !json_is_string(path)))
		fail(r, STELE_ESYNTAX, "fields.%s: path and value are texts.", field);
	else if ((unit && !time) || (map && time))
		fail(r, STELE_ESYNTAX, "fields.%s: unit is for time only, map for all others.",
		     field);
	if (r->code)
		return;
	if (value)
		place->constant = take_text(r, value);
	if (path)
		read_path(r, place, field, path);
	if (map)
		read_map(r, place, field, map);
	place->unit = unit_of(json_string_value(unit));
	if (unit && place->unit == INSTANT_GUESS)
		fail(r, STELE_ESYNTAX, "fields.%s: unit must be s, ms, us or ns.", field);
}

static void
read_place(struct reader *r, struct schema_place *place, bool joined, const char *field,
	   json_t *value)
{
	*place = (struct schema_place){.joined = joined};
	if (++r->n_places > LIMIT_SCHEMA_PLACES)
		fail(r, STELE_ELIMIT, "fields may have %u places at most, all together.",
		     LIMIT_SCHEMA_PLACES);
	if (json_is_string(value))
		read_path(r, place, field, value);
	else
		read_place_object(r, place, field, value); /* refuses what is no object */
}

/* Places in all alternatives of a field. */
static size_t
count_places(json_t *alternatives)
{
	json_t *one;
	size_t i, n = 0;

	json_array_foreach(alternatives, i, one)
	{
		n += json_is_array(one) ? json_array_size(one) : 1;
	}
	return n;
}

static void
read_field(struct reader *r, struct schema *s, const char *name, json_t *alternatives)
{
	int field = field_find(slice_str(name));
	size_t n = count_places(alternatives), i, at = 0;
	struct schema_place *places;
	json_t *one;

	if (field < 0 || field == FIELD_ANY || field == FIELD_RECEIVE_TIME || field == FIELD_WRITER)
		fail(r, STELE_ESYNTAX,
		     "fields has no \"%.40s\": there are time, actor, action, resource, outcome, "
		     "source_ip, trace_id, event_id, event_type and severity.",
		     name);
	else if (!json_is_array(alternatives) || n == 0)
		fail(r, STELE_ESYNTAX, "fields.%s must be an array of places.", name);
	places = take(r, (n + 1) * sizeof *places);
	if (!places)
		return;
	json_array_foreach(alternatives, i, one)
	{
		size_t k = json_is_array(one) ? json_array_size(one) : 1;
		for (size_t j = 0; j < k && !r->code; j++)
			read_place(r, &places[at++], j > 0, name,
				   json_is_array(one) ? json_array_get(one, j) : one);
	}
	s->fields[field] = (struct schema_field){places, n};
}

static void
read_schema(struct reader *r, struct schema *s, json_t *root)
{
	json_t *fields = json_object_get(root, "fields"), *value;
	const char *name;

	if (!json_is_object(root)) {
		fail(r, STELE_ESYNTAX, "A schema is a JSON object.");
		return;
	}
	json_object_foreach(root, name, value)
	{
		if (!strcmp(name, "name") || !strcmp(name, "when") || !strcmp(name, "nothing") ||
		    !strcmp(name, "fields"))
			continue;
		fail(r, STELE_ESYNTAX,
		     "A schema has no \"%.40s\": there are name, when, nothing and fields.", name);
	}
	read_name(r, s, json_object_get(root, "name"));
	read_when(r, s, json_object_get(root, "when"));
	read_nothing(r, s, json_object_get(root, "nothing"));
	if (!json_is_object(fields))
		fail(r, STELE_ESYNTAX, "fields must be an object of fields.");
	json_object_foreach(fields, name, value)
	{
		read_field(r, s, name, value);
	}
}

/* The bound holds for the canonical JSON, too: it must read again. */
static void
check_written(struct reader *r, const struct schema *s)
{
	struct buf written;

	buf_init(&written);
	schema_write(&written, s);
	if (written.err)
		r->code = written.err;
	else if (written.n > LIMIT_SCHEMA_BYTES)
		fail(r, STELE_ELIMIT, "A schema has %u bytes at most, in its canonical form too.",
		     LIMIT_SCHEMA_BYTES);
	buf_fini(&written);
}

int
schema_read(struct schema *s, struct arena *a, struct slice json, struct buf *why)
{
	struct reader r = {.a = a, .why = why};
	struct schema read = {0};
	json_error_t error;
	json_t *root = NULL;

	if (json.n > LIMIT_SCHEMA_BYTES)
		fail(&r, STELE_ELIMIT, "A schema has %u bytes at most.", LIMIT_SCHEMA_BYTES);
	else if (!(root = json_loadb((const char *)json.p, json.n, JSON_REJECT_DUPLICATES, &error)))
		fail(&r, STELE_ESYNTAX, "A schema is a JSON object; line %d, column %d: %s.",
		     error.line, error.column, error.text);
	if (root)
		read_schema(&r, &read, root);
	json_decref(root);
	if (r.code == 0)
		check_written(&r, &read);
	if (r.code == 0)
		*s = read;
	return r.code;
}

int
schema_find(const struct schema_set *set, struct slice name)
{
	for (size_t i = 0; i < set->n; i++) {
		if (slice_eq(set->items[i].name, name))
			return (int)i;
	}
	return -1;
}
