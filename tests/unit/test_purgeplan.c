/*
 * Locks in a store: control entries take effect with their commit, and are found again after a
 * restart, a seal, a lost catalogue; and what may go by them.
 */
#include "storage/purgeplan.h"

#include <sys/syscall.h>

#include "crypto/init.h"
#include "sealed_log.h"
#include "proto/timestamp.h"
#include "storage/append.h"
#include "suite.h"

#define DAY TIMESTAMP_DAY_NS
#define HOLD(id, ranges) "{\"type\":\"hold\",\"hold\":\"h-" id "\",\"ranges\":" ranges "}"

static const char day_policy[] = "{\"retain\":{\"default\":\"1d\"}}";

/* Writes a control entry in a commit of its own; its index. */
static uint64_t
control(struct scratch *s, struct log *log, enum entry_kind kind, const char *json)
{
	struct append_job job;
	uint64_t index;

	append_job_init(&job);
	ck_assert_int_eq(
		append_control(&job, log, kind, slice_str("p-test"), slice_str(json), s->tools), 0);
	ck_assert_int_eq(store_append_batch(s->st, &job), 0);
	ck_assert_int_eq(job.err, 0);
	index = job.first;
	append_job_fini(&job);
	return index;
}

static struct scratch *hooked; /* a hold comes into this log at the next read of a file */
static struct log *hooked_log;

/* The store reads segments by this. */
ssize_t
pread(int fd, void *p, size_t n, off_t offset)
{
	struct scratch *s = hooked;

	hooked = NULL;
	if (s)
		(void)control(s, hooked_log, ENTRY_HOLD, HOLD("aaaaaaaaaa", "[[3,3]]"));
	return syscall(SYS_pread64, fd, p, n, offset);
}

static void
plan(struct scratch *s, struct log *log, int64_t now_ns, struct purgeplan *out)
{
	const struct purgeplan_wish wish = {
		.to = UINT64_MAX, .now_ns = now_ns, .max_ranges = 100, .unlocked = true};
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(purgeplan_make(out, log, &wish, s->tools, &why), 0);
	buf_fini(&why);
}

/* The first and last record of a range that goes. */
static void
assert_range(const struct purgeplan *p, size_t i, uint64_t first, uint64_t last)
{
	ck_assert_uint_gt(p->go.n, i);
	ck_assert_uint_eq(p->go.r[i].first, first);
	ck_assert_uint_eq(p->go.r[i].last, last);
}

START_TEST(what_retention_locks_goes_when_it_is_over)
{
	struct scratch s;
	struct purgeplan p;
	struct record r;
	struct arena a;
	struct log *log;
	int64_t end_ns;

	scratch_begin(&s);
	log = scratch_log(&s, "payments", day_policy);
	sealed_log_fill(&s, log, 65); /* one commit: one instant */
	sealed_log_seal(&s, log);
	arena_init(&a);
	ck_assert_int_eq(read_record(s.st, log, 1, s.tools, &a, &r), 0);
	end_ns = r.entry.retain_until_ns;
	ck_assert_int_eq(end_ns, r.entry.time_ns + DAY);
	arena_fini(&a);
	plan(&s, log, end_ns - 1, &p);
	ck_assert_uint_eq(p.records, 0);
	ck_assert_uint_eq(p.stay[LOCK_BY_RETENTION], 64);
	ck_assert_uint_eq(p.stay[LOCK_BY_KIND], 1);
	ck_assert_int_eq(p.next_ns, end_ns);
	ck_assert_int_eq(p.last_ns, end_ns);
	purgeplan_fini(&p);
	plan(&s, log, end_ns, &p);
	ck_assert_uint_eq(p.records, 64);
	ck_assert_uint_eq(p.go.n, 1);
	assert_range(&p, 0, 1, 64);
	ck_assert_int_eq(p.next_ns, 0);
	ck_assert_int_eq(p.last_ns, 0);
	purgeplan_fini(&p);
	scratch_end(&s);
}
END_TEST

START_TEST(what_never_had_a_retention_goes_only_when_that_is_asked_for)
{
	struct purgeplan_wish wish = {.to = UINT64_MAX, .max_ranges = 100};
	struct scratch s;
	struct purgeplan p;
	struct log *log;
	struct buf why;

	scratch_begin(&s);
	buf_init(&why);
	log = scratch_log(&s, "payments", "{}");
	sealed_log_fill(&s, log, 10);
	sealed_log_seal(&s, log);
	ck_assert_int_eq(purgeplan_make(&p, log, &wish, s.tools, &why), 0);
	ck_assert_uint_eq(p.records, 0);
	ck_assert_uint_eq(p.stay[LOCK_BY_NOTHING], 9);
	purgeplan_fini(&p);
	wish.unlocked = true;
	ck_assert_int_eq(purgeplan_make(&p, log, &wish, s.tools, &why), 0);
	ck_assert_uint_eq(p.records, 9);
	purgeplan_fini(&p);
	buf_fini(&why);
	scratch_end(&s);
}
END_TEST

