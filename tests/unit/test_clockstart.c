/* The clocks over restarts and boots: to the nanosecond, with no real clock. */
#include "storage/clock.h"

#include "clock_machine.h"
#include "suite.h"

/* --- over a restart ------------------------------------------------------------------------------
 */

START_TEST(within_a_boot_a_restart_loses_nothing)
{
	struct machine m;
	struct clock_saved s;

	begin(&m);
	run(&m, 5 * S);
	s = saved(&m, 4);
	pass(&m, 100 * D + 1);
	m.now.wall_ns += 3650 * D;
	restart(&m, &s, (struct clock_mark){4, s.era, T0, T0});
	ck_assert_int_eq(readings(&m).lock_ns, T0 + 5 * S + 100 * D + 1);
	ck_assert_int_eq(readings(&m).evidence_ns, T0 + 5 * S + 100 * D + 1);
	ck_assert_ptr_null(event(&m, CLOCK_EVENT_CREDIT));
	ck_assert_int_eq(event(&m, CLOCK_EVENT_STEP)->by_ns, 3650 * D);
	ck_assert_int_eq(clock_credit_left(&m.c), LIMIT_CLOCK_YEAR_NS);
	ck_assert_uint_eq(m.c.line.era, s.era + 1);
	begin(&m);
	s = saved(&m, 4);
	restart(&m, &s, (struct clock_mark){4, s.era, T0, T0}); /* at the same nanosecond */
	ck_assert_int_eq(m.c.cause, CLOCK_NO_CAUSE);
	m.now.wall_ns += H; /* a step within a boot is not followed, stop or no stop */
	restart(&m, &s, (struct clock_mark){4, s.era, T0, T0});
	ck_assert_int_eq(readings(&m).evidence_ns, T0);
	ck_assert_ptr_null(event(&m, CLOCK_EVENT_FOLLOW));
}
END_TEST

START_TEST(a_gap_between_boots_is_credited_up_to_72_hours)
{
	static const struct {
		int64_t gap_ns, credit_ns, evidence_ns;
	} rows[] = {{1, 1, 1},
		    {CLOCK_STEP_NS - 1, CLOCK_STEP_NS - 1, CLOCK_STEP_NS - 1},
		    {CLOCK_STEP_NS, CLOCK_STEP_NS, CLOCK_STEP_NS},
		    {72 * H, 72 * H, 72 * H},
		    {72 * H + 1, 72 * H, 0}, /* nor is it followed before it is confirmed */
		    {30 * D, 72 * H, 0},
		    {0, 0, 0},
		    {-H, 0, 0}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct machine m;
		struct clock_saved s;
		const struct clock_event *e;

		begin(&m);
		s = saved(&m, 4);
		reboot(&m, rows[i].gap_ns);
		restart(&m, &s, (struct clock_mark){4, s.era, T0, T0});
		ck_assert_int_eq(readings(&m).lock_ns, T0 + rows[i].credit_ns);
		ck_assert_int_eq(readings(&m).evidence_ns, T0 + rows[i].evidence_ns);
		ck_assert_int_eq(clock_credit_left(&m.c), LIMIT_CLOCK_YEAR_NS - rows[i].credit_ns);
		e = event(&m, CLOCK_EVENT_CREDIT);
		ck_assert(!e == (rows[i].gap_ns <= 0));
		if (e) {
			ck_assert_int_eq(e->by, CLOCK_BY_START);
			ck_assert_int_eq(e->by_ns, rows[i].credit_ns);
			ck_assert_int_eq(e->gap_ns, rows[i].gap_ns);
		}
		e = event(&m, CLOCK_EVENT_FOLLOW);
		ck_assert(!e == (rows[i].evidence_ns < CLOCK_STEP_NS));
	}
}
END_TEST

