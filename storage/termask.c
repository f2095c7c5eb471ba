/* A filter's tree against one index: sets of ordinals, or "all" where it cannot say. */
#include "storage/termask.h"

#include "proto/arena.h"
#include "proto/err.h"
#include "proto/filter.h"
#include "proto/limits.h"
#include "proto/terms.h"
#include "storage/segterms.h"

/* --- what an index can answer ---------------------------------------------------------------- */

static bool
is_time(const struct filter_term *term)
{
	return term->field == FIELD_TIME || term->field == FIELD_RECEIVE_TIME;
}

/* How many lookups it takes at most; 0 when the index cannot answer it. */
static unsigned
lookups_of(const struct filter_node *node)
{
	const struct filter_term *term = &node->term;
	unsigned sum = 0, n;

	switch (node->kind) {
	case FILTER_TERM:
		if (term->field < 0 || term->literal.n_texts)
			return 0;
		if (is_time(term))
			return term->op != FILTER_NE && term->op != FILTER_HAS;
		if (term->op != FILTER_EQ && term->op != FILTER_HAS)
			return 0;
		return term->field == FIELD_ANY ? 2 * (unsigned)__builtin_popcount(FIELD_ANY_MASK)
						: 2;
	case FILTER_AND:
		for (size_t i = 0; i < node->n; i++)
			sum += lookups_of(node->children[i]);
		return sum;
	case FILTER_OR:
		for (size_t i = 0; i < node->n; i++, sum += n) {
			n = lookups_of(node->children[i]);
			if (n == 0)
				return 0;
		}
		return sum;
	default:
		return 0;
	}
}

bool
termask_helps(const struct filter *f)
{
	unsigned n = lookups_of(f->root);

	return n && n <= LIMIT_INDEX_LOOKUPS;
}

/* --- one index ----------------------------------------------------------------------------- */

struct asking {
	const struct termask *what;
	const struct segterms *terms;
	struct arena arena; /* of spellings */
};

/* A set, unless it is all: then there is none. */
struct found {
	bool all;
	struct ordset set;
};

static int
begin(const struct asking *a, struct found *out)
{
	out->all = false;
	return ordset_init(&out->set, a->terms->count) ? 0 : STELE_ENOMEM;
}

static void
give_up(struct found *out)
{
	ordset_fini(&out->set);
	out->all = true;
}

static bool
may_fit(enum filter_op op, int64_t earliest_ns, int64_t latest_ns, int64_t asked_ns)
{
	switch (op) {
	case FILTER_LT:
		return earliest_ns < asked_ns;
	case FILTER_LE:
		return earliest_ns <= asked_ns;
	case FILTER_GT:
		return latest_ns > asked_ns;
	case FILTER_GE:
		return latest_ns >= asked_ns;
	case FILTER_EQ:
		return earliest_ns <= asked_ns && asked_ns <= latest_ns;
	default:
		return true;
	}
}

static void
ask_time(const struct asking *a, const struct filter_term *term, struct ordset *set)
{
	bool event = term->field == FIELD_TIME;

	for (uint32_t i = 0; i < a->terms->n_tiles; i++) {
		const struct segterms_tile *t = &a->terms->tiles[i];
		uint32_t from = i * SEGMENT_TILE, left = a->terms->count - from,
			 n = left < SEGMENT_TILE ? left : SEGMENT_TILE;

		if (may_fit(term->op, event ? t->earliest_ns : t->first_ns,
			    event ? t->latest_ns : t->last_ns, term->literal.instant_ns))
			ordset_add_range(set, from, from + n);
	}
}

/* An equality: each of its spellings in each of its fields. */
static int
ask_term(struct asking *a, const struct filter_term *term, struct found *out)
{
	unsigned fields = term->field == FIELD_ANY ? FIELD_ANY_MASK : 1u << term->field;
	struct slice texts[2];
	int n = terms_of_literal(texts, &a->arena, &term->literal), err = 0;

	if (n <= 0) {
		give_up(out);
		return n;
	}
	for (int f = 0; f < FIELD_COUNT; f++) {
		for (int i = 0; err == 0 && i < n; i++)
			if (fields & 1u << f)
				err = a->what->find(a->what->ctx, (enum field)f, texts[i],
						    &out->set);
	}
	return err;
}

static int ask(struct asking *a, const struct filter_node *node, struct found *out);

static int
ask_and(struct asking *a, const struct filter_node *node, struct found *out)
{
	int err = 0;

	out->all = true;
	for (size_t i = 0; err == 0 && i < node->n; i++) {
		struct found part = {.all = true};

		if (!out->all && ordset_empty(&out->set))
			return 0;
		err = ask(a, node->children[i], &part);
		if (err == 0 && !part.all && out->all) {
			*out = part;
			continue;
		}
		if (err == 0 && !part.all)
			ordset_and(&out->set, &part.set);
		ordset_fini(&part.set);
	}
	return err;
}

static int
ask_or(struct asking *a, const struct filter_node *node, struct found *out)
{
	int err = begin(a, out);

	for (size_t i = 0; err == 0 && !out->all && i < node->n; i++) {
		struct found part = {.all = true};

		err = ask(a, node->children[i], &part);
		if (err == 0 && part.all)
			give_up(out);
		else if (err == 0)
			ordset_or(&out->set, &part.set);
		ordset_fini(&part.set);
	}
	return err;
}

/* Every record that is sure and matches the part is in *out, or it is all. */
static int
ask(struct asking *a, const struct filter_node *node, struct found *out)
{
	int err;

	if (node->kind == FILTER_AND)
		return ask_and(a, node, out);
	if (node->kind == FILTER_OR)
		return ask_or(a, node, out);
	out->all = true;
	if (lookups_of(node) == 0)
		return 0;
	err = begin(a, out);
	if (err == 0 && is_time(&node->term))
		ask_time(a, &node->term, &out->set);
	else if (err == 0)
		err = ask_term(a, &node->term, out);
	return err;
}

int
termask_run(const struct termask *what, const struct filter *f, bool *all, struct ordset *set)
{
	struct asking a = {.what = what, .terms = what->terms};
	struct found found = {.all = true};
	int err;

	arena_init(&a.arena);
	err = ask(&a, f->root, &found);
	arena_fini(&a.arena);
	if (err != 0) {
		ordset_fini(&found.set);
		return err;
	}
	*all = found.all;
	if (!found.all)
		*set = found.set;
	return 0;
}