/* An extension of one record to that long from when the test began. */
static void
extend(struct scratch *s, struct log *log, uint64_t index, int64_t until_ns)
{
	char json[128], until[TIMESTAMP_BYTES];

	timestamp_format(until, until_ns);
	snprintf(json, sizeof json,
		 "{\"type\":\"extend\",\"ranges\":[[%llu,%llu]],\"until\":\"%.*s\"}",
		 (unsigned long long)index, (unsigned long long)index, TIMESTAMP_BYTES, until);
	(void)control(s, log, ENTRY_EXTEND, json);
}

START_TEST(a_plan_says_of_what_stays_where_it_begins_and_when_it_ends)
{
	atomic_bool stop = true;
	struct purgeplan_wish wish = {.to = 6, .max_ranges = 100, .unlocked = true};
	struct purgeplan p;
	struct scratch s;
	struct log *log;
	struct buf why;
	int64_t now_ns;

	scratch_begin(&s);
	buf_init(&why);
	log = scratch_log(&s, "payments", "{}");
	sealed_log_fill(&s, log, 10);
	wish.now_ns = now_ns = s.now_ns;
	extend(&s, log, 3, now_ns + 2 * DAY);
	extend(&s, log, 5, now_ns + DAY);
	extend(&s, log, 6, now_ns + 2 * DAY);
	extend(&s, log, 7, now_ns + 3 * DAY);
	extend(&s, log, 8, now_ns + DAY);
	(void)control(&s, log, ENTRY_HOLD, HOLD("aaaaaaaaaa", "[[7,8]]"));
	sealed_log_seal(&s, log);
	plan(&s, log, now_ns, &p);
	ck_assert_uint_eq(p.stay[LOCK_BY_RETENTION], 3);
	ck_assert_uint_eq(p.first[LOCK_BY_RETENTION], 3);
	ck_assert_uint_eq(p.stay[LOCK_BY_HOLD], 2);
	ck_assert_uint_eq(p.first[LOCK_BY_HOLD], 7);
	ck_assert_int_eq(p.next_ns, now_ns + DAY);
	ck_assert_int_eq(p.last_ns, now_ns + 3 * DAY);
	purgeplan_fini(&p);
	plan(&s, log, now_ns + 3 * DAY, &p); /* but for the hold all of it is over */
	ck_assert_uint_eq(p.stay[LOCK_BY_HOLD], 2);
	ck_assert_int_eq(p.next_ns, 0);
	ck_assert_int_eq(p.last_ns, 0);
	purgeplan_fini(&p);
	ck_assert_int_eq(purgeplan_make(&p, log, &wish, s.tools, &why), 0);
	ck_assert_uint_eq(p.looked, 6);
	ck_assert_uint_eq(p.records, 3);
	purgeplan_fini(&p);
	wish.stop = &stop;
	ck_assert_int_eq(purgeplan_make(&p, log, &wish, s.tools, &why), STELE_ECLOSED);
	purgeplan_fini(&p);
	buf_fini(&why);
	scratch_end(&s);
}
END_TEST

START_TEST(a_hold_that_comes_while_a_plan_is_made_is_in_it_or_makes_it_outdated)
{
	struct purgeplan p;
	struct scratch s;

	scratch_begin(&s);
	hooked_log = scratch_log(&s, "payments", "{}");
	sealed_log_fill(&s, hooked_log, 10);
	sealed_log_seal(&s, hooked_log);
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0); /* so that the segment is read */
	ck_assert_int_eq(store_log_find(s.st, slice_str("payments"), &hooked_log), 0);
	hooked = &s;
	plan(&s, hooked_log, s.now_ns, &p);
	ck_assert_ptr_null(hooked);
	ck_assert_uint_lt(p.generation, locks_generation(hooked_log->locks));
	purgeplan_fini(&p);
	plan(&s, hooked_log, s.now_ns, &p);
	ck_assert_uint_eq(p.generation, locks_generation(hooked_log->locks));
	ck_assert_uint_eq(p.stay[LOCK_BY_HOLD], 1);
	purgeplan_fini(&p);
	scratch_end(&s);
}
END_TEST

