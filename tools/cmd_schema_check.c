/* stele schema check: what a schema makes of events, with no server. */
#include <stdio.h>
#include <string.h>

#include "crypto/sha256.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "proto/json.h"
#include "proto/limits.h"
#include "proto/schema.h"
#include "proto/schema_fit.h"
#include "proto/timestamp.h"
#include "tools/api.h"
#include "tools/commands.h"

enum { EVENTS_BYTES = 64 << 20, EVENTS = LIMIT_BATCH_RECORDS };

struct checking {
	struct cli *cli;
	struct arena arena;
	struct schema_set set; /* the schema that is checked comes first */
	char digest[65];
	struct schema_fit fit;
	bool has_fit;
	struct buf text;
	struct slice *events;
	size_t n;

	size_t fitting[LIMIT_SCHEMAS]; /* events by schema */
	size_t none, broken;           /* no schema fits; no JSON */
	unsigned given;                /* fields that the schema gave a value of */
};

/* --- the schema ------------------------------------------------------------------------------ */

static int
say_digest(struct checking *c)
{
	struct sha256 *h = sha256_new();
	uint8_t hash[SHA256_BYTES];
	struct buf text;
	int err;

	buf_init(&text);
	schema_write(&text, &c->set.items[0]);
	err = h && !text.err ? 0 : STELE_ENOMEM;
	if (err == 0)
		sha256_hash(h, hash, buf_slice(&text));
	if (err == 0)
		hex_format(c->digest, hash, sizeof hash);
	sha256_free(h);
	buf_fini(&text);
	return err;
}

/* Those that come with stele, and this one before them or in the stead of its namesake. */
static int
make_set(struct checking *c, const struct schema *mine)
{
	struct schema_set with;
	struct schema *items;
	size_t n = 0;
	int err = schema_builtin(&with, &c->arena);

	items = err ? NULL : arena_alloc(&c->arena, (with.n + 1) * sizeof *items);
	if (!items)
		return STELE_ENOMEM;
	items[n++] = *mine;
	for (size_t i = 0; i < with.n; i++)
		if (!slice_eq(with.items[i].name, mine->name))
			items[n++] = with.items[i];
	c->set = (struct schema_set){items, n};
	return say_digest(c);
}

static int
read_schema(struct checking *c, const char *file)
{
	struct schema mine;
	struct buf text, why;
	int err, rc;

	buf_init(&text);
	buf_init(&why);
	rc = cli_read_file(&text, file, LIMIT_SCHEMA_BYTES);
	if (rc == CLI_GO) {
		err = schema_read(&mine, &c->arena, buf_slice(&text), &why);
		if (err == 0)
			err = make_set(c, &mine);
		if (err != 0) {
			cli_say("%s: %s", file, why.n ? api_cstr(&why) : stele_strerror(err));
			rc = CLI_REFUSED;
		}
	}
	buf_fini(&text);
	buf_fini(&why);
	return rc;
}

/* --- the events ------------------------------------------------------------------------------ */

/* Lines; what is no JSON among them is an event, too, which no schema fits. */
static void
split_lines(struct checking *c)
{
	struct slice rest = buf_slice(&c->text);

	while (rest.n && c->n < EVENTS) {
		const uint8_t *end = memchr(rest.p, '\n', rest.n);
		size_t n = end ? (size_t)(end - rest.p) : rest.n, blank = 0;

		while (blank < n && memchr(" \t\r", rest.p[blank], 3))
			blank++;
		if (blank < n)
			c->events[c->n++] = slice_of(rest.p, n);
		n += end != NULL;
		rest = slice_of(rest.p + n, rest.n - n);
	}
}

/* An array of events, one event over many lines, or a line for each. */
static int
read_events(struct checking *c, const char *file)
{
	struct json_scanner *js = json_scanner_new();
	int rc = cli_read_file(&c->text, file, EVENTS_BYTES);
	struct slice all = buf_slice(&c->text);

	c->events = arena_alloc(&c->arena, EVENTS * sizeof *c->events);
	if (rc == CLI_GO && (!js || !c->events)) {
		cli_say("out of memory");
		rc = CLI_REFUSED;
	}
	if (rc == CLI_GO && json_array_split(js, all, c->events, EVENTS, &c->n, NULL) != 0) {
		c->n = 0;
		if (json_validate(js, all, NULL) == 0)
			c->events[c->n++] = all;
		else
			split_lines(c);
	}
	if (rc == CLI_GO && c->n == EVENTS)
		cli_say("%s: the first %d events are looked at", file, EVENTS);
	json_scanner_free(js);
	return rc;
}

/* --- one event ------------------------------------------------------------------------------- */

struct values {
	struct buf *out;
	bool json, time;
	size_t n;
};

/* Text out of an event: what a terminal would obey, C1 controls too, is a dot. */
static void
put_plain(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		bool c1 = text.p[i] == 0xc2 && i + 1 < text.n && text.p[i + 1] < 0xa0;

		buf_put_u8(out, text.p[i] < 0x20 || text.p[i] == 0x7f || c1 ? '.' : text.p[i]);
		i += c1;
	}
}

static bool
put_value(void *ctx, const struct schema_value *value)
{
	char instant[TIMESTAMP_BYTES];
	struct values *v = ctx;
	struct slice text = value->v.text;

	if (v->time) {
		timestamp_format(instant, value->ns);
		text = slice_of(instant, sizeof instant);
	}
	if (v->json) {
		buf_put_str(v->out, v->n++ ? "," : "");
		buf_put_json_str(v->out, text);
		return true;
	}
	buf_put_str(v->out, v->n++ ? "; " : "");
	put_plain(v->out, text);
	return true;
}

