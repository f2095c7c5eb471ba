/*
 * The simple terms are written out as filter text and read again: what they mean
 * is what the language means, and there is one way into a tree.
 */
#include "proto/err.h"
#include "proto/filter.h"
#include "proto/filter_literal.h"
#include "proto/limits.h"
#include "proto/quoted.h"
#include "proto/timestamp.h"
#include "proto/utf8.h"

static int
check_value(struct slice value, struct text_error *err)
{
	const uint8_t *star;

	if (value.n == 0)
		return text_error_set(err, STELE_ESYNTAX, value, 0, "expected a value");
	if (!utf8_valid(value))
		return text_error_set(err, STELE_ESYNTAX, value, 0, "expected UTF-8");
	star = memchr(value.p, '*', value.n);
	if (star && star != value.p + value.n - 1)
		return text_error_set(
			err, STELE_ESYNTAX, value, (size_t)(star - value.p),
			"expected a * at the end only; filter= can have the character, "
			"quoted as \\*");
	return 0;
}

/* Whether all of it is one literal without quotes: what an alias may be called. */
static bool
is_word(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || strchr("()\"',=<>!\\*", s.p[i]))
			return false;
	return s.n > 1;
}

/* FIELD = VALUE; a number stays one, an alias too, all else is a text. */
static void
put_term(struct buf *out, const struct filter_simple_term *term, bool aliases)
{
	struct slice value = term->value;
	bool prefix = value.p[value.n - 1] == '*', at = aliases && value.p[0] == '@';
	struct decimal number;

	buf_printf(out, "%s = ", field_name(term->field));
	if (at && value.n > 1 && value.p[1] == '@') {
		value = slice_of(value.p + 1, value.n - 1);
		at = false;
	}
	if (at || decimal_read(&number, value)) {
		buf_put_slice(out, value);
		return;
	}
	quoted_write(out, slice_of(value.p, value.n - prefix));
	if (prefix) {
		out->n -= out->err ? 0 : 1;
		buf_put_str(out, "*\"");
	}
}

/* What begins with @ is an alias, or doubles it. */
static int
check_alias(const struct filter_aliases *aliases, struct slice value, struct text_error *err)
{
	const struct slice *values;
	size_t n;

	if (value.p[0] != '@' || (value.n > 1 && value.p[1] == '@'))
		return 0;
	if (!is_word(value))
		return text_error_set(err, STELE_ESYNTAX, value, 0,
				      "expected the name of an alias behind @; a value that begins "
				      "with @ doubles it");
	return filter_alias_find(aliases, slice_of(value.p + 1, value.n - 1), value, 0, &values, &n,
				 err);
}

static void
put_and(struct buf *out)
{
	if (out->n)
		buf_put_str(out, " AND ");
}

static void
put_time(struct buf *out, const char *op, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	put_and(out);
	buf_printf(out, "time %s \"%.*s\"", op, TIMESTAMP_BYTES, text);
}

/* The terms of one field, of which one must hold. */
static int
put_field(struct buf *out, const struct filter_simple *simple, enum field field,
	  struct text_error *err)
{
	bool first = true;

	for (size_t i = 0; i < simple->n_terms; i++) {
		int code;
		if (simple->terms[i].field != field)
			continue;
		code = check_value(simple->terms[i].value, err);
		if (code == 0 && simple->aliases)
			code = check_alias(simple->aliases, simple->terms[i].value, err);
		if (code)
			return code;
		if (first) {
			put_and(out);
			buf_put_u8(out, '(');
		} else {
			buf_put_str(out, " OR ");
		}
		put_term(out, &simple->terms[i], simple->aliases != NULL);
		first = false;
	}
	if (!first)
		buf_put_u8(out, ')');
	return 0;
}

static int
put_filter(struct buf *out, struct arena *a, const struct filter_simple *simple,
	   struct text_error *err)
{
	struct filter f;
	int code = filter_parse_with(&f, a, simple->filter, simple->aliases, err);

	if (code || f.root->kind == FILTER_ALL)
		return code;
	put_and(out);
	buf_put_u8(out, '(');
	filter_print(out, &f);
	buf_put_u8(out, ')');
	return 0;
}

static int
put_all(struct buf *out, struct arena *a, const struct filter_simple *simple,
	struct text_error *err)
{
	int code = 0;

	if (simple->has_from)
		put_time(out, ">=", simple->from_ns);
	if (simple->has_to)
		put_time(out, "<", simple->to_ns);
	for (int field = FIELD_WRITER; code == 0 && field <= FIELD_ANY; field++)
		code = put_field(out, simple, (enum field)field, err);
	if (code == 0)
		code = put_filter(out, a, simple, err);
	return code ? code : out->err;
}

int
filter_build(struct filter *f, struct arena *a, const struct filter_simple *simple,
	     struct text_error *err)
{
	struct buf text;
	int code;

	buf_init(&text);
	code = put_all(&text, a, simple, err);
	if (code == 0)
		code = filter_parse_with(f, a, buf_slice(&text), simple->aliases, err);
	buf_fini(&text);
	return code;
}
