/* Policies: what is accepted, what is refused and why, and the one canonical spelling. */
#include "proto/policy.h"

#include <check.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "tests/unit/suite.h"

static void
assert_canonical(const char *json, const char *want)
{
	struct policy p, again;
	struct buf why, out;

	buf_init(&why);
	buf_init(&out);
	ck_assert_int_eq(policy_read(&p, slice_str(json), &why), 0);
	ck_assert_uint_eq(why.n, 0);
	policy_write(&out, &p);
	ck_assert(slice_eq_str(buf_slice(&out), want));
	ck_assert_int_eq(policy_read(&again, buf_slice(&out), &why), 0);
	ck_assert(policy_equal(&p, &again));
	buf_fini(&why);
	buf_fini(&out);
}

static void
assert_refused(const char *json, int want, const char *word)
{
	struct policy p = {.public = true};
	struct buf why;

	buf_init(&why);
	ck_assert_msg(policy_read(&p, slice_str(json), &why) == want, "%s", json);
	buf_put_u8(&why, 0);
	ck_assert_msg(strstr((char *)why.p, word) != NULL, "%s: %s", json, why.p);
	ck_assert(p.public); /* untouched */
	buf_fini(&why);
}

START_TEST(what_is_not_said_is_the_default)
{
	const char *want = "{\"mode\":\"governance\",\"public\":false}";

	assert_canonical("", want);
	assert_canonical("{}", want);
	assert_canonical(" { \"event_based\" : false, \"dual_control\":[], \"quota\":null }", want);
}
END_TEST

START_TEST(members_come_out_in_one_order_as_they_were_written)
{
	assert_canonical("{\"public\":true,\"retain\":{\"max\":\"P30Y\",\"min\":\"365d\","
			 "\"default\":\"7y\"},\"mode\":\"governance\"}",
			 "{\"mode\":\"governance\",\"retain\":{\"default\":\"7y\",\"min\":\"365d\","
			 "\"max\":\"P30Y\"},\"public\":true}");
	assert_canonical("{\"retain\":{\"max\":\"1y\"}}",
			 "{\"mode\":\"governance\",\"retain\":{\"max\":\"1y\"},\"public\":false}");
	assert_canonical("{\"retain\":{}}", "{\"mode\":\"governance\",\"public\":false}");
	assert_canonical("{\"mode\":\"none\"}", "{\"mode\":\"none\",\"public\":false}");
}
END_TEST

START_TEST(nothing_is_ignored)
{
	assert_refused("[]", STELE_ESYNTAX, "object");
	assert_refused("{", STELE_ESYNTAX, "object");
	assert_refused("{} x", STELE_ESYNTAX, "object");
	assert_refused("{\"mode\":\"none\",\"mode\":\"governance\"}", STELE_ESYNTAX, "object");
	assert_refused("{\"mode\":\"strict\"}", STELE_ESYNTAX, "mode");
	assert_refused("{\"mode\":1}", STELE_ESYNTAX, "mode");
	assert_refused("{\"Mode\":\"none\"}", STELE_ESYNTAX, "unknown member");
	assert_refused("{\"public\":\"yes\"}", STELE_ESYNTAX, "public");
	assert_refused("{\"retain\":\"7y\"}", STELE_ESYNTAX, "retain");
	assert_refused("{\"retain\":{\"default\":7}}", STELE_ESYNTAX, "retain.default");
	assert_refused("{\"retain\":{\"default\":\"\"}}", STELE_ESYNTAX, "retain.default");
	assert_refused("{\"retain\":{\"min\":\"7 years\"}}", STELE_ESYNTAX, "retain.min");
	assert_refused("{\"retain\":{\"defualt\":\"7y\"}}", STELE_ESYNTAX, "unknown member");
	assert_refused("{\"mode\":\"none\",\"retain\":{\"default\":\"7y\"}}", STELE_ESYNTAX,
		       "locks nothing");
}
END_TEST