START_TEST(a_year_has_fourteen_days_of_credit_and_then_none)
{
	struct machine m;
	struct clock_saved s;
	int64_t credited = 0, behind;

	begin(&m);
	for (int i = 0; i < 6; i++) { /* 18 days of gaps, and their lags put right */
		s = saved(&m, 4);
		reboot(&m, 72 * H);
		restart(&m, &s, (struct clock_mark){4, s.era, T0, T0});
		credited += event(&m, CLOCK_EVENT_CREDIT)->by_ns;
	}
	ck_assert_int_eq(credited, 14 * D);
	ck_assert_int_eq(clock_credit_left(&m.c), 0);
	behind = m.now.wall_ns - readings(&m).lock_ns;
	ck_assert_int_eq(behind, 4 * D);
	ck_assert_int_eq(clock_credit(&m.c, &m.now, INT64_MAX), 4 * D);
	ck_assert_int_eq(clock_credit_left(&m.c), 0);
	pass(&m, 330 * D);
	m.c.n_events = 0;
	clock_tick(&m.c, &m.now);
	ck_assert_int_eq(clock_credit_left(&m.c), 0);
	pass(&m, 60 * D);
	clock_tick(&m.c, &m.now);
	ck_assert_int_eq(clock_credit_left(&m.c), 14 * D);
}
END_TEST

START_TEST(no_365_days_have_more_than_fourteen_days_of_credit)
{
	struct machine m;
	struct clock_saved s;
	int64_t given[800], at[800];
	int n = 0;

	begin(&m);
	for (; n < 800; n++) { /* a gap of 20 hours every day, for two years and more */
		pass(&m, 4 * H);
		m.c.n_events = 0;
		clock_tick(&m.c, &m.now);
		(void)clock_credit(&m.c, &m.now, INT64_MAX);
		s = saved(&m, 4);
		reboot(&m, 20 * H);
		restart(&m, &s, (struct clock_mark){4, s.era, T0, T0});
		given[n] = event(&m, CLOCK_EVENT_CREDIT)->by_ns;
		at[n] = readings(&m).lock_ns;
	}
	for (int i = 0; i < n; i++) {
		int64_t sum = 0;
		for (int k = i; k < n && at[k] - at[i] < 365 * D; k++)
			sum += given[k];
		ck_assert_int_le(sum, 14 * D);
	}
}
END_TEST

START_TEST(a_credit_of_none_is_none)
{
	struct clock_limits none = limits;
	struct clock_saved s;
	struct machine m;

	none.credit_each_ns = 0;
	begin(&m);
	s = saved(&m, 4);
	reboot(&m, H);
	clock_start(&m.c, &none,
		    &(struct clock_found){.saved = &s, .mark = {4, s.era, T0, T0}, .floor_ns = T0},
		    &m.now);
	ck_assert_int_eq(readings(&m).lock_ns, T0);
	ck_assert_int_eq(event(&m, CLOCK_EVENT_CREDIT)->by_ns, 0);
}
END_TEST

START_TEST(what_the_wall_clock_was_off_before_is_not_credited)
{
	struct clock_saved s;
	struct machine m;

	begin(&m);
	m.now.wall_ns -= H; /* set back, then a stop, then put right: no gap of an hour */
	clock_tick(&m.c, &m.now);
	s = saved(&m, 4);
	reboot(&m, H + 60 * S);
	restart(&m, &s, (struct clock_mark){4, s.era, T0, T0});
	ck_assert_int_eq(readings(&m).lock_ns, T0 + 60 * S);
}
END_TEST

START_TEST(commits_after_the_last_save_count_as_time_that_passed)
{
	struct clock_saved s;
	struct machine m;

	begin(&m);
	s = saved(&m, 4);
	pass(&m, 40 * S); /* a commit, and then the power goes */
	reboot(&m, H);
	restart(&m, &s, (struct clock_mark){5, s.era, T0 + 40 * S, T0 + 40 * S});
	ck_assert_int_eq(readings(&m).lock_ns, T0 + 40 * S + H);
	ck_assert_int_eq(event(&m, CLOCK_EVENT_CREDIT)->gap_ns, H);
}
END_TEST

START_TEST(an_unknown_boot_id_is_never_the_same)
{
	struct clock_saved s;
	struct machine m;

	begin(&m);
	memset(m.now.boot_id, 0, sizeof m.now.boot_id);
	s = saved(&m, 4);
	pass(&m, 100 * H);
	restart(&m, &s, (struct clock_mark){4, s.era, T0, T0});
	ck_assert_int_eq(readings(&m).lock_ns, T0 + 72 * H);
}
END_TEST

START_TEST(evidence_time_is_never_before_the_newest_entry)
{
	struct clock_saved s;
	struct machine m;

	begin(&m);
	s = saved(&m, 4);
	reboot(&m, -D);
	begin_with(&m, &(struct clock_found){
			       .saved = &s, .mark = {4, s.era, T0, T0}, .floor_ns = T0 + 77});
	ck_assert_int_eq(readings(&m).evidence_ns, T0 + 77);
	ck_assert_int_eq(readings(&m).lock_ns, T0);
}
END_TEST

