/*
 * Threads: the writer takes everything queued as one batch and answers it; the
 * flusher writes what is large, so that the writer can take the next batch
 * meanwhile; upkeep, prewriting, sealing and scrubbing run behind; helpers sign when a
 * commit touched many logs.
 */
#include "storage/writer.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/err.h"
#include "storage/backup.h"
#include "storage/commit.h"
#include "storage/helpers.h"
#include "storage/internal.h"
#include "storage/succeed.h"
#include "storage/scrub.h"

enum {
	PREPARE_MS = 100,
	MAINTAIN_EVERY = 10,
	SEAL_MS = 200,
	BACKUP_NICE = 10,
	ASIDE_BYTES = 128 << 10, /* a smaller frame is written before another thread is awake */
};

struct writer {
	struct store *st;
	uint64_t queue_bytes; /* bound, on queued_bytes */

	pthread_mutex_t mu;
	pthread_cond_t wake;
	struct append_job *head, **tail;
	uint64_t queued_bytes;
	bool closing;

	pthread_cond_t flush;
	struct commit *to_flush; /* what the flusher writes: NULL when it has none, or is done */
	struct commit *spare; /* the writer's: one takes jobs while st->commit is being written */
	bool flushed_all;     /* the writer has ended */

	pthread_t writer, flusher, upkeep, prewriter, sealer, scrubber, copier;
	bool writer_runs, flusher_runs, upkeep_runs, prewriter_runs, sealer_runs, scrubber_runs,
		copier_runs;
	pthread_cond_t upkeep_wake; /* the others' too: they wait for time or the end */
	struct helpers *helpers;
};

/* --- the writer ----------------------------------------------------------- */

/* Memory that a job keeps while it waits: tiny records cost more than their bytes. */
static uint64_t
held_bytes(const struct append_job *j)
{
	return j->bytes + j->n_items * sizeof *j->items;
}

/* The end of the job at `at` with those tied to it, and what they bring together. */
static struct append_job **
tied_end(struct append_job **at, uint64_t *bytes, uint64_t *records)
{
	bool tied;

	do {
		struct append_job *j = *at;
		*bytes += j->bytes;
		*records += j->n_items;
		tied = j->tied;
		at = &j->next;
	} while (tied && *at);
	return at;
}

/* Cuts off the queue what fits into the commit beside what it has taken; mu is held. */
static struct append_job *
take_batch(struct writer *w, const struct commit *c)
{
	struct append_job *batch = w->head, **end = &w->head;
	uint64_t bytes = c->bytes, records = c->records;

	while (*end) {
		uint64_t more_bytes = 0, more_records = 0;
		struct append_job **after = tied_end(end, &more_bytes, &more_records);
		if (records && !commit_fits(w->st, records + more_records, bytes + more_bytes))
			break;
		bytes += more_bytes;
		records += more_records;
		for (; end != after; end = &(*end)->next)
			w->queued_bytes -= held_bytes(*end);
	}
	if (end == &w->head)
		return NULL;
	w->head = *end;
	if (!w->head)
		w->tail = &w->head;
	*end = NULL;
	return batch;
}

static void
settle(struct commit *c)
{
	struct append_job *job, *next;

	(void)commit_settle(c, &job); /* every job has its own answer */
	for (; job; job = next) {
		next = job->next;
		job->next = NULL;
		job->done(job);
	}
}

static void
write_aside(struct writer *w, struct commit *c)
{
	pthread_mutex_lock(&w->mu);
	w->to_flush = c;
	pthread_mutex_unlock(&w->mu);
	pthread_cond_signal(&w->flush);
}

/*
 * Waits for something to do; mu is held. What was queued is cut off into
 * *batch, *flushed says that the commit on its way has been written. False at
 * the end.
 */
static bool
wait_for_work(struct writer *w, const struct commit *open, bool on_its_way,
	      struct append_job **batch, bool *flushed)
{
	for (;;) {
		*batch = take_batch(w, open);
		*flushed = on_its_way && !w->to_flush;
		if (*batch || *flushed)
			return true;
		if (w->closing && !on_its_way)
			return false;
		pthread_cond_wait(&w->wake, &w->mu);
	}
}

