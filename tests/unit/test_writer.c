/* The threads around a store: many submitters, one order, every job answered once. */
#include "scratch_store.h"

#include <pthread.h>
#include <sched.h>

#include "crypto/init.h"
#include "crypto/merkle.h"
#include "faulty_disk.h"
#include "gate.h"
#include "proto/check.h"
#include "storage/internal.h"
#include "storage/writer.h"
#include "suite.h"

enum { SUBMITTERS = 6, JOBS = 150, LOGS = 24 };

/* Some jobs are large, so that their commits are written beside the writer. */
enum { LARGE_EVERY = 16, LARGE_BYTES = 200 << 10 };

struct submitter {
	struct scratch *s;
	struct writer *w;
	struct log **logs;
	unsigned number;
	bool all_small; /* stays within two WAL files, so that upkeep spills no keys */
	pthread_t thread;
	struct toolbox *tools;

	pthread_mutex_t mu;
	pthread_cond_t changed;
	unsigned answered, submitted, ok, failed;
	unsigned next; /* the job whose answer must come next */
	bool out_of_order, wrong_receipt;
	int err; /* of the last job that failed */
};

struct task {
	struct append_job job;
	struct append_item item;
	struct submitter *by;
	unsigned number, answers;
	char *large; /* the payload of some, or NULL: text */
	char text[64];
};

/* The inclusion of the record in the head it came with. */
static bool
receipt_holds(const struct append_job *job)
{
	const struct append_receipt *r = &job->receipts[0];
	struct sha256 *h = sha256_new();
	uint8_t leaf[32];
	bool holds;

	sha256_leaf(h, leaf, r->entry);
	holds = merkle_verify_inclusion(h, job->head->root, job->first, job->head->size, leaf,
					r->proof, r->n_proof) == 0;
	sha256_free(h);
	return holds;
}

static void
answered(struct append_job *job)
{
	struct task *t = job->owner;
	struct submitter *by = t->by;

	pthread_mutex_lock(&by->mu);
	t->answers++;
	by->out_of_order |= t->number != by->next || t->answers != 1;
	by->next = t->number + 1;
	by->answered++;
	by->ok += job->err == 0;
	by->failed += job->err != 0;
	if (job->err != 0)
		by->err = job->err;
	else
		by->wrong_receipt |= !receipt_holds(job);
	pthread_cond_signal(&by->changed);
	pthread_mutex_unlock(&by->mu);
}

/* Letters that do not compress well, behind the text; the caller frees. */
static char *
enlarge(const char *text, unsigned seed)
{
	char *p = malloc(LARGE_BYTES + 1);
	size_t n = strlen(text);

	memcpy(p, text, n);
	for (; n < LARGE_BYTES; n++) {
		seed = seed * 1664525 + 1013904223;
		p[n] = (char)('!' + (seed >> 16) % 90);
	}
	p[n] = '\0';
	return p;
}

/* A prepared task; number n of its submitter. */
static struct task *
new_task(struct submitter *by, unsigned n)
{
	struct task *t = calloc(1, sizeof *t);

	t->by = by;
	t->number = n;
	snprintf(t->text, sizeof t->text, "{\"by\":%u,\"n\":%u}", by->number, n);
	append_job_init(&t->job);
	if (!by->all_small && n % LARGE_EVERY == LARGE_EVERY - 1)
		t->large = enlarge(t->text, n);
	t->item.payload = slice_str(t->large ? t->large : t->text);
	t->item.media_type = slice_str("application/json");
	t->job.log = by->logs[(by->number + n) % LOGS];
	if (n % 2) {
		struct slice part = slice_str(t->text);
		t->item.has_key = true;
		log_key_digest(t->job.log, t->item.key, 'k', &part, 1);
	}
	t->job.writer = slice_str("p-test");
	t->job.items = &t->item;
	t->job.n_items = 1;
	t->job.want_receipts = true;
	t->job.owner = t;
	t->job.done = answered;
	CHECK(append_prepare(&t->job, by->tools) == 0);
	return t;
}