START_TEST(periods_must_be_in_order_and_representable)
{
	assert_refused("{\"retain\":{\"default\":\"1y\",\"min\":\"2y\"}}", STELE_ESYNTAX, "longer");
	assert_refused("{\"retain\":{\"default\":\"3y\",\"max\":\"2y\"}}", STELE_ESYNTAX, "longer");
	assert_refused("{\"retain\":{\"min\":\"3y\",\"max\":\"2y\"}}", STELE_ESYNTAX, "longer");
	assert_refused("{\"retain\":{\"default\":\"1000y\"}}", STELE_ESYNTAX, "too long");
	assert_refused("{\"retain\":{\"max\":\"99999999999999999999y\"}}", STELE_ESYNTAX,
		       "too long");
}
END_TEST

START_TEST(what_members_say_together_is_checked)
{
	assert_refused("{\"mode\":\"compliance\"}", STELE_ESYNTAX, "retain.max and a quota");
	assert_refused("{\"mode\":\"compliance\",\"retain\":{\"max\":\"9y\"}}", STELE_ESYNTAX,
		       "quota");
	assert_refused("{\"mode\":\"compliance\",\"quota\":{\"bytes\":9}}", STELE_ESYNTAX, "max");
	assert_refused("{\"mode\":\"none\",\"event_based\":true}", STELE_ESYNTAX, "locks nothing");
	assert_refused("{\"event_based\":true}", STELE_ESYNTAX, "retain.default");
	assert_refused("{\"compliance_from\":\"2027-01-01T00:00:00.000000000Z\"}", STELE_ESYNTAX,
		       "quota");
	assert_refused("{\"mode\":\"none\",\"quota\":{\"bytes\":9},"
		       "\"compliance_from\":\"2027-01-01T00:00:00.000000000Z\"}",
		       STELE_ESYNTAX, "locks nothing");
	assert_refused(
		"{\"mode\":\"compliance\",\"quota\":{\"bytes\":9},\"retain\":{\"max\":\"9y\"},"
		"\"compliance_from\":\"2027-01-01T00:00:00.000000000Z\"}",
		STELE_ESYNTAX, "has begun");
	assert_canonical(
		"{\"quota\":{\"records\":7,\"bytes\":9},\"mode\":\"compliance\","
		"\"retain\":{\"max\":\"9y\"},\"dual_control\":[\"purge\",\"hold.release\"]}",
		"{\"mode\":\"compliance\",\"retain\":{\"max\":\"9y\"},\"dual_control\":"
		"[\"hold.release\",\"purge\"],\"quota\":{\"bytes\":9,\"records\":7},"
		"\"public\":false}");
	assert_canonical("{\"event_based\":true,\"retain\":{\"default\":\"1y\"}}",
			 "{\"mode\":\"governance\",\"retain\":{\"default\":\"1y\"},"
			 "\"event_based\":true,\"public\":false}");
}
END_TEST

START_TEST(quota_and_dual_control_have_one_form)
{
	assert_refused("{\"dual_control\":[\"release\"]}", STELE_ESYNTAX, "dual_control");
	assert_refused("{\"dual_control\":true}", STELE_ESYNTAX, "list");
	assert_refused("{\"event_based\":1}", STELE_ESYNTAX, "true or false");
	assert_refused("{\"quota\":\"1GB\"}", STELE_ESYNTAX, "quota");
	assert_refused("{\"quota\":{}}", STELE_ESYNTAX, "quota");
	assert_refused("{\"quota\":{\"bytes\":0}}", STELE_ESYNTAX, "quota");
	assert_refused("{\"quota\":{\"bytes\":9007199254740992}}", STELE_ESYNTAX, "quota");
	assert_refused("{\"quota\":{\"bytes\":1,\"files\":1}}", STELE_ESYNTAX, "quota");
}
END_TEST

static struct policy
policy_of(const char *json)
{
	struct policy p;
	struct buf why;

	buf_init(&why);
	ck_assert_msg(policy_read(&p, slice_str(json), &why) == 0, "%s: %.*s", json, (int)why.n,
		      (char *)why.p);
	buf_fini(&why);
	return p;
}

