/* The clocks of a store: what entries, locks and frames get of them, over restarts and damage. */
#include "storage/clocks.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "clocks_case.h"
#include "proto/timestamp.h"
#include "storage/clockfile.h"
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
	ck_assert_int_eq(store_clock_confirm(s.st, -D, CLOCK_BY_OPERATOR), 0);
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
			(void)store_clock_confirm(s.st, s.step_ns, CLOCK_BY_OPERATOR);
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

/* --- the file, and what frames say of it ---------------------------------------------------------
 */

static size_t
load(const char *path, uint8_t *out, size_t cap)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = pread(fd, out, cap, 0);

	ck_assert_int_gt(n, 0);
	close(fd);
	return (size_t)n;
}

static void
put_back(const char *path, const uint8_t *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_eq(pwrite(fd, bytes, n, 0), (ssize_t)n);
	close(fd);
}

/* killed: the catalogue does not have the last commit. */
static void
put_an_old_copy_back(bool killed)
{
	uint8_t old[2 * CLOCKFILE_APART];
	struct news news;
	struct scratch s;
	struct log *log;
	char path[300];
	size_t n;

	begin(&s, &news);
	log = scratch_log(&s, "a", WEEK);
	clock_path(&s, path);
	kill_store(&s);
	n = load(path, old, sizeof old);
	s.boot_id[0]++; /* another boot, which is credited, and a commit in it */
	s.now_ns += 2 * D;
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert(was_noted(&news, "\"type\":\"clock.credit\",\"cause\":\"start\","
				   "\"credit_seconds\":172800"));
	ck_assert_int_eq(store_log_find(s.st, slice_str("a"), &log), 0);
	scratch_append(&s, log, "{}");
	if (killed)
		kill_store(&s);
	else
		scratch_close(&s);
	put_back(path, old, n); /* so that the two days could be had again */
	s.boot_id[0]++;
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(readings(&s).state, CLOCK_FROZEN);
	ck_assert(was_noted(&news, "\"cause\":\"stale-state\""));
	scratch_end(&s);
}

START_TEST(an_old_copy_of_the_state_is_found_out_by_frames_and_catalogue)
{
	put_an_old_copy_back(false);
	put_an_old_copy_back(true);
}
END_TEST

START_TEST(the_mark_of_the_last_frame_outlives_the_wal_that_held_it)
{
	struct news news;
	struct scratch s;
	struct log *log;
	struct buf why;
	char path[300];

	begin(&s, &news);
	log = scratch_log(&s, "a", WEEK);
	for (int i = 0; i < 300; i++)
		scratch_append(&s, log, "{\"event\":\"something\"}");
	buf_init(&why);
	ck_assert_int_eq(store_seal_log(s.st, log, &why), 0);
	scratch_close(&s); /* the catalogue has it all now */
	clock_path(&s, path);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(readings(&s).state, CLOCK_FROZEN);
	/* the last commit was made within the last second */
	ck_assert_int_lt(s.now_ns - readings(&s).lock_ns, S);
	ck_assert_int_gt(s.st->position.era, 0);
	buf_fini(&why);
	scratch_end(&s);
}
END_TEST

