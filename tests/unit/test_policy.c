/* Policies: what is accepted, what is refused and why, and the one canonical spelling. */
#include "proto/policy.h"

#include <check.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/timestamp.h"

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

START_TEST(what_this_version_does_not_offer_says_so)
{
	assert_refused("{\"mode\":\"compliance\"}", STELE_EUNSUPPORTED, "compliance");
	assert_refused("{\"event_based\":true}", STELE_EUNSUPPORTED, "event_based");
	assert_refused("{\"dual_control\":[\"release\"]}", STELE_EUNSUPPORTED, "dual_control");
	assert_refused("{\"quota\":\"1GB\"}", STELE_EUNSUPPORTED, "quota");
	assert_refused("{\"event_based\":1}", STELE_ESYNTAX, "type");
	assert_refused("{\"dual_control\":true}", STELE_ESYNTAX, "type");
}
END_TEST

START_TEST(a_lock_ends_after_the_default_period_or_does_not_exist)
{
	struct policy p = {.mode = ENTRY_MODE_GOVERNANCE};
	int64_t until = 7, start, want;
	bool locked = true;

	ck_assert_int_eq(policy_lock(&p, 0, &locked, &until), 0);
	ck_assert(!locked);
	ck_assert_int_eq(until, 7);

	ck_assert_int_eq(policy_read(&p, slice_str("{\"retain\":{\"default\":\"7y\"}}"), NULL), 0);
	ck_assert_int_eq(timestamp_parse(&start, slice_str("2026-11-23T15:48:00.123456789Z")), 0);
	ck_assert_int_eq(timestamp_parse(&want, slice_str("2033-11-23T15:48:00.123456789Z")), 0);
	ck_assert_int_eq(policy_lock(&p, start, &locked, &until), 0);
	ck_assert(locked);
	ck_assert_int_eq(until, want);

	p.mode = ENTRY_MODE_NONE;
	ck_assert_int_eq(policy_lock(&p, start, &locked, &until), 0);
	ck_assert(!locked);

	p.mode = ENTRY_MODE_GOVERNANCE;
	until = 7;
	ck_assert_int_eq(policy_lock(&p, TIMESTAMP_MAX_NS, &locked, &until), STELE_ELIMIT);
	ck_assert_int_eq(until, 7);
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
	Suite *s = suite_create("policy");
	TCase *t = tcase_create("policy");
	SRunner *r;
	int failed;

	tcase_add_test(t, what_is_not_said_is_the_default);
	tcase_add_test(t, members_come_out_in_one_order_as_they_were_written);
	tcase_add_test(t, nothing_is_ignored);
	tcase_add_test(t, periods_must_be_in_order_and_representable);
	tcase_add_test(t, what_this_version_does_not_offer_says_so);
	tcase_add_test(t, a_lock_ends_after_the_default_period_or_does_not_exist);
	tcase_add_test(t, any_difference_makes_policies_unequal);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
