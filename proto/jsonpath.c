/* Steps are read one by one; an unquoted one stays in the text, copied once. */
#include "proto/jsonpath.h"

#include "proto/dec.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/quoted.h"
#include "proto/utf8.h"

static bool
is_name_byte(uint8_t c)
{
	uint8_t letter = (uint8_t)((c | 0x20) - 'a');

	return letter < 26 || (uint8_t)(c - '0') < 10 || c >= 0x80 || (c && strchr("_-@$#/", c));
}

static size_t
name_length(struct slice s)
{
	size_t n = 0;

	while (n < s.n && is_name_byte(s.p[n]))
		n++;
	return n;
}

bool
jsonpath_is_keyword(struct slice word)
{
	return slice_eq_str(word, "AND") || slice_eq_str(word, "OR") || slice_eq_str(word, "NOT");
}

/* True when s may stand without quotes. */
static bool
is_plain(struct slice s)
{
	return s.n && name_length(s) == s.n && dec_span(s) != s.n && s.p[0] != '-' &&
	       !jsonpath_is_keyword(s);
}

static int
read_plain(struct slice *step, struct arena *a, struct slice text, size_t *at, bool first,
	   struct text_error *err)
{
	struct slice name = slice_of(text.p + *at, text.n - *at);
	const void *copy;

	name.n = name_length(name);
	if (name.n == 0 || (first && (name.p[0] == '-' || jsonpath_is_keyword(name))))
		return text_error_set(err, STELE_ESYNTAX, text, *at,
				      first ? "expected a field, or a path such as user.name"
					    : "expected a name after the point; quotes for one "
					      "with other characters");
	if (dec_span(name) == name.n)
		return text_error_set(err, STELE_ESYNTAX, text, *at,
				      "expected a name: elements of arrays have no numbers here; "
				      "quote a name of digits");
	if (!utf8_valid(name))
		return text_error_set(err, STELE_ESYNTAX, text, *at, "expected UTF-8");
	copy = arena_dup(a, name.p, name.n);
	if (!copy)
		return STELE_ENOMEM;
	*step = slice_of(copy, name.n);
	*at += name.n;
	return 0;
}

int
jsonpath_read(struct jsonpath *path, bool *quoted, struct arena *a, struct slice text, size_t *at,
	      struct text_error *err)
{
	struct slice steps[LIMIT_PATH_STEPS], *kept;
	size_t n = 0, i = *at;
	int code;

	if (quoted)
		*quoted = i < text.n && (text.p[i] == '"' || text.p[i] == '\'');
	for (;; i++) {
		if (n == LIMIT_PATH_STEPS)
			return text_error_set(err, STELE_ELIMIT, text, i,
					      "expected at most %u names in a path",
					      LIMIT_PATH_STEPS);
		if (i < text.n && (text.p[i] == '"' || text.p[i] == '\''))
			code = quoted_read(&steps[n], NULL, a, text, &i, err);
		else
			code = read_plain(&steps[n], a, text, &i, n == 0, err);
		if (code)
			return code;
		n++;
		if (i == text.n || text.p[i] != '.')
			break;
	}
	kept = arena_alloc(a, n * sizeof *kept);
	if (!kept)
		return STELE_ENOMEM;
	memcpy(kept, steps, n * sizeof *kept);
	*path = (struct jsonpath){kept, n};
	*at = i;
	return 0;
}

void
jsonpath_write(struct buf *out, const struct jsonpath *path)
{
	for (size_t i = 0; i < path->n; i++) {
		if (i)
			buf_put_u8(out, '.');
		if (is_plain(path->steps[i]))
			buf_put_slice(out, path->steps[i]);
		else
			quoted_write(out, path->steps[i]);
	}
}

bool
jsonpath_equal(const struct jsonpath *a, const struct jsonpath *b)
{
	for (size_t i = 0; i < a->n && a->n == b->n; i++) {
		if (!slice_eq(a->steps[i], b->steps[i]))
			return false;
	}
	return a->n == b->n;
}
