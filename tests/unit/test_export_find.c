/* Which runs a part comes to, and how ranges are covered by fewer. */
#include "server/export_find.h"

#include <check.h>
#include <stdlib.h>

#include "suite.h"

static void
add(struct ranges *set, const uint64_t (*pairs)[2], size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(ranges_add(set, pairs[i][0], pairs[i][1]), 0);
}

START_TEST(a_run_comes_whole_and_says_what_of_it_is_wanted)
{
	static const uint64_t wanted[][2] = {{3, 4}, {7, 7}};
	static const struct control_range runs[] = {{2, 2}, {3, 4}, {5, 6}, {7, 7}, {8, 9}};
	struct export_part p = {.is_run = true, .first = 2, .last = 9};
	struct control_range run;
	uint64_t from = 0;
	bool asked;

	add(&p.wanted, wanted, 2);
	for (size_t i = 0; i < 5; i++) {
		ck_assert(export_find_next(&p, from, &run, &asked));
		ck_assert_uint_eq(run.first, runs[i].first);
		ck_assert_uint_eq(run.last, runs[i].last);
		ck_assert_int_eq(asked, i % 2);
		from = run.last + 1;
	}
	ck_assert(!export_find_next(&p, from, &run, &asked));
	ck_assert(export_find_next(&p, 4, &run, &asked)); /* from within */
	ck_assert_uint_eq(run.first, 4);
	ck_assert_uint_eq(run.last, 4);
	ranges_fini(&p.wanted);
}
END_TEST

START_TEST(a_selection_comes_without_what_is_between)
{
	static const uint64_t wanted[][2] = {{3, 4}, {7, 7}};
	struct export_part p = {.is_run = false};
	struct control_range run;
	bool asked;

	add(&p.wanted, wanted, 2);
	ck_assert(export_find_next(&p, 0, &run, &asked) && asked);
	ck_assert_uint_eq(run.first, 3);
	ck_assert(export_find_next(&p, 5, &run, &asked) && asked);
	ck_assert_uint_eq(run.first, 7);
	ck_assert(!export_find_next(&p, 8, &run, &asked));
	ranges_fini(&p.wanted);
}
END_TEST

START_TEST(the_widest_gaps_stay)
{
	static const uint64_t pairs[][2] = {{1, 2}, {4, 4}, {10, 11}, {13, 13}, {20, 20}, {22, 22}};
	struct ranges set = {0}, out = {0};

	add(&set, pairs, 6);
	ck_assert_int_eq(export_find_cover(&out, &set, 3), 0);
	ck_assert_uint_eq(out.n, 3);
	ck_assert_uint_eq(out.r[0].last, 4);
	ck_assert_uint_eq(out.r[1].first, 10);
	ck_assert_uint_eq(out.r[1].last, 13);
	ck_assert_uint_eq(out.r[2].last, 22);
	ranges_fini(&out);
	ck_assert_int_eq(export_find_cover(&out, &set, 6), 0);
	ck_assert_uint_eq(out.n, 6);
	ranges_fini(&out);
	ranges_fini(&set);
}
END_TEST

START_TEST(equal_gaps_are_not_more_than_may_stay)
{
	struct ranges set = {0}, out = {0};

	for (uint64_t i = 0; i < 1000; i++)
		ck_assert_int_eq(ranges_add(&set, 2 * i, 2 * i), 0);
	ck_assert_int_eq(export_find_cover(&out, &set, 10), 0);
	ck_assert_uint_eq(out.n, 10);
	for (uint64_t i = 0; i < 1000; i++)
		ck_assert(ranges_has(&out, 2 * i));
	ranges_fini(&out);
	ranges_fini(&set);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_run_comes_whole_and_says_what_of_it_is_wanted,
		a_selection_comes_without_what_is_between,
		the_widest_gaps_stay,
		equal_gaps_are_not_more_than_may_stay,
	};

	return suite_run("export_find", tests, sizeof tests / sizeof *tests, 20);
}
