/* Sets of indexes, against a bit for each. */
#include "storage/ranges.h"

#include <check.h>
#include <stdlib.h>

#include "tests/unit/suite.h"

enum { INDEXES = 64 };

static uint64_t
bits(const struct ranges *set)
{
	uint64_t b = 0;

	for (unsigned i = 0; i < INDEXES; i++)
		b |= (uint64_t)ranges_has(set, i) << i;
	for (size_t i = 0; i < set->n; i++) { /* ascending and apart */
		ck_assert_uint_le(set->r[i].first, set->r[i].last);
		if (i)
			ck_assert_uint_gt(set->r[i].first, set->r[i - 1].last + 1);
	}
	return b;
}

static struct ranges
from_bits(uint64_t b)
{
	struct ranges set = {0};

	for (unsigned i = 0; i < INDEXES; i++)
		if (b >> i & 1)
			ck_assert_int_eq(ranges_add(&set, i, i), 0);
	return set;
}

static uint64_t
random_bits(void)
{
	uint64_t b = 0;

	for (unsigned i = 0; i < INDEXES; i += 4) /* runs of some length */
		b |= (uint64_t)(rand() % 3 ? 0 : rand() & 15) << i;
	return b;
}

START_TEST(union_and_difference_are_those_of_bits)
{
	srand(11);
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t x = random_bits(), y = random_bits();
		struct ranges a = from_bits(x), b = from_bits(y), both = {0}, less = {0};
		ck_assert_int_eq(ranges_union(&both, &a, &b), 0);
		ck_assert_int_eq(ranges_less(&less, &a, &b), 0);
		ck_assert_uint_eq(bits(&both), x | y);
		ck_assert_uint_eq(bits(&less), x & ~y);
		ck_assert_uint_eq(ranges_count(&both), (uint64_t)__builtin_popcountll(x | y));
		ck_assert_int_eq(ranges_meet(&a, &b), (x & y) != 0);
		ck_assert(!ranges_meet(&less, &b) && !ranges_meet(&b, &less));
		ranges_fini(&a);
		ranges_fini(&b);
		ranges_fini(&both);
		ranges_fini(&less);
	}
}
END_TEST

START_TEST(a_range_may_have_no_end)
{
	struct ranges open = {0}, some = {0}, less = {0}, gone = {0};

	ck_assert_int_eq(ranges_add(&open, 10, UINT64_MAX), 0);
	ck_assert_int_eq(ranges_add(&some, 5, 12), 0);
	ck_assert_int_eq(ranges_add(&some, 20, 20), 0);
	ck_assert_int_eq(ranges_less(&less, &open, &some), 0);
	ck_assert_uint_eq(less.n, 2);
	ck_assert_uint_eq(less.r[0].first, 13);
	ck_assert_uint_eq(less.r[0].last, 19);
	ck_assert_uint_eq(less.r[1].first, 21);
	ck_assert_uint_eq(less.r[1].last, UINT64_MAX);
	ck_assert_int_eq(ranges_less(&gone, &some, &open), 0);
	ck_assert_uint_eq(gone.n, 1);
	ck_assert_uint_eq(gone.r[0].last, 9);
	ck_assert_uint_eq(ranges_count(&open), UINT64_MAX);
	ck_assert(ranges_has(&open, UINT64_MAX - 1));
	ck_assert(!ranges_has(&open, 9));
	ck_assert(ranges_meet(&open, &some) && ranges_meet(&some, &open));
	ck_assert(!ranges_meet(&open, &gone));
	ck_assert(!ranges_meet(&open, &(struct ranges){0}));
	ck_assert_uint_eq(ranges_below(&open, 10), 0);
	ck_assert_uint_eq(ranges_below(&open, 12), 2);
	ck_assert_uint_eq(ranges_below(&open, UINT64_MAX), UINT64_MAX - 10);
	ck_assert_uint_eq(ranges_below(&some, 5), 0);
	ck_assert_uint_eq(ranges_below(&some, 13), 8);
	ck_assert_uint_eq(ranges_below(&some, 20), 8);
	ck_assert_uint_eq(ranges_below(&some, 21), 9);
	ranges_fini(&open);
	ranges_fini(&some);
	ranges_fini(&less);
	ranges_fini(&gone);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		union_and_difference_are_those_of_bits,
		a_range_may_have_no_end,
	};

	return suite_run("ranges", tests, sizeof tests / sizeof(tests[0]), 20.0);
}
