/*
 * One function for each line of the grammar in filter.h. Recursion is bounded by
 * LIMIT_FILTER_DEPTH; the tree that comes out is in its normal form: no AND in
 * an AND, no OR in an OR, no NOT of a NOT.
 */
#include "proto/filter.h"

#include "proto/err.h"
#include "proto/filter_literal.h"
#include "proto/limits.h"

struct parser {
	struct slice text;
	size_t at;
	struct arena *a;
	struct text_error *err;
	const struct filter_aliases *aliases; /* NULL: none */
	unsigned depth;                       /* open parentheses and NOTs */
	size_t n_terms;
};

static int parse_and(struct parser *p, struct filter_node **out);

static int
refuse(struct parser *p, size_t offset, const char *what)
{
	return text_error_set(p->err, STELE_ESYNTAX, p->text, offset, "%s", what);
}

/* The byte at the parser, 0 at the end (and for a NUL, which is nothing either). */
static uint8_t
peek(const struct parser *p)
{
	return p->at < p->text.n ? p->text.p[p->at] : 0;
}

static void
skip_blanks(struct parser *p)
{
	while (p->at < p->text.n && memchr(" \t\r\n", p->text.p[p->at], 4))
		p->at++;
}

/* Passes the keyword at the parser, if it stands there and ends there. */
static bool
take_keyword(struct parser *p, const char *word)
{
	size_t n = strlen(word), left = p->text.n - p->at;
	const uint8_t *at = p->text.p + p->at;

	if (left < n || memcmp(at, word, n) != 0)
		return false;
	if (left > n && !memchr(" \t\r\n(", at[n], 5))
		return false;
	p->at += n;
	skip_blanks(p);
	return true;
}

static struct filter_node *
node_new(struct parser *p, enum filter_kind kind, size_t n)
{
	struct filter_node *node = arena_alloc(p->a, sizeof *node);
	struct filter_node **children = n ? arena_alloc(p->a, n * sizeof(*children)) : NULL;

	if (!node || (n && !children))
		return NULL;
	*node = (struct filter_node){.kind = kind, .children = children};
	return node;
}

/* Adds a child to an AND or OR with room for *cap; one of the same kind gives its children. */
static int
add_child(struct parser *p, struct filter_node *node, size_t *cap, struct filter_node *child)
{
	size_t n = child->kind == node->kind ? child->n : 1;
	struct filter_node **from = child->kind == node->kind ? child->children : &child;

	if (node->n + n > *cap) {
		size_t larger = 2 * (node->n + n);
		struct filter_node **children = arena_alloc(p->a, larger * sizeof(*children));
		if (!children)
			return STELE_ENOMEM;
		memcpy(children, node->children, node->n * sizeof(*children));
		node->children = children;
		*cap = larger;
	}
	memcpy(node->children + node->n, from, n * sizeof(*from));
	node->n += n;
	return 0;
}

static int
read_op(struct parser *p, enum filter_op *op)
{
	static const struct {
		const char *text;
		enum filter_op op;
	} ops[] = {{"!=", FILTER_NE}, {"<=", FILTER_LE}, {">=", FILTER_GE}, {"=", FILTER_EQ},
		   {"<", FILTER_LT},  {">", FILTER_GT},  {":", FILTER_HAS}};

	for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
		size_t n = strlen(ops[i].text);
		if (p->text.n - p->at >= n && memcmp(p->text.p + p->at, ops[i].text, n) == 0) {
			p->at += n;
			*op = ops[i].op;
			return 0;
		}
	}
	return refuse(p, p->at, "expected one of = != < <= > >= : after this name");
}

/* Room for n more terms, which are counted. */
static int
count_terms(struct parser *p, size_t n)
{
	if (p->n_terms + n > LIMIT_FILTER_TERMS)
		return text_error_set(p->err, STELE_ELIMIT, p->text, p->at,
				      "expected at most %u terms", LIMIT_FILTER_TERMS);
	p->n_terms += n;
	return 0;
}

