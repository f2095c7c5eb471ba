/* The canonical JSON: what a schema's digest, and so its version, is over. */
#include "proto/schema.h"

static void
put_member(struct buf *out, const char *name)
{
	buf_printf(out, "\"%s\":", name);
}

static void
put_path(struct buf *out, const struct jsonpath *path)
{
	struct buf text;

	buf_init(&text);
	jsonpath_write(&text, path);
	buf_put_json_str(out, buf_slice(&text));
	if (text.err)
		out->err = text.err;
	buf_fini(&text);
}

static void
put_map(struct buf *out, const struct schema_place *place)
{
	for (size_t i = 0; i < place->n_map; i++) {
		const struct schema_map *line = &place->map[i];
		buf_put_u8(out, i ? ',' : '{');
		/* the * lies behind the pattern in the reader's copy */
		buf_put_json_str(out, slice_of(line->pattern.p, line->pattern.n + line->prefix));
		buf_put_u8(out, ':');
		buf_put_json_str(out, line->value);
	}
	buf_put_u8(out, '}');
}

static void
put_place(struct buf *out, const struct schema_place *place)
{
	static const char *const units[] = {"", "s", "ms", "us", "ns"};

	if (place->path.n == 0) {
		buf_put_str(out, "{\"value\":");
		buf_put_json_str(out, place->constant);
		buf_put_u8(out, '}');
		return;
	}
	if (place->n_map == 0 && place->unit == INSTANT_GUESS) {
		put_path(out, &place->path);
		return;
	}
	buf_put_str(out, "{\"path\":");
	put_path(out, &place->path);
	if (place->n_map) {
		buf_put_str(out, ",\"map\":");
		put_map(out, place);
	}
	if (place->unit != INSTANT_GUESS)
		buf_printf(out, ",\"unit\":\"%s\"", units[place->unit]);
	buf_put_u8(out, '}');
}

static void
put_field(struct buf *out, const struct schema_field *field)
{
	buf_put_u8(out, '[');
	for (size_t i = 0; i < field->n;) {
		size_t end = i + 1;
		while (end < field->n && field->places[end].joined)
			end++;
		if (i)
			buf_put_u8(out, ',');
		if (end - i > 1)
			buf_put_u8(out, '[');
		for (size_t j = i; j < end; j++) {
			if (j > i)
				buf_put_u8(out, ',');
			put_place(out, &field->places[j]);
		}
		if (end - i > 1)
			buf_put_u8(out, ']');
		i = end;
	}
	buf_put_u8(out, ']');
}

static void
put_when(struct buf *out, const struct filter *when)
{
	struct buf text;

	buf_init(&text);
	filter_print(&text, when);
	buf_put_json_str(out, buf_slice(&text));
	if (text.err)
		out->err = text.err;
	buf_fini(&text);
}

void
schema_write(struct buf *out, const struct schema *s)
{
	bool first = true;

	buf_put_u8(out, '{');
	put_member(out, "name");
	buf_put_json_str(out, s->name);
	buf_put_u8(out, ',');
	put_member(out, "when");
	put_when(out, &s->when);
	for (size_t i = 0; i < s->n_nothing; i++) {
		buf_put_str(out, i ? "," : ",\"nothing\":[");
		buf_put_json_str(out, s->nothing[i]);
	}
	buf_put_str(out, s->n_nothing ? "],\"fields\":{" : ",\"fields\":{");
	for (int i = 0; i < FIELD_COUNT; i++) {
		if (s->fields[i].n == 0)
			continue;
		if (!first)
			buf_put_u8(out, ',');
		put_member(out, field_name((enum field)i));
		put_field(out, &s->fields[i]);
		first = false;
	}
	buf_put_str(out, "}}");
}