START_TEST(a_lock_ends_after_the_default_period_or_does_not_exist)
{
	struct policy p = {.mode = ENTRY_MODE_GOVERNANCE};
	struct policy_lock lock = {ENTRY_MODE_COMPLIANCE, 7};
	int64_t start, want;

	ck_assert_int_eq(policy_lock(&p, NULL, 0, &lock, NULL), 0);
	ck_assert_int_eq(lock.mode, ENTRY_MODE_NONE);

	p = policy_of("{\"retain\":{\"default\":\"7y\"}}");
	ck_assert_int_eq(timestamp_parse(&start, slice_str("2026-11-23T15:48:00.123456789Z")), 0);
	ck_assert_int_eq(timestamp_parse(&want, slice_str("2033-11-23T15:48:00.123456789Z")), 0);
	ck_assert_int_eq(policy_lock(&p, NULL, start, &lock, NULL), 0);
	ck_assert_int_eq(lock.mode, ENTRY_MODE_GOVERNANCE);
	ck_assert_int_eq(lock.until_ns, want);

	p = policy_of("{\"retain\":{\"min\":\"7y\"}}"); /* no less than the shortest one */
	ck_assert_int_eq(policy_lock(&p, NULL, start, &lock, NULL), 0);
	ck_assert_int_eq(lock.until_ns, want);

	p.mode = ENTRY_MODE_NONE;
	ck_assert_int_eq(policy_lock(&p, NULL, start, &lock, NULL), 0);
	ck_assert_int_eq(lock.mode, ENTRY_MODE_NONE);

	p.mode = ENTRY_MODE_GOVERNANCE;
	lock.until_ns = 7;
	ck_assert_int_eq(policy_lock(&p, NULL, TIMESTAMP_MAX_NS, &lock, NULL), STELE_ELIMIT);
	ck_assert_int_eq(lock.until_ns, 7);
}
END_TEST

#define DAY TIMESTAMP_DAY_NS

static int
wish_until(const struct policy *p, int64_t until_ns, struct policy_lock *lock)
{
	const struct policy_wish wish = {.kind = POLICY_WISH_UNTIL, .until_ns = until_ns};

	return policy_lock(p, &wish, 100 * DAY, lock, NULL);
}

START_TEST(a_wish_is_granted_from_min_to_max_to_the_nanosecond)
{
	struct policy p = policy_of("{\"retain\":{\"min\":\"10d\",\"max\":\"20d\"}}");
	struct policy_lock lock = {.until_ns = 7};

	ck_assert_int_eq(wish_until(&p, 110 * DAY - 1, &lock), STELE_EPERM);
	ck_assert_int_eq(wish_until(&p, 120 * DAY + 1, &lock), STELE_EPERM);
	ck_assert_int_eq(lock.until_ns, 7);
	ck_assert_int_eq(wish_until(&p, 110 * DAY, &lock), 0);
	ck_assert_int_eq(lock.until_ns, 110 * DAY);
	ck_assert_int_eq(wish_until(&p, 120 * DAY, &lock), 0);
	ck_assert_int_eq(lock.until_ns, 120 * DAY);

	p = policy_of("{}"); /* without bounds: after now */
	ck_assert_int_eq(wish_until(&p, 100 * DAY, &lock), STELE_EPERM);
	ck_assert_int_eq(wish_until(&p, 100 * DAY + 1, &lock), 0);
	p = policy_of("{\"mode\":\"none\"}");
	ck_assert_int_eq(wish_until(&p, 200 * DAY, &lock), STELE_EPERM);
}
END_TEST

START_TEST(a_wish_for_a_period_counts_from_now_and_never_overflows)
{
	struct policy p = policy_of("{}");
	struct policy_wish wish = {.kind = POLICY_WISH_FOR};
	struct policy_lock lock = {.until_ns = 7};

	ck_assert_int_eq(duration_parse(&wish.period, slice_str("3d")), 0);
	ck_assert_int_eq(policy_lock(&p, &wish, 100 * DAY, &lock, NULL), 0);
	ck_assert_int_eq(lock.until_ns, 103 * DAY);
	ck_assert_int_eq(duration_parse(&wish.period, slice_str("290y")), 0);
	ck_assert_int_eq(policy_lock(&p, &wish, 100 * DAY, &lock, NULL), 0);
	ck_assert_int_eq(policy_lock(&p, &wish, 9000 * DAY, &lock, NULL), STELE_ELIMIT);
	ck_assert_int_eq(duration_parse(&wish.period, slice_str("0s")), 0);
	ck_assert_int_eq(policy_lock(&p, &wish, 100 * DAY, &lock, NULL), STELE_EPERM);
}
END_TEST

