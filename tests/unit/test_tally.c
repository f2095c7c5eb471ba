/* Counts of texts: in order, bounded, whatever the texts are. */
#include <stdio.h>
#include <string.h>

#include "proto/limits.h"
#include "server/tally.h"
#include "suite.h"

static void
add(struct tally *t, const char *text)
{
	ck_assert_int_eq(tally_add(t, slice_str(text)), 0);
}

static void
puts_as(struct tally *t, bool by_text, const char *want)
{
	struct buf b;

	buf_init(&b);
	tally_put(t, "v", by_text, &b);
	buf_put_u8(&b, 0);
	ck_assert_str_eq((const char *)b.p, want);
	buf_fini(&b);
	tally_fini(t);
}

START_TEST(what_is_there_most_often_comes_first)
{
	struct tally t = {.n = 0};

	for (int i = 0; i < 3; i++)
		add(&t, "b");
	add(&t, "");
	add(&t, "a\"");
	puts_as(&t, false,
		"[{\"v\":\"b\",\"count\":3},{\"v\":\"\",\"count\":1},{\"v\":\"a\\\"\",\"count\":1}]");
}
END_TEST

START_TEST(or_in_the_order_of_the_texts)
{
	struct tally t = {.n = 0};

	add(&t, "b");
	add(&t, "b");
	add(&t, "ab");
	add(&t, "a");
	puts_as(&t, true,
		"[{\"v\":\"a\",\"count\":1},{\"v\":\"ab\",\"count\":1},{\"v\":\"b\",\"count\":2}]");
}
END_TEST

START_TEST(nothing_is_an_empty_list)
{
	struct tally t = {.n = 0};

	puts_as(&t, false, "[]");
}
END_TEST

START_TEST(what_does_not_fit_is_counted_as_others)
{
	struct tally t = {.n = 0};
	char text[32];
	struct buf b;

	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < LIMIT_TALLY_VALUES + 5; i++) {
			snprintf(text, sizeof text, "value %u", i);
			add(&t, text);
		}
	ck_assert_uint_eq(t.n, LIMIT_TALLY_VALUES);
	ck_assert_uint_eq(t.others, 10);
	buf_init(&b);
	tally_put(&t, "v", false, &b);
	buf_put_u8(&b, 0);
	ck_assert_ptr_nonnull(strstr((const char *)b.p, "{\"v\":\"value 4095\",\"count\":2}"));
	ck_assert_ptr_null(strstr((const char *)b.p, "value 4096\""));
	buf_fini(&b);
	tally_fini(&t);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_there_most_often_comes_first,
		or_in_the_order_of_the_texts,
		nothing_is_an_empty_list,
		what_does_not_fit_is_counted_as_others,
	};

	return suite_run("tally", tests, sizeof tests / sizeof *tests, 30);
}
