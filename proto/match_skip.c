/*
 * Soundness: a text that a value or a member's name says stands in a JSON payload
 * byte by byte, but for characters written as escapes. Quote, backslash, slash
 * and controls have short escapes, so needles are runs without them; all other
 * characters can only be escaped as \uXXXX, and a payload with one of those is
 * not skipped. Numbers have many spellings, as have instants and addresses, and
 * what a schema's map or constant says stands nowhere: no needles for them.
 */
#include "proto/match_skip.h"

enum {
	SHORTEST = 3,        /* a needle below is everywhere */
	WORTH_OF_TEXT = 256, /* a value's: a member's name is in most records */
};

static bool
has_short_escape(uint8_t c)
{
	return c < 0x20 || c == '"' || c == '\\' || c == '/';
}

/* The longest run of text that is its own only spelling but for \u. */
static struct slice
longest_run(struct slice text)
{
	struct slice best = slice_of(text.p, 0);

	for (size_t i = 0; i < text.n; i++) {
		size_t start = i;
		while (i < text.n && !has_short_escape(text.p[i]))
			i++;
		if (i - start > best.n)
			best = slice_of(text.p + start, i - start);
	}
	return best;
}

/* True when the text may be what a literal asks for. */
static bool
may_be(const struct filter_literal *l, struct slice text)
{
	if (l->prefix && text.n > l->text.n)
		text.n = l->text.n;
	return slice_eq(text, l->text);
}

static bool
field_may_say(const struct schema_field *field, const struct filter_literal *l)
{
	for (size_t i = 0; i < field->n; i++) {
		const struct schema_place *place = &field->places[i];
		if (place->path.n == 0 && may_be(l, place->constant))
			return true;
		for (size_t j = 0; j < place->n_map; j++) {
			if (may_be(l, place->map[j].value))
				return true;
		}
	}
	return false;
}

/* True when a schema may give the field a value that the payload does not say. */
static bool
schema_may_say(const struct filter_term *term, const struct schema_set *set)
{
	unsigned fields = term->field == FIELD_ANY ? FIELD_ANY_MASK : 1u << term->field;

	for (size_t i = 0; i < set->n; i++) {
		for (int field = 0; field < FIELD_COUNT; field++) {
			if ((fields & 1u << field) &&
			    field_may_say(&set->items[i].fields[field], &term->literal))
				return true;
		}
	}
	return false;
}

/* True when every match of the term has the literal's text in its payload. */
static bool
literal_is_said(const struct filter_term *term, const struct schema_set *set)
{
	const struct filter_literal *l = &term->literal;

	if (term->op != FILTER_EQ && term->op != FILTER_HAS)
		return false;
	if (!l->quoted || l->is_number || l->is_instant || l->is_ip)
		return false;
	return term->field < 0 || !schema_may_say(term, set);
}

static struct match_skip
skip_of_term(const struct filter_term *term, const struct schema_set *set)
{
	struct match_skip skip = {0};
	struct slice run = slice_of(NULL, 0);

	if (term->field == FIELD_TIME || term->field == FIELD_RECEIVE_TIME ||
	    term->field == FIELD_WRITER || term->op == FILTER_NE)
		return skip;
	if (literal_is_said(term, set))
		run = longest_run(term->literal.text);
	skip.worth = WORTH_OF_TEXT + run.n;
	if (run.n < SHORTEST && term->field < 0) { /* the longest name is in the fewest records */
		run = slice_of(NULL, 0);
		for (size_t i = 0; i < term->path.n; i++) {
			struct slice name = longest_run(term->path.steps[i]);

			run = name.n > run.n ? name : run;
		}
		skip.worth = run.n;
	}
	if (run.n >= SHORTEST)
		skip.needles[skip.n++] = run;
	return skip;
}

static struct match_skip
skip_of_node(const struct filter_node *node, const struct schema_set *set)
{
	struct match_skip skip = {0};

	if (node->kind == FILTER_TERM)
		return skip_of_term(&node->term, set);
	if (node->kind != FILTER_AND && node->kind != FILTER_OR)
		return skip;
	for (size_t i = 0; i < node->n; i++) {
		struct match_skip child = skip_of_node(node->children[i], set);
		if (node->kind == FILTER_AND) { /* one of them is enough: the best */
			if (child.n && (skip.n == 0 || child.worth > skip.worth))
				skip = child;
			continue;
		}
		if (child.n == 0 || skip.n + child.n > MATCH_SKIP_NEEDLES)
			return (struct match_skip){0};
		memcpy(skip.needles + skip.n, child.needles, child.n * sizeof *child.needles);
		skip.worth = i == 0 || child.worth < skip.worth ? child.worth : skip.worth;
		skip.n += child.n;
	}
	return skip;
}

void
match_skip_init(struct match_skip *skip, const struct filter *f, const struct schema_set *set)
{
	*skip = skip_of_node(f->root, set);
}

/* True when a \uXXXX is in a JSON text. */
static bool
has_unicode_escape(struct slice text)
{
	const uint8_t *p = text.p, *end = text.p + text.n;

	while (end - p > 1 && (p = memchr(p, '\\', (size_t)(end - p - 1)))) {
		if (p[1] == 'u')
			return true;
		p += 2; /* what is escaped, a backslash too, begins no escape */
	}
	return false;
}

bool
match_skip_sure(const struct match_skip *skip, struct slice payload)
{
	if (skip->n == 0)
		return false;
	for (size_t i = 0; i < skip->n; i++) {
		if (memmem(payload.p, payload.n, skip->needles[i].p, skip->needles[i].n))
			return false;
	}
	return !has_unicode_escape(payload);
}