static void
free_task(struct task *t)
{
	append_job_fini(&t->job);
	free(t->large);
	free(t);
}

/* Submits all its jobs, alone and in lists, and waits until all are answered. */
static void *
submitter_main(void *arg)
{
	struct submitter *by = arg;
	struct task *tasks[JOBS];

	for (unsigned n = 0; n < JOBS; n++)
		tasks[n] = new_task(by, n);
	for (unsigned n = 0; n < JOBS;) {
		unsigned end = n + 1 + n % 4 < JOBS ? n + 1 + n % 4 : JOBS;
		int err;
		for (unsigned k = n; k < end; k++)
			tasks[k]->job.next = k + 1 < end ? &tasks[k + 1]->job : NULL;
		while ((err = writer_submit(by->w, &tasks[n]->job)) == STELE_EBUSY)
			sched_yield();
		if (err != 0) {
			pthread_mutex_lock(&by->mu);
			by->err = err;
			pthread_mutex_unlock(&by->mu);
			break;
		}
		by->submitted += end - n;
		n = end;
	}
	pthread_mutex_lock(&by->mu);
	while (by->answered < by->submitted)
		pthread_cond_wait(&by->changed, &by->mu);
	pthread_mutex_unlock(&by->mu);
	for (unsigned n = 0; n < JOBS; n++)
		free_task(tasks[n]);
	return NULL;
}

static void
submitter_init(struct submitter *by, struct scratch *s, struct writer *w, struct log **logs,
	       unsigned number)
{
	*by = (struct submitter){.s = s, .w = w, .logs = logs, .number = number};
	by->tools = toolbox_new();
	pthread_mutex_init(&by->mu, NULL);
	pthread_cond_init(&by->changed, NULL);
}

static void
submitter_fini(struct submitter *by)
{
	pthread_mutex_destroy(&by->mu);
	pthread_cond_destroy(&by->changed);
	toolbox_free(by->tools);
}

static void
make_logs(struct scratch *s, struct log *logs[LOGS])
{
	char name[16];

	for (int i = 0; i < LOGS; i++) {
		snprintf(name, sizeof name, "log-%d", i);
		logs[i] = scratch_log(s, name, "{}");
	}
}

static uint64_t
records_in(struct log *logs[LOGS])
{
	uint64_t n = 0;

	for (int i = 0; i < LOGS; i++) {
		struct head *h = log_head(logs[i]);
		n += h->size - 1;
		head_unref(h);
	}
	return n;
}

/* Readers beside the writer: whatever is released reads and has its proof. */
struct reader {
	struct scratch *s;
	struct log **logs;
	atomic_bool stop;
	unsigned read, wrong;
	pthread_t thread;
};

static void *
reader_main(void *arg)
{
	struct reader *r = arg;
	struct toolbox *tools = toolbox_new();
	struct sha256 *h = sha256_new();

	for (unsigned i = 0; !atomic_load(&r->stop); i++) {
		struct log *log = r->logs[i % LOGS];
		struct head *head = log_head(log);
		uint64_t index = i * 7 % head->size;
		struct store_stats stats;
		struct record rec;
		struct proof p;
		struct arena a;
		arena_init(&a);
		if (read_record(r->s->st, log, index, tools, &a, &rec) != 0 ||
		    read_inclusion(r->s->st, log, index, head->size, tools, &p) != 0 ||
		    merkle_verify_inclusion(h, head->root, index, head->size, rec.leaf,
					    (const void *)p.hash, p.n) != 0)
			r->wrong++;
		r->read++;
		store_stats_get(r->s->st, &stats);
		arena_fini(&a);
		head_unref(head);
	}
	sha256_free(h);
	toolbox_free(tools);
	return NULL;
}

