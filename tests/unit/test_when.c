/* What people type for a time. */
#include <check.h>

#include "proto/err.h"
#include "suite.h"
#include "tools/when.h"

#define NOW INT64_C(1764115200000000000) /* 2025-11-26T00:00:00Z */

static void
is(const char *text, const char *want)
{
	struct buf b;

	buf_init(&b);
	ck_assert_int_eq(when_put(&b, text, NOW), 0);
	buf_put_u8(&b, 0);
	ck_assert_str_eq((const char *)b.p, want);
	buf_fini(&b);
}

START_TEST(times_before_now_are_instants)
{
	is("now", "2025-11-26T00:00:00.000000000Z");
	is("2h ago", "2025-11-25T22:00:00.000000000Z");
	is("1 s ago", "2025-11-25T23:59:59.000000000Z");
	is("30 minutes ago", "2025-11-25T23:30:00.000000000Z");
	is("1 day ago", "2025-11-25T00:00:00.000000000Z");
	is("2w ago", "2025-11-12T00:00:00.000000000Z");
	is("0s ago", "2025-11-26T00:00:00.000000000Z");
}
END_TEST

START_TEST(everything_else_is_the_servers_to_read)
{
	is("2026-11-01", "2026-11-01");
	is("1764115200", "1764115200");
	is("yesterday", "yesterday");
	is("", "");
}
END_TEST

START_TEST(what_ends_with_ago_and_is_no_time_is_refused)
{
	static const char *const wrong[] = {
		" ago",        "h ago",       "2 ago",
		"2x ago",      "-1h ago",     "2 hourss ago",
		"1.5h ago",    "999999w ago", "99999999999999999999s ago",
		"2h later ago"};
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_msg(when_put(&b, wrong[i], NOW) == STELE_ESYNTAX, "%s", wrong[i]);
	ck_assert_uint_eq(b.n, 0);
	buf_fini(&b);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		times_before_now_are_instants,
		everything_else_is_the_servers_to_read,
		what_ends_with_ago_and_is_no_time_is_refused,
	};

	return suite_run("when", tests, sizeof tests / sizeof *tests, 30);
}
