/* The one text of a filter, and equality. */
#include "proto/filter.h"
#include "proto/quoted.h"

static void
print_literal(struct buf *out, const struct filter_term *term)
{
	const struct filter_literal *l = &term->literal;

	if (l->prefix && l->text.n == 0 && term->op == FILTER_HAS) {
		buf_put_u8(out, '*');
	} else if (!l->quoted) {
		buf_put_slice(out, l->text);
	} else {
		quoted_write(out, l->text);
		if (l->prefix) { /* inside of the quote that ends it */
			out->n -= out->err ? 0 : 1;
			buf_put_str(out, "*\"");
		}
	}
}

static void
print_term(struct buf *out, const struct filter_term *term)
{
	static const char *const ops[] = {
		[FILTER_EQ] = " = ",  [FILTER_NE] = " != ", [FILTER_LT] = " < ",
		[FILTER_LE] = " <= ", [FILTER_GT] = " > ",  [FILTER_GE] = " >= ",
		[FILTER_HAS] = ":",
	};

	if (term->field >= 0)
		buf_put_str(out, field_name((enum field)term->field));
	else if (term->path.n == 1 && field_find(term->path.steps[0]) >= 0)
		quoted_write(out, term->path.steps[0]);
	else
		jsonpath_write(out, &term->path);
	buf_put_str(out, ops[term->op]);
	print_literal(out, term);
}

static void
print_node(struct buf *out, const struct filter_node *node, bool inside)
{
	bool parentheses = inside && (node->kind == FILTER_AND || node->kind == FILTER_OR);

	if (parentheses)
		buf_put_u8(out, '(');
	if (node->kind == FILTER_NOT)
		buf_put_str(out, "NOT ");
	if (node->kind == FILTER_TERM)
		print_term(out, &node->term);
	for (size_t i = 0; i < node->n; i++) {
		if (i)
			buf_put_str(out, node->kind == FILTER_AND ? " AND " : " OR ");
		print_node(out, node->children[i], true);
	}
	if (parentheses)
		buf_put_u8(out, ')');
}

void
filter_print(struct buf *out, const struct filter *f)
{
	print_node(out, f->root, false);
}

static bool
term_equal(const struct filter_term *a, const struct filter_term *b)
{
	if (a->field != b->field || a->op != b->op ||
	    (a->field < 0 && !jsonpath_equal(&a->path, &b->path)))
		return false;
	return slice_eq(a->literal.text, b->literal.text) &&
	       a->literal.quoted == b->literal.quoted && a->literal.prefix == b->literal.prefix;
}

static bool
node_equal(const struct filter_node *a, const struct filter_node *b)
{
	if (a->kind != b->kind || a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!node_equal(a->children[i], b->children[i]))
			return false;
	}
	return a->kind != FILTER_TERM || term_equal(&a->term, &b->term);
}

bool
filter_equal(const struct filter *a, const struct filter *b)
{
	return a->n_terms == b->n_terms && node_equal(a->root, b->root);
}
