/*
 * JSON: the index and its walk say what the grammar says; records, elements and
 * members are what splitting by hand, and jansson, find.
 */
#include <jansson.h>
#include <stdint.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/json_grammar.h"
#include "proto/json_index.h"
#include "proto/json_walk.h"

enum { CAP = 256, NAMES = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int
grammar(struct slice s)
{
	const char *message;
	size_t offset;
	int code = json_grammar_check(s, &offset, &message);

	CHECK(code == 0 || code == STELE_ESYNTAX || code == STELE_ELIMIT);
	CHECK(code == 0 || (offset <= s.n && message));
	return code;
}

static void
check_document(struct json_scanner *js, struct slice doc)
{
	struct json_error err = {0};
	struct json_index x;
	int code = grammar(doc);
	bool fast = json_index_make(&x, js, doc.p, doc.n) == 0 &&
		    json_walk_value(&x, x.at, 0) == x.end && json_walk_escapes(doc);

	CHECK(fast == (code == 0));
	CHECK(json_validate(js, doc, &err) == code);
	CHECK(code == 0 || (err.line >= 1 && err.offset <= doc.n && err.message));
}

static bool
is_blank(struct slice line)
{
	for (size_t i = 0; i < line.n; i++) {
		if (!strchr(" \t\r", line.p[i]) || line.p[i] == 0)
			return false;
	}
	return true;
}

static void
check_lines(struct json_scanner *js, struct slice body)
{
	struct slice lines[CAP], line;
	struct json_error err = {0};
	size_t n = 0, at = 0, i = 0, number = 0;
	int code = json_ndjson_split(js, body, lines, CAP, &n, &err), want = 0;

	for (; want == 0 && at < body.n; at += line.n + 1) {
		const uint8_t *lf = memchr(body.p + at, '\n', body.n - at);
		line = slice_of(body.p + at, lf ? (size_t)(lf - body.p) - at : body.n - at);
		number++;
		if (is_blank(line))
			continue;
		want = i == CAP ? STELE_ELIMIT
				: grammar(slice_of(line.p, line.n - (line.p[line.n - 1] == '\r')));
		if (want == 0 && code == 0) {
			CHECK(lines[i].p == line.p);
			CHECK(lines[i].n == line.n - (line.p[line.n - 1] == '\r'));
		}
		i += want == 0;
		if (want != 0 && want == code)
			CHECK(err.line == number && err.offset >= at && err.offset <= at + line.n);
	}
	CHECK(code == want);
	CHECK(code != 0 || n == i);
}

static void
check_elements(struct json_scanner *js, struct slice doc, const json_t *tree)
{
	struct slice elements[CAP];
	size_t n = 0;
	int code = json_array_split(js, doc, elements, CAP, &n, NULL);

	if (code != 0) {
		CHECK(!tree || !json_is_array(tree) || json_array_size(tree) > CAP);
		return;
	}
	CHECK(!tree || json_array_size(tree) == n);
	for (size_t i = 0; i < n; i++) {
		CHECK(grammar(elements[i]) == 0);
		CHECK(i == 0 || elements[i].p > elements[i - 1].p + elements[i - 1].n);
	}
}

static void
check_members(struct json_scanner *js, struct slice doc, const json_t *tree)
{
	static const char *const names[NAMES] = {"id", "a", ""};
	struct slice values[NAMES];
	bool present[NAMES];
	struct arena arena;
	int code;

	arena_init(&arena);
	code = json_pick(js, doc, names, NAMES, &arena, values, present);
	CHECK(code != 0 || grammar(doc) == 0);
	CHECK((code == STELE_ELIMIT) == (grammar(doc) == STELE_ELIMIT));
	for (size_t i = 0; code == 0 && tree && i < NAMES; i++) {
		const json_t *v = json_object_get(tree, names[i]);
		CHECK(present[i] == (v != NULL));
		if (v)
			CHECK(slice_eq(values[i],
				       slice_of(json_string_value(v), json_string_length(v))));
	}
	arena_fini(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice doc = slice_of(data, n);
	static struct json_scanner *js; /* kept: what one input leaves must not harm the next */
	json_t *tree = NULL;

	if (!js)
		js = json_scanner_new();
	CHECK(js);
	check_document(js, doc);
	check_lines(js, doc);
	if (grammar(doc) == 0)
		tree = json_loadb((const char *)data, n,
				  JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	check_elements(js, doc, tree);
	check_members(js, doc, tree);
	json_decref(tree);
	return 0;
}
