/*
 * NDJSON: which lines are records, which bodies are refused and where, and
 * that where a chunk happens to end makes no difference.
 */
#include "proto/json.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "tests/unit/fence.h"
#include "tests/unit/shared.h"

enum { CAP = 70000 };

static struct json_scanner *js;
static uint8_t *fence;
static struct slice *lines;

static void
set_up(void)
{
	fence = fence_new();
	js = json_scanner_new();
	lines = calloc(CAP, sizeof *lines);
	ck_assert_ptr_nonnull(js);
	ck_assert_ptr_nonnull(lines);
}

static void
tear_down(void)
{
	json_scanner_free(js);
	free(lines);
	fence_free(fence);
}

/* Splits body and wants the records in want, each followed by a bar. */
static void
assert_splits(const char *body, const char *want)
{
	char got[256] = "";
	size_t n = 99;

	ck_assert_msg(
		json_ndjson_split(js, fence_put(fence, slice_str(body)), lines, CAP, &n, NULL) == 0,
		"%s", body);
	for (size_t i = 0; i < n; i++) {
		strncat(got, (const char *)lines[i].p, lines[i].n);
		strcat(got, "|");
	}
	ck_assert_str_eq(got, want);
}

static void
assert_refused(struct slice body, size_t cap, int code, uint64_t line, uint64_t offset)
{
	struct json_error err = {0};
	size_t n = 99;

	body = fence_put(fence, body);
	ck_assert_int_eq(json_ndjson_split(js, body, lines, cap, &n, &err), code);
	ck_assert_uint_eq(n, 99);
	ck_assert_uint_eq(err.line, line);
	ck_assert_uint_eq(err.offset, offset);
	ck_assert_ptr_nonnull(err.message);
}

START_TEST(each_line_is_a_record)
{
	assert_splits("", "");
	assert_splits("\n", "");
	assert_splits("\r\n \n\t\r\n\n   ", "");
	assert_splits("1", "1|");
	assert_splits("1\n", "1|");
	assert_splits("1\r\n", "1|");
	assert_splits("1\r", "1|");
	assert_splits("1\r\r\n2", "1\r|2|");
	assert_splits("{\"a\":1}\n[2]\n\"3\"\nnull", "{\"a\":1}|[2]|\"3\"|null|");
	assert_splits("\n\r\n1\n \t \n2\r\n\n", "1|2|");
	assert_splits(" 1 \n\t[ 2,\r3 ]\t\n", " 1 |\t[ 2,\r3 ]\t|");
	assert_splits("\"\\n\\r\\u000a\"\n", "\"\\n\\r\\u000a\"|");
}
END_TEST

