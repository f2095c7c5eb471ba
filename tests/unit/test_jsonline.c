/* Compact JSON of known members: one spelling but in strings, and strings are what JSON says. */
#include "proto/jsonline.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "suite.h"

/* What a string's spelling reads as; NULL: it is refused. */
static void
reads(const char *spelled, size_t n, const char *as, size_t n_as)
{
	struct jsonline j;
	struct slice s;
	struct buf room;

	buf_init(&room);
	jsonline_init(&j, slice_of(spelled, n));
	s = jsonline_string(&j, &room);
	ck_assert_int_eq(jsonline_end(&j), as ? 0 : STELE_ESYNTAX);
	if (as)
		ck_assert_msg(slice_eq(s, slice_of(as, n_as)), "%s", spelled);
	else
		ck_assert_ptr_nonnull(j.what);
	buf_fini(&room);
}

#define READS(spelled, as) reads(spelled, sizeof(spelled) - 1, as, sizeof(as) - 1)
#define REFUSED(spelled) reads(spelled, sizeof(spelled) - 1, NULL, 0)

START_TEST(strings_are_read_with_all_escapes)
{
	READS("\"\"", "");
	READS("\"abc\"", "abc");
	READS("\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"", "a\"\\/\b\f\n\r\tz");
	READS("\"\\u0000\"", "\0");
	READS("\"\\u00e9\\u20AC\\ud83d\\ude00\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	READS("\"\xc3\xa9\x7f twelve chars\"", "\xc3\xa9\x7f twelve chars");
}
END_TEST

START_TEST(what_is_no_string_is_refused)
{
	REFUSED("");
	REFUSED("\"");
	REFUSED("abc");
	REFUSED("\"abc");
	REFUSED("\"abc\"x");
	REFUSED("\"\\\"");
	REFUSED("\"\\x41\"");
	REFUSED("\"\\u12\"");
	REFUSED("\"\\u12g4\"");
	REFUSED("\"\\ud83d\"");
	REFUSED("\"\\ude00\"");
	REFUSED("\"\\ud83d\\ud83d\"");
	REFUSED("\"\\ud83d\\n\"");
	REFUSED("\"\n\"");
	REFUSED("\"\t\"");
	REFUSED("\"\xff\"");
	REFUSED("\"twelve chars \xc3\"");
	REFUSED("\"\xed\xa0\x80\"");
	REFUSED("\"\xc0\x80\"");
}
END_TEST

/* A string of n pieces by chance, as it is spelled and as what it reads as. */
static void
by_chance(uint32_t *dice, size_t n, struct buf *spelled, struct buf *as)
{
	static const char *const pieces[][2] = {
		{"\\\"", "\""},
		{"\\\\", "\\"},
		{"\\n", "\n"},
		{"\\u0041", "A"},
		{"\xc3\xa9", "\xc3\xa9"},
		{"x", "x"},
		{"yz", "yz"},
		{"a longer run of plain text", "a longer run of plain text"},
	};
	uint32_t kinds = (*dice >> 8) % 8 + 1; /* some strings have a few kinds of pieces alone */

	buf_reset(spelled);
	buf_reset(as);
	buf_put_u8(spelled, '"');
	for (size_t i = 0; i < n; i++) {
		size_t k;

		*dice = *dice * 1664525 + 1013904223;
		k = (*dice >> 16) % kinds;
		buf_put_str(spelled, pieces[k][0]);
		buf_put_str(as, pieces[k][1]);
	}
	buf_put_u8(spelled, '"');
}

/* Each in memory of just its size, so that ASan sees what reads beyond it. */
static void
reads_alone(const struct buf *spelled, size_t n, const struct buf *as)
{
	char *exact = malloc(n);

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, spelled->p, n);
	reads(exact, n, as ? (as->n ? (const char *)as->p : "") : NULL, as ? as->n : 0);
	free(exact);
}

START_TEST(strings_of_any_length_with_escapes_anywhere_are_read_and_end_where_they_end)
{
	struct buf spelled, as;
	uint32_t dice = 1;

	buf_init(&spelled);
	buf_init(&as);
	for (size_t i = 0; i < 4000; i++) {
		size_t at;

		by_chance(&dice, i % 130, &spelled, &as);
		reads_alone(&spelled, spelled.n, &as);
		at = 1 + dice % (spelled.n - 1);
		reads_alone(&spelled, at, NULL); /* cut off */
		if (at == spelled.n - 1)
			continue;
		spelled.p[at] = '\n'; /* never plain, and never part of an escape */
		reads_alone(&spelled, spelled.n, NULL);
		spelled.p[at] = 0xff; /* never UTF-8 */
		reads_alone(&spelled, spelled.n, NULL);
	}
	buf_fini(&spelled);
	buf_fini(&as);
}
END_TEST

