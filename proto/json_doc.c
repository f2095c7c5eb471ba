/*
 * One document: validated, and split if it is an array. The fast path accepts;
 * the grammar decides and explains what it does not accept.
 */
#include "proto/err.h"
#include "proto/json.h"
#include "proto/json_error.h"
#include "proto/json_index.h"
#include "proto/json_walk.h"

int
json_validate(struct json_scanner *js, struct slice doc, struct json_error *err)
{
	struct json_index x;
	int code = json_index_make(&x, js, doc.p, doc.n);

	if (code == 0 && json_walk_value(&x, x.at, 0) == x.end && json_walk_escapes(doc))
		return 0;
	if (code != 0 && code != STELE_ESYNTAX)
		return code;
	return json_error_explain(err, doc);
}

/* The bytes from offset from up to the token at offset to, without the blanks before that. */
static struct slice
between(const struct json_index *x, uint32_t from, uint32_t to)
{
	while (to > from && (x->p[to - 1] == ' ' || x->p[to - 1] == '\t' || x->p[to - 1] == '\n' ||
			     x->p[to - 1] == '\r'))
		to--;
	return slice_of(x->p + from, to - from);
}

/*
 * Walks an array of any length. 0, elements[0..cap), how many there are, and
 * the token that is the (cap + 1)th or NULL; or STELE_ESYNTAX.
 */
static int
walk_elements(const struct json_index *x, struct slice *elements, size_t cap, size_t *n,
	      const uint32_t **over)
{
	const uint32_t *at = x->at, *next;
	size_t count = 0;

	*over = NULL;
	*n = 0;
	if (x->p[*at++] != '[' || at == x->end)
		return STELE_ESYNTAX;
	if (x->p[*at] == ']')
		return at + 1 == x->end ? 0 : STELE_ESYNTAX;
	for (;; at = next + 1) {
		next = json_walk_value(x, at, 1);
		if (!next || next == x->end)
			return STELE_ESYNTAX;
		if (count < cap)
			elements[count] = between(x, *at, *next);
		else if (count == cap)
			*over = at;
		count++;
		if (x->p[*next] != ',')
			break;
	}
	*n = count;
	return x->p[*next] == ']' && next + 1 == x->end ? 0 : STELE_ESYNTAX;
}

int
json_array_split(struct json_scanner *js, struct slice doc, struct slice *elements, size_t cap,
		 size_t *n, struct json_error *err)
{
	const uint32_t *over = NULL;
	struct json_index x;
	size_t count = 0;
	int code = json_index_make(&x, js, doc.p, doc.n);

	if (code == 0)
		code = walk_elements(&x, elements, cap, &count, &over);
	if (code == 0 && !json_walk_escapes(doc))
		code = STELE_ESYNTAX;
	if (code == 0 && over)
		return json_error_set(err, STELE_ELIMIT, doc, *over, "too many elements");
	if (code == 0)
		*n = count;
	if (code != STELE_ESYNTAX)
		return code;
	code = json_error_explain(err, doc);
	return code ? code : json_error_set(err, STELE_ESYNTAX, doc, 0, "not an array");
}
