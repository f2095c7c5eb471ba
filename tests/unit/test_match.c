/* Verdicts: the three truths, fields and their fallbacks, flags, and bounds. */
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "proto/limits.h"
#include "tests/unit/query_case.h"
#include "tests/unit/suite.h"

static struct query_case q;

#define NO_JSON "\x01not json"
#define NO_SCHEMA "{\"w\":1}"
#define FITS "{\"v\":1,\"user\":\"alice\"}"

START_TEST(what_cannot_be_told_is_unparsed)
{
	static const struct query_verdict rows[] = {
		{'u', "w = 1", NO_JSON},
		{'u', "NOT w = 1", NO_JSON},
		{'u', "w != 1", NO_JSON},
		{'u', "actor = alice", NO_JSON},
		{'u', "actor = alice", NO_SCHEMA},
		{'u', "actor != alice", NO_SCHEMA},
		{'u', "any = alice", NO_SCHEMA},
		{'u', "actor:*", NO_SCHEMA},
		{'y', "w = 1", NO_SCHEMA},
		{'n', "w = 2", NO_SCHEMA},
		{'n', "actor = bob", FITS},
		{'u', "w = 1", ""},
		{'u', "w = 1", "{\"w\":1} x"},
		{'u', "w = 1", "{\"w\":NaN}"},
		{'u', "w = 1", "{\"w\":\"\\ud800\"}"},
	};

	query_case_verdicts(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(logic_has_three_values)
{
	static const char truths[] = "nuy"; /* w = 2, actor = x, w = 1 on a record without schema */
	static const char *const terms[] = {"w = 2", "actor = x", "w = 1"};
	char text[64];

	query_case_init(&q);
	for (int a = 0; a < 3; a++) {
		for (int b = 0; b < 3; b++) {
			snprintf(text, sizeof text, "%s AND %s", terms[a], terms[b]);
			ASSERT_VERDICT(&q, truths[a < b ? a : b], text, NO_SCHEMA);
			snprintf(text, sizeof text, "%s OR %s", terms[a], terms[b]);
			ASSERT_VERDICT(&q, truths[a > b ? a : b], text, NO_SCHEMA);
		}
		snprintf(text, sizeof text, "NOT %s", terms[a]);
		ASSERT_VERDICT(&q, truths[2 - a], text, NO_SCHEMA);
	}
	ASSERT_VERDICT(&q, 'y', "", NO_JSON);
	query_case_fini(&q);
}
END_TEST

START_TEST(time_falls_back_to_the_receive_time)
{
	static const struct query_verdict rows[] = {
		{'y', "time = 2026-11-23", NO_JSON},
		{'y', "time = 2026-11-23", NO_SCHEMA},
		{'y', "time = 2026-11-23", "{\"v\":1}"},
		{'y', "time = 2026-11-23", "{\"v\":1,\"at\":\"yesterday\"}"},
		{'y', "time < 2021-01-01", "{\"v\":1,\"at\":\"2020-09-20T01:02:03Z\"}"},
		{'n', "time = 2026-11-23", "{\"v\":1,\"at\":\"2020-09-20T01:02:03Z\"}"},
		{'y', "receive_time = 2026-11-23", "{\"v\":1,\"at\":\"2020-09-20\"}"},
		{'y', "time = 0.0125", "{\"v\":1,\"ms\":12.5,\"at\":\"2020-09-20\"}"},
		{'y', "time >= 2026-11-23 AND time < 2026-11-24", "{\"v\":1}"},
		{'n', "time < 2026-11-23", "{\"v\":1}"},
	};

	query_case_verdicts(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(the_first_alternative_with_a_value_is_the_field)
{
	static const struct query_verdict rows[] = {
		{'y', "actor = a AND actor = b", "{\"v\":1,\"as\":\"b\",\"user\":\"a\"}"},
		{'n', "actor = u", "{\"v\":1,\"as\":\"b\",\"uid\":\"u\"}"},
		{'y', "actor = u", "{\"v\":1,\"as\":null,\"user\":\"-\",\"uid\":\"u\"}"},
		{'y', "actor = u", "{\"v\":1,\"as\":{},\"user\":[[],\"\"],\"uid\":\"u\"}"},
		{'n', "actor:*", "{\"v\":1,\"user\":\"-\"}"},
		{'y', "actor = false", "{\"v\":1,\"user\":false}"},
		{'y', "actor = 7", "{\"v\":1,\"user\":7.0}"},
	};

	query_case_verdicts(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(maps_and_constants_say_values)
{
	static const struct query_verdict rows[] = {
		{'y', "outcome = success", "{\"v\":1,\"code\":201}"},
		{'y', "outcome = missing", "{\"v\":1,\"code\":\"404\"}"},
		{'y', "outcome = failure", "{\"v\":1,\"code\":500}"},
		{'n', "outcome = 500", "{\"v\":1,\"code\":500}"},
		{'y', "outcome = unsaid", "{\"v\":1}"},
		{'y', "severity = low", "{\"v\":1,\"level\":1,\"grade\":\"g\"}"},
		{'y', "severity = g", "{\"v\":1,\"level\":12,\"grade\":\"g\"}"},
		{'n', "severity:*", "{\"v\":1,\"level\":2}"},
		{'y', "any = un*", "{\"v\":1}"},
	};

	query_case_verdicts(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(the_writer_is_the_records)
{
	query_case_init(&q);
	ASSERT_VERDICT(&q, 'y', "writer = \"w-1\"", NO_JSON);
	ASSERT_VERDICT(&q, 'n', "writer = \"w-2\"", NO_JSON);
	ASSERT_VERDICT(&q, 'y', "writer:*", NO_JSON);
	q.writer = "";
	ASSERT_VERDICT(&q, 'n', "writer:*", NO_JSON);
	ASSERT_VERDICT(&q, 'n', "writer = \"\"", NO_JSON);
	query_case_fini(&q);
}
END_TEST

START_TEST(a_chosen_schema_is_not_asked_whether_it_fits)
{
	query_case_init(&q);
	q.chosen = 0;
	ASSERT_VERDICT(&q, 'y', "actor = alice", "{\"user\":\"alice\"}");
	ASSERT_VERDICT(&q, 'u', "actor = alice", NO_JSON);
	query_case_fini(&q);
}
END_TEST

static unsigned
flags(const char *filter, const char *payload)
{
	return query_case_run(&q, filter, slice_str(payload)).flags;
}

START_TEST(flags_say_what_was_seen)
{
	query_case_init(&q);
	ck_assert_uint_eq(flags("", FITS), 0);
	ck_assert_uint_eq(flags("", NO_JSON), MATCH_NOT_JSON);
	ck_assert_uint_eq(flags("w = 1", NO_JSON), MATCH_NOT_JSON);
	ck_assert_uint_eq(flags("", NO_SCHEMA), MATCH_NO_SCHEMA);
	ck_assert_uint_eq(flags("", "{\"v\":1,\"v\":2}"), MATCH_DUPLICATE_NAMES);
	ck_assert_uint_eq(flags("", "{\"v\":[{\"a\":{\"x\":1,\"y\":2,\"\\u0078\":3}}]}"),
			  MATCH_DUPLICATE_NAMES);
	ck_assert_uint_eq(flags("", "{\"v\":{\"x\":1},\"x\":{\"x\":1,\"X\":2}}"), 0);
	ck_assert_uint_eq(flags("v = 3", "{\"v\":1,\"v\":2}"), 0); /* it does not match */
	ck_assert_int_eq(query_case_run(&q, "", slice_str(FITS)).schema, 0);
	ck_assert_int_eq(query_case_run(&q, "", slice_str(NO_SCHEMA)).schema, -1);
	query_case_fini(&q);
}
END_TEST

START_TEST(depth_and_size_are_bounded)
{
	static uint8_t large[LIMIT_MATCH_BYTES + 1];
	struct filter f;
	struct matcher *m;
	struct match_record r = {.writer = slice_str("w")};
	struct match_result result;
	char deep[2 * LIMIT_JSON_DEPTH + 16];

	query_case_init(&q);
	memset(deep, '[', LIMIT_JSON_DEPTH);
	strcpy(deep + LIMIT_JSON_DEPTH, "1");
	memset(deep + LIMIT_JSON_DEPTH + 1, ']', LIMIT_JSON_DEPTH);
	deep[2 * LIMIT_JSON_DEPTH + 1] = '\0';
	ASSERT_VERDICT(&q, 'n', "w = 1", deep);
	memmove(deep + 1, deep, strlen(deep) + 1);
	strcat(deep, "]");
	ASSERT_VERDICT(&q, 'u', "w = 1", deep);

	memset(large, ' ', sizeof large);
	memcpy(large, NO_SCHEMA, sizeof NO_SCHEMA - 1);
	f = query_case_filter(&q, "w = 1");
	m = matcher_new(&f, &q.set, -1);
	r.payload = slice_of(large, LIMIT_MATCH_BYTES);
	ck_assert_int_eq(matcher_run(m, &r, &result), 0);
	ck_assert_int_eq(result.verdict, MATCH_YES);
	r.payload = slice_of(large, LIMIT_MATCH_BYTES + 1);
	ck_assert_int_eq(matcher_run(m, &r, &result), 0);
	ck_assert_int_eq(result.verdict, MATCH_UNPARSED);
	matcher_free(m);
	query_case_fini(&q);
}
END_TEST

/* {"v":["x0","x1",...]} with n elements; freed by the caller. */
static struct buf
many_values(size_t n)
{
	struct buf out;

	buf_init(&out);
	buf_put_str(&out, "{\"v\":[\"y\"");
	for (size_t i = 0; i < n; i++)
		buf_printf(&out, ",\"x%zu\"", i);
	buf_put_str(&out, "]}");
	return out;
}

/* {"v":"x7","m0":0,"m1":0,...} with n members more; freed by the caller. */
static struct buf
many_members(size_t n)
{
	struct buf out;

	buf_init(&out);
	buf_put_str(&out, "{\"v\":\"x7\"");
	for (size_t i = 0; i < n; i++)
		buf_printf(&out, ",\"m%zu\":0", i);
	buf_put_u8(&out, '}');
	return out;
}

static void
assert_memory_is_given_back(struct buf payload)
{
	struct match_record r = {.payload = buf_slice(&payload)};
	struct match_result result;
	struct filter f;
	struct matcher *m;
	size_t before;

	query_case_init(&q);
	f = query_case_filter(&q, "v = \"x7\"");
	m = matcher_new(&f, &q.set, -1);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	ck_assert_uint_gt(payload.n, LIMIT_RECORD_BYTES);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(matcher_run(m, &r, &result), 0);
		ck_assert_int_eq(result.verdict, MATCH_YES);
		ck_assert_uint_le(mallinfo2().uordblks + mallinfo2().hblkhd, before + (1u << 20));
	}
	r.payload = slice_str(FITS);
	ck_assert_int_eq(matcher_run(m, &r, &result), 0);
	ck_assert_int_eq(result.verdict, MATCH_NO);
	matcher_free(m);
	buf_fini(&payload);
	query_case_fini(&q);
}

START_TEST(memory_of_a_large_record_is_given_back)
{
	assert_memory_is_given_back(many_values(1000000));
	assert_memory_is_given_back(many_members(1000000));
}
END_TEST

START_TEST(many_terms_on_many_values_take_bounded_time)
{
	struct buf payload = many_values(300000), text;
	clock_t start = clock();

	query_case_init(&q);
	buf_init(&text);
	for (int i = 0; i < 999; i++)
		buf_printf(&text, "v = \"no such %d\" OR ", i);
	buf_put_str(&text, "v = \"x299999\"");
	buf_put_u8(&text, 0);
	ck_assert_int_eq(query_case_run(&q, (const char *)text.p, buf_slice(&payload)).verdict,
			 MATCH_YES);
	ck_assert_double_lt((double)(clock() - start) / CLOCKS_PER_SEC, 1.5);
	buf_fini(&text);
	buf_fini(&payload);
	query_case_fini(&q);
}
END_TEST

START_TEST(a_list_of_texts_is_as_its_terms_are)
{
	static const char list[] =
		"v = e OR v = a OR x = b OR v = c OR v = 7 OR v = true OR v = d OR v = a* "
		"OR user = e OR actor = f OR actor = a OR actor = \"\" OR actor = b "
		"OR v = \"\"";
	static const char *const yes[] = {"\"a\"", "\"c\"",   "\"e\"", "\"\\u0065\"", "7.0", "true",
					  "\"\"",  "\"axe\"", "\"d\"", "[null,\"d\"]"};
	static const char *const no[] = {"\"b\"", "\"f\"", "\"da\"", "\"D\"",     "false",
					 "8",     "null",  "{}",     "{\"d\":1}", "[]"};
	char payload[64];

	query_case_init(&q);
	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		snprintf(payload, sizeof payload, "{\"v\":%s}", yes[i]);
		ASSERT_VERDICT(&q, 'y', list, payload);
	}
	for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
		snprintf(payload, sizeof payload, "{\"v\":%s}", no[i]);
		ASSERT_VERDICT(&q, 'n', list, payload);
	}
	ASSERT_VERDICT(&q, 'y', list, "{\"v\":0,\"user\":\"f\"}");
	ASSERT_VERDICT(&q, 'n', list, "{\"v\":0,\"user\":\"c\"}");
	ASSERT_VERDICT(&q, 'y', list, "{\"v\":0,\"x\":\"b\"}");
	ASSERT_VERDICT(&q, 'u', "actor = a OR actor = b OR actor = c OR actor = d", NO_SCHEMA);
	ASSERT_VERDICT(&q, 'y', "v != a OR v != b OR v != c OR v != d", "{\"v\":\"a\"}");
	ASSERT_VERDICT(&q, 'y', "v:a OR v:b OR v:c OR v:d", "{\"v\":{\"c\":1}}");
	ASSERT_VERDICT(&q, 'y', "v > a OR v > b OR v > c OR v = d", "{\"v\":\"aa\"}");
	ASSERT_VERDICT(&q, 'n', "actor = a OR event_id = b OR actor = c OR event_id = d",
		       "{\"v\":0,\"user\":\"b\",\"id\":\"c\"}");
	ASSERT_VERDICT(&q, 'y',
		       "source_ip = 10.0.0.1 OR source_ip = 10.0.0.2 OR source_ip = 10.0.0.3 "
		       "OR source_ip = 10.1.0.0/16",
		       "{\"v\":0,\"ip\":\"::ffff:10.1.2.3\"}");
	query_case_fini(&q);
}
END_TEST

START_TEST(a_matcher_is_used_again)
{
	struct filter f;
	struct matcher *m;
	struct match_result result;

	query_case_init(&q);
	f = query_case_filter(&q, "v = b");
	m = matcher_new(&f, &q.set, -1);
	for (int i = 0; i < 3; i++) {
		struct match_record r = {.payload = slice_str("{\"v\":\"b\"}")};
		ck_assert_int_eq(matcher_run(m, &r, &result), 0);
		ck_assert_int_eq(result.verdict, MATCH_YES);
		r.payload = slice_str("{\"v\":\"\\u0063\"}");
		ck_assert_int_eq(matcher_run(m, &r, &result), 0);
		ck_assert_int_eq(result.verdict, MATCH_NO);
		r.payload = slice_str("{\"v\":\"b\"");
		ck_assert_int_eq(matcher_run(m, &r, &result), 0);
		ck_assert_int_eq(result.verdict, MATCH_UNPARSED);
	}
	matcher_free(m);
	matcher_free(NULL);
	query_case_fini(&q);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_cannot_be_told_is_unparsed,
		logic_has_three_values,
		time_falls_back_to_the_receive_time,
		the_first_alternative_with_a_value_is_the_field,
		maps_and_constants_say_values,
		the_writer_is_the_records,
		a_chosen_schema_is_not_asked_whether_it_fits,
		flags_say_what_was_seen,
		depth_and_size_are_bounded,
		memory_of_a_large_record_is_given_back,
		many_terms_on_many_values_take_bounded_time,
		a_list_of_texts_is_as_its_terms_are,
		a_matcher_is_used_again,
	};

	return suite_run("match", tests, sizeof tests / sizeof *tests, 60);
}
