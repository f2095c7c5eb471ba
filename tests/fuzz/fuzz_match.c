/*
 * A filter on the first line, a payload behind it. What is skipped does not match; NOT turns
 * the verdict around; what an equality over a field finds, the index's terms find.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/json.h"
#include "proto/match.h"
#include "proto/terms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct world {
	struct arena arena; /* kept */
	struct schema_set set;
	struct term_lister *lister;
	struct json_scanner *js;
};

/* Made once: schemas never change. */
static struct world *
the_world(void)
{
	static struct world world;

	if (!world.lister) {
		arena_init(&world.arena);
		CHECK(schema_builtin(&world.set, &world.arena) == 0);
		world.lister = term_lister_new(&world.set, -1);
		world.js = json_scanner_new();
		CHECK(world.lister && world.js);
	}
	return &world;
}

static struct match_result
run(const struct world *w, const struct filter *f, const struct match_record *r)
{
	struct matcher *m = matcher_new(f, &w->set, -1);
	struct match_result result, again;

	CHECK(m);
	CHECK(matcher_run(m, r, &result) == 0);
	CHECK(matcher_run(m, r, &again) == 0);
	CHECK(result.verdict == again.verdict && result.flags == again.flags);
	matcher_free(m);
	return result;
}

static void
check_not(const struct world *w, const struct filter *f, const struct match_record *r,
	  enum match_verdict verdict)
{
	static const enum match_verdict turned[] = {
		[MATCH_NO] = MATCH_YES, [MATCH_YES] = MATCH_NO, [MATCH_UNPARSED] = MATCH_UNPARSED};
	struct filter_node *child = f->root;
	struct filter_node node = {.kind = FILTER_NOT, .children = &child, .n = 1};
	struct filter negated = {&node, f->n_terms};

	CHECK(run(w, &negated, r).verdict == turned[verdict]);
}

static void
check_terms(struct world *w, const struct filter *f, const struct match_record *r,
	    const struct match_result *result)
{
	const struct filter_term *term = &f->root->term;
	struct slice texts[2];
	struct terms terms;
	struct arena a;
	bool found = false;
	int n;

	arena_init(&a);
	CHECK(term_lister_run(w->lister, r, &a, &terms) == 0);
	CHECK(terms.schema == result->schema);
	if (result->verdict == MATCH_YES && f->root->kind == FILTER_TERM && term->op == FILTER_EQ &&
	    term->field >= FIELD_WRITER) {
		n = terms_of_literal(texts, &a, &term->literal);
		for (size_t i = 0; i < terms.n; i++) {
			for (int j = 0; j < n; j++)
				found |= ((int)terms.items[i].field == term->field ||
					  term->field == FIELD_ANY) &&
					 slice_eq(terms.items[i].text, texts[j]);
		}
		CHECK(n == 0 || found);
	}
	arena_fini(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct world *w = the_world();
	const uint8_t *line = n ? memchr(data, '\n', n) : NULL;
	struct match_record r = {.received_ns = 1600000000000000000, .writer = slice_str("s-1")};
	struct match_result result, known;
	struct text_error err;
	struct filter f;
	struct arena a;

	if (!line)
		return 0;
	arena_init(&a);
	r.payload = slice_of(line + 1, n - (size_t)(line - data) - 1);
	if (filter_parse(&f, &a, slice_of(data, (size_t)(line - data)), &err) == 0) {
		result = run(w, &f, &r);
		CHECK(((result.flags & MATCH_NOT_JSON) == 0) ==
		      (json_validate(w->js, r.payload, NULL) == 0));
		if (f.root->kind != FILTER_ALL)
			check_not(w, &f, &r, result.verdict);
		check_terms(w, &f, &r, &result);
		if (result.schema >= 0) {
			CHECK(result.verdict != MATCH_UNPARSED);
			r.parsed = true;
			known = run(w, &f, &r);
			CHECK(known.verdict == result.verdict);
		}
	}
	arena_fini(&a);
	return 0;
}
