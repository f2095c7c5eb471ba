/* A filter's tree against one index: sets of ordinals, or "all" where it cannot say. */
#include "server/query_index.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/terms.h"
#include "server/hold_match.h"
#include "server/kit.h"
#include "server/query.h"
#include "server/server.h"
#include "storage/segment.h"
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
query_index_helps(const struct filter *f)
{
	unsigned n = lookups_of(f->root);

	return n && n <= LIMIT_INDEX_LOOKUPS;
}

/* --- one segment ----------------------------------------------------------------------------- */

struct asking {
	struct segment *segment;
	const struct segterms *terms;
	struct toolbox *tools;
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
				err = segterms_find(a->terms, a->segment, (enum field)f, texts[i],
						    &out->set, a->tools);
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

/* --- the view -------------------------------------------------------------------------------- */

void
query_view_fini(struct query_view *v)
{
	ordset_fini(&v->wanted);
	ordset_fini(&v->controls);
	free(v->tiles);
	*v = (struct query_view){.known = false};
}

static int
fill(struct query_view *v, const struct segterms *terms, struct found *found)
{
	if (found->all)
		return 0;
	v->wanted = found->set;
	*found = (struct found){.all = true};
	ordset_or(&v->wanted, &terms->unsure);
	v->tiles = malloc((terms->n_tiles + 1) * sizeof *v->tiles);
	if (!v->tiles || !ordset_init(&v->controls, terms->count))
		return STELE_ENOMEM;
	memcpy(v->tiles, terms->tiles, terms->n_tiles * sizeof *v->tiles);
	ordset_or(&v->controls, &terms->controls);
	v->usable = true;
	return 0;
}

/* What a segment's index says, if it has one of the query's mapping. */
static int
look(struct query *q, struct query_view *v, struct segment *segment, struct kit *kit)
{
	const struct segterms *terms = segment_terms(segment);
	const uint8_t *mapping = hold_mapping_digest(q->server->mapping);
	struct asking a = {.segment = segment, .terms = terms, .tools = kit->tools};
	struct found found = {.all = true};
	int err;

	if (!terms || memcmp(terms->mapping, mapping, 32) != 0)
		return 0;
	arena_init(&a.arena);
	err = ask(&a, q->filter.root, &found);
	if (err == 0)
		err = fill(v, terms, &found);
	ordset_fini(&found.set);
	arena_fini(&a.arena);
	return err == STELE_EDAMAGED ? 0 : err; /* its bytes are those that were sealed: fsck */
}

static bool
covers(const struct query_view *v, uint64_t first, uint64_t end)
{
	return v->known && first >= v->range.first && end <= v->range.first + v->range.count;
}

int
query_index_view(struct query *q, struct query_source *s, uint64_t first, uint64_t end,
		 struct kit *kit, const struct query_view **out)
{
	struct query_view *v = &s->view;
	struct segment *segment;
	int err;

	*out = NULL;
	if (!covers(v, first, end) || (v->step != q->step && !seek_holds(s->log, &v->range))) {
		query_view_fini(v);
		err = seek_open(s->log, first, kit->tools, &v->range, &segment);
		if (err == STELE_ENOTFOUND)
			return 0;
		if (err == 0 && segment)
			err = look(q, v, segment, kit);
		if (err != 0)
			return err;
		segment_unref(segment);
		v->known = true;
	}
	v->step = q->step;
	*out = v->usable && covers(v, first, end) ? v : NULL;
	return 0;
}
