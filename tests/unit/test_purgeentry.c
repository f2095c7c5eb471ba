/* The payload of a purge entry: what is written is read, and nothing else is one. */
#include <stdio.h>
#include <string.h>

#include "proto/err.h"
#include "storage/purgeentry.h"
#include "suite.h"

static const char *const root = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

START_TEST(what_is_written_is_read)
{
	struct purge_range ranges[] = {{1, 1}, {3, 9}, {10, 12}};
	struct purge_set set = {ranges, 3, 11, {0}}, got;
	struct buf out;

	memset(set.root, 1, sizeof set.root);
	buf_init(&out);
	ck_assert_int_eq(
		purge_entry_put(&out, &set, slice_str(" {\"policy\":0, \"plan\":\"x\"} \n")), 0);
	buf_put_u8(&out, 0);
	ck_assert_str_eq((char *)out.p,
			 "{\"type\":\"purge\",\"ranges\":[[1,1],[3,9],[10,12]],\"count\":11,"
			 "\"root\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\","
			 "\"policy\":0, \"plan\":\"x\"}");
	ck_assert_int_eq(purge_entry_read(&got, slice_of(out.p, out.n - 1)), 0);
	ck_assert_uint_eq(got.n, 3);
	ck_assert_uint_eq(got.records, 11);
	ck_assert_mem_eq(got.ranges, ranges, sizeof ranges);
	ck_assert_mem_eq(got.root, set.root, 32);
	ck_assert_ptr_eq(purge_set_find(&got, 0), NULL);
	ck_assert_ptr_eq(purge_set_find(&got, 1), &got.ranges[0]);
	ck_assert_ptr_eq(purge_set_find(&got, 2), NULL);
	ck_assert_ptr_eq(purge_set_find(&got, 9), &got.ranges[1]);
	ck_assert_ptr_eq(purge_set_find(&got, 10), &got.ranges[2]);
	ck_assert_ptr_eq(purge_set_find(&got, 13), NULL);
	purge_set_fini(&got);
	buf_reset(&out);
	ck_assert_int_eq(purge_entry_put(&out, &set, slice_str("{}")), 0);
	ck_assert_int_eq(purge_entry_read(&got, buf_slice(&out)), 0);
	purge_set_fini(&got);
	buf_fini(&out);
}
END_TEST

START_TEST(members_that_are_not_the_callers_are_refused)
{
	static const char *const bad[] = {"",
					  "[]",
					  "{",
					  "{}{}",
					  "{\"type\":1}",
					  "{\"root\":1}",
					  "{\"ranges\":[]}",
					  "{\"count\":0}",
					  "{\"a\":1,\"a\":2}"};
	struct purge_range range = {1, 1};
	struct purge_set set = {&range, 1, 1, {0}};
	struct buf out;

	buf_init(&out);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(purge_entry_put(&out, &set, slice_str(bad[i])) == STELE_EINVAL, "%s",
			      bad[i]);
	ck_assert_uint_eq(out.n, 0);
	buf_fini(&out);
}
END_TEST

static int
reads(const char *ranges, const char *count, const char *type)
{
	struct purge_set got;
	char text[512];
	int err;

	snprintf(text, sizeof text, "{\"type\":\"%s\",\"ranges\":%s,\"count\":%s,\"root\":\"%s\"}",
		 type, ranges, count, root);
	err = purge_entry_read(&got, slice_str(text));
	if (err == 0)
		purge_set_fini(&got);
	return err;
}

START_TEST(what_does_not_add_up_is_none)
{
	ck_assert_int_eq(reads("[[1,2]]", "2", "purge"), 0);
	ck_assert_int_eq(reads("[[1,2]]", "2", "hold"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("[[1,2]]", "3", "purge"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("[[1,2]]", "-2", "purge"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("[[1,2]]", "\"2\"", "purge"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("[]", "0", "purge"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("[[2,1]]", "0", "purge"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("[[1,2,3]]", "2", "purge"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("[[-1,2]]", "4", "purge"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("[[1,2],[2,3]]", "4", "purge"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("[[4,5],[1,2]]", "4", "purge"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("[[1,9223372036854775807]]", "9223372036854775807", "purge"),
			 STELE_ESYNTAX);
	ck_assert_int_eq(reads("[1,2]", "2", "purge"), STELE_ESYNTAX);
	ck_assert_int_eq(reads("{}", "0", "purge"), STELE_ESYNTAX);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_written_is_read,
		members_that_are_not_the_callers_are_refused,
		what_does_not_add_up_is_none,
	};

	return suite_run("purgeentry", tests, sizeof tests / sizeof *tests, 20);
}