static void *
writer_main(void *arg)
{
	struct writer *w = arg;
	struct commit *open = w->st->commit, *written = NULL;
	struct append_job *batch;
	bool flushed;

	pthread_setname_np(pthread_self(), "stele-writer");
	pthread_mutex_lock(&w->mu);
	while (wait_for_work(w, open, written != NULL, &batch, &flushed)) {
		pthread_mutex_unlock(&w->mu);
		if (batch)
			commit_take(open, batch, written);
		if (flushed) {
			settle(written);
			written = NULL;
		}
		if (!written && open->jobs) {
			if (commit_close(open) < ASIDE_BYTES) {
				(void)commit_write(open); /* settling tells the jobs */
				settle(open);
			} else {
				write_aside(w, open);
				written = open;
				open = open == w->spare ? w->st->commit : w->spare;
			}
		}
		pthread_mutex_lock(&w->mu);
	}
	pthread_mutex_unlock(&w->mu);
	return NULL;
}

static void *
flusher_main(void *arg)
{
	struct writer *w = arg;

	pthread_setname_np(pthread_self(), "stele-flusher");
	pthread_mutex_lock(&w->mu);
	while (!w->flushed_all) {
		if (w->to_flush) {
			struct commit *c = w->to_flush;
			pthread_mutex_unlock(&w->mu);
			(void)commit_write(c); /* settling tells the jobs */
			pthread_mutex_lock(&w->mu);
			w->to_flush = NULL;
			pthread_cond_signal(&w->wake);
		} else {
			pthread_cond_wait(&w->flush, &w->mu);
		}
	}
	pthread_mutex_unlock(&w->mu);
	return NULL;
}

static void
wait_ms(struct writer *w, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until); /* a wall clock set back would hold it */
	until.tv_nsec += ms * 1000000l;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_clockwait(&w->upkeep_wake, &w->mu, CLOCK_MONOTONIC, &until);
}

static void *
upkeep_main(void *arg)
{
	struct writer *w = arg;

	pthread_setname_np(pthread_self(), "stele-upkeep");
	pthread_mutex_lock(&w->mu);
	for (unsigned round = 0; !w->closing; round++) {
		pthread_mutex_unlock(&w->mu);
		if (round % MAINTAIN_EVERY == 0)
			(void)store_maintain(w->st); /* said and counted there */
		else
			(void)store_prepare(w->st);
		pthread_mutex_lock(&w->mu);
		if (!w->closing)
			wait_ms(w, PREPARE_MS);
	}
	pthread_mutex_unlock(&w->mu);
	return NULL;
}

/*
 * The calling thread takes what is left of the cores: a core that runs it counts as idle,
 * so that the writer and the loops wake up there at once (sched(7), SCHED_IDLE). Where
 * that is refused it competes with them, which costs speed and nothing else.
 */
static void
yield_always(void)
{
	struct sched_param none = {.sched_priority = 0};

	(void)pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
}

/* Runs step again and again until the end, waiting as many ms between as it says. */
static void *
run_behind(struct writer *w, const char *name, unsigned (*step)(struct store *st))
{
	pthread_setname_np(pthread_self(), name);
	pthread_mutex_lock(&w->mu);
	while (!w->closing) {
		unsigned ms;
		pthread_mutex_unlock(&w->mu);
		ms = step(w->st); /* an error is said there */
		pthread_mutex_lock(&w->mu);
		if (!w->closing && ms)
			wait_ms(w, ms);
	}
	pthread_mutex_unlock(&w->mu);
	return NULL;
}

static unsigned
prewrite_step(struct store *st)
{
	(void)store_prewrite(st); /* the writer makes the file otherwise */
	return PREPARE_MS;
}

static unsigned
seal_step(struct store *st)
{
	return store_seal_due(st) == 1 ? 0 : SEAL_MS;
}

static unsigned
scrub_step(struct store *st)
{
	unsigned ms;

	(void)store_scrub_step(st, &ms);
	return ms;
}

