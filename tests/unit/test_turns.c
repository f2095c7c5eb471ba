/* The rate of handshakes, and that everybody's turn comes. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <string.h>

#include "server/turns.h"
#include "suite.h"

#define MS 1000000ull
#define SECOND (1000 * MS)

static struct sockaddr_storage
address(const char *text)
{
	struct sockaddr_storage out = {.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET};
	void *at = out.ss_family == AF_INET6 ? (void *)&((struct sockaddr_in6 *)&out)->sin6_addr
					     : (void *)&((struct sockaddr_in *)&out)->sin_addr;

	ck_assert_int_eq(inet_pton(out.ss_family, text, at), 1);
	return out;
}

static bool
join(struct turns *t, struct turn *turn, const char *text)
{
	struct sockaddr_storage from = address(text);

	return turns_wait(t, turn, (struct sockaddr *)&from);
}

static unsigned
lane(const char *text)
{
	struct turns t;
	struct turn turn;

	turns_init(&t, 1, 1);
	ck_assert(join(&t, &turn, text));
	return turn.lane;
}

/* How many may begin at that instant. */
static size_t
burst(struct turns *t, uint64_t now_ns)
{
	size_t n = 0;

	while (n < 10000 && turns_now(t, now_ns))
		n++;
	return n;
}

START_TEST(a_tenth_of_a_second_comes_at_once_and_then_the_rate_holds)
{
	struct turns t;
	size_t n = 0;

	turns_init(&t, 500, 10);
	ck_assert_uint_eq(burst(&t, 7 * SECOND), 50);
	ck_assert_uint_eq(burst(&t, 7 * SECOND + 2 * MS - 1), 0);
	ck_assert_uint_eq(burst(&t, 7 * SECOND + 2 * MS), 1);
	for (uint64_t i = 1; i <= 10000; i++)
		n += burst(&t, 7 * SECOND + 2 * MS + i * MS);
	ck_assert_uint_eq(n, 5000);
	ck_assert_uint_eq(burst(&t, 1000 * SECOND), 50); /* what was left over is not saved up */
}
END_TEST

START_TEST(a_low_rate_is_one_at_a_time_and_none_is_no_bound)
{
	struct turns t;

	turns_init(&t, 1, 10);
	ck_assert_uint_eq(burst(&t, SECOND), 1);
	ck_assert_uint_eq(burst(&t, 2 * SECOND - 1), 0);
	ck_assert_uint_eq(burst(&t, 2 * SECOND), 1);
	turns_init(&t, 0, 10);
	ck_assert_uint_eq(burst(&t, 0), 10000);
}
END_TEST

START_TEST(each_address_has_its_turn_however_many_of_another_wait)
{
	struct turns t;
	struct turn many[100], one, other, *got;
	size_t round;

	turns_init(&t, 1000, 100);
	for (size_t i = 0; i < 100; i++)
		ck_assert(join(&t, &many[i], "192.0.2.1"));
	ck_assert(join(&t, &one, "192.0.2.2"));
	ck_assert(join(&t, &other, "2001:db8::1"));
	ck_assert(one.lane != many[0].lane && other.lane != many[0].lane && one.lane != other.lane);
	ck_assert(!turns_now(&t, SECOND)); /* who comes now is behind them */
	for (round = 0; round < 3; round++) {
		got = turns_next(&t, SECOND);
		ck_assert_ptr_nonnull(got);
		ck_assert(got == &many[0] || got == &one || got == &other);
	}
	for (size_t i = 1; i < 98; i++) /* in order */
		ck_assert_ptr_eq(turns_next(&t, SECOND), &many[i]);
	ck_assert_ptr_null(turns_next(&t, SECOND));
	ck_assert_ptr_eq(turns_next(&t, SECOND + MS), &many[98]);
	ck_assert_ptr_eq(turns_next(&t, SECOND + 2 * MS), &many[99]);
	ck_assert_ptr_null(turns_next(&t, 9 * SECOND));
	ck_assert_uint_eq(burst(&t, 9 * SECOND), 100); /* that nobody was there used none up */
}
END_TEST

START_TEST(an_address_fills_its_own_lane_alone)
{
	struct turns t;
	struct turn turn[4];

	turns_init(&t, 1, 2);
	ck_assert(join(&t, &turn[0], "192.0.2.1"));
	ck_assert(join(&t, &turn[1], "192.0.2.1"));
	ck_assert(!join(&t, &turn[2], "192.0.2.1"));
	ck_assert(join(&t, &turn[3], "192.0.2.2"));
	turns_leave(&t, &turn[0]);
	ck_assert(join(&t, &turn[2], "192.0.2.1"));
	ck_assert_uint_eq(t.waiting, 3);
}
END_TEST

START_TEST(who_leaves_is_not_called)
{
	static const size_t order[] = {1, 0, 2}; /* from the middle, the front, the end */
	struct turns t;
	struct turn turn[4];

	turns_init(&t, 1000, 10);
	for (size_t i = 0; i < 4; i++)
		ck_assert(join(&t, &turn[i], "192.0.2.1"));
	for (size_t i = 0; i < 3; i++)
		turns_leave(&t, &turn[order[i]]);
	ck_assert_ptr_eq(turns_next(&t, SECOND), &turn[3]);
	ck_assert_ptr_null(turns_next(&t, SECOND));
	ck_assert_uint_eq(t.waiting, 0);
}
END_TEST

START_TEST(a_network_of_ipv6_is_one_and_mapped_addresses_are_those_they_map)
{
	ck_assert_uint_eq(lane("2001:db8:1:2::1"), lane("2001:db8:1:2:ffff:ffff:ffff:ffff"));
	ck_assert_uint_ne(lane("2001:db8:1:2::1"), lane("2001:db8:1:3::1"));
	ck_assert_uint_eq(lane("::ffff:192.0.2.1"), lane("192.0.2.1"));
	ck_assert_uint_ne(lane("::ffff:192.0.2.1"), lane("::ffff:192.0.2.2"));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_tenth_of_a_second_comes_at_once_and_then_the_rate_holds,
		a_low_rate_is_one_at_a_time_and_none_is_no_bound,
		each_address_has_its_turn_however_many_of_another_wait,
		an_address_fills_its_own_lane_alone,
		who_leaves_is_not_called,
		a_network_of_ipv6_is_one_and_mapped_addresses_are_those_they_map,
	};

	return suite_run("turns", tests, sizeof tests / sizeof(tests[0]), 4.0);
}