START_TEST(an_event_is_waited_for_where_that_is_offered)
{
	const struct policy_wish wish = {.kind = POLICY_WISH_EVENT, .event = slice_str("closed")};
	struct policy p = policy_of("{\"retain\":{\"default\":\"7y\"}}");
	struct policy_lock lock = {.until_ns = 7};

	ck_assert_int_eq(policy_lock(&p, &wish, 100, &lock, NULL), STELE_EPERM);
	p = policy_of("{\"retain\":{\"default\":\"7y\"},\"event_based\":true}");
	ck_assert_int_eq(policy_lock(&p, &wish, 100, &lock, NULL), 0);
	ck_assert_int_eq(lock.mode, ENTRY_MODE_GOVERNANCE);
	ck_assert_int_eq(lock.until_ns, 0);
}
END_TEST

START_TEST(compliance_begins_at_its_instant)
{
	struct policy p = policy_of("{\"retain\":{\"default\":\"1d\",\"max\":\"9y\"},\"quota\":{"
				    "\"bytes\":1},\"compliance_from\":"
				    "\"1970-01-02T00:00:00.000000000Z\"}");
	struct policy_lock lock;

	ck_assert_int_eq(policy_at(&p, DAY - 1).mode, ENTRY_MODE_GOVERNANCE);
	ck_assert_int_eq(policy_at(&p, DAY - 1).compliance_from_ns, DAY);
	ck_assert_int_eq(policy_at(&p, DAY).mode, ENTRY_MODE_COMPLIANCE);
	ck_assert_int_eq(policy_at(&p, DAY).compliance_from_ns, 0);
	ck_assert_int_eq(policy_mode(&p, DAY - 1), ENTRY_MODE_GOVERNANCE);
	ck_assert_int_eq(policy_mode(&p, DAY), ENTRY_MODE_COMPLIANCE);
	ck_assert_int_eq(policy_lock(&p, NULL, DAY, &lock, NULL), 0);
	ck_assert_int_eq(lock.mode, ENTRY_MODE_COMPLIANCE);
	ck_assert_int_eq(policy_lock(&p, NULL, DAY - 1, &lock, NULL), 0);
	ck_assert_int_eq(lock.mode, ENTRY_MODE_GOVERNANCE);
}
END_TEST

static void
assert_weakens(const char *old, const char *next, const char *word)
{
	struct policy a = policy_of(old), b = policy_of(next);
	struct buf what;

	buf_init(&what);
	ck_assert_msg(policy_weakens(&a, &b, &what) == (word != NULL), "%s -> %s", old, next);
	buf_put_u8(&what, 0);
	if (word)
		ck_assert_msg(strstr((char *)what.p, word) != NULL, "%s: %s", next, what.p);
	buf_fini(&what);
}