START_TEST(acts_stay_as_long_as_the_store)
{
	struct scratch s;
	struct purgeplan p;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "_system", day_policy);
	sealed_log_fill(&s, log, 65);
	sealed_log_seal(&s, log);
	plan(&s, log, INT64_MAX, &p); /* whatever is over, and what never had a lock */
	ck_assert_uint_eq(p.records, 0);
	ck_assert_uint_eq(p.stay[LOCK_BY_KIND], 65);
	purgeplan_fini(&p);
	scratch_end(&s);
}
END_TEST

START_TEST(what_is_not_sealed_is_not_looked_at)
{
	struct scratch s;
	struct purgeplan p;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "payments", "{}");
	sealed_log_fill(&s, log, 10);
	plan(&s, log, 0, &p);
	ck_assert_uint_eq(p.sealed, 0);
	ck_assert_uint_eq(p.records, 0);
	purgeplan_fini(&p);
	scratch_end(&s);
}
END_TEST

START_TEST(a_plan_has_as_many_ranges_as_it_may_and_says_where_it_ends)
{
	struct scratch s;
	struct purgeplan p;
	struct log *log;
	struct buf why;
	struct purgeplan_wish wish = {.to = UINT64_MAX, .max_ranges = 2, .unlocked = true};

	scratch_begin(&s);
	log = scratch_log(&s, "payments", "{}");
	sealed_log_fill(&s, log, 10);
	(void)control(&s, log, ENTRY_HOLD, HOLD("aaaaaaaaaa", "[[3,3],[5,5],[7,7]]"));
	sealed_log_seal(&s, log);
	buf_init(&why);
	ck_assert_int_eq(purgeplan_make(&p, log, &wish, s.tools, &why), 0);
	ck_assert_uint_eq(p.go.n, 2);
	assert_range(&p, 1, 4, 4);
	ck_assert_uint_eq(p.records, 3);
	ck_assert_uint_eq(p.looked, 6);
	purgeplan_fini(&p);
	wish.from = 6;
	ck_assert_int_eq(purgeplan_make(&p, log, &wish, s.tools, &why), 0);
	ck_assert_uint_eq(p.go.n, 2);
	assert_range(&p, 1, 8, 9);
	ck_assert_uint_eq(p.looked, 11);
	purgeplan_fini(&p);
	buf_fini(&why);
	scratch_end(&s);
}
END_TEST

/* What the log's locks say of records 1 to 20 after all that `all_of_it` did. */
static void
assert_state(struct scratch *s, struct log *log)
{
	struct purgeplan p;

	plan(s, log, s->now_ns + 2 * DAY, &p);
	ck_assert_uint_eq(p.records, 13);
	assert_range(&p, 0, 1, 4);
	assert_range(&p, 1, 9, 9);
	assert_range(&p, 2, 11, 15);
	assert_range(&p, 3, 18, 20);
	ck_assert_uint_eq(p.stay[LOCK_BY_HOLD], 4);
	ck_assert_uint_eq(p.stay[LOCK_BY_RETENTION], 1);
	ck_assert_uint_eq(p.gone, 2);
	ck_assert_uint_eq(p.stay[LOCK_BY_KIND], 7);
	purgeplan_fini(&p);
	ck_assert_str_eq(log_policy(log)->retain_default, "3d");
}

static void
all_of_it(struct scratch *s, struct log *log)
{
	char extend[128], until[TIMESTAMP_BYTES];

	timestamp_format(until, s->now_ns + 4 * DAY);
	snprintf(extend, sizeof extend,
		 "{\"type\":\"extend\",\"ranges\":[[10,10]],\"until\":\"%.*s\"}", TIMESTAMP_BYTES,
		 until);
	sealed_log_fill(s, log, 21);
	(void)control(s, log, ENTRY_HOLD, HOLD("aaaaaaaaaa", "[[5,8]]"));
	(void)control(s, log, ENTRY_HOLD, HOLD("bbbbbbbbbb", "[[1,20]]"));
	(void)control(s, log, ENTRY_EXTEND, extend);
	(void)control(s, log, ENTRY_RELEASE, "{\"type\":\"release\",\"hold\":\"h-bbbbbbbbbb\"}");
	(void)control(s, log, ENTRY_PURGE, "{\"type\":\"purge\",\"ranges\":[[16,17]]}");
	(void)control(s, log, ENTRY_POLICY, "{\"policy\":{\"retain\":{\"default\":\"3d\"}}}");
}

