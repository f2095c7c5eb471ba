/* What a store records and says of its clocks. */
#include "storage/clocknews.h"

#include "clocks_case.h"
#include "suite.h"

START_TEST(each_transition_is_recorded_and_said)
{
	struct clock_info info;
	struct news news;
	struct scratch s;

	begin(&s, &news);
	ck_assert(!was_noted(&news, "clock."));
	s.step_ns = 30 * S;
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert(was_noted(&news, "\"type\":\"clock.step\",\"what\":\"seen\",\"step_seconds\":30,"
				   "\"wait_seconds\":600"));
	ck_assert(was_noted(&news, "\"state\":\"warn\",\"was\":\"ok\",\"cause\":\"step\""));
	ck_assert_uint_ge(s.warnings, 2);
	s.step_ns = 3 * H;
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert(was_noted(&news, "\"state\":\"frozen\",\"was\":\"warn\",\"cause\":"
				   "\"disagreement\",\"disagreement_seconds\":10800"));
	ck_assert_uint_eq(s.errors, 1);
	store_clock_info(s.st, &info);
	ck_assert_int_eq(info.now.state, CLOCK_FROZEN);
	ck_assert(info.stepped && info.step_wait_ns == info.step_ns);
	ck_assert_int_eq(store_clock_confirm(s.st, H, CLOCK_BY_OPERATOR), STELE_ENOTFOUND);
	ck_assert_int_eq(store_clock_confirm(s.st, 3 * H, CLOCK_BY_OPERATOR), 0);
	ck_assert(was_noted(&news, "\"what\":\"followed\",\"cause\":\"operator\""));
	ck_assert_int_eq(readings(&s).state, CLOCK_FROZEN); /* the lock clock is off as before */
	s.step_ns = 0;
	ck_assert_int_eq(store_maintain(s.st), 0);
	scratch_end(&s);
}
END_TEST

START_TEST(credit_thaws_is_recorded_and_outlives_a_kill)
{
	struct news news;
	struct scratch s;
	struct log *log;
	char path[300];
	int64_t moved;

	begin(&s, &news);
	log = scratch_log(&s, "a", WEEK);
	scratch_append(&s, log, "{}");
	kill_store(&s);
	clock_path(&s, path);
	ck_assert_int_eq(unlink(path), 0);
	s.now_ns += 30 * D;
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(readings(&s).state, CLOCK_FROZEN);
	ck_assert_int_eq(s.errors, 1);
	ck_assert(was_noted(&news,
			    "\"state\":\"frozen\",\"was\":\"ok\",\"cause\":\"missing-state\""));
	ck_assert_int_eq(store_clock_confirm(s.st, 30 * D, CLOCK_BY_OPERATOR), 0);
	ck_assert_int_eq(store_clock_credit(s.st, INT64_MAX, &moved), 0);
	ck_assert_int_gt(moved, 30 * D - S);
	ck_assert(was_noted(&news, "\"type\":\"clock.credit\",\"cause\":\"approval\""));
	ck_assert(was_noted(&news, "\"state\":\"ok\",\"was\":\"frozen\""));
	kill_store(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(readings(&s).state, CLOCK_OK);
	ck_assert_int_lt(s.now_ns - readings(&s).lock_ns, S);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		each_transition_is_recorded_and_said,
		credit_thaws_is_recorded_and_outlives_a_kill,
	};

	return suite_run("clocknews", tests, sizeof tests / sizeof *tests, 60);
}
