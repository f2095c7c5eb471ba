/* What a literal can be is found once, when the filter is read, not for each record. */
#include "proto/filter_literal.h"

#include "proto/err.h"
#include "proto/instant.h"
#include "proto/limits.h"
#include "proto/quoted.h"
#include "proto/utf8.h"

/* Bytes of an unquoted literal at the start of s. */
static size_t
word_length(struct slice s)
{
	size_t n = 0;

	while (n < s.n && s.p[n] > ' ' && !strchr("()\"',=<>!\\", s.p[n]))
		n++;
	return n;
}

static int
read_word(struct filter_literal *literal, struct arena *a, struct slice text, size_t *at,
	  struct text_error *err)
{
	struct slice word = slice_of(text.p + *at, text.n - *at);
	const uint8_t *star;

	word.n = word_length(word);
	if (word.n == 0)
		return text_error_set(err, STELE_ESYNTAX, text, *at,
				      "expected a value, such as alice, 42 or \"a text\"");
	if (jsonpath_is_keyword(word))
		return text_error_set(err, STELE_ESYNTAX, text, *at,
				      "expected a value; quote it when it is this word");
	if (!utf8_valid(word))
		return text_error_set(err, STELE_ESYNTAX, text, *at, "expected UTF-8");
	star = memchr(word.p, '*', word.n);
	if (star && star != word.p + word.n - 1)
		return text_error_set(err, STELE_ESYNTAX, text, (size_t)(star - text.p),
				      "expected a * at the end only; for the character quote the "
				      "value and write \\*");
	*at += word.n;
	literal->prefix = star != NULL;
	literal->text = slice_of(arena_dup(a, word.p, word.n), word.n - literal->prefix);
	return literal->text.p ? 0 : STELE_ENOMEM;
}

int
filter_literal_read(struct filter_literal *literal, struct arena *a, struct slice text, size_t *at,
		    struct text_error *err)
{
	if (*at < text.n && (text.p[*at] == '"' || text.p[*at] == '\'')) {
		literal->quoted = true;
		return quoted_read(&literal->text, &literal->prefix, a, text, at, err);
	}
	return read_word(literal, a, text, at, err);
}

static enum filter_word
word_of(struct slice text)
{
	if (slice_eq_str(text, "true"))
		return FILTER_TRUE;
	if (slice_eq_str(text, "false"))
		return FILTER_FALSE;
	return slice_eq_str(text, "null") ? FILTER_NULL : FILTER_NO_WORD;
}

/* Reads the text as whatever it can be, whichever the field. */
static void
read_meanings(struct filter_literal *l)
{
	if (l->prefix) {
		l->quoted = true;
		return;
	}
	l->is_number = decimal_read(&l->number, l->text);
	l->is_instant = instant_read_text(&l->instant_ns, l->text, 0) == 0;
	if (!l->quoted)
		l->word = word_of(l->text);
	l->quoted = l->quoted || (!l->is_number && l->word == FILTER_NO_WORD);
}

/* time and receive_time compare with instants, however written. */
static const char *
settle_time(struct filter_term *term)
{
	struct filter_literal *l = &term->literal;

	if (term->op == FILTER_HAS)
		return "expected = != < <= > or >= after this field: every record has a time";
	if (!l->prefix && instant_read(&l->instant_ns, l->text, INSTANT_GUESS) == 0) {
		l->is_instant = true;
		return NULL;
	}
	return "expected a time from 1970 to 2261, such as 2026-11-23 or "
	       "2026-11-23T15:48:00.5+01:00";
}

/* What does not go together, or NULL. */
static const char *
settle(struct filter_term *term)
{
	struct filter_literal *l = &term->literal;
	bool orders = term->op == FILTER_LT || term->op == FILTER_LE || term->op == FILTER_GT ||
		      term->op == FILTER_GE;

	if (l->is_number && (l->number.exponent > LIMIT_NUMBER_EXPONENT ||
			     l->number.exponent < -LIMIT_NUMBER_EXPONENT))
		return "expected a number with a smaller exponent";
	if (term->field == FIELD_TIME || term->field == FIELD_RECEIVE_TIME)
		return settle_time(term);
	if (orders && l->prefix)
		return "expected no * behind < <= > >=";
	if (orders && l->word != FILTER_NO_WORD)
		return "expected a text, a number or a time behind < <= > >=";
	if (term->field != FIELD_SOURCE_IP && term->field != FIELD_ANY)
		return NULL;
	if (orders)
		return "expected = != or : after this field";
	l->is_ip = !l->prefix && ipaddr_read_prefix(&l->ip, l->text);
	return NULL;
}

int
filter_term_settle(struct filter_term *term, struct slice text, size_t offset,
		   struct text_error *err)
{
	const char *wrong;

	read_meanings(&term->literal);
	wrong = settle(term);
	return wrong ? text_error_set(err, STELE_ESYNTAX, text, offset, "%s", wrong) : 0;
}

int
filter_alias_find(const struct filter_aliases *aliases, struct slice name, struct slice text,
		  size_t offset, const struct slice **values, size_t *n, struct text_error *err)
{
	int code = aliases->find(aliases->ctx, name, values, n);

	if (code == STELE_EPERM)
		return text_error_set(
			err, STELE_ESYNTAX, text, offset,
			"expected no alias (@%.*s), since no matter is asked about; a "
			"value that begins with @ stands in quotes",
			(int)name.n, (const char *)name.p);
	if (code == STELE_ENOTFOUND)
		return text_error_set(
			err, STELE_ESYNTAX, text, offset,
			"expected an alias of the matter, which has no @%.*s; a value "
			"that begins with @ stands in quotes",
			(int)name.n, (const char *)name.p);
	return code;
}