START_TEST(a_commit_carries_the_lock_clock_and_no_flush_of_its_own)
{
	struct news news;
	struct scratch s;
	struct log *log;
	char path[300];
	struct stat a, b;

	begin(&s, &news);
	log = scratch_log(&s, "a", WEEK);
	clock_path(&s, path);
	ck_assert_int_eq(stat(path, &a), 0);
	for (int i = 0; i < 20; i++)
		scratch_append(&s, log, "{}");
	ck_assert_int_eq(stat(path, &b), 0);
	ck_assert_int_eq(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
	ck_assert_int_lt(readings(&s).lock_ns - s.st->position.lock_ns, S);
	s.now_ns += LIMIT_CLOCK_SAVE_NS;
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_int_eq(stat(path, &b), 0);
	ck_assert(a.st_mtim.tv_nsec != b.st_mtim.tv_nsec);
	/* a kill loses nothing that a commit showed */
	s.now_ns += 30 * S;
	scratch_append(&s, log, "{}");
	a.st_size = s.st->position.lock_ns;
	kill_store(&s);
	s.boot_id[0]++;
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_ge(readings(&s).lock_ns, a.st_size);
	ck_assert_int_eq(readings(&s).state, CLOCK_OK);
	scratch_end(&s);
}
END_TEST

START_TEST(a_state_torn_at_any_byte_goes_on_or_freezes_and_never_runs_ahead)
{
	uint8_t right[CLOCKFILE_APART + CLOCKFILE_SLOT_BYTES], torn[sizeof right];
	struct news news;
	struct scratch s;
	struct log *log;
	char path[300];
	size_t n;

	begin(&s, &news);
	log = scratch_log(&s, "a", WEEK);
	scratch_append(&s, log, "{}");
	scratch_close(&s);
	clock_path(&s, path);
	n = load(path, right, sizeof right);
	ck_assert_uint_eq(n, sizeof right);
	for (size_t at = 0; at < n; at += at % CLOCKFILE_APART < CLOCKFILE_SLOT_BYTES ? 29 : 997) {
		for (int kind = 0; kind < 3; kind++) {
			memcpy(torn, right, n);
			if (kind == 0)
				torn[at] ^= 1;
			else if (kind == 1)
				memset(torn, 0, at + 1);
			else
				memset(torn + at, 0, n - at);
			put_back(path, torn, n);
			news.n = 0;
			ck_assert_int_eq(scratch_open(&s), 0);
			ck_assert(readings(&s).lock_ns <= s.now_ns);
			ck_assert(readings(&s).state == CLOCK_OK ||
				  readings(&s).state == CLOCK_FROZEN);
			kill_store(&s);
		}
	}
	scratch_end(&s);
}
END_TEST

START_TEST(either_half_that_is_damaged_is_said)
{
	uint8_t state[CLOCKFILE_APART + CLOCKFILE_SLOT_BYTES];
	struct news news;
	struct scratch s;
	char path[300];
	size_t n;

	begin(&s, &news);
	clock_path(&s, path);
	scratch_close(&s);
	n = load(path, state, sizeof state);
	for (size_t half = 0; half < 2; half++) {
		state[half * CLOCKFILE_APART + 80] ^= 1;
		put_back(path, state, n);
		s.warnings = 0;
		ck_assert_int_eq(scratch_open(&s), 0);
		ck_assert_uint_eq(s.warnings, 1);
		kill_store(&s);
		state[half * CLOCKFILE_APART + 80] ^= 1;
	}
	scratch_end(&s);
}
END_TEST

START_TEST(what_changes_is_saved_at_once_and_nothing_else_within_a_minute)
{
	uint8_t was[CLOCKFILE_APART + CLOCKFILE_SLOT_BYTES], is[sizeof was];
	static const int64_t steps[] = {0, 3 * H, 3 * H};
	struct news news;
	struct scratch s;
	char path[300];

	begin(&s, &news);
	clock_path(&s, path);
	load(path, was, sizeof was);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		s.step_ns = steps[i]; /* nothing; a step, which is news; and no more news */
		ck_assert_int_eq(clocks_tend(s.st), 0);
		load(path, is, sizeof is);
		ck_assert_int_eq(memcmp(was, is, sizeof is) != 0, i == 1);
		memcpy(was, is, sizeof is);
	}
	ck_assert_int_eq(store_clock_confirm(s.st, 3 * H, CLOCK_BY_OPERATOR), 0);
	load(path, is, sizeof is);
	ck_assert_mem_ne(was, is, sizeof is);
	scratch_end(&s);
}
END_TEST