/* --- frozen ------------------------------------------------------------------------------------
 */

START_TEST(what_contradicts_itself_is_frozen_where_commits_say_it_was)
{
	struct clock_saved s, none;
	struct machine m;

	begin(&m);
	run(&m, 10 * S);
	s = saved(&m, 8);
	none = s;
	none.now.boot_ns = m.now.boot_ns + H + 1;
	const struct {
		const struct clock_saved *saved;
		enum clock_cause trouble, cause;
		struct clock_mark mark;
	} rows[] = {
		{NULL, CLOCK_MISSING, CLOCK_MISSING, {8, 1, T0, T0 + 3}},
		{NULL, CLOCK_DAMAGED, CLOCK_DAMAGED, {8, 1, T0, T0 + 3}},
		{NULL, CLOCK_RESTORED, CLOCK_RESTORED, {8, 1, T0, T0 + 3}},
		{&s, 0, CLOCK_STALE, {8, s.era + 1, T0, T0 + 3}},
		{&s, 0, CLOCK_STALE, {9, s.era, T0, s.lock_ns + H + 1}}, /* within this boot */
		{&s, 0, CLOCK_AHEAD, {6, s.era, T0, T0 + 3}},
		{&s, 0, CLOCK_AHEAD, {9, s.era, T0, s.lock_ns - 1}},
		{&none, 0, CLOCK_BOOT_BACK, {8, s.era, T0, T0 + 3}},
		/* and these are as it should be */
		{&s, 0, CLOCK_NO_CAUSE, {7, s.era, T0, T0 + 3}},
		{&s, 0, CLOCK_NO_CAUSE, {8, s.era, T0, s.lock_ns + 5}},
		{&s, 0, CLOCK_NO_CAUSE, {9, s.era, T0, s.lock_ns}},
		{&s, 0, CLOCK_NO_CAUSE, {9, s.era, T0, s.lock_ns + H}},
		{&s, 0, CLOCK_NO_CAUSE, {8, s.era - 1, T0, T0 + 3}},
		{&s, 0, CLOCK_NO_CAUSE, {9, s.era - 1, T0, T0 + 3}}, /* of before it was saved */
		{&s, 0, CLOCK_NO_CAUSE, {8, 0, 0, 0}},
	};

	pass(&m, H);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin_with(&m, &(struct clock_found){rows[i].saved, rows[i].trouble, rows[i].mark,
						     T0 + 2});
		ck_assert_msg(m.c.cause == rows[i].cause, "row %zu: %s", i,
			      clock_cause_name(m.c.cause));
		ck_assert_uint_gt(m.c.line.era, rows[i].mark.era);
		ck_assert(!rows[i].saved || m.c.line.era > rows[i].saved->era);
		if (m.c.cause == CLOCK_NO_CAUSE) {
			ck_assert_int_eq(readings(&m).lock_ns, s.lock_ns + H);
			ck_assert_int_eq(readings(&m).state, CLOCK_OK);
			continue;
		}
		ck_assert_int_eq(readings(&m).state, CLOCK_FROZEN);
		ck_assert_int_eq(event(&m, CLOCK_EVENT_STATE)->cause, rows[i].cause);
		ck_assert_int_eq(readings(&m).lock_ns, rows[i].mark.lock_ns);
		ck_assert_int_ge(readings(&m).evidence_ns, T0 + 2);
	}
}
END_TEST

START_TEST(whoever_restores_a_backup_confirms_the_wall_clock)
{
	struct machine m;

	begin(&m);
	begin_with(&m,
		   &(struct clock_found){
			   NULL, CLOCK_RESTORED, {8, 1, T0 - 90 * D, T0 - 90 * D}, T0 - 90 * D});
	ck_assert_int_eq(readings(&m).evidence_ns, T0);
	ck_assert_int_eq(readings(&m).lock_ns, T0 - 90 * D);
	ck_assert_int_eq(event(&m, CLOCK_EVENT_FOLLOW)->by, CLOCK_BY_OPERATOR);
	begin_with(&m, &(struct clock_found){
			       NULL, CLOCK_MISSING, {8, 1, T0 - 90 * D, T0 - 90 * D}, T0 - 90 * D});
	ck_assert_int_eq(readings(&m).evidence_ns, T0 - 90 * D);
}
END_TEST

