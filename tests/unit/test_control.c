/* Payloads of control entries: what they say, and what says nothing. */
#include "proto/control.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "proto/err.h"
#include "tests/unit/suite.h"

static struct control *
read_one(enum entry_kind kind, const char *json)
{
	struct control *c = NULL;
	struct buf why;

	buf_init(&why);
	ck_assert_msg(control_read(&c, kind, 9, slice_str(json), &why) == 0, "%s: %.*s", json,
		      (int)why.n, (char *)why.p);
	buf_fini(&why);
	ck_assert_uint_eq(c->index, 9);
	ck_assert_int_eq(c->kind, kind);
	ck_assert_str_eq(c->text, json);
	return c;
}

static void
assert_refused(enum entry_kind kind, const char *json)
{
	struct control *c;
	struct buf why;

	buf_init(&why);
	ck_assert_msg(control_read(&c, kind, 9, slice_str(json), &why) == STELE_ESYNTAX, "%s",
		      json);
	ck_assert_uint_ne(why.n, 0);
	buf_fini(&why);
}

START_TEST(a_hold_has_ranges_and_may_be_open)
{
	struct control *c = read_one(ENTRY_HOLD, "{\"type\":\"hold\",\"hold\":\"h-abcdefghij\","
						 "\"ranges\":[[1,3],[7,7]],\"more\":1}");

	ck_assert_str_eq(c->hold, "h-abcdefghij");
	ck_assert_uint_eq(c->n_ranges, 2);
	ck_assert_uint_eq(c->ranges[1].first, 7);
	ck_assert_uint_eq(c->open_from, CONTROL_OPEN);
	control_free(c);
	c = read_one(ENTRY_HOLD, "{\"type\":\"hold\",\"hold\":\"h-abcdefghij\",\"ranges\":[],"
				 "\"open_from\":0}");
	ck_assert_uint_eq(c->n_ranges, 0);
	ck_assert_uint_eq(c->open_from, 0);
	control_free(c);
}
END_TEST

START_TEST(a_hold_by_filter_says_how_it_reads_records)
{
	struct control *c = read_one(
		ENTRY_HOLD, "{\"type\":\"hold\",\"hold\":\"h-abcdefghij\",\"ranges\":[],"
			    "\"mapping\":\"MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE=\"}");

	ck_assert(c->has_mapping);
	ck_assert_uint_eq(c->mapping[0], 0x31);
	ck_assert_uint_eq(c->mapping[31], 0x31);
	control_free(c);
	c = read_one(ENTRY_HOLD, "{\"type\":\"hold\",\"hold\":\"h-abcdefghij\",\"ranges\":[]}");
	ck_assert(!c->has_mapping);
	control_free(c);
	assert_refused(ENTRY_HOLD, "{\"type\":\"hold\",\"hold\":\"h-abcdefghij\",\"ranges\":[],"
				   "\"mapping\":\"MTEx\"}");
}
END_TEST

START_TEST(ranges_ascend_and_are_apart)
{
	static const char *const bad[] = {
		"[[3,1]]", "[[1,2],[2,3]]", "[[5,6],[1,2]]", "[[1]]", "[[1,2,3]]",
		"[1,2]",   "[[-1,2]]",      "[[0,1.5]]",     "{}",    "[[0,9007199254740992]]"};
	char json[128];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(json, sizeof json, "{\"type\":\"purge\",\"ranges\":%s}", bad[i]);
		assert_refused(ENTRY_PURGE, json);
	}
}
END_TEST

START_TEST(an_extend_has_an_end)
{
	struct control *c =
		read_one(ENTRY_EXTEND, "{\"type\":\"extend\",\"ranges\":[[0,0]],\"until\":"
				       "\"1970-01-01T00:00:00.000000007Z\",\"shorten\":true}");

	ck_assert_int_eq(c->until_ns, 7);
	ck_assert(c->shorten);
	control_free(c);
	assert_refused(ENTRY_EXTEND, "{\"type\":\"extend\",\"ranges\":[[0,0]]}");
	assert_refused(ENTRY_EXTEND, "{\"type\":\"extend\",\"until\":"
				     "\"1970-01-01T00:00:00.000000007Z\"}");
	assert_refused(ENTRY_EXTEND, "{\"type\":\"extend\",\"ranges\":[],\"until\":"
				     "\"1970-01-01T00:00:00.000000007Z\",\"shorten\":1}");
}
END_TEST

