/* Members of the outermost object, by the index. */
#include "proto/err.h"
#include "proto/json.h"
#include "proto/json_error.h"
#include "proto/json_index.h"
#include "proto/json_string.h"
#include "proto/json_walk.h"

struct pick {
	const struct json_index *x;
	const char *const *names;
	size_t n_names;
	struct arena *a;
	struct slice *values;
	bool *present;
};

/* The string whose opening quote is at *at, unescaped into the arena. STELE_ENOMEM. */
static int
read_string(struct slice *s, const struct pick *k, const uint32_t *at)
{
	struct slice raw = json_string_raw(k->x, at);
	uint8_t *out = arena_alloc(k->a, raw.n + 1);
	size_t n;

	if (!out)
		return STELE_ENOMEM;
	n = json_string_unescape(out, raw);
	out[n] = '\0';
	*s = slice_of(out, n);
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
