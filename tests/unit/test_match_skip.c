/* What may be skipped unparsed, and what must not. */
#include "proto/match_skip.h"

#include "tests/unit/query_case.h"
#include "tests/unit/suite.h"

static struct query_case q;

static bool
skips(const char *filter, const char *payload)
{
	struct match_result result;

	q.parsed = true;
	result = query_case_run(&q, filter, slice_str(payload));
	ck_assert((result.flags & MATCH_SKIPPED) == 0 || result.verdict == MATCH_NO);
	return result.flags & MATCH_SKIPPED;
}

/* The needle that a filter gives alone, or "". */
static void
assert_needle(const char *filter, const char *expected)
{
	struct filter f = query_case_filter(&q, filter);
	struct match_skip skip;

	match_skip_init(&skip, &f, &q.set);
	if (*expected)
		ck_assert_msg(skip.n == 1 && slice_eq_str(skip.needles[0], expected),
			      "%s: %zu %.*s", filter, skip.n, (int)skip.needles[0].n,
			      (const char *)skip.needles[0].p);
	else
		ck_assert_msg(skip.n == 0, "%s", filter);
}

START_TEST(needles_are_what_every_match_has)
{
	query_case_init(&q);
	assert_needle("actor = alice", "alice");
	assert_needle("actor = alice*", "alice");
	assert_needle("actor:alice AND v = 1", "alice");
	assert_needle("user.username = \"C:\\\\Users\\\\alice/x\"", "Users");
	assert_needle("v = bob OR v = 1", "");
	assert_needle("v = bob AND note.text = 5", "bob");
	assert_needle("v = alice AND (x = bob OR x = 5)", "alice");
	assert_needle("EventID = 4624", "EventID");
	assert_needle("responseStatus.code >= 400", "responseStatus");
	assert_needle("user.username >= 5", "username"); /* the longest name, not the first */
	assert_needle("user:*", "user");
	assert_needle("NOT actor = alice", "");
	assert_needle("actor != alice", "");
	assert_needle("user.name != alice", "");
	assert_needle("actor = 4624", "");
	assert_needle("actor = \"4624\"", "");
	assert_needle("actor = 2020-01-01", "");
	assert_needle("source_ip = 10.0.0.1", "");
	assert_needle("any = 10.0.0.1", "");
	assert_needle("source_ip = \"AWS Internal\"", "AWS Internal");
	assert_needle("source_ip = 10.0.0.1*", "10.0.0.1");
	assert_needle("outcome = success", "");
	assert_needle("outcome = succ*", "");
	assert_needle("any = failure", "");
	assert_needle("any = unsaid", "");
	assert_needle("any = alice", "alice");
	assert_needle("writer = alice", "");
	assert_needle("time > 2020-01-01", "");
	assert_needle("actor = al", "");
	assert_needle("", "");
	query_case_fini(&q);
}
END_TEST

START_TEST(what_has_no_needle_is_skipped)
{
	query_case_init(&q);
	ck_assert(skips("actor = alice", "{\"v\":1,\"user\":\"bob\"}"));
	ck_assert(!skips("actor = alice", "{\"v\":1,\"user\":\"alice\"}"));
	ck_assert(!skips("actor = alice", "{\"v\":1,\"user\":\"bob\",\"note\":\"alice\"}"));
	ck_assert(skips("actor = alice OR actor = carol", "{\"v\":1,\"user\":\"bob\"}"));
	ck_assert(!skips("actor = alice OR actor = carol", "{\"v\":1,\"user\":\"carol\"}"));
	q.parsed = false;
	ck_assert_uint_eq(query_case_run(&q, "actor = alice", slice_str("{\"v\":1}")).flags, 0);
	query_case_fini(&q);
}
END_TEST

START_TEST(escapes_hide_nothing)
{
	query_case_init(&q);
	ck_assert(!skips("actor = alice", "{\"v\":1,\"user\":\"\\u0061lice\"}"));
	ck_assert_int_eq(
		query_case_verdict(&q, "actor = alice", "{\"v\":1,\"user\":\"\\u0061lice\"}"), 'y');
	ck_assert(!skips("user:*", "{\"v\":1,\"\\u0075ser\":\"x\"}"));
	ck_assert_int_eq(
		query_case_verdict(&q, "actor = \"ali/ce\"", "{\"v\":1,\"user\":\"ali\\/ce\"}"),
		'y');
	ck_assert(!skips("actor = alice", "{\"v\":1,\"user\":\"\\\\\\u0061\"}"));
	ck_assert(
		skips("actor = alice", "{\"v\":1,\"user\":\"C:\\\\users\"}")); /* no escape of u */
	ck_assert(!skips("actor = \xc3\xa9t\xc3\xa9", "{\"v\":1,\"user\":\"\\u00e9t\\u00E9\"}"));
	query_case_fini(&q);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {needles_are_what_every_match_has,
				      what_has_no_needle_is_skipped, escapes_hide_nothing};

	return suite_run("match_skip", tests, sizeof tests / sizeof *tests, 60);
}
