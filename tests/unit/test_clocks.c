/* The clocks of a store: what entries and locks get of them, and what is said of them. */
#include "storage/clocks.h"

#include <pthread.h>

#include "clocks_case.h"
#include "suite.h"

/* --- what entries get --------------------------------------------------------------------------
 */

START_TEST(entries_have_evidence_time_and_locks_begin_at_the_later_clock)
{
	int64_t time_ns, until_ns, begun;
	struct news news;
	struct scratch s;
	struct log *log;

	begin(&s, &news);
	log = scratch_log(&s, "a", WEEK);
	begun = readings(&s).evidence_ns;
	s.step_ns = 3650 * D;
	ck_assert_int_eq(store_maintain(s.st), 0);
	append_one(&s, log, &time_ns, &until_ns);
	ck_assert_int_lt(time_ns - begun, S);
	ck_assert_int_eq(until_ns, time_ns + 7 * D);
	/* the wall clock set back, and confirmed: evidence time falls behind the lock clock */
	s.step_ns = -D;
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_int_eq(store_clock_confirm(s.st, -D), 0);
	s.now_ns += H;
	append_one(&s, log, &time_ns, &until_ns);
	ck_assert_int_lt(time_ns - begun, H / 2 + S);
	ck_assert_int_ge(until_ns, begun + H + 7 * D);
	scratch_end(&s);
}
END_TEST

START_TEST(entries_never_go_back_whatever_the_wall_clock_does)
{
	static const int64_t steps[] = {0, H, -H, 3650 * D, -365 * D, 59 * S, -59 * S, D};
	int64_t time_ns, until_ns, last = 0, lock = 0;
	struct news news;
	struct scratch s;
	struct log *log;

	begin(&s, &news);
	log = scratch_log(&s, "a", WEEK);
	for (size_t i = 0; i < 200; i++) {
		struct clock_reading before = readings(&s), after;
		news.n = 0;
		s.step_ns = steps[i % 8];
		s.now_ns += S;
		if (i % 3 == 0) {
			scratch_close(&s);
			ck_assert_int_eq(scratch_open(&s), 0);
			ck_assert_int_eq(store_log_find(s.st, slice_str("a"), &log), 0);
		}
		(void)store_maintain(s.st);
		if (i % 20 == 19)
			(void)store_clock_confirm(s.st, s.step_ns);
		after = readings(&s);
		append_one(&s, log, &time_ns, &until_ns);
		ck_assert_int_ge(time_ns, last);
		ck_assert_int_ge(after.evidence_ns, before.evidence_ns);
		ck_assert_int_ge(after.lock_ns - lock, S); /* and no jump either */
		ck_assert(!lock || after.lock_ns - lock < S + S / 100);
		last = time_ns;
		lock = after.lock_ns;
	}
	scratch_end(&s);
}
END_TEST

/* --- states and records --------------------------------------------------------------------------
 */

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
	ck_assert_int_eq(store_clock_confirm(s.st, H), STELE_ENOTFOUND);
	ck_assert_int_eq(store_clock_confirm(s.st, 3 * H), 0);
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
	ck_assert_int_eq(store_clock_confirm(s.st, 30 * D), 0);
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

/* --- many threads ------------------------------------------------------------------------------
 */

struct reader {
	struct scratch *s;
	_Atomic bool stop;
	_Atomic unsigned long reads;
};

/* Both clocks are the machine's here. */
static void *
read_on(void *arg)
{
	struct reader *r = arg;
	int64_t lock = 0;

	while (!r->stop) {
		int64_t before = __atomic_load_n(&r->s->now_ns, __ATOMIC_SEQ_CST), after;
		struct clock_reading now;

		store_clock_get(r->s->st, &now);
		after = __atomic_load_n(&r->s->now_ns, __ATOMIC_SEQ_CST);
		ck_assert_int_ge(now.lock_ns, lock);
		ck_assert_int_ge(now.lock_ns, before - S / 1000);
		ck_assert_int_le(now.lock_ns, after + S / 1000);
		ck_assert_int_le(now.evidence_ns, after + S / 1000);
		lock = now.lock_ns;
		r->reads++;
	}
	return NULL;
}

START_TEST(readings_do_not_go_back_beside_looks_at_the_clock)
{
	struct reader r = {.stop = false};
	pthread_t threads[2];
	struct news news;
	struct scratch s;

	begin(&s, &news);
	r.s = &s;
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_on, &r), 0);
	for (int i = 0; i < 30000 || r.reads < 1000; i++) { /* a save comes every 6,000 */
		__atomic_add_fetch(&s.now_ns, 10000000, __ATOMIC_RELAXED);
		ck_assert(clocks_tend(s.st) == 0);
	}
	r.stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		entries_have_evidence_time_and_locks_begin_at_the_later_clock,
		entries_never_go_back_whatever_the_wall_clock_does,
		each_transition_is_recorded_and_said,
		credit_thaws_is_recorded_and_outlives_a_kill,
		readings_do_not_go_back_beside_looks_at_the_clock,
	};

	return suite_run("clocks", tests, sizeof tests / sizeof *tests, 120);
}
