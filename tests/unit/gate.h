/* A writer that is held while jobs gather behind it. */
#ifndef STELE_TESTS_UNIT_GATE_H
#define STELE_TESTS_UNIT_GATE_H

#include <pthread.h>

#include "scratch_store.h"

/* A done() that holds the writer until the test lets it go. */
struct gate {
	pthread_mutex_t held;
};

static inline void
wait_at_gate(struct append_job *job)
{
	struct gate *g = job->owner;

	pthread_mutex_lock(&g->held);
	pthread_mutex_unlock(&g->held);
}

/* A prepared job of n records of one byte. */
static inline void
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

#endif
