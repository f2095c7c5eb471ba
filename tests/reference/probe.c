/*
 * The query code as a program, for query_test.py to hold against the reference:
 * a command a line on stdin, an answer a line on stdout. Bytes are in hex.
 *
 *   schemas [HEX...]        the set from here on: these documents, or the built-in ones
 *   filter CHOSEN HEX       CHOSEN is -1 or a position in the set
 *                           -> ok HEX of the canonical text | error CODE COLUMN MESSAGE
 *   simple FIELD=HEX... from=NS to=NS filter=HEX    as filter, of a query's terms
 *   match RECEIVED PARSED WRITER-HEX PAYLOAD-HEX   -> VERDICT FLAGS SCHEMA
 *   terms RECEIVED WRITER-HEX PAYLOAD-HEX          -> SCHEMA FLAGS TIME EARLIEST LATEST
 * FIELD=HEX... canonical I             -> HEX of the canonical JSON of schema I
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/match.h"
#include "proto/terms.h"

enum { WORDS = 64 };

struct probe {
	struct arena schema_arena, filter_arena;
	struct schema_set set;
	struct filter filter;
	struct matcher *matcher;
	struct term_lister *lister;
};

static struct slice
unhex(char *text)
{
	size_t n = strlen(text) / 2;
	uint8_t *out = malloc(n + 1);

	CHECK(out);
	for (size_t i = 0; i < n; i++) {
		unsigned byte;
		CHECK(sscanf(text + 2 * i, "%2x", &byte) == 1);
		out[i] = (uint8_t)byte;
	}
	return slice_of(out, n);
}

static void
put_hex(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		printf("%02x", s.p[i]);
}

static void
drop(struct slice s)
{
	free((void *)(uintptr_t)s.p);
}

static void
do_schemas(struct probe *p, char **words, size_t n)
{
	struct schema *items;
	struct buf why;

	matcher_free(p->matcher);
	term_lister_free(p->lister);
	p->matcher = NULL;
	arena_reset(&p->schema_arena);
	buf_init(&why);
	if (n == 0) {
		CHECK(schema_builtin(&p->set, &p->schema_arena) == 0);
		printf("ok");
	} else {
		items = arena_alloc(&p->schema_arena, n * sizeof *items);
		CHECK(items);
		p->set = (struct schema_set){items, n};
		for (size_t i = 0; i < n; i++) {
			struct slice json = unhex(words[i]);
			int code = schema_read(&items[i], &p->schema_arena, json, &why);
			printf("%s%d", i ? " " : "", code);
			drop(json);
			if (code) {
				printf(" %.*s", (int)why.n, (const char *)why.p);
				p->set.n = 0;
				break;
			}
		}
	}
	buf_fini(&why);
	p->lister = term_lister_new(&p->set, -1);
	CHECK(p->lister);
}

static void
answer_filter(struct probe *p, int code, const struct text_error *err, int chosen)
{
	struct buf text;

	if (code) {
		printf("error %d %zu %s", code, err->column, err->message);
		return;
	}
	buf_init(&text);
	filter_print(&text, &p->filter);
	printf("ok ");
	put_hex(buf_slice(&text));
	buf_fini(&text);
	p->matcher = matcher_new(&p->filter, &p->set, chosen);
	CHECK(p->matcher);
}

static void
do_filter(struct probe *p, char **words, size_t n)
{
	struct text_error err;
	struct slice text = n > 1 ? unhex(words[1]) : slice_of(NULL, 0);

	matcher_free(p->matcher);
	p->matcher = NULL;
	arena_reset(&p->filter_arena);
	answer_filter(p, filter_parse(&p->filter, &p->filter_arena, text, &err), &err,
		      atoi(words[0]));
	drop(text);
}

static void
do_simple(struct probe *p, char **words, size_t n)
{
	struct filter_simple_term terms[WORDS];
	struct filter_simple simple = {.terms = terms};
	struct text_error err = {0};

	matcher_free(p->matcher);
	p->matcher = NULL;
	arena_reset(&p->filter_arena);
	for (size_t i = 0; i < n; i++) {
		char *value = strchr(words[i], '=');
		CHECK(value);
		*value++ = '\0';
		if (strcmp(words[i], "from") == 0) {
			simple.has_from = true;
			simple.from_ns = atoll(value);
		} else if (strcmp(words[i], "to") == 0) {
			simple.has_to = true;
			simple.to_ns = atoll(value);
		} else if (strcmp(words[i], "filter") == 0) {
			simple.filter = unhex(value);
		} else {
			int field = field_find(slice_str(words[i]));
			CHECK(field >= 0);
			terms[simple.n_terms++] =
				(struct filter_simple_term){(enum field)field, unhex(value)};
		}
	}
	answer_filter(p, filter_build(&p->filter, &p->filter_arena, &simple, &err), &err, -1);
	for (size_t i = 0; i < simple.n_terms; i++)
		drop(terms[i].value);
	drop(simple.filter);
}

static void
do_match(struct probe *p, char **words)
{
	struct match_record r = {.received_ns = atoll(words[0]), .parsed = atoi(words[1]) != 0};
	struct match_result result = {0};

	CHECK(p->matcher);
	r.writer = unhex(words[2] + 1);
	r.payload = unhex(words[3] + 1);
	CHECK(matcher_run(p->matcher, &r, &result) == 0);
	printf("%d %u %d", (int)result.verdict, result.flags, result.schema);
	drop(r.writer);
	drop(r.payload);
}

static void
do_terms(struct probe *p, char **words)
{
	struct match_record r = {.received_ns = atoll(words[0])};
	struct arena a;
	struct terms terms;

	arena_init(&a);
	r.writer = unhex(words[1] + 1);
	r.payload = unhex(words[2] + 1);
	CHECK(term_lister_run(p->lister, &r, &a, &terms) == 0);
	printf("%d %u %" PRId64 " %" PRId64 " %" PRId64, terms.schema, terms.flags, terms.time_ns,
	       terms.earliest_ns, terms.latest_ns);
	for (size_t i = 0; i < terms.n; i++) {
		printf(" %s=", field_name(terms.items[i].field));
		put_hex(terms.items[i].text);
	}
	drop(r.writer);
	drop(r.payload);
	arena_fini(&a);
}

static void
do_canonical(const struct probe *p, char **words)
{
	struct buf out;

	buf_init(&out);
	schema_write(&out, &p->set.items[atoi(words[0])]);
	put_hex(buf_slice(&out));
	buf_fini(&out);
}

static void
run(struct probe *p, char *line)
{
	char *words[WORDS], *state = NULL;
	size_t n = 0;

	for (char *w = strtok_r(line, " \n", &state); w; w = strtok_r(NULL, " \n", &state)) {
		CHECK(n < WORDS);
		words[n++] = w;
	}
	CHECK(n);
	if (strcmp(words[0], "schemas") == 0)
		do_schemas(p, words + 1, n - 1);
	else if (strcmp(words[0], "filter") == 0)
		do_filter(p, words + 1, n - 1);
	else if (strcmp(words[0], "simple") == 0)
		do_simple(p, words + 1, n - 1);
	else if (strcmp(words[0], "match") == 0)
		do_match(p, words + 1);
	else if (strcmp(words[0], "terms") == 0)
		do_terms(p, words + 1);
	else
		do_canonical(p, words + 1);
	printf("\n");
}

int
main(void)
{
	struct probe p = {0};
	char *line = NULL;
	size_t cap = 0;

	arena_init(&p.schema_arena);
	arena_init(&p.filter_arena);
	while (getline(&line, &cap, stdin) > 0) {
		run(&p, line);
		fflush(stdout);
	}
	free(line);
	matcher_free(p.matcher);
	term_lister_free(p.lister);
	arena_fini(&p.schema_arena);
	arena_fini(&p.filter_arena);
	return 0;
}