START_TEST(a_start_without_commits_still_knows_of_the_last_one)
{
	struct clockfile f = {.fd = -1};
	struct clock_saved saved;
	struct news news;
	struct scratch s;
	uint64_t last, incarnation;

	begin(&s, &news);
	scratch_append(&s, scratch_log(&s, "a", WEEK), "{}");
	last = s.st->position.sequence;
	incarnation = s.st->place.incarnation;
	ck_assert_uint_gt(last, 1);
	for (int i = 0; i < 2; i++) {
		scratch_close(&s);
		ck_assert_int_eq(clockfile_open(&f, s.dir, incarnation, &saved), 0);
		ck_assert_uint_eq(saved.sequence, last);
		clockfile_close(&f);
		ck_assert_int_eq(scratch_open(&s), 0);
	}
	scratch_end(&s);
}
END_TEST

START_TEST(evidence_time_begins_no_earlier_than_the_newest_entry_of_any_log)
{
	int64_t time_ns, until_ns;
	struct news news;
	struct scratch s;
	struct log *log;
	char path[300];

	begin(&s, &news);
	(void)scratch_log(&s, "a", WEEK);
	log = scratch_log(&s, "b", WEEK);
	(void)scratch_log(&s, "c", WEEK);
	s.now_ns += H;
	append_one(&s, log, &time_ns, &until_ns);
	kill_store(&s);
	clock_path(&s, path);
	ck_assert_int_eq(unlink(path), 0);
	s.step_ns = -D;
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_ge(readings(&s).evidence_ns, time_ns);
	ck_assert_int_lt(readings(&s).evidence_ns, time_ns + S);
	scratch_end(&s);
}
END_TEST

START_TEST(credit_that_cannot_be_saved_is_none)
{
	const struct rlimit none = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
	struct rlimit before;
	struct news news;
	struct scratch s;
	int64_t moved = -7, lock_ns;
	char path[300];

	begin(&s, &news);
	scratch_append(&s, scratch_log(&s, "a", WEEK), "{}");
	kill_store(&s);
	clock_path(&s, path);
	ck_assert_int_eq(unlink(path), 0);
	s.now_ns += D;
	ck_assert_int_eq(scratch_open(&s), 0);
	lock_ns = readings(&s).lock_ns;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	ck_assert_int_eq(store_clock_credit(s.st, INT64_MAX, &moved), STELE_EIO);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	for (int i = 0; i < 2; i++) { /* the store is read-only then */
		ck_assert_int_eq(moved, -7);
		ck_assert_int_lt(readings(&s).lock_ns - lock_ns, S);
		ck_assert_int_eq(readings(&s).state, CLOCK_FROZEN);
		ck_assert_int_eq(store_clock_credit(s.st, INT64_MAX, &moved), STELE_EREADONLY);
	}
	scratch_end(&s);
}
END_TEST

START_TEST(a_wall_clock_beyond_all_that_can_be_written_is_taken_as_far_as_that_goes)
{
	struct clock_info info;
	struct news news;
	struct scratch s;

	begin(&s, &news);
	s.step_ns = -s.now_ns - D;
	ck_assert_int_eq(store_maintain(s.st), 0);
	store_clock_info(s.st, &info);
	ck_assert_int_eq(info.wall_ns, 0);
	s.step_ns = TIMESTAMP_MAX_NS - s.now_ns + D;
	ck_assert_int_eq(store_maintain(s.st), 0);
	store_clock_info(s.st, &info);
	ck_assert_int_eq(info.wall_ns, TIMESTAMP_MAX_NS);
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
		an_old_copy_of_the_state_is_found_out_by_frames_and_catalogue,
		the_mark_of_the_last_frame_outlives_the_wal_that_held_it,
		a_commit_carries_the_lock_clock_and_no_flush_of_its_own,
		a_state_torn_at_any_byte_goes_on_or_freezes_and_never_runs_ahead,
		either_half_that_is_damaged_is_said,
		what_changes_is_saved_at_once_and_nothing_else_within_a_minute,
		a_start_without_commits_still_knows_of_the_last_one,
		evidence_time_begins_no_earlier_than_the_newest_entry_of_any_log,
		credit_that_cannot_be_saved_is_none,
		a_wall_clock_beyond_all_that_can_be_written_is_taken_as_far_as_that_goes,
		readings_do_not_go_back_beside_looks_at_the_clock,
	};

	return suite_run("clocks", tests, sizeof tests / sizeof *tests, 120);
}