static int
integer(const char *text, uint64_t *out)
{
	struct jsonline j;

	jsonline_init(&j, slice_str(text));
	*out = jsonline_integer(&j);
	return jsonline_end(&j);
}

START_TEST(integers_have_one_spelling)
{
	uint64_t v;

	ck_assert_int_eq(integer("0", &v), 0);
	ck_assert_uint_eq(v, 0);
	ck_assert_int_eq(integer("9007199254740991", &v), 0);
	ck_assert_uint_eq(v, 9007199254740991);
	for (const char *const *bad =
		     (const char *const[]){"", "-1", "01", "1.0", "1e3", "+1", " 1",
					   "9007199254740992", "99999999999999999999999", NULL};
	     *bad; bad++)
		ck_assert_msg(integer(*bad, &v) == STELE_ESYNTAX, "%s", *bad);
}
END_TEST

START_TEST(hashes_are_a_bounded_list)
{
	static const char one[] = "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=\"";
	uint8_t out[2][32];
	struct jsonline j;
	struct buf b;

	buf_init(&b);
	for (size_t n = 0; n < 4; n++) {
		buf_reset(&b);
		buf_put_u8(&b, '[');
		for (size_t i = 0; i < n; i++) {
			buf_put_str(&b, i ? "," : "");
			buf_put_str(&b, one);
		}
		buf_put_u8(&b, ']');
		jsonline_init(&j, buf_slice(&b));
		ck_assert_uint_eq(jsonline_hashes(&j, out, 2), n <= 2 ? n : 0);
		ck_assert_int_eq(jsonline_end(&j), n <= 2 ? 0 : STELE_ESYNTAX);
		if (n == 2)
			ck_assert_int_eq(out[1][31], 1);
	}
	jsonline_init(&j, slice_str("[\"AAA=\"]"));
	ck_assert_uint_eq(jsonline_hashes(&j, out, 2), 0);
	ck_assert_int_eq(jsonline_end(&j), STELE_ESYNTAX);
	buf_fini(&b);
}
END_TEST

static int
value(const char *text, size_t *n)
{
	struct jsonline j;

	jsonline_init(&j, slice_str(text));
	*n = jsonline_value(&j).n;
	return j.err;
}

START_TEST(values_end_where_they_end_and_are_compact)
{
	size_t n;

	ck_assert_int_eq(value("{\"a\":[1,\"}\\\"]\",{}],\"b\":null},\"next\":1}", &n), 0);
	ck_assert_uint_eq(n, 28);
	ck_assert_int_eq(value("12}", &n), 0);
	ck_assert_uint_eq(n, 2);
	for (const char *const *bad =
		     (const char *const[]){"", "{", "{\"a\":1", "{\"a\": 1}", "[1,]", "[1 ]",
					   "\"\\", "{\"a\"}", "nul", NULL};
	     *bad; bad++)
		ck_assert_msg(value(*bad, &n) == STELE_ESYNTAX, "%s", *bad);
}
END_TEST

START_TEST(members_are_expected_in_order_and_errors_stick)
{
	struct jsonline j;

	jsonline_init(&j, slice_str("{\"a\":1,\"b\":2}"));
	jsonline_expect(&j, "{\"a\":");
	ck_assert_uint_eq(jsonline_integer(&j), 1);
	ck_assert(!jsonline_have(&j, ",\"c\":"));
	ck_assert(jsonline_have(&j, ",\"b\":"));
	ck_assert_uint_eq(jsonline_integer(&j), 2);
	jsonline_expect(&j, "}");
	ck_assert_int_eq(jsonline_end(&j), 0);
	jsonline_expect(&j, "}");
	ck_assert_int_eq(jsonline_end(&j), STELE_ESYNTAX);
	ck_assert(!jsonline_have(&j, ""));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		strings_are_read_with_all_escapes,
		strings_of_any_length_with_escapes_anywhere_are_read_and_end_where_they_end,
		what_is_no_string_is_refused,
		integers_have_one_spelling,
		hashes_are_a_bounded_list,
		values_end_where_they_end_and_are_compact,
		members_are_expected_in_order_and_errors_stick,
	};

	return suite_run("jsonline", tests, sizeof tests / sizeof *tests, 60);
}