START_TEST(locks_are_the_same_after_a_restart_a_seal_and_without_a_catalogue)
{
	char path[512];
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "payments", day_policy);
	all_of_it(&s, log);
	scratch_close(&s); /* all of it is in the catalogue */
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("payments"), &log), 0);
	sealed_log_seal(&s, log);
	assert_state(&s, log);
	for (unsigned i = 0; i < 2; i++) { /* and then from segments alone */
		scratch_close(&s);
		snprintf(path, sizeof path, "%s/catalog.mdb", s.dir);
		ck_assert_int_eq(unlink(path), 0);
		ck_assert_int_eq(scratch_open(&s), 0);
		ck_assert_int_eq(store_log_find(s.st, slice_str("payments"), &log), 0);
		assert_state(&s, log);
	}
	scratch_end(&s);
}
END_TEST

START_TEST(locks_are_found_in_the_wal_without_a_catalogue)
{
	char path[512];
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "payments", day_policy);
	all_of_it(&s, log);
	scratch_close(&s);
	snprintf(path, sizeof path, "%s/catalog.mdb", s.dir);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("payments"), &log), 0);
	sealed_log_seal(&s, log);
	assert_state(&s, log);
	scratch_end(&s);
}
END_TEST

START_TEST(a_policy_locks_what_follows_it_in_the_same_commit)
{
	struct append_job before, change, after;
	struct scratch s;
	struct record r;
	struct arena a;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "payments", day_policy);
	scratch_job(&s, &before, log, "{}", NULL);
	scratch_job(&s, &after, log, "{}", NULL);
	append_job_init(&change);
	ck_assert_int_eq(append_control(&change, log, ENTRY_POLICY, slice_str("p-test"),
					slice_str("{\"policy\":{\"retain\":{\"default\":\"3d\"}}}"),
					s.tools),
			 0);
	before.next = &change;
	change.next = &after;
	ck_assert_int_eq(store_append_batch(s.st, &before), 0);
	arena_init(&a);
	ck_assert_int_eq(read_record(s.st, log, 1, s.tools, &a, &r), 0);
	ck_assert_int_eq(r.entry.retain_until_ns, r.entry.time_ns + DAY);
	ck_assert_int_eq(read_record(s.st, log, 3, s.tools, &a, &r), 0);
	ck_assert_int_eq(r.entry.retain_until_ns, r.entry.time_ns + 3 * DAY);
	ck_assert_uint_eq(r.entry.ctl, 2);
	ck_assert_int_eq(read_record(s.st, log, scratch_append(&s, log, "{}"), s.tools, &a, &r), 0);
	ck_assert_int_eq(r.entry.retain_until_ns, r.entry.time_ns + 3 * DAY); /* and in the next */
	arena_fini(&a);
	append_job_fini(&before);
	append_job_fini(&change);
	append_job_fini(&after);
	scratch_end(&s);
}
END_TEST

/* The error of an append with this wish; with 0 the entry is in e, whose slices are the arena's. */
static int
append_wish(struct scratch *s, struct log *log, const struct policy_wish *wish, struct arena *a,
	    struct record *r)
{
	struct append_job job;
	int err;

	scratch_job(s, &job, log, "{\"a\":1}", NULL);
	job.wish = wish;
	ck_assert_int_eq(store_append_batch(s->st, &job), 0);
	err = job.err;
	if (err == 0)
		ck_assert_int_eq(read_record(s->st, log, job.first, s->tools, a, r), 0);
	append_job_fini(&job);
	return err;
}

START_TEST(a_wish_is_in_the_entry_or_nothing_is_written)
{
	struct policy_wish wish = {.kind = POLICY_WISH_FOR};
	struct scratch s;
	struct record r;
	struct arena a;
	struct log *log;

	scratch_begin(&s);
	arena_init(&a);
	log = scratch_log(&s, "payments",
			  "{\"retain\":{\"default\":\"2d\",\"min\":\"1d\",\"max\":\"9d\"},"
			  "\"event_based\":true}");
	wish.period.ns = 3 * DAY;
	ck_assert_int_eq(append_wish(&s, log, &wish, &a, &r), 0);
	ck_assert_int_eq(r.entry.retain_until_ns, r.entry.time_ns + 3 * DAY);
	wish.period.ns = 9 * DAY + 1;
	ck_assert_int_eq(append_wish(&s, log, &wish, &a, &r), STELE_EPERM);
	wish.period.ns = DAY - 1;
	ck_assert_int_eq(append_wish(&s, log, &wish, &a, &r), STELE_EPERM);
	wish = (struct policy_wish){.kind = POLICY_WISH_EVENT, .event = slice_str("closed")};
	ck_assert_int_eq(append_wish(&s, log, &wish, &a, &r), 0);
	ck_assert(slice_eq_str(r.entry.event, "closed"));
	ck_assert_int_eq(r.entry.retain_until_ns, 0);
	ck_assert_int_eq(append_wish(&s, log, NULL, &a, &r), 0);
	ck_assert_int_eq(r.entry.retain_until_ns, r.entry.time_ns + 2 * DAY);
	ck_assert_uint_eq(r.entry.index, 3);
	arena_fini(&a);
	scratch_end(&s);
}
END_TEST

