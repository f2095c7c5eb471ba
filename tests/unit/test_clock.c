/* The clocks as they run: to the nanosecond, with no real clock. */
#include "storage/clock.h"

#include "clock_machine.h"
#include "suite.h"

/* --- a lock's end -------------------------------------------------------------------------- */

START_TEST(a_lock_is_over_when_both_clocks_say_so)
{
	struct clock_reading r = {.evidence_ns = 1000, .lock_ns = 1000, .state = CLOCK_OK};

	ck_assert(clock_passed(&r, 999) && clock_passed(&r, 1000) && !clock_passed(&r, 1001));
	r.evidence_ns = 999;
	ck_assert(clock_passed(&r, 999) && !clock_passed(&r, 1000));
	r = (struct clock_reading){.evidence_ns = 1000, .lock_ns = 999, .state = CLOCK_WARN};
	ck_assert(clock_passed(&r, 999) && !clock_passed(&r, 1000));
	ck_assert_int_eq(clock_later(&r), 1000);
	r.lock_ns = 1001;
	ck_assert_int_eq(clock_later(&r), 1001);
	r.state = CLOCK_FROZEN;
	ck_assert(!clock_passed(&r, 0) && !clock_passed(&r, INT64_MIN));
}
END_TEST

/* --- running --------------------------------------------------------------------------------- */

START_TEST(both_clocks_begin_as_the_wall_clock_and_go_on_as_boottime)
{
	struct machine m;
	struct clock_reading r;

	begin(&m);
	ck_assert_int_eq(m.c.line.state, CLOCK_OK);
	ck_assert_uint_eq(m.c.n_events, 0);
	pass(&m, 1);
	r = readings(&m);
	ck_assert_int_eq(r.evidence_ns, T0 + 1);
	ck_assert_int_eq(r.lock_ns, T0 + 1);
	pass(&m, 10 * 365 * D);
	clock_tick(&m.c, &m.now);
	r = readings(&m);
	ck_assert_int_eq(r.evidence_ns, T0 + 1 + 10 * 365 * D);
	ck_assert_int_eq(r.lock_ns, T0 + 1 + 10 * 365 * D);
	ck_assert_int_eq(r.state, CLOCK_OK);
}
END_TEST

START_TEST(evidence_time_is_slewed_by_one_part_in_two_thousand_and_no_further)
{
	struct machine m;
	struct clock_reading r;

	begin(&m);
	m.now.wall_ns += CLOCK_STEP_NS - 1; /* as far as it can be off without having stepped */
	clock_tick(&m.c, &m.now);
	ck_assert(!m.c.stepped);
	pass(&m, 1999);
	ck_assert_int_eq(readings(&m).evidence_ns, T0 + 1999);
	pass(&m, 1);
	ck_assert_int_eq(readings(&m).evidence_ns, T0 + 2001);
	pass(&m, CLOCK_SLEW * CLOCK_STEP_NS - 2000 - CLOCK_SLEW);
	r = readings(&m);
	ck_assert_int_eq(r.evidence_ns, m.now.wall_ns);
	ck_assert_int_eq(r.lock_ns, m.now.wall_ns - CLOCK_STEP_NS + 1); /* which nothing slews */
	pass(&m, H);
	ck_assert_int_eq(readings(&m).evidence_ns, m.now.wall_ns);
	clock_tick(&m.c, &m.now);
	ck_assert_int_eq(readings(&m).evidence_ns, m.now.wall_ns);
}
END_TEST

START_TEST(evidence_time_slewed_back_goes_on_slower)
{
	struct machine m;

	begin(&m);
	m.now.wall_ns -= S;
	clock_tick(&m.c, &m.now);
	pass(&m, 4000);
	ck_assert_int_eq(readings(&m).evidence_ns, T0 + 3998);
	ck_assert_int_eq(readings(&m).lock_ns, T0 + 4000);
}
END_TEST