/* All values of a field into text, emptied before: how many. */
static int
values_of(struct checking *c, enum field f, struct buf *text)
{
	struct values v = {text, c->cli->json, f == FIELD_TIME, 0};
	int n;

	buf_reset(text);
	n = schema_fit_values(&c->fit, f, put_value, &v);
	if (n > 0 && c->fit.schema == 0)
		c->given |= 1u << f;
	return text->err ? text->err : n;
}

static int
put_json(struct checking *c, size_t i, struct buf *text)
{
	struct slice name = c->fit.schema < 0 ? slice_of("", 0) : c->set.items[c->fit.schema].name;
	const char *comma = "";

	printf("{\"event\":%zu,\"json\":%s,\"schema\":", i + 1, c->fit.json ? "true" : "false");
	if (name.n)
		printf("\"%.*s\"", (int)name.n, (const char *)name.p);
	else
		printf("null");
	printf(",\"fields\":{");
	for (int f = 0; f < FIELD_COUNT; f++) {
		int n = values_of(c, (enum field)f, text);

		if (n < 0)
			return n;
		if (n == 0)
			continue;
		printf("%s\"%s\":[%.*s]", comma, field_name((enum field)f), (int)text->n,
		       (const char *)text->p);
		comma = ",";
	}
	printf("}}\n");
	return 0;
}

static int
put_table(struct checking *c, size_t i, struct buf *text)
{
	struct slice name = !c->fit.json         ? slice_str("no JSON")
			    : c->fit.schema >= 0 ? c->set.items[c->fit.schema].name
						 : slice_str("none fits");

	printf("%-6zu %.*s\n", i + 1, (int)name.n, (const char *)name.p);
	for (int f = 0; f < FIELD_COUNT; f++) {
		int n = values_of(c, (enum field)f, text);

		if (n < 0)
			return n;
		if (n)
			printf("       %-12s %.*s\n", field_name((enum field)f), (int)text->n,
			       (const char *)text->p);
	}
	return 0;
}

static int
check_event(struct checking *c, size_t i, struct buf *text)
{
	int err = schema_fit_read(&c->fit, c->events[i]);

	if (err != 0)
		return err;
	if (!c->fit.json)
		c->broken++;
	else if (c->fit.schema < 0)
		c->none++;
	else
		c->fitting[c->fit.schema]++;
	return c->cli->json ? put_json(c, i, text) : put_table(c, i, text);
}

/* --- all of them ----------------------------------------------------------------------------- */

/* How many have which, and what the schema says in vain. */
static void
say_sums(const struct checking *c)
{
	const struct schema *mine = &c->set.items[0];

	fprintf(stderr, "%zu events", c->n);
	for (size_t i = 0; i < c->set.n; i++)
		if (i == 0 || c->fitting[i])
			fprintf(stderr, ", %zu %.*s", c->fitting[i], (int)c->set.items[i].name.n,
				(const char *)c->set.items[i].name.p);
	if (c->none)
		fprintf(stderr, ", %zu that no schema fits", c->none);
	if (c->broken)
		fprintf(stderr, ", %zu that are no JSON", c->broken);
	fprintf(stderr, "\n");
	for (int f = 0; c->fitting[0] && f < FIELD_COUNT; f++)
		if (mine->fields[f].n && !(c->given & 1u << f))
			fprintf(stderr, "%s has no value in any of them: look at its paths\n",
				field_name((enum field)f));
}

static int
check_events(struct checking *c)
{
	struct buf text;
	int err = schema_fit_init(&c->fit, &c->set, -1, (1u << FIELD_COUNT) - 1);

	c->has_fit = true;
	buf_init(&text);
	err = err ? err : schema_fit_start(&c->fit);
	for (size_t i = 0; err == 0 && i < c->n; i++)
		err = check_event(c, i, &text);
	buf_fini(&text);
	if (err != 0) {
		cli_say("%s", stele_strerror(err));
		return CLI_REFUSED;
	}
	say_sums(c);
	return c->none || c->broken ? CLI_REFUSED : CLI_DONE;
}

static int
run(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	struct checking c = {.cli = cli};
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 2, &n);

	if (rc != CLI_GO)
		return rc;
	arena_init(&c.arena);
	buf_init(&c.text);
	rc = read_schema(&c, argv[0]);
	if (rc == CLI_GO && cli->json)
		printf("{\"name\":\"%.*s\",\"digest\":\"%s\"}\n", (int)c.set.items[0].name.n,
		       (const char *)c.set.items[0].name.p, c.digest);
	else if (rc == CLI_GO)
		printf("schema %.*s\ndigest %s\n", (int)c.set.items[0].name.n,
		       (const char *)c.set.items[0].name.p, c.digest);
	if (rc == CLI_GO && n == 2)
		rc = read_events(&c, argv[1]);
	if (rc == CLI_GO)
		rc = n == 2 ? check_events(&c) : CLI_DONE;
	if (c.has_fit)
		schema_fit_fini(&c.fit);
	buf_fini(&c.text);
	arena_fini(&c.arena);
	return rc;
}

const struct cli_command cmd_schema_check = {
	.name = "schema check",
	.operands = "FILE [EVENTS|-]",
	.summary = "check a schema, and show what it makes of events; with no server",
	.about =
		"Says whether the document in FILE is a schema, and its digest. With EVENTS (a line for\n"
		"each, an array, or one; -: standard input) it shows which schema each one has, this\n"
		"one or one that comes with stele, and what each field's values are. --json: a line for\n"
		"each. Exit status 1 when the schema is none, or some event has none.\n"
		"\n"
		"  stele schema check ours.json events.ndjson",
	.run = run,
};