/* What the alias of a term's literal, which stands at start, has; or why it has nothing. */
static int
find_alias(struct parser *p, const struct filter_term *term, size_t start,
	   const struct slice **values, size_t *n)
{
	const struct filter_literal *l = &term->literal;
	struct slice name = slice_of(l->text.p + 1, l->text.n - 1);

	if (l->prefix || (term->op != FILTER_EQ && term->op != FILTER_NE && term->op != FILTER_HAS))
		return refuse(p, start, "expected an alias whole, behind =, != or :");
	return filter_alias_find(p->aliases, name, p->text, start, values, n, p->err);
}

/* A term for each value, of which one must fit; for != none. The term given becomes the first. */
static int
expand(struct parser *p, size_t start, struct filter_node *first, struct filter_node **out)
{
	enum filter_kind kind = first->term.op == FILTER_NE ? FILTER_AND : FILTER_OR;
	const struct slice *values;
	struct filter_node *list;
	size_t n;
	int code = find_alias(p, &first->term, start, &values, &n);

	if (code == 0)
		code = count_terms(p, n - 1);
	if (code != 0)
		return code;
	list = node_new(p, kind, n);
	if (!list)
		return STELE_ENOMEM;
	for (size_t i = 0; code == 0 && i < n; i++) {
		struct filter_node *node = i ? node_new(p, FILTER_TERM, 0) : first;
		const void *copy = arena_dup(p->a, values[i].p, values[i].n);

		if (!node || !copy)
			return STELE_ENOMEM;
		node->term = first->term;
		node->term.literal = (struct filter_literal){.text = slice_of(copy, values[i].n),
							     .quoted = true};
		code = filter_term_settle(&node->term, p->text, start, p->err);
		list->children[list->n++] = node;
	}
	*out = n == 1 ? first : list;
	return code;
}

static int
parse_term(struct parser *p, struct filter_node **out)
{
	struct filter_node *node = node_new(p, FILTER_TERM, 0);
	struct filter_term *term = node ? &node->term : NULL;
	bool quoted;
	size_t start;
	int code;

	if (!node)
		return STELE_ENOMEM;
	code = count_terms(p, 1);
	if (code)
		return code;
	code = jsonpath_read(&term->path, &quoted, p->a, p->text, &p->at, p->err);
	if (code)
		return code;
	term->field = -1;
	if (!quoted && term->path.n == 1)
		term->field = field_find(term->path.steps[0]);
	skip_blanks(p);
	code = read_op(p, &term->op);
	if (code)
		return code;
	skip_blanks(p);
	start = p->at;
	code = filter_literal_read(&term->literal, p->a, p->text, &p->at, p->err);
	if (code)
		return code;
	if (p->aliases && p->text.p[start] == '@')
		return expand(p, start, node, out);
	code = filter_term_settle(term, p->text, start, p->err);
	*out = node;
	return code;
}

static int
deeper(struct parser *p)
{
	if (p->depth == LIMIT_FILTER_DEPTH)
		return text_error_set(p->err, STELE_ELIMIT, p->text, p->at,
				      "expected at most %u parentheses and NOTs inside each other",
				      LIMIT_FILTER_DEPTH);
	p->depth++;
	return 0;
}

static int
parse_parentheses(struct parser *p, struct filter_node **out)
{
	size_t start = p->at;
	int code = deeper(p);

	if (code)
		return code;
	p->at++;
	skip_blanks(p);
	code = parse_and(p, out);
	if (code)
		return code;
	if (peek(p) != ')')
		return p->at == p->text.n ? refuse(p, start, "expected a ) for this parenthesis")
					  : refuse(p, p->at, "expected AND, OR or ), in capitals");
	p->at++;
	p->depth--;
	return 0;
}