START_TEST(a_reading_from_before_the_line_is_that_of_its_begin)
{
	struct machine m;
	struct clock_reading r;

	begin(&m);
	clock_read(&m.c.line, B0 - 1, &r);
	ck_assert_int_eq(r.evidence_ns, T0);
	ck_assert_int_eq(r.lock_ns, T0);
	m.now.boot_ns -= S; /* a look that comes late */
	clock_tick(&m.c, &m.now);
	ck_assert_int_eq(m.c.line.boot_ns, B0);
	ck_assert_int_eq(m.c.line.lock_ns, T0);
}
END_TEST

START_TEST(the_end_of_time_is_no_overflow)
{
	struct machine m;

	begin(&m);
	m.now.boot_ns = INT64_MAX;
	m.now.wall_ns = INT64_MIN;
	clock_tick(&m.c, &m.now);
	ck_assert_int_eq(readings(&m).lock_ns, INT64_MAX);
	ck_assert_int_eq(readings(&m).evidence_ns, INT64_MAX);
	ck_assert_int_eq(m.c.disagreement_ns, INT64_MAX);
	ck_assert_int_eq(m.c.line.state, CLOCK_FROZEN);
}
END_TEST

/* --- steps ------------------------------------------------------------------------------------ */

START_TEST(a_step_is_seen_and_moves_neither_clock)
{
	struct machine m;
	struct clock_reading r;

	begin(&m);
	m.now.wall_ns += CLOCK_STEP_NS;
	clock_tick(&m.c, &m.now);
	ck_assert(m.c.stepped);
	ck_assert_int_eq(m.c.step_ns, CLOCK_STEP_NS);
	ck_assert_int_eq(event(&m, CLOCK_EVENT_STEP)->by_ns, CLOCK_STEP_NS);
	ck_assert_int_eq(event(&m, CLOCK_EVENT_STATE)->state, CLOCK_WARN);
	ck_assert_int_eq(m.c.cause, CLOCK_STEPPED);
	r = readings(&m);
	ck_assert_int_eq(r.evidence_ns, T0);
	ck_assert_int_eq(r.lock_ns, T0);
	m.c.n_events = 0;
	m.now.wall_ns -= CLOCK_STEP_NS;
	clock_tick(&m.c, &m.now);
	ck_assert_ptr_nonnull(event(&m, CLOCK_EVENT_BACK));
	ck_assert_int_eq(event(&m, CLOCK_EVENT_STATE)->state, CLOCK_OK);
	ck_assert(!m.c.stepped);
}
END_TEST

START_TEST(a_step_is_followed_once_it_stood_for_as_long_as_it_is_wide)
{
	static const struct {
		int64_t step_ns, wait_ns;
	} rows[] = {{CLOCK_STEP_NS, 600 * S},
		    {600 * S, 600 * S},
		    {601 * S, 601 * S},
		    {H, H},
		    {D + 1, D},
		    {3650 * D, D},
		    {-H, H}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct machine m;

		ck_assert_int_eq(clock_persistence(rows[i].step_ns), rows[i].wait_ns);
		begin(&m);
		m.now.wall_ns += rows[i].step_ns;
		clock_tick(&m.c, &m.now);
		pass(&m, rows[i].wait_ns - 1);
		m.c.n_events = 0;
		clock_tick(&m.c, &m.now);
		ck_assert(m.c.stepped);
		ck_assert_int_eq(readings(&m).evidence_ns, T0 + rows[i].wait_ns - 1);
		pass(&m, 1);
		clock_tick(&m.c, &m.now);
		ck_assert(!m.c.stepped);
		ck_assert_int_eq(event(&m, CLOCK_EVENT_FOLLOW)->by, CLOCK_BY_PERSISTENCE);
		ck_assert_int_eq(event(&m, CLOCK_EVENT_FOLLOW)->by_ns, rows[i].step_ns);
		ck_assert_int_eq(readings(&m).evidence_ns,
				 rows[i].step_ns > 0 ? m.now.wall_ns : T0 + rows[i].wait_ns);
		ck_assert_int_eq(readings(&m).lock_ns, T0 + rows[i].wait_ns);
	}
}
END_TEST

