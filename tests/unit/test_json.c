/*
 * JSON: the grammar on both sides of every rule, by the fast path and by the
 * slow one, which must agree; where a document is wrong; records, elements and
 * members; jansson as a judge who shares no code with us. Every document lies
 * at the end of a page behind which nothing can be read.
 */
#include "proto/json.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/json_grammar.h"
#include "proto/json_index.h"
#include "proto/json_walk.h"
#include "proto/limits.h"
#include "tests/unit/fence.h"

#define DOC(literal) slice_of(literal, sizeof(literal) - 1)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct json_scanner *js;
static uint8_t *fence;

static void
set_up(void)
{
	fence = fence_new();
	js = json_scanner_new();
	ck_assert_ptr_nonnull(js);
}

static void
tear_down(void)
{
	json_scanner_free(js);
	json_scanner_free(NULL);
	fence_free(fence);
}

/* What json_validate says, once the fast path alone has said the same. */
static int
judge(struct slice doc, struct json_error *err)
{
	struct json_index x;
	const char *message;
	size_t offset;
	int code, slow;
	bool fast;

	doc = fence_put(fence, doc);
	code = json_validate(js, doc, err);
	slow = json_grammar_check(doc, &offset, &message);
	fast = json_index_make(&x, js, doc.p, doc.n) == 0 &&
	       json_walk_value(&x, x.at, 0) == x.end && json_walk_escapes(doc);
	ck_assert_msg(fast == (slow == 0), "fast %d, slow %d: %.*s", fast, slow, (int)doc.n,
		      (const char *)doc.p);
	ck_assert_int_eq(code, slow);
	return code;
}

static void
assert_refused(struct slice doc, int code, uint64_t line, uint64_t offset)
{
	struct json_error err = {0};

	ck_assert_msg(judge(doc, &err) == code, "not refused: %.*s", (int)doc.n,
		      (const char *)doc.p);
	ck_assert_msg(err.offset == offset, "at %d, not %d: %.*s: %s", (int)err.offset, (int)offset,
		      (int)doc.n, (const char *)doc.p, err.message);
	ck_assert_uint_eq(err.line, line);
	ck_assert_ptr_nonnull(err.message);
}

static const char *const valid[] = {
	"{}",
	"[]",
	"\"\"",
	"0",
	"-0",
	"true",
	"false",
	"null",
	" \t\r\n null \t\r\n ",
	"-1.5e-10",
	"1e5",
	"1E+5",
	"0e0",
	"0.0",
	"123456789012345678901234567890",
	"1e999",
	"-1e-999",
	"18446744073709551616",
	"0.1234567890123456789012345678901234567890",
	"[1,2 , 3]",
	"{\"a\":1,\"a\":2}",
	"{\"\":{\"a\":[{},[],\"\"]}}",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uFfFf\"",
	"\"\\ud83d\\ude00\"",
	"\"\\ud800\\udc00\\udbff\\udfff\"",
	"\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\"",
	"\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\x7f\"",
	"\"\xef\xbb\xbf\"",
	"[true,false,null]",
	"{\"a\" \n : \n true \n }",
	"\"\\\\\"",
	"\"{[,:]}\"",
};

START_TEST(what_the_grammar_allows_is_valid)
{
	for (size_t i = 0; i < COUNT(valid); i++)
		ck_assert_msg(judge(slice_str(valid[i]), NULL) == 0, "refused: %s", valid[i]);
}
END_TEST

