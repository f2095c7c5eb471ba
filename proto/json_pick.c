/* Members of the outermost object, by the index. */
#include "proto/err.h"
#include "proto/json.h"
#include "proto/json_error.h"
#include "proto/json_index.h"
#include "proto/json_walk.h"

struct pick {
	const struct json_index *x;
	const char *const *names;
	size_t n_names;
	struct arena *a;
	struct slice *values;
	bool *present;
};

static unsigned
hex4(const uint8_t *p)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 4 | (unsigned)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
	return v;
}

/* Writes a code point as UTF-8; returns behind it. RFC 3629 section 3. */
static uint8_t *
put_utf8(uint8_t *out, unsigned c)
{
	if (c < 0x80) {
		*out++ = (uint8_t)c;
		return out;
	}
	if (c < 0x800) {
		*out++ = (uint8_t)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*out++ = (uint8_t)(0xe0 | c >> 12);
		} else {
			*out++ = (uint8_t)(0xf0 | c >> 18);
			*out++ = (uint8_t)(0x80 | (c >> 12 & 0x3f));
		}
		*out++ = (uint8_t)(0x80 | (c >> 6 & 0x3f));
	}
	*out++ = (uint8_t)(0x80 | (c & 0x3f));
	return out;
}

/* Resolves the valid escape at *p, which moves behind it; returns behind what is written. */
static uint8_t *
unescape_one(uint8_t *out, const uint8_t **p)
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	uint8_t letter = (*p)[1];
	const char *found = strchr(letters, letter);
	unsigned c;

	if (letter != 'u') {
		*out++ = found ? (uint8_t)meanings[found - letters] : letter;
		*p += 2;
		return out;
	}
	c = hex4(*p + 2);
	*p += 6;
	if ((c & 0xf800) == 0xd800) {
		c = 0x10000 + ((c & 0x3ff) << 10) + (hex4(*p + 2) & 0x3ff);
		*p += 6;
	}
	return put_utf8(out, c);
}

/*
 * The string whose opening quote is at *at, unescaped into the arena: never
 * longer than it was. STELE_ENOMEM.
 */
static int
read_string(struct slice *s, const struct pick *k, const uint32_t *at)
{
	const uint8_t *p = k->x->p + at[0] + 1, *end = k->x->p + at[1] - 1;
	uint8_t *start, *out;

	while (*end != '"')
		end--; /* only blanks stand between a string and the next token */
	start = out = arena_alloc(k->a, (size_t)(end - p) + 1);
	if (!out)
		return STELE_ENOMEM;
	while (p < end) {
		if (*p == '\\')
			out = unescape_one(out, &p);
		else
			*out++ = *p++;
	}
	*out = '\0';
	*s = slice_of(start, (size_t)(out - start));
	return 0;
}

/* Takes the member whose name is at *at, if it is asked for. */
static int
take_member(const struct pick *k, const uint32_t *at)
{
	struct slice name;
	int err = read_string(&name, k, at);

	for (size_t i = 0; err == 0 && i < k->n_names; i++) {
		if (!slice_eq_str(name, k->names[i]))
			continue;
		if (k->present[i] || k->x->p[at[2]] != '"')
			return STELE_ESYNTAX;
		k->present[i] = true;
		err = read_string(&k->values[i], k, at + 2);
	}
	return err;
}

/* Takes what is asked for of a document that is valid and begins with {. */
static int
take_members(const struct pick *k)
{
	const uint32_t *at = k->x->at + 1;
	int err = 0;

	while (err == 0 && at < k->x->end && k->x->p[*at] == '"') {
		err = take_member(k, at);
		at = json_walk_value(k->x, at + 2, 1) + 1; /* behind its comma or brace */
	}
	return err;
}

int
json_pick(struct json_scanner *js, struct slice doc, const char *const *names, size_t n_names,
	  struct arena *a, struct slice *values, bool *present)
{
	struct json_index x;
	struct pick k = {&x, names, n_names, a, values, present};
	int code = json_index_make(&x, js, doc.p, doc.n);

	if (code == 0 && (json_walk_value(&x, x.at, 0) != x.end || !json_walk_escapes(doc)))
		code = STELE_ESYNTAX;
	if (code == STELE_ESYNTAX && json_error_explain(NULL, doc) == STELE_ELIMIT)
		code = STELE_ELIMIT;
	if (code)
		return code;
	if (doc.p[*x.at] != '{')
		return STELE_ESYNTAX;
	memset(present, 0, n_names * sizeof *present);
	return take_members(&k);
}
