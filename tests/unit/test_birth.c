/* A log and what lies in the commit that founds it. */
#include "scratch_store.h"

#include "crypto/init.h"
#include "storage/writer.h"
#include "suite.h"

/* A record for the log that is being born, in the commit that founds it. */
struct births {
	struct scratch *s;
	struct append_job job;
	size_t jobs; /* fewer than 1: none */
	int err;
};

static int
fill_birth(void *ctx, struct log *log, struct append_job **jobs)
{
	struct births *b = ctx;

	if (b->err != 0 || b->jobs == 0)
		return b->err;
	scratch_job(b->s, &b->job, log, "{}", NULL);
	if (b->jobs > 1)
		b->job.n_items = LIMIT_COMMIT_RECORDS; /* as it seems to whoever counts */
	*jobs = &b->job;
	return 0;
}

START_TEST(a_log_is_born_with_what_lies_in_its_commit_or_not_at_all)
{
	struct policy policy = {.mode = ENTRY_MODE_NONE};
	struct births b = {.jobs = 1};
	struct writer_birth birth = {fill_birth, &b};
	struct scratch s;
	struct writer *w;
	struct log *log = NULL;
	struct head *head;
	bool created;

	scratch_begin(&s);
	b.s = &s;
	ck_assert_int_eq(writer_new(&w, s.st, 0), 0);
	ck_assert_ptr_eq(writer_store(w), s.st);
	ck_assert_int_eq(
		writer_bear_log(w, slice_str("a"), &policy, slice_str("p"), &birth, &log, &created),
		0);
	ck_assert(created);
	ck_assert_uint_eq(b.job.first, 1);
	head = log_head(log);
	ck_assert_uint_eq(head->size, 2);
	ck_assert_int_eq(head->time_ns, b.job.time_ns);
	head_unref(head);
	append_job_fini(&b.job);
	b.err = STELE_ECONFLICT;
	ck_assert_int_eq(
		writer_bear_log(w, slice_str("b"), &policy, slice_str("p"), &birth, &log, &created),
		STELE_ECONFLICT);
	b.err = 0;
	b.jobs = 2;
	ck_assert_int_eq(
		writer_bear_log(w, slice_str("b"), &policy, slice_str("p"), &birth, &log, &created),
		STELE_ELIMIT);
	append_job_fini(&b.job);
	ck_assert_int_eq(store_log_find(s.st, slice_str("b"), &log), STELE_ENOTFOUND);
	b.jobs = 0;
	ck_assert_int_eq(
		writer_bear_log(w, slice_str("b"), &policy, slice_str("p"), &birth, &log, &created),
		0);
	writer_free(w);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_log_is_born_with_what_lies_in_its_commit_or_not_at_all};

	if (crypto_init() != 0)
		return 1;
	return suite_run("birth", tests, sizeof tests / sizeof(tests[0]), 20.0);
}