static const struct {
	const char *doc;
	unsigned at;
} bad[] = {
	{"", 0},
	{"  ", 2},
	{"01", 1},
	{"-01", 2},
	{"1.", 2},
	{"1.e1", 2},
	{"1e", 2},
	{"1e+", 3},
	{"-", 1},
	{"-a", 1},
	{"+1", 0},
	{".5", 0},
	{"1a", 1},
	{"0x10", 1},
	{"1.5.5", 3},
	{"NaN", 0},
	{"nul", 3},
	{"nulll", 4},
	{"True", 0},
	{"tru\"e\"", 3},
	{"true\"a\"", 4},
	{"1\"a\"", 1},
	{"\"a\"b", 3},
	{"\"a\"\"b\"", 3},
	{"\"", 1},
	{"\"a", 2},
	{"\"\\\"", 3},
	{"\"\\", 1},
	{"[", 1},
	{"[1", 2},
	{"[1,", 3},
	{"[1,]", 3},
	{"[,1]", 1},
	{"[1 2]", 3},
	{"[1}", 2},
	{"[1]]", 3},
	{"{", 1},
	{"{\"a\"", 4},
	{"{\"a\":", 5},
	{"{\"a\":1", 6},
	{"{\"a\":1,", 7},
	{"{\"a\":1,}", 7},
	{"{a:1}", 1},
	{"{1:1}", 1},
	{"{\"a\" 1}", 5},
	{"{\"a\":1]", 6},
	{"{\"a\",1}", 4},
	{"{,}", 1},
	{"{\"a\"}", 4},
	{"[1:2]", 2},
	{"1 2", 2},
	{"{}{}", 2},
	{"]", 0},
	{"}", 0},
	{",", 0},
	{":", 0},
	{"'a'", 0},
	{"[1]//", 3},
	{"/**/1", 0},
	{"\"\t\"", 1},
	{"\"\x1f\"", 1},
	{"\"a\x01\"", 2},
	{"1\f", 1},
	{"\v1", 0},
	{"\"\\a\"", 1},
	{"\"\\u12\"", 1},
	{"\"\\u12g4\"", 1},
	{"\"\\U0041\"", 1},
	{"\"\\ud800\"", 1},
	{"\"\\udc00\"", 1},
	{"\"\\ud800a\"", 1},
	{"\"\\ud800\\n\"", 1},
	{"\"\\x41\"", 1},
	{"\"\\ud800\\", 1},
	{"\"\\u\"", 1},
	{"\\\"a\"", 0},
	{"1\\n", 1},
	{"[\\\"a\"]", 1},
	{"\"\x80\"", 1},
	{"\"\xc0\x80\"", 1},
	{"\"\xc1\xbf\"", 1},
	{"\"\xe0\x9f\xbf\"", 1},
	{"\"\xf0\x8f\xbf\xbf\"", 1},
	{"\"\xed\xa0\x80\"", 1},
	{"\"\xf4\x90\x80\x80\"", 1},
	{"\"\xf5\x80\x80\x80\"", 1},
	{"\"\xff\"", 1},
	{"\"\xc3\"", 1},
	{"\"\xe2\x82\"", 1},
	{"\"\xf0\x9f\x98\"", 1},
	{"\"a\xc3(\"", 2},
	{"\xc3\xa9", 0},
	{"[1\xc2\xa0]", 2},
	{"\xef\xbb\xbf{}", 0},
	{"\"\\ud800\\ud800\"", 1},
	{"\"\\udc00\\ud800\"", 1},
	{"\xe2\x80\xa8"
	 "1",
	 0},
	{"{\"a\":\"\\ud83d\\u0041\"}", 6},
	{"[1,{\"a\":[true,fals]}]", 18},
};

START_TEST(what_is_not_valid_is_refused_at_its_byte)
{
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_refused(slice_str(bad[i].doc), STELE_ESYNTAX, 1, bad[i].at);
	assert_refused(DOC("\0"), STELE_ESYNTAX, 1, 0);
	assert_refused(DOC("1\0"), STELE_ESYNTAX, 1, 1);
	assert_refused(DOC("\"\0\""), STELE_ESYNTAX, 1, 1);
	assert_refused(DOC("true\0"), STELE_ESYNTAX, 1, 4);
	assert_refused(slice_str("{\n\"a\":\n1\n\n,}"), STELE_ESYNTAX, 5, 11);
}
END_TEST