START_TEST(a_wall_clock_that_steps_on_must_stand_again)
{
	struct machine m;

	begin(&m);
	m.now.wall_ns += 1000 * S;
	clock_tick(&m.c, &m.now);
	pass(&m, 999 * S);
	m.now.wall_ns += CLOCK_STEP_NS;
	m.c.n_events = 0;
	clock_tick(&m.c, &m.now);
	ck_assert_int_eq(event(&m, CLOCK_EVENT_STEP)->by_ns, 1010 * S);
	pass(&m, 1010 * S - 1);
	clock_tick(&m.c, &m.now);
	ck_assert(m.c.stepped);
	pass(&m, 1);
	clock_tick(&m.c, &m.now);
	ck_assert(!m.c.stepped);
}
END_TEST

START_TEST(an_operator_confirms_the_step_that_was_seen)
{
	struct machine m;

	begin(&m);
	ck_assert_int_eq(clock_confirm(&m.c, &m.now, H, CLOCK_BY_OPERATOR), STELE_ENOTFOUND);
	m.now.wall_ns += H;
	clock_tick(&m.c, &m.now);
	ck_assert_int_eq(clock_confirm(&m.c, &m.now, H + CLOCK_STEP_NS, CLOCK_BY_OPERATOR),
			 STELE_ENOTFOUND);
	ck_assert_int_eq(clock_confirm(&m.c, &m.now, -H, CLOCK_BY_OPERATOR), STELE_ENOTFOUND);
	ck_assert_int_eq(readings(&m).evidence_ns, T0);
	m.c.n_events = 0;
	ck_assert_int_eq(clock_confirm(&m.c, &m.now, H + CLOCK_STEP_NS - 1, CLOCK_BY_OPERATOR), 0);
	ck_assert_int_eq(event(&m, CLOCK_EVENT_FOLLOW)->by, CLOCK_BY_OPERATOR);
	ck_assert_int_eq(readings(&m).evidence_ns, T0 + H);
	ck_assert_int_eq(readings(&m).lock_ns, T0); /* and that is what is off now */
	ck_assert_int_eq(m.c.disagreement_ns, H);
	ck_assert_int_eq(m.c.line.state, CLOCK_WARN);
	ck_assert_int_eq(m.c.cause, CLOCK_DISAGREES);
}
END_TEST

START_TEST(after_a_confirmed_step_back_evidence_time_waits_at_half_its_speed)
{
	struct machine m;
	int64_t before = T0;

	begin(&m);
	m.now.wall_ns -= H;
	clock_tick(&m.c, &m.now);
	ck_assert_int_eq(clock_confirm(&m.c, &m.now, -H, CLOCK_BY_OPERATOR), 0);
	pass(&m, 10);
	ck_assert_int_eq(readings(&m).evidence_ns, T0 + 5);
	ck_assert_int_eq(readings(&m).lock_ns, T0 + 10);
	for (int i = 0; i < 7200; i++) {
		run(&m, S);
		ck_assert_int_ge(readings(&m).evidence_ns, before);
		before = readings(&m).evidence_ns;
		ck_assert(!m.c.stepped);
	}
	ck_assert_int_le(before - m.now.wall_ns, CLOCK_STEP_NS);
	ck_assert_int_eq(readings(&m).lock_ns, T0 + 10 + 7200 * S);
}
END_TEST

