/* Times: each commit has one of its own, and where it begins in a log is found, however that lies.
 */
#include "sealed_log.h"

#include "storage/scan.h"
#include "storage/seek.h"
#include "suite.h"

#include "crypto/init.h"

enum { RECORDS = 1000 };

static int64_t times[RECORDS + 1];

static int
see(void *ctx, const struct scan_record *r)
{
	times[r->index] = r->time_ns;
	return *(int *)ctx;
}

static void
learn(struct scratch *s, struct log *log)
{
	uint64_t size = log->frontier.size;
	int go_on = 0;

	for (uint64_t at = 0; at < size;) {
		uint64_t to = at + 256 < size ? at + 256 : size;

		ck_assert_int_eq(scan_records(log, &at, to, s->tools, see, &go_on), 0);
	}
}

static void
finds(struct scratch *s, struct log *log, int64_t time_ns, uint64_t low, uint64_t high)
{
	struct seek_place p;
	uint64_t at = low;

	while (at < high && times[at] < time_ns)
		at++;
	ck_assert_int_eq(seek_time(log, time_ns, low, high, s->tools, &p), 0);
	ck_assert_uint_eq(p.index, at);
	ck_assert_int_ge(p.at_ns, time_ns);
	ck_assert_int_le(p.at_ns, at < high ? times[at] : INT64_MAX);
	ck_assert_int_lt(p.below_ns, time_ns);
	ck_assert_int_ge(p.below_ns, at ? times[at - 1] : -1);
}

static void
finds_all(struct scratch *s, struct log *log)
{
	uint64_t size = log->frontier.size;

	learn(s, log);
	finds(s, log, 0, 0, size);
	finds(s, log, INT64_MAX, 0, size);
	for (uint64_t i = 0; i < size; i++) {
		finds(s, log, times[i], 0, size);
		finds(s, log, times[i] + 1, 0, size);
		finds(s, log, times[i] + 1, i / 3, size);
		finds(s, log, times[i], 0, size / 2);
	}
}

START_TEST(a_time_is_found_wherever_it_lies)
{
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	finds_all(&s, log);
	sealed_log_fill(&s, log, 300);
	finds_all(&s, log);
	sealed_log_seal(&s, log);
	finds_all(&s, log);
	sealed_log_fill(&s, log, 700);
	finds_all(&s, log);
	scratch_close(&s); /* what the catalogue has says no times */
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	sealed_log_fill(&s, log, RECORDS);
	finds_all(&s, log);
	scratch_end(&s);
}
END_TEST

START_TEST(what_cannot_be_read_is_as_early_as_its_begin)
{
	struct scratch s;
	struct log *log;
	struct seek_place p;
	uint64_t count;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	sealed_log_fill(&s, log, 300);
	sealed_log_seal(&s, log);
	sealed_log_fill(&s, log, 700);
	learn(&s, log);
	count = log->sealed.s[0].count;
	log->sealed.s[0].quarantined = true;
	for (uint64_t i = 1; i < 700; i++) {
		ck_assert_int_eq(seek_time(log, times[i], 0, 700, s.tools, &p), 0);
		if (i < count && times[i] > times[0]) {
			ck_assert_uint_eq(p.index, count);
			ck_assert_int_eq(p.at_ns, times[count]);
			ck_assert(p.unsure);
		} else {
			finds(&s, log, times[i], 0, 700);
			ck_assert(!p.unsure);
		}
	}
	ck_assert_int_eq(seek_time(log, times[0], 0, 700, s.tools, &p), 0);
	ck_assert_uint_eq(p.index, 0);
	log->sealed.s[0].generation = 99; /* nor has it a manifest */
	for (uint64_t i = 1; i <= count; i++) {
		ck_assert_int_eq(seek_time(log, times[i], 0, 700, s.tools, &p), 0);
		ck_assert_uint_eq(p.index, count);
		ck_assert(p.unsure);
	}
	scratch_end(&s);
}
END_TEST

START_TEST(every_commit_is_later_than_those_before_it)
{
	struct scratch s;
	struct log *logs[2];
	int64_t before, again;

	scratch_begin(&s);
	logs[0] = scratch_log(&s, "a", "{}");
	logs[1] = scratch_log(&s, "b", "{}");
	s.tick_ns = 0;
	for (uint64_t i = 2; i < 20; i++) {
		struct head *head;

		before = store_released_ns(s.st);
		sealed_log_fill(&s, logs[i % 2], i / 2 + 1);
		again = store_released_ns(s.st);
		ck_assert_int_gt(again, before);
		head = log_head(logs[i % 2]);
		ck_assert_int_eq(head->time_ns, again);
		head_unref(head);
	}
	scratch_close(&s);
	s.now_ns -= 1000000000; /* set back */
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_released_ns(s.st), again);
	ck_assert_int_eq(store_log_find(s.st, slice_str("a"), &logs[0]), 0);
	sealed_log_fill(&s, logs[0], 100);
	ck_assert_int_gt(store_released_ns(s.st), again);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_time_is_found_wherever_it_lies,
		what_cannot_be_read_is_as_early_as_its_begin,
		every_commit_is_later_than_those_before_it,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("seek", tests, sizeof tests / sizeof *tests, 120);
}