/* Asserts what is said of n bytes that nest `depth` deep. */
static void
assert_depth(const char *doc, size_t n, unsigned depth)
{
	ck_assert_int_eq(judge(slice_of(doc, n), NULL),
			 depth > LIMIT_JSON_DEPTH ? STELE_ELIMIT : 0);
}

START_TEST(containers_nest_as_deep_as_the_limit_and_no_deeper)
{
	char doc[1024];

	for (unsigned depth = LIMIT_JSON_DEPTH - 1; depth <= LIMIT_JSON_DEPTH + 1; depth++) {
		size_t n = 4 * (depth - 1);
		for (unsigned i = 0; i < depth; i++)
			memcpy(doc + 4 * i, "{\"\":", 4);
		memset(doc + n + 1, '}', depth);
		assert_depth(doc, n + 1 + depth, depth); /* the innermost is empty */
		memcpy(doc + n, "{\"\":0", 5);
		memset(doc + n + 5, '}', depth);
		assert_depth(doc, n + 5 + depth, depth);
		memset(doc, '[', depth);
		memset(doc + depth, ']', depth);
		assert_depth(doc, 2 * depth, depth);
		doc[depth] = '1';
		memset(doc + depth + 1, ']', depth);
		assert_depth(doc, 2 * depth + 1, depth);
	}
	memset(doc, '[', LIMIT_JSON_DEPTH + 1);
	assert_refused(slice_of(doc, LIMIT_JSON_DEPTH + 1), STELE_ELIMIT, 1, LIMIT_JSON_DEPTH);
}
END_TEST

START_TEST(an_escape_is_not_looked_for_behind_the_end)
{
	static const char *const cut[] = {"\\", "\\u", "\\u004", "\\ud800", "\\ud800\\udc0"};

	for (size_t i = 0; i < COUNT(cut); i++)
		ck_assert(!json_walk_escapes(fence_put(fence, slice_str(cut[i]))));
	ck_assert(json_walk_escapes(fence_put(fence, slice_str("\\u0041"))));
	ck_assert(json_walk_escapes(fence_put(fence, slice_str("\\ud800\\udc00"))));
}
END_TEST

START_TEST(a_byte_order_mark_is_named)
{
	struct json_error err = {0};

	ck_assert_int_eq(judge(slice_str("\xef\xbb\xbf{}"), &err), STELE_ESYNTAX);
	ck_assert_str_eq(err.message, "a byte order mark");
}
END_TEST

/* A judge who shares no code with us, where his rules are ours. */
static bool
jansson_says(struct slice doc, bool *knows)
{
	json_error_t e;
	json_t *v = json_loadb((const char *)doc.p, doc.n,
			       JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &e);
	enum json_error_code code = v ? json_error_unknown : json_error_code(&e);

	/* He takes a NUL after a number for nothing, and refuses one in a name. */
	*knows = !memchr(doc.p, 0, doc.n) && code != json_error_null_byte_in_key &&
		 code != json_error_numeric_overflow && code != json_error_stack_overflow;
	json_decref(v);
	return v != NULL;
}

static uint64_t rng = 1;

static size_t
below(size_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (size_t)(rng % n);
}

/* Changes, drops, repeats or swaps a few bytes of the n at p (room for n + 8); the new length. */
static size_t
mutate(uint8_t *p, size_t n)
{
	static const char spice[] =
		"{}[]:,\"\\u0dc8 \t\r\n-+.eE1tfn\x01\x7f\x80\xc3\xe2\xed\xf0\xff";

	for (size_t times = 1 + below(3); times && n > 1; times--) {
		size_t i = below(n), k = 1 + below(4);
		switch (below(4)) {
		case 0:
			p[i] = (uint8_t)spice[below(sizeof spice)];
			break;
		case 1:
			p[i] ^= (uint8_t)(1u << below(8));
			break;
		case 2:
			k = k < n - i ? k : n - i;
			memmove(p + i, p + i + k, n - i - k);
			n -= k;
			break;
		default:
			k = k < n - i ? k : n - i;
			k = k < 2 ? k : 2;
			memmove(p + i + k, p + i, n - i);
			n += k;
			break;
		}
	}
	return n;
}