START_TEST(a_step_back_that_goes_on_is_another_step)
{
	struct machine m;

	begin(&m);
	m.now.wall_ns -= H;
	clock_tick(&m.c, &m.now);
	ck_assert_int_eq(clock_confirm(&m.c, &m.now, -H, CLOCK_BY_OPERATOR), 0);
	m.now.wall_ns -= CLOCK_STEP_NS;
	clock_tick(&m.c, &m.now);
	ck_assert(m.c.stepped);
	pass(&m, 10);
	ck_assert_int_eq(readings(&m).evidence_ns, T0 + 10);
}
END_TEST

/* --- states ----------------------------------------------------------------------------------- */

START_TEST(disagreement_warns_and_then_freezes_and_ends_by_itself)
{
	static const struct {
		int64_t off_ns;
		enum clock_state state;
	} rows[] = {{60 * S, CLOCK_OK},
		    {60 * S + 1, CLOCK_WARN},
		    {54 * S + 1, CLOCK_WARN}, /* a tenth below, it ends */
		    {54 * S, CLOCK_OK},
		    {2 * H, CLOCK_WARN},
		    {2 * H + 1, CLOCK_FROZEN},
		    {2 * H - 720 * S + 1, CLOCK_FROZEN},
		    {2 * H - 720 * S, CLOCK_WARN},
		    {-2 * H, CLOCK_WARN},
		    {-2 * H - 1, CLOCK_FROZEN},
		    {0, CLOCK_OK}};
	struct machine m;
	int64_t right;

	begin(&m);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		right = m.now.wall_ns;
		m.c.line.evidence_ns = right + rows[i].off_ns; /* as if confirmed */
		m.c.stepped = false;
		m.c.backing = true;
		m.c.offset_ns = m.now.wall_ns + rows[i].off_ns - m.now.boot_ns;
		m.c.line.evidence_ns = m.c.line.lock_ns + rows[i].off_ns;
		m.now.wall_ns += rows[i].off_ns;
		m.c.n_events = 0;
		clock_tick(&m.c, &m.now);
		ck_assert_msg(m.c.line.state == rows[i].state, "row %zu: %s", i,
			      clock_state_name(m.c.line.state));
		ck_assert_int_eq(m.c.disagreement_ns,
				 rows[i].off_ns < 0 ? -rows[i].off_ns : rows[i].off_ns);
		m.now.wall_ns = right;
		m.c.line.evidence_ns = m.c.line.lock_ns;
	}
}
END_TEST

START_TEST(ten_years_forward_freeze_and_unlock_nothing)
{
	struct machine m;
	struct clock_reading r;

	begin(&m);
	m.now.wall_ns += 3650 * D;
	clock_tick(&m.c, &m.now);
	r = readings(&m);
	ck_assert_int_eq(r.state, CLOCK_FROZEN);
	ck_assert(!clock_passed(&r, T0 - 1));
	m.now.wall_ns -= 3650 * D;
	clock_tick(&m.c, &m.now);
	r = readings(&m);
	ck_assert_int_eq(r.state, CLOCK_OK);
	ck_assert(clock_passed(&r, T0) && !clock_passed(&r, T0 + 1));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_lock_is_over_when_both_clocks_say_so,
		both_clocks_begin_as_the_wall_clock_and_go_on_as_boottime,
		evidence_time_is_slewed_by_one_part_in_two_thousand_and_no_further,
		evidence_time_slewed_back_goes_on_slower,
		a_reading_from_before_the_line_is_that_of_its_begin,
		the_end_of_time_is_no_overflow,
		a_step_is_seen_and_moves_neither_clock,
		a_step_is_followed_once_it_stood_for_as_long_as_it_is_wide,
		a_wall_clock_that_steps_on_must_stand_again,
		an_operator_confirms_the_step_that_was_seen,
		after_a_confirmed_step_back_evidence_time_waits_at_half_its_speed,
		a_step_back_that_goes_on_is_another_step,
		disagreement_warns_and_then_freezes_and_ends_by_itself,
		ten_years_forward_freeze_and_unlock_nothing,
	};

	return suite_run("clock", tests, sizeof tests / sizeof *tests, 60);
}
