/* Versions, names, mappings, logs' choices; and the snapshot of them. */
#include <stdlib.h>
#include <string.h>

#include "crypto/sha256.h"
#include "proto/err.h"
#include "proto/room.h"
#include "proto/timestamp.h"
#include "server/access_json.h"
#include "server/access_state.h"

/* --- versions ------------------------------------------------------------------------------ */

void
schema_version_free(struct schema_version *v)
{
	if (v)
		arena_fini(&v->arena);
	free(v);
}

/* The canonical text, and its digest. */
static int
name_version(struct schema_version *v)
{
	struct sha256 *h = sha256_new();
	struct buf text;
	const void *copy;

	buf_init(&text);
	schema_write(&text, &v->schema);
	copy = text.err ? NULL : arena_dup(&v->arena, text.p, text.n);
	v->text = slice_of(copy, text.n);
	if (h && copy)
		sha256_hash(h, v->digest, v->text);
	buf_fini(&text);
	sha256_free(h);
	return h && copy ? 0 : STELE_ENOMEM;
}

int
schema_version_new(struct schema_version **out, struct slice text, struct buf *why)
{
	struct schema_version *v = calloc(1, sizeof *v);
	int err;

	if (!v)
		return STELE_ENOMEM;
	arena_init(&v->arena);
	err = schema_read(&v->schema, &v->arena, text, why);
	err = err ? err : name_version(v);
	if (err == 0)
		*out = v;
	else
		schema_version_free(v);
	return err;
}

const struct schema_version *
schemas_version(const struct schemas *s, const uint8_t digest[32])
{
	for (size_t i = 0; i < s->n; i++)
		if (memcmp(s->v[i]->digest, digest, 32) == 0)
			return s->v[i];
	return NULL;
}

size_t
schemas_place(const struct schema_names *names, struct slice name)
{
	size_t at = 0;

	while (at < names->n && !slice_eq(names->of[at].name, name))
		at++;
	return at;
}

/* --- mappings ------------------------------------------------------------------------------ */

/* One of n schemas that lie behind it. */
static struct mapping *
mapping_new(struct schemas *s, size_t n, struct schema **items)
{
	struct mapping *m = malloc(sizeof *m + n * sizeof **items);

	if (!m || room_for_one(&s->m, s->n_m, &s->cap_m, sizeof(*s->m)) != 0) {
		free(m);
		return NULL;
	}
	*items = (struct schema *)(m + 1);
	*m = (struct mapping){.set = {*items, n}, .chosen = -1};
	return m;
}

static int
put_digest(struct mapping *m)
{
	struct sha256 *h = sha256_new();
	int err = h ? mapping_digest(m->digest, &m->set, m->chosen, h) : STELE_ENOMEM;

	sha256_free(h);
	return err;
}

static const struct mapping *
mapping_take(struct schemas *s, struct mapping *m)
{
	m->number = s->n_m;
	s->m[s->n_m++] = m;
	return m;
}

int
schemas_take(struct schemas *s, struct schema_version *v)
{
	int err = room_for_one(&s->v, s->n, &s->cap, sizeof(*s->v));
	struct schema *items;
	struct mapping *m = err ? NULL : mapping_new(s, 1, &items);

	if (!m)
		return STELE_ENOMEM;
	*items = v->schema;
	m->chosen = 0;
	err = put_digest(m);
	if (err != 0) {
		free(m);
		return err;
	}
	v->chosen = mapping_take(s, m);
	s->v[s->n++] = v;
	s->text_bytes += v->text.n;
	return 0;
}

int
schemas_map(struct schemas *s, const struct schema_names *names, const struct mapping **out)
{
	struct schema *items;
	struct mapping *m = mapping_new(s, names->n, &items);
	size_t n = 0;
	int err;

	if (!m)
		return STELE_ENOMEM;
	for (size_t i = 0; i < names->n; i++)
		if (!names->of[i].retired_ns)
			items[n++] = names->of[i].now->schema;
	m->set.n = n;
	err = put_digest(m);
	for (size_t i = 0; err == 0 && i < s->n_m; i++) {
		if (memcmp(s->m[i]->digest, m->digest, sizeof m->digest) != 0)
			continue;
		*out = s->m[i];
		free(m);
		return 0;
	}
	if (err == 0)
		*out = mapping_take(s, m);
	else
		free(m);
	return err;
}

/* --- logs ---------------------------------------------------------------------------------- */

