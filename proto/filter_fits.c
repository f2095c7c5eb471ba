/* From what a literal and a value can both be read as, the most exact one decides. */
#include "proto/filter_fits.h"

#include "proto/instant.h"

/* What an order of value against literal means to the operator. */
static bool
fits_order(enum filter_op op, int order)
{
	switch (op) {
	case FILTER_LT:
		return order < 0;
	case FILTER_LE:
		return order <= 0;
	case FILTER_GT:
		return order > 0;
	case FILTER_GE:
		return order >= 0;
	default:
		return order == 0;
	}
}

static bool
is_equality(enum filter_op op)
{
	return op == FILTER_EQ || op == FILTER_NE || op == FILTER_HAS;
}

/* For UTF-8 this is the order of the characters' numbers. */
int
filter_order_texts(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n ? memcmp(a.p, b.p, n) : 0;

	return order ? order : (a.n > b.n) - (a.n < b.n);
}

bool
filter_is_text(const struct filter_literal *l, struct slice text)
{
	size_t from = 0, to = l->n_texts;

	if (to == 0)
		return slice_eq(text, l->text);
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order = filter_order_texts(l->texts[middle], text);
		if (order == 0)
			return true;
		if (order < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return false;
}

bool
filter_fits_name(const struct filter_literal *l, struct slice name)
{
	if (l->prefix && name.n > l->text.n)
		name.n = l->text.n;
	return slice_eq(name, l->text);
}

bool
filter_asks_presence(const struct filter_term *term)
{
	return term->op == FILTER_HAS && term->literal.prefix && term->literal.text.n == 0;
}

bool
filter_fits_instant(const struct filter_term *term, int64_t ns)
{
	int64_t other = term->literal.instant_ns;

	return fits_order(term->op, (ns > other) - (ns < other));
}

static bool
fits_number(const struct filter_term *term, struct slice text)
{
	struct decimal number;

	return term->literal.is_number && decimal_read(&number, text) &&
	       fits_order(term->op, decimal_compare(&number, &term->literal.number));
}

static bool
fits_text(const struct filter_term *term, struct slice text, bool address)
{
	const struct filter_literal *l = &term->literal;
	struct ipaddr ip;
	int64_t ns;

	if (l->is_ip && address && ipaddr_read(&ip, text))
		return ipaddr_within(&ip, &l->ip);
	if (l->is_number && !l->quoted)
		return fits_number(term, text);
	if (l->is_instant)
		return instant_read_text(&ns, text, 0) == 0 && filter_fits_instant(term, ns);
	if (is_equality(term->op))
		return filter_is_text(l, text);
	return fits_order(term->op, filter_order_texts(text, l->text));
}

bool
filter_fits_value(const struct filter_term *term, const struct jsonvalue *v, bool address)
{
	const struct filter_literal *l = &term->literal;

	if (filter_asks_presence(term))
		return true;
	if (v->kind == JSONVALUE_OBJECT || v->kind == JSONVALUE_ARRAY)
		return false;
	if (l->word == FILTER_NULL || v->kind == JSONVALUE_NULL)
		return l->word == FILTER_NULL && v->kind == JSONVALUE_NULL;
	if (l->prefix)
		return filter_fits_name(l, v->text);
	switch (v->kind) {
	case JSONVALUE_BOOL:
		return is_equality(term->op) && filter_is_text(l, v->text);
	case JSONVALUE_NUMBER:
		return fits_number(term, v->text);
	default:
		return fits_text(term, v->text, address);
	}
}