static unsigned
copy_step(struct store *st)
{
	(void)store_backup_run(st); /* who asked asks how it ended */
	return SEAL_MS;
}

static void *
prewriter_main(void *arg)
{
	return run_behind(arg, "stele-prewrite", prewrite_step);
}

/* Sealing takes a core for seconds. */
static void *
sealer_main(void *arg)
{
	yield_always();
	return run_behind(arg, "stele-sealer", seal_step);
}

/* Reading again what lies there can always wait. */
static void *
scrubber_main(void *arg)
{
	yield_always();
	return run_behind(arg, "stele-scrub", scrub_step);
}

/* A backup must end, however busy the server: it goes behind, but not last. */
static void *
copier_main(void *arg)
{
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), BACKUP_NICE);
	return run_behind(arg, "stele-backup", copy_step);
}

static bool
start(pthread_t *thread, void *(*main)(void *), struct writer *w)
{
	return pthread_create(thread, NULL, main, w) == 0;
}

int
writer_new(struct writer **out, struct store *st, uint64_t queue_bytes)
{
	struct writer *w = calloc(1, sizeof *w);
	int err;

	if (!w)
		return STELE_ENOMEM;
	w->st = st;
	w->queue_bytes = queue_bytes ? queue_bytes : LIMIT_QUEUE_BYTES;
	w->tail = &w->head;
	pthread_mutex_init(&w->mu, NULL);
	pthread_cond_init(&w->wake, NULL);
	pthread_cond_init(&w->upkeep_wake, NULL);
	pthread_cond_init(&w->flush, NULL);
	err = helpers_new(&w->helpers);
	if (err == 0)
		err = commit_new(&w->spare, st);
	st->parallel_ctx = w->helpers;
	st->parallel_parts = helpers_threads(w->helpers) + 1;
	st->parallel = st->parallel_parts > 1 ? helpers_run : NULL;
	if (err == 0) {
		(void)store_prepare(st); /* before the first record: is there space? */
		w->writer_runs = start(&w->writer, writer_main, w);
		w->flusher_runs = start(&w->flusher, flusher_main, w);
		w->upkeep_runs = start(&w->upkeep, upkeep_main, w);
		w->prewriter_runs = start(&w->prewriter, prewriter_main, w);
		w->sealer_runs = start(&w->sealer, sealer_main, w);
		w->scrubber_runs = start(&w->scrubber, scrubber_main, w);
		w->copier_runs = start(&w->copier, copier_main, w);
		if (!w->writer_runs || !w->flusher_runs || !w->upkeep_runs || !w->prewriter_runs ||
		    !w->sealer_runs || !w->scrubber_runs || !w->copier_runs)
			err = STELE_ENOMEM;
	}
	if (err != 0) {
		writer_free(w);
		return err;
	}
	*out = w;
	return 0;
}

void
writer_free(struct writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->mu);
	w->closing = true;
	pthread_cond_broadcast(&w->wake);
	pthread_cond_broadcast(&w->upkeep_wake);
	pthread_mutex_unlock(&w->mu);
	wal_hurry(w->st->wal);
	store_seal_stop(w->st);
	store_backup_stop(w->st);
	if (w->writer_runs)
		pthread_join(w->writer, NULL);
	pthread_mutex_lock(&w->mu);
	w->flushed_all = true;
	pthread_cond_signal(&w->flush);
	pthread_mutex_unlock(&w->mu);
	if (w->flusher_runs)
		pthread_join(w->flusher, NULL);
	if (w->upkeep_runs)
		pthread_join(w->upkeep, NULL);
	if (w->prewriter_runs)
		pthread_join(w->prewriter, NULL);
	if (w->sealer_runs)
		pthread_join(w->sealer, NULL);
	if (w->scrubber_runs)
		pthread_join(w->scrubber, NULL);
	if (w->copier_runs)
		pthread_join(w->copier, NULL);
	w->st->parallel = NULL;
	helpers_free(w->helpers);
	commit_free(w->spare);
	pthread_cond_destroy(&w->flush);
	pthread_cond_destroy(&w->wake);
	pthread_cond_destroy(&w->upkeep_wake);
	pthread_mutex_destroy(&w->mu);
	free(w);
}