START_TEST(a_line_that_is_not_one_value_is_refused_by_line_and_byte)
{
	static const struct {
		const char *body;
		unsigned line, offset;
	} bad[] = {
		{"1 2\n", 1, 2},
		{"1\n2 3\n4", 2, 4},
		{"{\n}\n", 1, 1},
		{"[1,\n2]\n", 1, 3},
		{"\"a\nb\"\n", 1, 2},
		{"1\n\n{\"a\"\n:1}\n", 3, 7},
		{"1\n{\"a\":1}x\n", 2, 9},
		{"1\n[\n", 2, 3},
		{"1\n]\n", 2, 2},
		{"\xef\xbb\xbf"
		 "1\n",
		 1, 0},
		{"1\n\xef\xbb\xbf"
		 "2\n",
		 2, 2},
		{"1\n\f\n2", 2, 2},
		{"1\n\"\xc3\n\xa9\"\n", 2, 3},
		{"\"\\\n\"\n", 1, 1},
		{"1\n\"\\ud800\n\\udc00\"", 2, 3},
		{"tr\nue\n", 1, 2},
		{"1\n2\n3\n4\n5,", 5, 9},
		{"1.\n5\n", 1, 2},
		{"{}{}\n", 1, 2},
		{"[]\n[[]\n]", 2, 6},
		{"\"a\"\n\"\\q\"\n", 2, 5},
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_refused(slice_str(bad[i].body), CAP, STELE_ESYNTAX, bad[i].line,
			       bad[i].offset);
	assert_refused(slice_of("1\n\0\n", 4), CAP, STELE_ESYNTAX, 2, 2);
}
END_TEST

START_TEST(the_caps_record_is_taken_and_one_more_is_not)
{
	size_t n;

	ck_assert_int_eq(json_ndjson_split(js, slice_str("1\n\n2\n\n"), lines, 2, &n, NULL), 0);
	ck_assert_uint_eq(n, 2);
	assert_refused(slice_str("1\n\n2\n\n3\n"), 2, STELE_ELIMIT, 5, 6);
	assert_refused(slice_str("1\n"), 0, STELE_ELIMIT, 1, 0);
	assert_refused(slice_str("1\nx\n2\n3"), 2, STELE_ESYNTAX, 2, 2);
	ck_assert_int_eq(json_ndjson_split(js, slice_str("\n\n"), lines, 0, &n, NULL), 0);
}
END_TEST

START_TEST(a_record_is_as_long_as_the_limit_and_no_longer)
{
	size_t room = 2 * LIMIT_RECORD_BYTES, n;
	char *body = malloc(room);

	ck_assert_ptr_nonnull(body);
	for (size_t len = LIMIT_RECORD_BYTES - 1; len <= LIMIT_RECORD_BYTES + 1; len++) {
		memset(body, 'a', room);
		memcpy(body, "1\n\"", 3);
		memcpy(body + 2 + len - 1, "\"\r\n2", 4);
		if (len > LIMIT_RECORD_BYTES) {
			assert_refused(slice_of(body, 2 + len), CAP, STELE_ELIMIT, 2, 2);
			assert_refused(slice_of(body, len + 5), CAP, STELE_ELIMIT, 2, 2);
			continue;
		}
		ck_assert_int_eq(
			json_ndjson_split(js, slice_of(body, len + 5), lines, CAP, &n, NULL), 0);
		ck_assert_uint_eq(n, 3);
		ck_assert_uint_eq(lines[1].n, len);
	}
	free(body);
}
END_TEST

/* Lines of every length around the chunks' ends, blank ones between; then one byte is spoilt. */
START_TEST(chunks_leave_no_trace)
{
	enum { BYTES = 1 << 20 };
	char *body = malloc(BYTES);
	size_t n = 0, records = 0, line = 1, got, spoilt = 0, spoilt_line = 0;

	ck_assert_ptr_nonnull(body);
	for (size_t len = 0; n + len + 4 < BYTES; len = (len + 37) % 3000, line++) {
		if (len >= 2) {
			memset(body + n, 'x', len);
			body[n] = body[n + len - 1] = '"';
			n += len;
			records++;
		}
		if (line % 3 == 0)
			body[n++] = '\r';
		body[n++] = '\n';
		if (n > BYTES - 3000 && !spoilt_line && len > 10) {
			spoilt_line = line;
			spoilt = n - 6;
		}
	}
	ck_assert_int_eq(json_ndjson_split(js, slice_of(body, n), lines, CAP, &got, NULL), 0);
	ck_assert_uint_eq(got, records);
	for (size_t i = 1; i < got; i++)
		ck_assert(lines[i].p > lines[i - 1].p + lines[i - 1].n);
	ck_assert_uint_ne(spoilt_line, 0);
	body[spoilt] = '\x80';
	assert_refused(slice_of(body, n), CAP, STELE_ESYNTAX, spoilt_line, spoilt);
	free(body);
}
END_TEST

static void
assert_file_splits(const char *name, size_t want)
{
	static uint8_t body[1 << 20];
	FILE *f = shared_open(name);
	size_t n, got;

	if (!f)
		return;
	n = fread(body, 1, sizeof body, f);
	fclose(f);
	ck_assert_int_eq(json_ndjson_split(js, slice_of(body, n), lines, CAP, &got, NULL), 0);
	ck_assert_uint_eq(got, want);
	for (size_t i = 0; i < got; i++)
		ck_assert_int_eq(json_validate(js, lines[i], NULL), 0);
}

START_TEST(real_events_are_records)
{
	assert_file_splits("data/cloudtrail.ndjson", 103);
	assert_file_splits("data/k8s-audit.ndjson", 52);
}
END_TEST

int
main(void)
{
	SRunner *runner;
	Suite *suite = suite_create("json_ndjson");
	TCase *tc = tcase_create("json_ndjson");
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, each_line_is_a_record);
	tcase_add_test(tc, a_line_that_is_not_one_value_is_refused_by_line_and_byte);
	tcase_add_test(tc, the_caps_record_is_taken_and_one_more_is_not);
	tcase_add_test(tc, a_record_is_as_long_as_the_limit_and_no_longer);
	tcase_add_test(tc, chunks_leave_no_trace);
	tcase_add_test(tc, real_events_are_records);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