START_TEST(every_job_of_many_threads_is_answered_once_in_its_order)
{
	struct submitter by[SUBMITTERS];
	struct reader reader = {0};
	struct log *logs[LOGS];
	struct store_stats stats;
	struct scratch s;
	struct writer *w;

	scratch_begin(&s);
	make_logs(&s, logs);
	ck_assert_int_eq(writer_new(&w, s.st, 2000), 0); /* a small queue: EBUSY happens */
	reader.s = &s;
	reader.logs = logs;
	pthread_create(&reader.thread, NULL, reader_main, &reader);
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		submitter_init(&by[i], &s, w, logs, i);
		pthread_create(&by[i].thread, NULL, submitter_main, &by[i]);
	}
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		pthread_join(by[i].thread, NULL);
		ck_assert_uint_eq(by[i].ok, JOBS);
		ck_assert(!by[i].out_of_order);
		ck_assert(!by[i].wrong_receipt);
		submitter_fini(&by[i]);
	}
	atomic_store(&reader.stop, true);
	pthread_join(reader.thread, NULL);
	ck_assert_uint_gt(reader.read, 0);
	ck_assert_uint_eq(reader.wrong, 0);
	ck_assert_uint_eq(writer_queued_bytes(w), 0);
	store_stats_get(s.st, &stats);
	ck_assert_uint_lt(stats.commits, SUBMITTERS * JOBS + LOGS);
	writer_free(w);
	ck_assert_uint_eq(records_in(logs), SUBMITTERS * JOBS);
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_uint_eq(s.errors, 0);
	scratch_end(&s);
}
END_TEST

/* Every table of keys is set aside while commits are on their way. */
START_TEST(keys_may_be_spilled_at_any_moment_of_a_commit)
{
	struct submitter by[2];
	struct log *logs[LOGS];
	struct scratch s;
	struct writer *w;
	bool running = true;

	scratch_begin(&s);
	make_logs(&s, logs);
	ck_assert_int_eq(writer_new(&w, s.st, 0), 0);
	for (unsigned i = 0; i < 2; i++) {
		submitter_init(&by[i], &s, w, logs, i);
		by[i].all_small = true;
		pthread_create(&by[i].thread, NULL, submitter_main, &by[i]);
	}
	while (running) {
		struct keyindex *k = &s.st->keys;
		struct position at;
		bool free_now;
		pthread_rwlock_wrlock(&s.st->lock);
		at = s.st->position;
		pthread_mutex_lock(&k->mu);
		free_now = k->frozen.n == 0; /* else the upkeep thread still has to write it */
		pthread_mutex_unlock(&k->mu);
		if (free_now)
			ck_assert_int_eq(keyindex_freeze(k, at.end, at.sequence + 1, at.hash), 0);
		pthread_rwlock_unlock(&s.st->lock);
		running = false;
		for (unsigned i = 0; i < 2; i++) {
			pthread_mutex_lock(&by[i].mu);
			running |= by[i].answered < JOBS;
			pthread_mutex_unlock(&by[i].mu);
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(by[i].thread, NULL);
		ck_assert_uint_eq(by[i].ok, JOBS);
		submitter_fini(&by[i]);
	}
	writer_free(w);
	scratch_end(&s);
}
END_TEST

START_TEST(stopping_answers_what_is_queued_and_refuses_what_comes_later)
{
	struct submitter by;
	struct task *tasks[JOBS];
	struct log *logs[LOGS];
	struct scratch s;
	struct writer *w;

	scratch_begin(&s);
	make_logs(&s, logs);
	ck_assert_int_eq(writer_new(&w, s.st, 0), 0);
	submitter_init(&by, &s, w, logs, 0);
	for (unsigned n = 0; n < JOBS; n++)
		tasks[n] = new_task(&by, n);
	for (unsigned n = 0; n < JOBS; n++)
		ck_assert_int_eq(writer_submit(w, &tasks[n]->job), 0);
	writer_free(w);
	ck_assert_uint_eq(by.ok, JOBS);
	ck_assert(!by.out_of_order);
	for (unsigned n = 0; n < JOBS; n++) {
		ck_assert_uint_eq(tasks[n]->answers, 1);
		free_task(tasks[n]);
	}
	submitter_fini(&by);
	ck_assert_uint_eq(records_in(logs), JOBS);
	scratch_end(&s);
}
END_TEST

START_TEST(a_failed_flush_answers_all_and_then_refuses_at_the_door)
{
	struct submitter by[SUBMITTERS];
	struct log *logs[LOGS];
	struct scratch s;
	struct writer *w;
	uint64_t acknowledged = 0;

	scratch_begin(&s);
	make_logs(&s, logs);
	disk_fail_at(DISK_FLUSH, 2, 1000, EIO, false); /* a busy machine makes few, large commits */
	ck_assert_int_eq(writer_new(&w, s.st, 0), 0);
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		submitter_init(&by[i], &s, w, logs, i);
		pthread_create(&by[i].thread, NULL, submitter_main, &by[i]);
	}
	for (unsigned i = 0; i < SUBMITTERS; i++) {
		pthread_join(by[i].thread, NULL);
		ck_assert_uint_eq(by[i].answered, by[i].submitted);
		ck_assert(by[i].submitted == JOBS ? by[i].failed != 0 || by[i].ok == JOBS : true);
		ck_assert(by[i].err == STELE_EREADONLY || by[i].ok == JOBS);
		acknowledged += by[i].ok;
		submitter_fini(&by[i]);
	}
	ck_assert(atomic_load(&s.st->read_only));
	ck_assert_uint_eq(records_in(logs), acknowledged);
	writer_free(w);
	ck_assert(disk_repair(NULL));
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	scratch_end(&s);
}
END_TEST

