/* What fsck says where purge entries and what is gone are not the same. */
#include "purge_case.h"

#include "storage/purging.h"
#include "storage/seal.h"

static struct scratch s;

static struct log *
begin(void)
{
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	purge_fill(&s, log, 300);
	sealed_log_seal(&s, log);
	return log;
}

/* A purge entry that says what it likes; nothing goes. */
static void
claim(struct log *log, const char *json)
{
	struct append_job job;

	append_job_init(&job);
	/* by another kind: append_control itself refuses what says nothing */
	ck_assert_int_eq(
		append_control(&job, log, ENTRY_KEY, slice_str("p-x"), slice_str(json), s.tools),
		0);
	job.kind = ENTRY_PURGE;
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	ck_assert_int_eq(job.err, 0);
	append_job_fini(&job);
}

/* Records that go by an entry that may not be there. */
static void
thin(struct log *log, uint64_t first, uint64_t last, uint64_t entry)
{
	struct control_range range = {first, last};
	struct purging p = {.entry = entry, .set = {&range, 1, last - first + 1, {0}}};
	const struct sealed was = log->sealed.s[0];
	struct segment_facts facts;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(seal_thin(log, &was, &p, &facts, &why), 0);
	ck_assert_uint_ge(facts.purged, last - first + 1);
	ck_assert_int_eq(store_maintain(s.st), 0);
	buf_fini(&why);
}

static void
finds(unsigned n)
{
	scratch_close(&s);
	ck_assert_uint_eq(purge_fsck(&s), n);
	scratch_end(&s);
}

START_TEST(what_is_gone_without_an_entry_is_found)
{
	struct log *log = begin();

	thin(log, 5, 9, 7);
	finds(1);
}
END_TEST

START_TEST(what_is_gone_beside_what_its_entry_names_is_found)
{
	struct log *log = begin();
	struct control_range range = {20, 29};
	struct purge_result out;

	ck_assert_int_eq(purge_of(&s, log, &range, 1, &out), 0);
	thin(log, 30, 30, out.entry);
	finds(2);
	/* and nothing of the log can be folded behind the first one */ /* one that no range
									   covers, and one
									   more than the
									   entry counts */
}
END_TEST

START_TEST(what_an_entry_names_and_is_still_there_is_found)
{
	struct log *log = begin();

	claim(log, "{\"type\":\"purge\",\"ranges\":[[5,5]],\"count\":1,"
		   "\"root\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}");
	finds(2); /* and its root is
										     not that of
										     record 5 */
}
END_TEST

START_TEST(an_entry_that_says_nothing_or_names_the_future_is_found)
{
	struct log *log = begin();

	claim(log, "{\"type\":\"purge\"}");
	claim(log, "{\"type\":\"purge\",\"ranges\":[[5,500]],\"count\":496,"
		   "\"root\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}");
	sealed_log_seal(&s, log);
	finds(3); /* and nothing of the log can be folded behind the first one */
}
END_TEST

START_TEST(a_purge_that_ended_is_sound)
{
	struct log *log = begin();

	purge_range(&s, log, 5, 9);
	purge_range(&s, log, 10, 280);
	finds(0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_gone_without_an_entry_is_found,
		what_is_gone_beside_what_its_entry_names_is_found,
		what_an_entry_names_and_is_still_there_is_found,
		an_entry_that_says_nothing_or_names_the_future_is_found,
		a_purge_that_ended_is_sound,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("fsckpurge", tests, sizeof tests / sizeof *tests, 60);
}
