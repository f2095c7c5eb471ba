/*
 * A scratch store for tests: a temporary folder, small WAL files, a clock that
 * the test moves, and one-line appends.
 */
#ifndef STELE_TESTS_SCRATCH_STORE_H
#define STELE_TESTS_SCRATCH_STORE_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/err.h"
#include "storage/clocks.h"
#include "storage/log.h"
#include "storage/read.h"
#include "storage/store.h"

struct scratch {
	char dir[256];
	struct store *st;
	struct toolbox *tools;
	int64_t now_ns;  /* of both clocks of the machine, */
	int64_t step_ns; /* and how far the wall clock is ahead */
	int64_t tick_ns; /* they move on by that with each look */
	uint8_t boot_id[16];
	unsigned errors, warnings; /* lines said at these levels */
	struct store_options opts;
};

static inline int64_t
scratch_now(void *clock)
{
	struct scratch *s = clock;

	/* several threads of a store ask */
	return __atomic_add_fetch(&s->now_ns, s->tick_ns, __ATOMIC_RELAXED) + s->step_ns;
}

static inline int64_t
scratch_boot(void *clock)
{
	struct scratch *s = clock;

	return __atomic_add_fetch(&s->now_ns, s->tick_ns, __ATOMIC_RELAXED);
}

static inline void
scratch_say(void *ctx, enum store_level level, const char *line)
{
	struct scratch *s = ctx;

	__atomic_fetch_add(&s->errors, level == STORE_ERROR, __ATOMIC_RELAXED);
	__atomic_fetch_add(&s->warnings, level == STORE_WARN, __ATOMIC_RELAXED);
	if (getenv("STELE_TEST_VERBOSE"))
		fprintf(stderr, "%s\n", line);
}

static inline int
scratch_remove(const char *path, const struct stat *sb, int type, struct FTW *f)
{
	(void)sb;
	(void)type;
	(void)f;
	return remove(path);
}

/* Opens what is in the folder; returns store_open's error. */
static inline int
scratch_open(struct scratch *s)
{
	struct buf why;
	int err;

	buf_init(&why);
	err = store_open(&s->st, &s->opts, &why);
	if (err != 0 && getenv("STELE_TEST_VERBOSE"))
		fprintf(stderr, "open: %.*s\n", (int)why.n, (const char *)why.p);
	buf_fini(&why);
	if (err != 0)
		s->st = NULL;
	return err;
}

static inline void
scratch_close(struct scratch *s)
{
	store_close(s->st);
	s->st = NULL;
}

static inline void
scratch_begin(struct scratch *s)
{
	const char *tmp = getenv("TMPDIR");

	memset(s, 0, sizeof *s);
	snprintf(s->dir, sizeof s->dir, "%s/stele-test-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(s->dir));
	s->now_ns = 1795000000000000000;
	s->tick_ns = 1000;
	memset(s->boot_id, 1, sizeof s->boot_id);
	s->tools = toolbox_new();
	s->opts = (struct store_options){
		.dir = s->dir,
		.server_name = "test.example.com",
		.wal_file_bytes = 1 << 20,
		.create = true,
		.now_ns = scratch_now,
		.boot_ns = scratch_boot,
		.boot_id = s->boot_id,
		.clock = s,
		.say = scratch_say,
		.say_ctx = s,
	};
	ck_assert_int_eq(scratch_open(s), 0);
}

/* Stops the machine's clocks where the later of the store's two says ns. */
static inline void
scratch_stop_at(struct scratch *s, int64_t ns)
{
	struct clock_reading r;

	s->tick_ns = 0;
	for (unsigned i = 0; i < 10; i++) { /* evidence time may still be slewed */
		store_clock_get(s->st, &r);
		s->now_ns += ns - clock_later(&r);
	}
	store_clock_get(s->st, &r);
	ck_assert_int_eq(clock_later(&r), ns);
}

static inline void
scratch_end(struct scratch *s)
{
	store_close(s->st);
	toolbox_free(s->tools);
	nftw(s->dir, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Creates a log with this policy JSON. */
static inline struct log *
scratch_log(struct scratch *s, const char *name, const char *policy_json)
{
	struct append_job job;
	struct policy policy;
	struct log *log;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(policy_read(&policy, slice_str(policy_json), &why), 0);
	buf_fini(&why);
	ck_assert_int_eq(store_log_conceive(s->st, slice_str(name), &policy, slice_str("p-test"),
					    &job, &log),
			 0);
	ck_assert_int_eq(store_append_batch(s->st, &job), 0);
	ck_assert_int_eq(store_log_born(s->st, &job), 0);
	append_job_fini(&job);
	return log;
}

/* A prepared job of one item; the payload and key must outlive it. */
static inline void
scratch_job(struct scratch *s, struct append_job *job, struct log *log, const char *payload,
	    const char *key)
{
	struct append_item *item;

	append_job_init(job);
	item = arena_alloc(&job->arena, sizeof *item);
	memset(item, 0, sizeof *item);
	item->payload = slice_str(payload);
	item->media_type = slice_str("application/json");
	if (key) {
		struct slice part = slice_str(key);
		item->has_key = true;
		log_key_digest(log, item->key, 'k', &part, 1);
	}
	job->log = log;
	job->writer = slice_str("p-test");
	job->items = item;
	job->n_items = 1;
	job->want_receipts = true;
	ck_assert_int_eq(append_prepare(job, s->tools), 0);
}

/* Appends one payload in a commit of its own; its index. */
static inline uint64_t
scratch_append(struct scratch *s, struct log *log, const char *payload)
{
	struct append_job job;
	uint64_t index;

	scratch_job(s, &job, log, payload, NULL);
	ck_assert_int_eq(store_append_batch(s->st, &job), 0);
	ck_assert_int_eq(job.err, 0);
	index = job.first;
	append_job_fini(&job);
	return index;
}

/* Records up to size, in commits of at most `each`; payload(i) is that of the record at index i. */
static inline void
scratch_fill(struct scratch *s, struct log *log, uint64_t size, size_t each,
	     struct slice (*payload)(uint64_t index))
{
	struct head *head = log_head(log);
	uint64_t at = head->size;

	head_unref(head);
	while (at < size) {
		size_t n = size - at < each ? (size_t)(size - at) : each;
		struct append_job job;
		append_job_init(&job);
		job.items = arena_alloc(&job.arena, n * sizeof *job.items);
		memset(job.items, 0, n * sizeof *job.items);
		for (size_t i = 0; i < n; i++) {
			struct slice p = payload(at + i);
			job.items[i].payload = slice_of(arena_dup(&job.arena, p.p, p.n), p.n);
			job.items[i].media_type = slice_str("application/json");
		}
		job.log = log;
		job.writer = slice_str("p-test");
		job.n_items = n;
		ck_assert_int_eq(append_prepare(&job, s->tools), 0);
		ck_assert_int_eq(store_append_batch(s->st, &job), 0);
		ck_assert_int_eq(job.err, 0);
		append_job_fini(&job);
		at += n;
	}
}

#endif