START_TEST(a_lasting_freeze_outlives_restarts_gets_no_credit_and_ends_by_two)
{
	struct clock_reading r;
	struct clock_saved s;
	struct machine m;

	begin(&m);
	begin_with(&m, &(struct clock_found){NULL, CLOCK_MISSING, {8, 1, T0, T0 - H}, T0});
	run(&m, 3 * S);
	ck_assert_int_eq(readings(&m).state, CLOCK_FROZEN);
	s = saved(&m, 8);
	reboot(&m, H);
	restart(&m, &s, (struct clock_mark){8, s.era, T0, T0 - H});
	ck_assert_int_eq(m.c.cause, CLOCK_MISSING);
	ck_assert_int_eq(event(&m, CLOCK_EVENT_STATE)->was, CLOCK_FROZEN); /* said anew */
	ck_assert_int_eq(readings(&m).lock_ns, T0 - H + 3 * S);
	m.c.n_events = 0;
	/* no further than evidence time and the wall clock */
	ck_assert_int_eq(clock_credit(&m.c, &m.now, INT64_MAX), 2 * H);
	ck_assert_int_eq(event(&m, CLOCK_EVENT_CREDIT)->by, CLOCK_BY_APPROVAL);
	ck_assert_int_eq(event(&m, CLOCK_EVENT_STATE)->state, CLOCK_OK);
	r = readings(&m);
	ck_assert_int_eq(r.lock_ns, T0 + H + 3 * S);
	ck_assert_int_eq(r.evidence_ns, T0 + H + 3 * S);
	ck_assert(clock_passed(&r, r.lock_ns));
	ck_assert_int_eq(clock_credit_left(&m.c), LIMIT_CLOCK_YEAR_NS);
}
END_TEST

START_TEST(credit_goes_as_far_as_it_was_asked_for_and_never_back)
{
	struct machine m;
	uint32_t era;

	begin(&m);
	m.c.line.lock_ns -= 100 * S;
	era = m.c.line.era;
	ck_assert_int_eq(clock_credit(&m.c, &m.now, T0 - 40 * S), 60 * S);
	ck_assert_int_eq(readings(&m).lock_ns, T0 - 40 * S);
	ck_assert_uint_eq(m.c.line.era, era + 1);
	ck_assert_int_eq(clock_credit(&m.c, &m.now, T0 - 50 * S), 0);
	ck_assert_int_eq(readings(&m).lock_ns, T0 - 40 * S);
	m.now.wall_ns += D; /* which evidence time has not followed */
	m.c.n_events = 0;
	ck_assert_int_eq(clock_credit(&m.c, &m.now, T0 + D), 40 * S);
	m.now.wall_ns = T0 - D;
	m.c.n_events = 0;
	pass(&m, S);
	ck_assert_int_eq(clock_credit(&m.c, &m.now, T0 + D), 0);
	ck_assert_int_eq(readings(&m).lock_ns, T0 + S);
	begin(&m);
	m.c.line.lock_ns -= 100 * S;
	m.now.wall_ns -=
		40 * S; /* evidence time is ahead of it: not beyond the wall clock, either */
	ck_assert_int_eq(clock_credit(&m.c, &m.now, T0), 60 * S);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		within_a_boot_a_restart_loses_nothing,
		a_gap_between_boots_is_credited_up_to_72_hours,
		a_year_has_fourteen_days_of_credit_and_then_none,
		no_365_days_have_more_than_fourteen_days_of_credit,
		a_credit_of_none_is_none,
		what_the_wall_clock_was_off_before_is_not_credited,
		commits_after_the_last_save_count_as_time_that_passed,
		an_unknown_boot_id_is_never_the_same,
		evidence_time_is_never_before_the_newest_entry,
		what_contradicts_itself_is_frozen_where_commits_say_it_was,
		whoever_restores_a_backup_confirms_the_wall_clock,
		a_lasting_freeze_outlives_restarts_gets_no_credit_and_ends_by_two,
		credit_goes_as_far_as_it_was_asked_for_and_never_back,
	};

	return suite_run("clockstart", tests, sizeof tests / sizeof *tests, 60);
}
