/* Alternatives are tried in the order of the schema; the first with a value is the field. */
#include "proto/schema_fit.h"

#include "proto/check.h"
#include "proto/err.h"
#include "proto/limits.h"

struct schema_nodes {
	struct filter_step *when;
	uint32_t *places[FIELD_COUNT]; /* a node for each place of each field that is wanted */
};

static int
add_places(struct schema_fit *fit, uint32_t **out, const struct schema_field *field)
{
	uint32_t *nodes = arena_alloc(&fit->arena, (field->n + 1) * sizeof *nodes);
	int code = nodes ? 0 : STELE_ENOMEM;

	for (size_t i = 0; code == 0 && i < field->n; i++) {
		if (field->places[i].path.n)
			code = pathtrie_add(&fit->trie, &nodes[i], &field->places[i].path);
	}
	*out = nodes;
	return code;
}

static int
add_schema(struct schema_fit *fit, struct schema_nodes *nodes, const struct schema *schema,
	   unsigned fields)
{
	int code = filter_ready(&nodes->when, &fit->arena, &fit->trie, &schema->when);

	for (int i = 0; code == 0 && i < FIELD_COUNT; i++) {
		if (fields & 1u << i)
			code = add_places(fit, &nodes->places[i], &schema->fields[i]);
	}
	return code;
}

int
schema_fit_init(struct schema_fit *fit, const struct schema_set *set, int chosen, unsigned fields)
{
	size_t bytes = (set->n + 1) * sizeof *fit->nodes;
	int code;

	CHECK(chosen >= -1 && (chosen < 0 || (size_t)chosen < set->n));
	*fit = (struct schema_fit){.set = set, .chosen = chosen, .schema = -1};
	arena_init(&fit->arena);
	buf_init(&fit->unescaped);
	code = pathtrie_init(&fit->trie);
	fit->nodes = code == 0 ? arena_alloc(&fit->arena, bytes) : NULL;
	if (!fit->nodes)
		return STELE_ENOMEM;
	memset(fit->nodes, 0, bytes);
	for (size_t i = 0; code == 0 && i < set->n; i++) {
		if (chosen < 0 || (size_t)chosen == i)
			code = add_schema(fit, &fit->nodes[i], &set->items[i], fields);
	}
	return code;
}

int
schema_fit_start(struct schema_fit *fit)
{
	return pathscan_init(&fit->scan, &fit->trie);
}

void
schema_fit_fini(struct schema_fit *fit)
{
	pathscan_fini(&fit->scan);
	pathtrie_fini(&fit->trie);
	arena_fini(&fit->arena);
	buf_fini(&fit->unescaped);
}

/* The first schema whose `when` holds. */
static int
find_schema(struct schema_fit *fit)
{
	struct filter_subject subject = {
		.scan = &fit->scan, .json = true, .unescaped = &fit->unescaped};

	fit->schema = fit->chosen;
	for (size_t i = 0; fit->schema < 0 && i < fit->set->n; i++) {
		if (filter_eval(fit->nodes[i].when, &subject) == TRUTH_YES)
			fit->schema = (int)i;
	}
	return subject.err;
}

int
schema_fit_read(struct schema_fit *fit, struct slice payload)
{
	int code = STELE_ESYNTAX;

	fit->schema = -1;
	if (payload.n <= LIMIT_MATCH_BYTES)
		code = pathscan_run(&fit->scan, payload);
	fit->json = code == 0;
	if (code == 0)
		code = find_schema(fit);
	return code == STELE_ESYNTAX ? 0 : code;
}

void
schema_fit_shrink(struct schema_fit *fit, struct slice payload)
{
	if (payload.n <= LIMIT_RECORD_BYTES)
		return;
	pathscan_shrink(&fit->scan);
	buf_fini(&fit->unescaped);
}

static bool
means_nothing(const struct schema *schema, struct slice text)
{
	for (size_t i = 0; i < schema->n_nothing; i++) {
		if (slice_eq(schema->nothing[i], text))
			return true;
	}
	return text.n == 0;
}

/* What a map makes of a value; false when no line fits. */
static bool
map_value(const struct schema_place *place, struct jsonvalue *v)
{
	for (size_t i = 0; i < place->n_map; i++) {
		const struct schema_map *line = &place->map[i];
		struct slice text = v->text;
		if (line->prefix && text.n > line->pattern.n)
			text.n = line->pattern.n;
		if (!slice_eq(text, line->pattern))
			continue;
		*v = (struct jsonvalue){JSONVALUE_TEXT, line->value};
		return true;
	}
	return place->n_map == 0;
}

/* One field's values, being taken. */
struct taking {
	struct schema_fit *fit;
	enum field field;
	bool (*take)(void *, const struct schema_value *);
	void *arg;
	int n;     /* taken so far, or STELE_ENOMEM */
	bool over; /* nothing more is wanted */
};

static void
take_value(struct taking *t, const struct schema_value *value)
{
	t->n++;
	t->over = !t->take(t->arg, value);
}

/* The value at a token, if it is one. */
static void
take_hit(struct taking *t, const struct schema_place *place, const uint32_t *at)
{
	const struct schema *schema = &t->fit->set->items[t->fit->schema];
	struct schema_value value = {0};
	int code = jsonvalue_read(&value.v, &t->fit->scan.x, at, &t->fit->unescaped);
	enum jsonvalue_kind kind = value.v.kind;

	if (code) {
		t->n = code;
		t->over = true;
		return;
	}
	if (kind != JSONVALUE_BOOL && kind != JSONVALUE_NUMBER && kind != JSONVALUE_TEXT)
		return;
	if (kind == JSONVALUE_TEXT && means_nothing(schema, value.v.text))
		return;
	if (t->field == FIELD_TIME ? instant_read(&value.ns, value.v.text, place->unit) == 0
				   : map_value(place, &value.v))
		take_value(t, &value);
}

static void
take_place(struct taking *t, const struct schema_place *place, uint32_t node)
{
	const struct pathscan *scan = &t->fit->scan;

	if (place->path.n == 0) {
		struct schema_value value = {.v = {JSONVALUE_TEXT, place->constant}};
		take_value(t, &value);
		return;
	}
	for (uint32_t i = scan->first[node]; i != PATHSCAN_NONE && !t->over; i = scan->hits[i].next)
		take_hit(t, place, scan->hits[i].at);
}

int
schema_fit_values(struct schema_fit *fit, enum field field,
		  bool (*take)(void *, const struct schema_value *), void *arg)
{
	struct taking t = {.fit = fit, .field = field, .take = take, .arg = arg};
	const struct schema_field *f;
	const uint32_t *nodes;

	if (fit->schema < 0)
		return 0;
	f = &fit->set->items[fit->schema].fields[field];
	nodes = fit->nodes[fit->schema].places[field];
	CHECK(f->n == 0 || nodes); /* the field was asked for at the start */
	for (size_t i = 0; i < f->n && !t.over; i++) {
		if (!f->places[i].joined && t.n)
			break; /* an alternative gave a value: it is all of the field */
		take_place(&t, &f->places[i], nodes[i]);
	}
	return t.n;
}