struct creator {
	struct writer *w;
	pthread_t thread;
	unsigned created;
	bool failed;
};

static void *
creator_main(void *arg)
{
	struct creator *c = arg;
	struct policy policy = {.mode = ENTRY_MODE_NONE};

	for (int i = 0; i < 20; i++) {
		char name[16];
		bool created = false;
		struct log *log = NULL;
		snprintf(name, sizeof name, "made-%d", i);
		if (writer_create_log(c->w, slice_str(name), &policy, slice_str("p"), NULL, &log,
				      &created) != 0 ||
		    strcmp(log_name(log), name) != 0)
			c->failed = true;
		c->created += created;
	}
	return NULL;
}

START_TEST(one_of_many_creators_creates_a_log_and_all_get_it)
{
	struct policy other = {.mode = ENTRY_MODE_GOVERNANCE};
	struct creator c[4];
	struct scratch s;
	struct writer *w;
	struct log *log;
	unsigned created = 0;
	bool made;

	scratch_begin(&s);
	ck_assert_int_eq(writer_new(&w, s.st, 0), 0);
	for (int i = 0; i < 4; i++) {
		c[i] = (struct creator){.w = w};
		pthread_create(&c[i].thread, NULL, creator_main, &c[i]);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(c[i].thread, NULL);
		ck_assert(!c[i].failed);
		created += c[i].created;
	}
	ck_assert_uint_eq(created, 20);
	ck_assert_int_eq(writer_create_log(w, slice_str("made-3"), &other, slice_str("p"), NULL,
					   &log, &made),
			 STELE_EEXIST);
	ck_assert_str_eq(log_name(log), "made-3");
	writer_free(w);
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_uint_eq(s.st->n_logs, 20);
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
		every_job_of_many_threads_is_answered_once_in_its_order,
		keys_may_be_spilled_at_any_moment_of_a_commit,
		stopping_answers_what_is_queued_and_refuses_what_comes_later,
		a_failed_flush_answers_all_and_then_refuses_at_the_door,
		one_of_many_creators_creates_a_log_and_all_get_it,
		tiny_records_fill_the_queue_as_the_memory_they_keep,
		little_space_refuses_from_the_first_record_on,
		tied_jobs_lie_in_one_commit,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("writer", tests, sizeof tests / sizeof *tests, 240);
}