START_TEST(a_policy_that_protects_less_is_told)
{
	static const char full[] = "{\"retain\":{\"default\":\"2y\",\"min\":\"1y\",\"max\":\"9y\"},"
				   "\"dual_control\":[\"purge\"],\"quota\":{\"bytes\":9}}";

	assert_weakens(full, full, NULL);
	assert_weakens(full, "{\"mode\":\"none\"}", "mode");
	assert_weakens("{}", "{\"mode\":\"none\"}", "mode");
	assert_weakens("{\"mode\":\"none\"}", "{}", NULL);
	assert_weakens(full,
		       "{\"retain\":{\"default\":\"23mo\",\"min\":\"1y\",\"max\":\"9y\"},"
		       "\"dual_control\":[\"purge\"]}",
		       "default");
	assert_weakens(full,
		       "{\"retain\":{\"min\":\"1y\",\"max\":\"9y\"},"
		       "\"dual_control\":[\"purge\"]}",
		       "default");
	assert_weakens(full,
		       "{\"retain\":{\"default\":\"2y\",\"max\":\"9y\"},"
		       "\"dual_control\":[\"purge\"]}",
		       "min");
	assert_weakens(full,
		       "{\"retain\":{\"default\":\"2y\",\"min\":\"1y\",\"max\":\"8y\"},"
		       "\"dual_control\":[\"purge\"]}",
		       "max");
	assert_weakens("{}", "{\"retain\":{\"max\":\"8y\"}}", "max");
	assert_weakens("{\"retain\":{\"max\":\"8y\"}}", "{}", NULL);
	assert_weakens(full, "{\"retain\":{\"default\":\"2y\",\"min\":\"1y\",\"max\":\"9y\"}}",
		       "second principal");
	assert_weakens(full,
		       "{\"retain\":{\"default\":\"3y\",\"min\":\"2y\",\"max\":\"10y\"},"
		       "\"dual_control\":[\"purge\",\"hold.release\"]}",
		       NULL);
	/* a year has a leap day now and then */
	assert_weakens("{\"retain\":{\"default\":\"1y\"}}", "{\"retain\":{\"default\":\"365d\"}}",
		       "default");
	assert_weakens("{\"retain\":{\"min\":\"1y\"}}", "{\"retain\":{\"min\":\"365d\"}}", "min");
	assert_weakens("{\"retain\":{\"max\":\"1y\"}}", "{\"retain\":{\"max\":\"365d\"}}", "max");
	assert_weakens("{\"retain\":{\"default\":\"365d\"}}", "{\"retain\":{\"default\":\"1y\"}}",
		       NULL);
#define FROM(when)                                                                                 \
	"{\"retain\":{\"max\":\"9y\"},\"quota\":{\"bytes\":9},\"compliance_from\":\"" when "Z\"}"
	assert_weakens(FROM("1970-01-02T00:00:00.000000000"),
		       "{\"retain\":{\"max\":\"9y\"},\"quota\":{\"bytes\":9}}", "mode");
	assert_weakens(FROM("1970-01-02T00:00:00.000000000"), FROM("1970-01-02T00:00:00.000000001"),
		       "mode");
	assert_weakens(FROM("1970-01-02T00:00:00.000000000"), FROM("1970-01-02T00:00:00.000000000"),
		       NULL);
	assert_weakens(FROM("1970-01-02T00:00:00.000000000"), FROM("1970-01-01T23:59:59.999999999"),
		       NULL);
#undef FROM
}
END_TEST

START_TEST(acts_have_names)
{
	for (unsigned act = POLICY_CHANGE; act <= POLICY_SHORTEN; act <<= 1)
		ck_assert_uint_eq(policy_act_parse(slice_str(policy_act_name(act))), act);
	ck_assert_uint_eq(policy_act_parse(slice_str("purge ")), 0);
	ck_assert_uint_eq(policy_act_parse(slice_str("")), 0);
}
END_TEST

START_TEST(any_difference_makes_policies_unequal)
{
	static const char *const texts[] = {
		"{}",
		"{\"mode\":\"none\"}",
		"{\"public\":true}",
		"{\"retain\":{\"default\":\"1y\"}}",
		"{\"retain\":{\"min\":\"1y\"}}",
		"{\"retain\":{\"max\":\"1y\"}}",
		"{\"retain\":{\"default\":\"1y\"},\"event_based\":true}",
		"{\"dual_control\":[\"purge\"]}",
		"{\"quota\":{\"bytes\":1}}",
		"{\"quota\":{\"records\":1}}",
	};
	struct policy a, b;
	size_t i, j, n = sizeof texts / sizeof *texts;

	for (i = 0; i < n; i++) {
		for (j = 0; j < n; j++) {
			ck_assert_int_eq(policy_read(&a, slice_str(texts[i]), NULL), 0);
			ck_assert_int_eq(policy_read(&b, slice_str(texts[j]), NULL), 0);
			ck_assert_int_eq(policy_equal(&a, &b), i == j);
		}
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_not_said_is_the_default,
		members_come_out_in_one_order_as_they_were_written,
		nothing_is_ignored,
		periods_must_be_in_order_and_representable,
		what_members_say_together_is_checked,
		quota_and_dual_control_have_one_form,
		a_lock_ends_after_the_default_period_or_does_not_exist,
		a_wish_is_granted_from_min_to_max_to_the_nanosecond,
		a_wish_for_a_period_counts_from_now_and_never_overflows,
		an_event_is_waited_for_where_that_is_offered,
		compliance_begins_at_its_instant,
		a_policy_that_protects_less_is_told,
		acts_have_names,
		any_difference_makes_policies_unequal,
	};

	return suite_run("policy", tests, sizeof tests / sizeof(tests[0]), 4.0);
}