/*
 * Whether there is space for them. Of what is below the soft limit half is a reserve for what
 * protects, gives space back or tells of it: a hold must not wait until somebody has tidied up, nor
 * a purge. A new log can wait: its entry has no control, since that is the log's policy already.
 */
static bool
has_space(const struct store *st, const struct append_job *jobs)
{
	bool kept_for = jobs->kind != ENTRY_RECORD || log_stays(jobs->log);

	for (const struct append_job *j = jobs; j; j = j->next)
		kept_for = kept_for && !(j->kind == ENTRY_POLICY && !j->control);
	return !atomic_load(&st->low_space) || (kept_for && store_has_reserve(st));
}

int
writer_submit(struct writer *w, struct append_job *jobs)
{
	struct append_job *last = NULL;
	uint64_t bytes = 0;
	bool wake = false;
	int err = 0;

	for (struct append_job *j = jobs; j; j = j->next) {
		bytes += held_bytes(j);
		last = j;
	}
	if (!last)
		return 0;
	if (atomic_load(&w->st->read_only))
		return STELE_EREADONLY;
	if (!has_space(w->st, jobs))
		return STELE_ENOSPACE;
	pthread_mutex_lock(&w->mu);
	if (w->closing) {
		err = STELE_ECLOSED;
	} else if (w->head && w->queued_bytes + bytes > w->queue_bytes) {
		err = STELE_EBUSY;
	} else {
		wake = !w->head;
		*w->tail = jobs;
		w->tail = &last->next;
		w->queued_bytes += bytes;
	}
	pthread_mutex_unlock(&w->mu);
	if (wake) /* not under the lock, or it wakes only to wait for that */
		pthread_cond_signal(&w->wake);
	return err;
}

struct store *
writer_store(struct writer *w)
{
	return w->st;
}

uint64_t
writer_queued_bytes(struct writer *w)
{
	uint64_t n;

	pthread_mutex_lock(&w->mu);
	n = w->queued_bytes;
	pthread_mutex_unlock(&w->mu);
	return n;
}

/* --- waiting for the answer ------------------------------------------------ */

/* Jobs of one caller who waits. */
struct wait {
	pthread_mutex_t mu;
	pthread_cond_t all;
	size_t left;
	int err;
};

static void
one_done(struct append_job *job)
{
	struct wait *wait = job->owner;

	job->owner = NULL;
	pthread_mutex_lock(&wait->mu);
	if (job->err != 0 && wait->err == 0)
		wait->err = job->err;
	if (--wait->left == 0)
		pthread_cond_signal(&wait->all);
	pthread_mutex_unlock(&wait->mu);
}

int
writer_append(struct writer *w, struct append_job *jobs)
{
	struct wait wait = {.left = 0};
	int err;

	pthread_mutex_init(&wait.mu, NULL);
	pthread_cond_init(&wait.all, NULL);
	for (struct append_job *j = jobs; j; j = j->next) {
		j->owner = &wait;
		j->done = one_done;
		wait.left++;
	}
	err = writer_submit(w, jobs);
	if (err == 0) {
		pthread_mutex_lock(&wait.mu);
		while (wait.left)
			pthread_cond_wait(&wait.all, &wait.mu);
		pthread_mutex_unlock(&wait.mu);
		err = wait.err;
	} else {
		for (struct append_job *j = jobs; j; j = j->next) {
			j->err = err;
			j->owner = NULL;
		}
	}
	jobs->owner = NULL;
	pthread_cond_destroy(&wait.all);
	pthread_mutex_destroy(&wait.mu);
	return err;
}

int
writer_replace_identity(struct writer *w, struct append_job *record, bool *destroyed)
{
	int err;

	pthread_mutex_lock(&w->st->creating);
	err = succeed_begin(record);
	if (err == 0) {
		(void)writer_append(w, record); /* its err tells */
		err = succeed_end(record, destroyed);
	}
	pthread_mutex_unlock(&w->st->creating);
	return err;
}
