/* The clocks of a store: what entries, locks and frames get of them, over restarts and damage. */
#include "storage/clocks.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "proto/limits.h"
#include "scratch_store.h"
#include "storage/clockfile.h"
#include "storage/commit.h"
#include "suite.h"

#define S INT64_C(1000000000)
#define H (3600 * S)
#define D (24 * H)

enum { NEWS_BYTES = 16384 };

/* What the store recorded, line by line. */
struct news {
	char text[NEWS_BYTES];
	size_t n;
};

static void
note(void *ctx, struct slice json)
{
	struct news *news = ctx;

	ck_assert_uint_lt(news->n + json.n + 1, sizeof news->text);
	memcpy(news->text + news->n, json.p, json.n);
	news->n += json.n;
	news->text[news->n++] = '\n';
	news->text[news->n] = '\0';
}

static bool
was_noted(const struct news *news, const char *part)
{
	return strstr(news->text, part) != NULL;
}

static void
begin(struct scratch *s, struct news *news)
{
	memset(news, 0, sizeof *news);
	scratch_begin(s);
	scratch_close(s);
	s->opts.record = note;
	s->opts.record_ctx = news;
	s->opts.clock_credit_ns = LIMIT_CLOCK_CREDIT_NS;
	s->opts.clock_year_ns = LIMIT_CLOCK_YEAR_NS;
	ck_assert_int_eq(scratch_open(s), 0);
}

static struct clock_reading
readings(struct scratch *s)
{
	struct clock_reading r;

	store_clock_get(s->st, &r);
	return r;
}

static void
clock_path(const struct scratch *s, char path[300])
{
	snprintf(path, 300, "%s/clock", s->dir);
}

/* Ends as a kill does: nothing more is saved. */
static void
kill_store(struct scratch *s)
{
	atomic_store(&s->st->read_only, true);
	scratch_close(s);
}

/* The entry's lock end and time, of the newest record. */
static void
append_one(struct scratch *s, struct log *log, int64_t *time_ns, int64_t *until_ns)
{
	struct record r;
	struct arena a;
	uint64_t index = scratch_append(s, log, "{}");

	arena_init(&a);
	ck_assert_int_eq(read_record(s->st, log, index, s->tools, &a, &r), 0);
	*time_ns = r.entry.time_ns;
	*until_ns = r.entry.retain_until_ns;
	arena_fini(&a);
}

#define WEEK "{\"retain\":{\"default\":\"7d\"}}"

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
		an_old_copy_of_the_state_is_found_out_by_frames_and_catalogue,
		the_mark_of_the_last_frame_outlives_the_wal_that_held_it,
		a_commit_carries_the_lock_clock_and_no_flush_of_its_own,
		a_state_torn_at_any_byte_goes_on_or_freezes_and_never_runs_ahead,
		readings_do_not_go_back_beside_looks_at_the_clock,
	};

	return suite_run("clocks", tests, sizeof tests / sizeof *tests, 120);
}