START_TEST(an_event_has_a_name_and_two_instants)
{
	struct control *c = read_one(ENTRY_EVENT, "{\"type\":\"event\",\"event\":\"closed\",\"at\":"
						  "\"1970-01-01T00:00:00.000000001Z\",\"until\":"
						  "\"1970-01-01T00:00:00.000000002Z\"}");

	ck_assert_str_eq(c->event, "closed");
	ck_assert_int_eq(c->at_ns, 1);
	ck_assert_int_eq(c->until_ns, 2);
	control_free(c);
	assert_refused(ENTRY_EVENT, "{\"type\":\"event\",\"event\":\"a b\",\"at\":"
				    "\"1970-01-01T00:00:00.000000001Z\",\"until\":"
				    "\"1970-01-01T00:00:00.000000002Z\"}");
}
END_TEST

START_TEST(a_policy_is_read_like_one)
{
	struct control *c = read_one(ENTRY_POLICY, "{\"policy\":{\"public\":true}}");

	ck_assert(c->policy.public);
	control_free(c);
	assert_refused(ENTRY_POLICY, "{}");
	assert_refused(ENTRY_POLICY, "{\"policy\":{\"mode\":\"x\"}}");
}
END_TEST

START_TEST(what_says_nothing_is_refused)
{
	assert_refused(ENTRY_HOLD, "");
	assert_refused(ENTRY_HOLD, "[]");
	assert_refused(ENTRY_HOLD,
		       "{\"type\":\"release\",\"hold\":\"h-abcdefghij\",\"ranges\":[]}");
	assert_refused(ENTRY_HOLD, "{\"type\":\"hold\",\"hold\":\"h-short\",\"ranges\":[]}");
	assert_refused(ENTRY_RELEASE, "{\"type\":\"release\"}");
	assert_refused(ENTRY_RELEASE, "{\"type\":\"release\",\"hold\":\"h-abcdefghij\","
				      "\"hold\":\"h-abcdefghij\"}");
	ck_assert(!control_kind(ENTRY_RECORD));
	ck_assert(!control_kind(ENTRY_KEY));
	ck_assert(!control_kind(ENTRY_RESTORE));
}
END_TEST

START_TEST(ranges_come_out_as_they_go_in)
{
	static const struct control_range r[] = {{1, 3}, {7, 7}};
	struct buf b;

	buf_init(&b);
	control_put_ranges(&b, r, 2);
	ck_assert(slice_eq_str(buf_slice(&b), "[[1,3],[7,7]]"));
	buf_reset(&b);
	control_put_ranges(&b, r, 0);
	ck_assert(slice_eq_str(buf_slice(&b), "[]"));
	buf_fini(&b);
}
END_TEST

START_TEST(events_have_names_without_spaces_and_quotes)
{
	char longest[LIMIT_EVENT_BYTES + 2];

	memset(longest, 'x', sizeof longest);
	ck_assert(control_event_valid(slice_of(longest, LIMIT_EVENT_BYTES)));
	ck_assert(!control_event_valid(slice_of(longest, LIMIT_EVENT_BYTES + 1)));
	ck_assert(!control_event_valid(slice_str("")));
	ck_assert(!control_event_valid(slice_str("a b")));
	ck_assert(!control_event_valid(slice_str("a\"")));
	ck_assert(!control_event_valid(slice_str("\xc3\xa4")));
	ck_assert(control_event_valid(slice_str("employee:4711/left")));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_hold_has_ranges_and_may_be_open,
		a_hold_by_filter_says_how_it_reads_records,
		ranges_ascend_and_are_apart,
		an_extend_has_an_end,
		an_event_has_a_name_and_two_instants,
		a_policy_is_read_like_one,
		what_says_nothing_is_refused,
		ranges_come_out_as_they_go_in,
		events_have_names_without_spaces_and_quotes,
	};

	return suite_run("control", tests, sizeof tests / sizeof(tests[0]), 20.0);
}