size_t
schemas_log(const struct schemas *s, struct slice log, bool *found)
{
	size_t low = 0, high = s->n_logs;

	*found = false;
	while (low < high) {
		size_t mid = low + (high - low) / 2, n = strlen(s->logs[mid].log);
		int c = memcmp(s->logs[mid].log, log.p, n < log.n ? n : log.n);

		c = c ? c : (n > log.n) - (n < log.n);
		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

int
schemas_choose(struct schemas *s, struct slice log, struct slice schema)
{
	bool found;
	size_t at = schemas_log(s, log, &found);
	struct log_schema *row;

	if (found && schema.n == 0) {
		memmove(s->logs + at, s->logs + at + 1, (--s->n_logs - at) * sizeof *s->logs);
		return 0;
	}
	if (schema.n == 0)
		return 0;
	if (!found) {
		if (room_for_one(&s->logs, s->n_logs, &s->cap_logs, sizeof *s->logs) != 0)
			return STELE_ENOMEM;
		memmove(s->logs + at + 1, s->logs + at, (s->n_logs++ - at) * sizeof *s->logs);
	}
	row = &s->logs[at];
	*row = (struct log_schema){0};
	memcpy(row->log, log.p, log.n);
	memcpy(row->schema, schema.p, schema.n);
	return 0;
}

/* --- the snapshot -------------------------------------------------------------------------- */

void
access_forget_schemas(struct access *a)
{
	struct schemas *s = &a->schemas;

	for (size_t i = 0; i < s->n_m; i++)
		free(s->m[i]);
	for (size_t i = 0; i < s->n; i++)
		schema_version_free(s->v[i]);
	free(s->m);
	free(s->v);
	free(s->names.of);
	free(s->logs);
	*s = (struct schemas){0};
}

static size_t
index_of(const struct schemas *s, const struct schema_version *v)
{
	size_t i = 0;

	while (s->v[i] != v)
		i++;
	return i;
}

/* Which version has that schema: every mapping's are copies of some version's. */
static size_t
index_of_schema(const struct schemas *s, const struct schema *schema)
{
	size_t i = 0;

	while (s->v[i]->schema.name.p != schema->name.p)
		i++;
	return i;
}

/* The number of its version when it was chosen; else a list of such. */
static void
encode_mapping(struct buf *out, const struct schemas *s, const struct mapping *m)
{
	if (m->chosen >= 0) {
		buf_put_dec(out, index_of_schema(s, &m->set.items[m->chosen]));
		return;
	}
	buf_put_u8(out, '[');
	for (size_t i = 0; i < m->set.n; i++) {
		buf_put_str(out, i ? "," : "");
		buf_put_dec(out, index_of_schema(s, &m->set.items[i]));
	}
	buf_put_u8(out, ']');
}

void
access_encode_schemas(const struct access *a, struct buf *out)
{
	const struct schemas *s = &a->schemas;

	if (!s->now)
		return;
	buf_put_str(out, ",\"schemas\":{\"versions\":[");
	for (size_t i = 0; i < s->n; i++) {
		buf_put_str(out, i ? ",{\"text\":" : "{\"text\":");
		buf_put_json_str(out, s->v[i]->text);
		buf_put_str(out, ",\"by\":");
		buf_put_json_str(out, slice_str(s->v[i]->by));
		access_put_time(out, "added", s->v[i]->added_ns);
		buf_put_u8(out, '}');
	}
	buf_put_str(out, "],\"names\":[");
	for (size_t i = 0; i < s->names.n; i++) {
		const struct schema_name *name = &s->names.of[i];

		buf_printf(out, "%s{\"version\":%zu,\"own\":%s", i ? "," : "",
			   index_of(s, name->now), name->added ? "true" : "false");
		access_put_time(out, "retired", name->retired_ns);
		buf_put_u8(out, '}');
	}
	buf_put_str(out, "],\"mappings\":[");
	for (size_t i = 0; i < s->n_m; i++) {
		buf_put_str(out, i ? "," : "");
		encode_mapping(out, s, s->m[i]);
	}
	buf_put_str(out, "],\"logs\":[");
	for (size_t i = 0; i < s->n_logs; i++)
		buf_printf(out, "%s[\"%s\",\"%s\"]", i ? "," : "", s->logs[i].log,
			   s->logs[i].schema);
	buf_put_str(out, "]}");
}

static bool
get_time(const json_t *o, const char *name, int64_t *ns)
{
	return !json_object_get(o, name) || timestamp_parse(ns, fold_text(o, name)) == 0;
}

/* A number of a version that was read; false: it is none. */
static bool
get_version(const struct schemas *s, const json_t *v, size_t *at)
{
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (size_t)json_integer_value(v) >= s->n)
		return false;
	*at = (size_t)json_integer_value(v);
	return true;
}

/* Every version has its mapping made when its turn comes: numbers stay what they were. */
static int
decode_mappings(struct schemas *s, struct schema_version **all, size_t n, const json_t *list)
{
	const json_t *row, *v;
	size_t i, k;

	json_array_foreach(list, i, row)
	{
		struct schema_names names = {0};
		const struct mapping *made;
		int err = 0;
		size_t at;

		if (json_is_integer(row)) {
			if (s->n == n || json_integer_value(row) != (json_int_t)s->n)
				return STELE_EDAMAGED;
			err = schemas_take(s, all[s->n]);
			if (err != 0)
				return err;
			continue;
		}
		names.of = calloc(json_array_size(row) + 1, sizeof *names.of);
		if (!names.of)
			return STELE_ENOMEM;
		json_array_foreach(row, k, v)
		{
			if (!get_version(s, v, &at))
				err = STELE_EDAMAGED;
			else
				names.of[names.n++].now = s->v[at];
		}
		err = err ? err : schemas_map(s, &names, &made);
		err = err ? err : made->number == i ? 0 : STELE_EDAMAGED;
		free(names.of);
		if (err != 0)
			return err;
	}
	return s->n == n ? 0 : STELE_EDAMAGED;
}

/* The versions that are not taken in are freed. */
static int
decode_versions(struct schemas *s, const json_t *root)
{
	const json_t *list = json_object_get(root, "versions"), *v;
	size_t n = json_array_size(list), i;
	struct schema_version **all = calloc(n + 1, sizeof(*all));
	int err = all ? 0 : STELE_ENOMEM;
	struct buf why;

	buf_init(&why);
	json_array_foreach(list, i, v)
	{
		struct slice by = fold_text(v, "by");

		if (err == 0)
			err = schema_version_new(&all[i], fold_text(v, "text"), &why);
		if (err == 0 &&
		    (by.n > LIMIT_WRITER_BYTES || !get_time(v, "added", &all[i]->added_ns)))
			err = STELE_EDAMAGED;
		if (err == 0)
			memcpy(all[i]->by, by.p, by.n);
	}
	buf_fini(&why);
	if (err == 0)
		err = decode_mappings(s, all, n, json_object_get(root, "mappings"));
	for (i = s->n; all && i < n; i++)
		schema_version_free(all[i]);
	free(all);
	return err == STELE_ESYNTAX || err == STELE_ELIMIT ? STELE_EDAMAGED : err;
}

static int
decode_names(struct schemas *s, const json_t *list)
{
	const json_t *v;
	size_t i, at;

	s->names.of = calloc(json_array_size(list) + 1, sizeof *s->names.of);
	if (!s->names.of)
		return STELE_ENOMEM;
	json_array_foreach(list, i, v)
	{
		struct schema_name *name = &s->names.of[i];

		if (!get_version(s, json_object_get(v, "version"), &at) ||
		    !get_time(v, "retired", &name->retired_ns))
			return STELE_EDAMAGED;
		name->now = s->v[at];
		name->name = s->v[at]->schema.name;
		name->added = json_is_true(json_object_get(v, "own"));
		s->names.n++;
	}
	return schemas_map(s, &s->names, &s->now);
}

static int
decode_logs(struct schemas *s, const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v)
	{
		const json_t *log = json_array_get(v, 0), *schema = json_array_get(v, 1);
		struct slice of[2] = {
			slice_of(json_string_value(log), json_string_length(log)),
			slice_of(json_string_value(schema), json_string_length(schema))};
		int err = STELE_EDAMAGED;

		if (of[0].n && of[1].n && of[0].n <= LIMIT_LOG_NAME_BYTES &&
		    of[1].n <= LIMIT_LOG_NAME_BYTES)
			err = schemas_choose(s, of[0], of[1]);
		if (err != 0)
			return err;
	}
	return 0;
}

int
access_decode_schemas(struct access *a, const json_t *root)
{
	const json_t *o = json_object_get(root, "schemas");
	int err;

	if (!o) /* of a version that knew none */
		return 0;
	err = decode_versions(&a->schemas, o);
	err = err ? err : decode_names(&a->schemas, json_object_get(o, "names"));
	return err ? err : decode_logs(&a->schemas, json_object_get(o, "logs"));
}
