/* Whether a token and the wall clock agree, at the boundary. */
#include "server/timestamps_step.h"

#include <check.h>

#include "crypto/tsp.h"
#include "proto/limits.h"
#include "proto/timestamp.h"
#include "suite.h"

#define S INT64_C(1000000000)
#define NOW (1800000000 * S)

static bool
agrees(int64_t ahead_ns, int64_t accuracy_ns, int64_t took_ns)
{
	const struct tsp_token said = {.time_ns = NOW, .accuracy_ns = accuracy_ns};

	return step_agrees(&said, NOW + ahead_ns, took_ns);
}

START_TEST(a_wall_clock_that_is_off_by_a_step_is_another_time)
{
	ck_assert(agrees(0, 0, 0));
	ck_assert(agrees(10 * S - 1, 0, 0));
	ck_assert(!agrees(10 * S, 0, 0));
	ck_assert(agrees(1 - 10 * S, 0, 0));
	ck_assert(!agrees(-10 * S, 0, 0));
}
END_TEST

START_TEST(what_the_authority_is_not_sure_of_counts_against_it)
{
	ck_assert(agrees(9 * S - 1, S, 0));
	ck_assert(!agrees(9 * S, S, 0));
	ck_assert(agrees(1 - 9 * S, S, 0));
	ck_assert(!agrees(-9 * S, S, 0));
	ck_assert(!agrees(0, 10 * S, 0));
	ck_assert(!agrees(0, TIMESTAMP_DAY_NS, 0));
}
END_TEST

/* The token was made since it was asked: the wall clock was no later then than it is now. */
START_TEST(so_does_the_time_that_it_took)
{
	ck_assert(agrees(4 * S, 0, 5 * S));
	ck_assert(!agrees(10 * S, 0, 5 * S));
	ck_assert(agrees(1 - 5 * S, 0, 5 * S));
	ck_assert(!agrees(-5 * S, 0, 5 * S));
	ck_assert(!agrees(0, 0, 10 * S));
	ck_assert(agrees(6 * S, S, 14 * S));
	ck_assert(!agrees(4 * S, 0, INT64_MAX));
}
END_TEST

START_TEST(nothing_overflows_at_the_ends_of_time)
{
	const struct tsp_token first = {.accuracy_ns = TIMESTAMP_DAY_NS + S},
			       last = {.time_ns = TIMESTAMP_MAX_NS,
				       .accuracy_ns = TIMESTAMP_DAY_NS + S};

	ck_assert(!step_agrees(&first, TIMESTAMP_MAX_NS, 0));
	ck_assert(!step_agrees(&last, 0, TIMESTAMP_MAX_NS));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_wall_clock_that_is_off_by_a_step_is_another_time,
		what_the_authority_is_not_sure_of_counts_against_it,
		so_does_the_time_that_it_took,
		nothing_overflows_at_the_ends_of_time,
	};

	return suite_run("timestamps_step", tests, sizeof tests / sizeof *tests, 30);
}