static int
parse_not(struct parser *p, struct filter_node **out)
{
	struct filter_node *inner, *node;
	bool not = take_keyword(p, "NOT");
	int code = 0;

	if (!not &&peek(p) == '-') {
		not = true;
		p->at++;
		skip_blanks(p);
	}
	if (not )
		code = deeper(p);
	if (code)
		return code;
	code = peek(p) == '(' ? parse_parentheses(p, &inner) : parse_term(p, &inner);
	if (code)
		return code;
	*out = inner;
	if (!not )
		return 0;
	p->depth--;
	if (inner->kind == FILTER_NOT) {
		*out = inner->children[0];
		return 0;
	}
	node = node_new(p, FILTER_NOT, 1);
	if (!node)
		return STELE_ENOMEM;
	node->children[node->n++] = inner;
	*out = node;
	return 0;
}

/* A list of what `next` reads, with `word` between: AND of ORs, OR of NOTs. */
static int
parse_list(struct parser *p, enum filter_kind kind, const char *word,
	   int (*next)(struct parser *, struct filter_node **), struct filter_node **out)
{
	struct filter_node *child, *node;
	size_t cap = 4;
	int code = next(p, &child);

	if (code)
		return code;
	skip_blanks(p);
	if (!take_keyword(p, word)) {
		*out = child;
		return 0;
	}
	node = node_new(p, kind, cap);
	if (!node)
		return STELE_ENOMEM;
	do {
		code = add_child(p, node, &cap, child);
		if (code == 0)
			code = next(p, &child);
		if (code)
			return code;
		skip_blanks(p);
	} while (take_keyword(p, word));
	*out = node;
	return add_child(p, node, &cap, child);
}

static int
parse_or(struct parser *p, struct filter_node **out)
{
	return parse_list(p, FILTER_OR, "OR", parse_not, out);
}

static int
parse_and(struct parser *p, struct filter_node **out)
{
	return parse_list(p, FILTER_AND, "AND", parse_or, out);
}

static unsigned
tree_depth(const struct filter_node *node)
{
	unsigned deepest = 0;

	for (size_t i = 0; i < node->n; i++) {
		unsigned depth = tree_depth(node->children[i]);
		deepest = depth > deepest ? depth : deepest;
	}
	return deepest + (node->n != 0);
}

/* The bounds hold for what is printed, too: it must read again. */
static int
check_printed(struct parser *p, const struct filter *f)
{
	struct buf printed;
	size_t n;
	int code;

	if (tree_depth(f->root) > LIMIT_FILTER_DEPTH)
		return text_error_set(p->err, STELE_ELIMIT, p->text, 0,
				      "expected at most %u levels of AND, OR and NOT",
				      LIMIT_FILTER_DEPTH);
	buf_init(&printed);
	filter_print(&printed, f);
	code = printed.err;
	n = printed.n;
	buf_fini(&printed);
	if (code == 0 && n > LIMIT_FILTER_BYTES)
		return text_error_set(p->err, STELE_ELIMIT, p->text, 0,
				      "expected at most %u bytes, written out; this is %zu",
				      LIMIT_FILTER_BYTES, n);
	return code;
}

int
filter_parse(struct filter *f, struct arena *a, struct slice text, struct text_error *err)
{
	return filter_parse_with(f, a, text, NULL, err);
}

int
filter_parse_with(struct filter *f, struct arena *a, struct slice text,
		  const struct filter_aliases *aliases, struct text_error *err)
{
	struct parser p = {.text = text, .a = a, .err = err, .aliases = aliases};
	struct filter read;
	int code = 0;

	if (text.n > LIMIT_FILTER_BYTES)
		return text_error_set(err, STELE_ELIMIT, text, 0, "expected at most %u bytes",
				      LIMIT_FILTER_BYTES);
	skip_blanks(&p);
	if (p.at < text.n)
		code = parse_and(&p, &read.root);
	else if (!(read.root = node_new(&p, FILTER_ALL, 0)))
		code = STELE_ENOMEM;
	if (code == 0 && p.at < text.n)
		code = refuse(&p, p.at, "expected AND, OR (in capitals) or the end");
	if (code == 0)
		code = check_printed(&p, &read);
	if (code)
		return code;
	read.n_terms = p.n_terms;
	*f = read;
	return 0;
}
