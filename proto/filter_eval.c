/*
 * The filter's tree once more, each path replaced by its node in the path tree, and
 * each list of texts for one place (a hold's custodians: hundreds) by one term, so
 * that a value is looked up instead of being compared with each.
 */
#include "proto/filter_eval.h"

#include <stdlib.h>

#include "proto/err.h"
#include "proto/filter_fits.h"

struct filter_step {
	enum filter_kind kind;
	const struct filter_term *term;
	uint32_t node; /* of a term over a path */
	struct filter_step **children;
	size_t n;
};

enum { FEWEST_TEXTS = 4 }; /* fewer are as fast one by one */

/* True for PLACE = TEXT where the text is nothing but that. */
static bool
is_plain_equality(const struct filter_step *step)
{
	const struct filter_literal *l = &step->term->literal;

	return step->kind == FILTER_TERM && step->term->op == FILTER_EQ && l->quoted &&
	       !l->prefix && !l->is_number && !l->is_instant && !l->is_ip && l->n_texts == 0;
}

static bool
same_place(const struct filter_step *a, const struct filter_step *b)
{
	return a->term->field == b->term->field && a->node == b->node;
}

static int
order_slices(const void *a, const void *b)
{
	return filter_order_texts(*(const struct slice *)a, *(const struct slice *)b);
}

/* One step out of child i and those behind it that ask for texts in the same place. */
static int
join_texts(struct filter_step *step, size_t i, struct arena *a)
{
	struct filter_step *first = step->children[i];
	struct filter_term *joined = arena_alloc(a, sizeof *joined);
	struct slice *texts = arena_alloc(a, step->n * sizeof *texts);
	size_t n = 0, kept = i + 1;

	if (!joined || !texts)
		return STELE_ENOMEM;
	texts[n++] = first->term->literal.text;
	for (size_t j = i + 1; j < step->n; j++) {
		struct filter_step *child = step->children[j];
		if (is_plain_equality(child) && same_place(first, child))
			texts[n++] = child->term->literal.text;
		else
			step->children[kept++] = child;
	}
	qsort(texts, n, sizeof *texts, order_slices);
	*joined = *first->term;
	joined->literal.texts = texts;
	joined->literal.n_texts = n;
	first->term = joined;
	step->n = kept;
	return 0;
}

/* Joins the texts of an OR, place by place. */
static int
join_all_texts(struct filter_step *step, struct arena *a)
{
	for (size_t i = 0; i < step->n; i++) {
		size_t alike = 0;
		int code = 0;
		if (!is_plain_equality(step->children[i]))
			continue;
		for (size_t j = i; j < step->n; j++)
			alike += is_plain_equality(step->children[j]) &&
				 same_place(step->children[i], step->children[j]);
		if (alike >= FEWEST_TEXTS)
			code = join_texts(step, i, a);
		if (code)
			return code;
	}
	return 0;
}

static int
make_ready(struct filter_step **out, struct arena *a, struct pathtrie *trie,
	   const struct filter_node *node)
{
	struct filter_step *step = arena_alloc(a, sizeof *step);
	int code = 0;

	if (!step)
		return STELE_ENOMEM;
	*step = (struct filter_step){.kind = node->kind, .term = &node->term};
	step->children = arena_alloc(a, (node->n + 1) * sizeof(*step->children));
	if (!step->children)
		return STELE_ENOMEM;
	if (node->kind == FILTER_TERM && node->term.field < 0)
		code = pathtrie_add(trie, &step->node, &node->term.path);
	for (; code == 0 && step->n < node->n; step->n++)
		code = make_ready(&step->children[step->n], a, trie, node->children[step->n]);
	if (code == 0 && node->kind == FILTER_OR)
		code = join_all_texts(step, a);
	*out = step;
	return code;
}

int
filter_ready(struct filter_step **out, struct arena *a, struct pathtrie *trie,
	     const struct filter *f)
{
	return make_ready(out, a, trie, f->root);
}

static bool
likes_name(void *literal, struct slice name)
{
	return filter_fits_name((const struct filter_literal *)literal, name);
}

/* True when the value at a token fits; an object also by the name of a member. */
static bool
hit_fits(struct filter_subject *s, const struct filter_term *term, const uint32_t *at)
{
	struct filter_literal literal = term->literal;
	struct jsonvalue v;
	bool found = false;
	int code = jsonvalue_read(&v, &s->scan->x, at, s->unescaped);

	if (code == 0 && v.kind == JSONVALUE_OBJECT && term->op == FILTER_HAS &&
	    !filter_asks_presence(term))
		code = pathscan_member(s->scan, at, likes_name, &literal, &found);
	else if (code == 0)
		found = filter_fits_value(term, &v, false);
	if (code)
		s->err = code;
	return found;
}

static enum truth
eval_term(const struct filter_step *step, struct filter_subject *s)
{
	enum truth is = TRUTH_NO;

	if (step->term->field >= 0) {
		is = s->field(s->arg, step->term);
	} else if (!s->json) {
		is = TRUTH_UNKNOWN;
	} else {
		uint32_t i = s->scan->first[step->node];
		for (; i != PATHSCAN_NONE && is == TRUTH_NO; i = s->scan->hits[i].next)
			is = hit_fits(s, step->term, s->scan->hits[i].at) ? TRUTH_YES : TRUTH_NO;
	}
	return step->term->op == FILTER_NE ? TRUTH_YES - is : is;
}

enum truth
filter_eval(const struct filter_step *step, struct filter_subject *s)
{
	enum truth settled = step->kind == FILTER_AND ? TRUTH_NO : TRUTH_YES;
	enum truth is = TRUTH_YES - settled;

	switch (step->kind) {
	case FILTER_ALL:
		return TRUTH_YES;
	case FILTER_TERM:
		return eval_term(step, s);
	case FILTER_NOT:
		return TRUTH_YES - filter_eval(step->children[0], s);
	default:
		break;
	}
	for (size_t i = 0; i < step->n && is != settled; i++) {
		enum truth child = filter_eval(step->children[i], s);
		if (step->kind == FILTER_AND ? child < is : child > is)
			is = child;
	}
	return is;
}