START_TEST(each_record_of_a_commit_has_its_own_lock)
{
	struct policy_wish wishes[4] = {{.kind = POLICY_WISH_FOR, .period = {.ns = 3 * DAY}},
					{.kind = POLICY_WISH_FOR, .period = {.ns = 4 * DAY}},
					{.kind = POLICY_WISH_EVENT, .event = slice_str("closed")},
					{.kind = POLICY_WISH_EVENT, .event = slice_str("opened")}};
	struct append_job jobs[4];
	struct scratch s;
	struct record r;
	struct arena a;
	struct log *log;

	scratch_begin(&s);
	arena_init(&a);
	log = scratch_log(&s, "payments", "{\"retain\":{\"default\":\"2d\"},\"event_based\":true}");
	for (unsigned i = 0; i < 4; i++) {
		scratch_job(&s, &jobs[i], log, "{}", NULL);
		jobs[i].wish = &wishes[i];
		jobs[i].next = i < 3 ? &jobs[i + 1] : NULL;
	}
	ck_assert_int_eq(store_append_batch(s.st, jobs), 0);
	for (unsigned i = 0; i < 4; i++) {
		struct slice event = i < 2 ? slice_of("", 0) : wishes[i].event;
		ck_assert_int_eq(read_record(s.st, log, i + 1, s.tools, &a, &r), 0);
		ck_assert_int_eq(r.entry.retain_until_ns,
				 i < 2 ? r.entry.time_ns + (3 + i) * DAY : 0);
		ck_assert(slice_eq(r.entry.event, event));
		append_job_fini(&jobs[i]);
	}
	arena_fini(&a);
	scratch_end(&s);
}
END_TEST

START_TEST(a_quota_is_not_passed)
{
	struct append_job jobs[3];
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "payments", "{\"quota\":{\"bytes\":20}}");
	for (unsigned i = 0; i < 3; i++) { /* in one commit: 8 bytes each */
		scratch_job(&s, &jobs[i], log, "{\"a\":12}", NULL);
		jobs[i].next = i < 2 ? &jobs[i + 1] : NULL;
	}
	ck_assert_int_eq(store_append_batch(s.st, jobs), 0);
	ck_assert_int_eq(jobs[0].err, STELE_EQUOTA); /* entry 0's payload counts, too */
	for (unsigned i = 0; i < 3; i++)
		append_job_fini(&jobs[i]);
	log = scratch_log(&s, "orders", "{\"quota\":{\"records\":3}}");
	for (unsigned i = 0; i < 3; i++) {
		scratch_job(&s, &jobs[i], log, "{\"a\":12}", NULL);
		jobs[i].next = i < 2 ? &jobs[i + 1] : NULL;
	}
	ck_assert_int_eq(store_append_batch(s.st, jobs), 0);
	ck_assert_int_eq(jobs[0].err, 0);
	ck_assert_int_eq(jobs[1].err, 0);
	ck_assert_int_eq(jobs[2].err, STELE_EQUOTA);
	for (unsigned i = 0; i < 3; i++)
		append_job_fini(&jobs[i]);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_retention_locks_goes_when_it_is_over,
		what_never_had_a_retention_goes_only_when_that_is_asked_for,
		a_plan_says_of_what_stays_where_it_begins_and_when_it_ends,
		a_hold_that_comes_while_a_plan_is_made_is_in_it_or_makes_it_outdated,
		acts_stay_as_long_as_the_store,
		what_is_not_sealed_is_not_looked_at,
		a_plan_has_as_many_ranges_as_it_may_and_says_where_it_ends,
		locks_are_the_same_after_a_restart_a_seal_and_without_a_catalogue,
		locks_are_found_in_the_wal_without_a_catalogue,
		a_policy_locks_what_follows_it_in_the_same_commit,
		a_wish_is_in_the_entry_or_nothing_is_written,
		each_record_of_a_commit_has_its_own_lock,
		a_quota_is_not_passed,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("purgeplan", tests, sizeof tests / sizeof(tests[0]), 20.0);
}