START_TEST(jansson_judges_mutations_as_we_do)
{
	static const char *const seeds[] = {
		"{\"a\":[1,-2.5e+10,true,false,null,\"x\"],\"b\":{\"c\":{}},\"d\":[[],[[]]]}",
		"{\"k\\u00e9y\":\"\\ud83d\\ude00 \\\"q\\\" \\\\ \\/ "
		"\\b\\f\\n\\r\\t\",\"\xc3\xa9\":\"\xe2\x82\xac"
		"\xf0\x9f\x98\x80\"}",
		" [ 0 , -0.0 , 1E5 , 10e-2 , { \"z\" : \"\" } , \"\\u0000\" ] \r\n",
		"\"\\ud800\\udc00\\udbff\\udfff\\uffff\"",
		"-12.5e-7",
	};
	uint8_t doc[256];
	int taken = 0, judged = 0;

	for (int round = 0; round < 200000; round++) {
		const char *seed = seeds[below(COUNT(seeds))];
		size_t n = strlen(seed);
		bool knows, yes;
		memcpy(doc, seed, n);
		n = mutate(doc, n);
		yes = jansson_says(slice_of(doc, n), &knows);
		if (!knows)
			continue;
		judged++;
		taken += yes;
		ck_assert_msg(yes == (judge(slice_of(doc, n), NULL) == 0), "jansson %d: %.*s", yes,
			      (int)n, (const char *)doc);
	}
	ck_assert_int_gt(judged, 150000);
	ck_assert_int_gt(taken, 10000);
	ck_assert_int_gt(judged - taken, 50000);
}
END_TEST

START_TEST(documents_larger_than_any_before_are_valid)
{
	size_t n = 3 << 20;
	uint8_t *doc = malloc(n);

	ck_assert_ptr_nonnull(doc);
	memset(doc, '[', n);
	ck_assert_int_eq(judge(slice_of(doc, n), NULL), STELE_ELIMIT);
	memset(doc, ' ', n);
	doc[n / 2] = '1';
	ck_assert_int_eq(judge(slice_of(doc, n), NULL), 0);
	memset(doc, '7', n);
	ck_assert_int_eq(judge(slice_of(doc, n), NULL), 0);
	doc[0] = doc[n - 1] = '"';
	ck_assert_int_eq(judge(slice_of(doc, n), NULL), 0);
	doc[n - 2] = '\n';
	assert_refused(slice_of(doc, n), STELE_ESYNTAX, 1, n - 2);
	free(doc);
}
END_TEST

/*
 * Then once more as on a processor without vectors, whose index is other code:
 * simdjson chooses when it starts.
 */
int
main(int argc __attribute__((unused)), char **argv)
{
	SRunner *runner;
	Suite *suite = suite_create("json");
	TCase *tc = tcase_create("json");
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, what_the_grammar_allows_is_valid);
	tcase_add_test(tc, what_is_not_valid_is_refused_at_its_byte);
	tcase_add_test(tc, containers_nest_as_deep_as_the_limit_and_no_deeper);
	tcase_add_test(tc, an_escape_is_not_looked_for_behind_the_end);
	tcase_add_test(tc, a_byte_order_mark_is_named);
	tcase_add_test(tc, jansson_judges_mutations_as_we_do);
	tcase_add_test(tc, documents_larger_than_any_before_are_valid);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	if (failed || getenv("SIMDJSON_FORCE_IMPLEMENTATION"))
		return failed != 0;
	setenv("SIMDJSON_FORCE_IMPLEMENTATION", "fallback", 1);
	execv("/proc/self/exe", argv);
	return 1;
}
