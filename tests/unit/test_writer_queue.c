/* What waits for the writer: how much may, what is refused, what stays together. */
#include "scratch_store.h"

#include <pthread.h>

#include "crypto/init.h"
#include "storage/internal.h"
#include "storage/writer.h"
#include "suite.h"

/* A done() that holds the writer until the test lets it go. */
struct gate {
	pthread_mutex_t held;
};

static void
wait_at_gate(struct append_job *job)
{
	struct gate *g = job->owner;

	pthread_mutex_lock(&g->held);
	pthread_mutex_unlock(&g->held);
}

/* A prepared job of n records of one byte. */
static void
tiny_job(struct scratch *s, struct append_job *job, struct log *log, size_t n, struct gate *g)
{
	append_job_init(job);
	job->items = arena_alloc(&job->arena, n * sizeof *job->items);
	memset(job->items, 0, n * sizeof *job->items);
	for (size_t i = 0; i < n; i++) {
		job->items[i].payload = slice_str("1");
		job->items[i].media_type = slice_str("application/json");
	}
	job->log = log;
	job->writer = slice_str("p-test");
	job->n_items = n;
	job->done = wait_at_gate;
	job->owner = g;
	ck_assert_int_eq(append_prepare(job, s->tools), 0);
}

START_TEST(tiny_records_fill_the_queue_as_the_memory_they_keep)
{
	struct append_job first, jobs[40];
	struct gate g = {PTHREAD_MUTEX_INITIALIZER};
	unsigned taken = 0;
	struct scratch s;
	struct writer *w;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	ck_assert_int_eq(writer_new(&w, s.st, 1 << 20), 0);
	pthread_mutex_lock(&g.held);
	tiny_job(&s, &first, log, 1, &g);
	ck_assert_int_eq(writer_submit(w, &first), 0);
	while (writer_queued_bytes(w)) /* the writer has it, and waits at the gate */
		usleep(1000);
	for (size_t i = 0; i < 40; i++) {
		tiny_job(&s, &jobs[i], log, 1000, &g);
		if (writer_submit(w, &jobs[i]) != 0)
			break;
		taken++;
	}
	ck_assert_uint_le(taken, (1 << 20) / (1000 * sizeof(struct append_item)));
	ck_assert_uint_ge(taken, 5);
	pthread_mutex_unlock(&g.held);
	while (writer_queued_bytes(w))
		usleep(1000);
	writer_free(w);
	append_job_fini(&first);
	for (size_t i = 0; i <= taken; i++)
		append_job_fini(&jobs[i]);
	scratch_end(&s);
}
END_TEST

static void
note_thread(void *ctx, enum store_level level, const char *line)
{
	(void)line;
	if (level == STORE_ERROR)
		*(pthread_t *)ctx = pthread_self();
}

/* It is not left to a thread that may run later than the first record comes. */
START_TEST(little_space_refuses_from_the_first_record_on)
{
	struct append_job job;
	struct scratch s;
	struct log *log;
	struct writer *w;
	pthread_t by = 0;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	scratch_close(&s);
	s.opts.say = note_thread;
	s.opts.say_ctx = &by;
	s.opts.free_bytes = 1ull << 60;
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	ck_assert_int_eq(writer_new(&w, s.st, 0), 0);
	scratch_job(&s, &job, log, "1", NULL);
	ck_assert_int_eq(writer_submit(w, &job), STELE_ENOSPACE);
	ck_assert(pthread_equal(by, pthread_self()));
	writer_free(w);
	append_job_fini(&job);
	scratch_end(&s);
}
END_TEST

/* A commit is almost full: one of the two would fit, and the other not. */
START_TEST(tied_jobs_lie_in_one_commit)
{
	struct append_job first, large, one, two;
	struct gate g = {PTHREAD_MUTEX_INITIALIZER};
	struct scratch s;
	struct writer *w;
	struct log *log, *other;

	scratch_begin(&s);
	scratch_close(&s);
	s.opts.wal_file_bytes = 64 << 20;
	ck_assert_int_eq(scratch_open(&s), 0);
	log = scratch_log(&s, "l", "{}");
	other = scratch_log(&s, "other", "{}");
	ck_assert_int_eq(writer_new(&w, s.st, 0), 0);
	pthread_mutex_lock(&g.held);
	tiny_job(&s, &first, log, 1, &g);
	ck_assert_int_eq(writer_submit(w, &first), 0);
	while (writer_queued_bytes(w))
		usleep(1000);
	tiny_job(&s, &large, log, LIMIT_COMMIT_RECORDS - 1, &g);
	tiny_job(&s, &one, log, 1, &g);
	tiny_job(&s, &two, other, 1, &g);
	large.next = &one;
	one.next = &two;
	one.tied = true;
	ck_assert_int_eq(writer_submit(w, &large), 0);
	pthread_mutex_unlock(&g.held);
	while (writer_queued_bytes(w))
		usleep(1000);
	writer_free(w);
	ck_assert_int_eq(large.err | one.err | two.err, 0);
	ck_assert_int_gt(one.time_ns, large.time_ns); /* the clock of the test never stands */
	ck_assert_int_eq(one.time_ns, two.time_ns);
	append_job_fini(&first);
	append_job_fini(&large);
	append_job_fini(&one);
	append_job_fini(&two);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		tiny_records_fill_the_queue_as_the_memory_they_keep,
		little_space_refuses_from_the_first_record_on,
		tied_jobs_lie_in_one_commit,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("writer_queue", tests, sizeof tests / sizeof *tests, 60);
}
