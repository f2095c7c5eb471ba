/*
 * bench-bundle: events in a store of their own, sealed, and an evidence bundle of all of them.
 * Payload a second, bytes of the archive, memory, and how fast it is read back. One thread does it
 * all.
 */
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/events.h"
#include "crypto/init.h"
#include "crypto/sha256.h"
#include "proto/check.h"
#include "storage/bundle.h"
#include "storage/mapping.h"
#include "storage/read.h"
#include "storage/store.h"

static const char usage[] =
	"usage: bench-bundle --dir DIRECTORY [OPTION]...\n"
	"A store in the new folder DIRECTORY/store, a bundle of all that is in it; both removed.\n"
	"  --records N    how many (1000000)\n"
	"  --each N       only every N-th of them: a run and a proof for each (1)\n"
	"  --stored       without compression\n";

#define BATCH 256
#define SEAL 20000

struct run {
	char dir[4096];
	uint64_t records, each;
	bool stored;
	struct store *st;
	struct log *log;
};

static double
now_s(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long
resident_kb(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

static int
remove_one(const char *path, const struct stat *sb, int type, struct FTW *f)
{
	(void)sb;
	(void)type;
	(void)f;
	return remove(path);
}

static void
open_store(struct run *r)
{
	struct store_options o = {
		.dir = r->dir, .server_name = "bench.example.com", .create = true};
	struct append_job job;
	struct policy policy;
	struct buf why;

	buf_init(&why);
	CHECK(store_open(&r->st, &o, &why) == 0);
	CHECK(policy_read(&policy, slice_str("{}"), &why) == 0);
	CHECK(store_log_conceive(r->st, slice_str("events"), &policy, slice_str("p-bench"), &job,
				 &r->log) == 0);
	CHECK(store_append_batch(r->st, &job) == 0 && store_log_born(r->st, &job) == 0);
	append_job_fini(&job);
	buf_fini(&why);
}

static void
append(struct run *r, const struct events *e, size_t first, size_t n, struct toolbox *t)
{
	struct append_job job;

	append_job_init(&job);
	job.log = r->log;
	job.writer = slice_str("s-bench");
	job.n_items = n;
	job.items = arena_alloc(&job.arena, n * sizeof *job.items);
	CHECK(job.items);
	memset(job.items, 0, n * sizeof *job.items);
	for (size_t i = 0; i < n; i++) {
		job.items[i].payload = e->items[first + i];
		job.items[i].media_type = slice_str("application/json");
	}
	CHECK(append_prepare(&job, t) == 0 && store_append_batch(r->st, &job) == 0);
	append_job_fini(&job);
}

/* Some at a time, so that they are neither all in memory nor all in the WAL. */
static void
fill(struct run *r)
{
	struct toolbox *t = toolbox_new();
	struct buf why;

	buf_init(&why);
	for (uint64_t at = 0; at < r->records; at += SEAL) {
		size_t n = r->records - at < SEAL ? (size_t)(r->records - at) : SEAL;
		struct events e;

		CHECK(events_generate(&e, EVENTS_CLOUD, at, n) == 0);
		for (size_t i = 0; i < n; i += BATCH)
			append(r, &e, i, n - i < BATCH ? n - i : BATCH, t);
		events_fini(&e);
		CHECK(store_seal_log(r->st, r->log, &why) == 0 && store_maintain(r->st) == 0 &&
		      store_seal_due(r->st) >= 0);
	}
	buf_fini(&why);
	toolbox_free(t);
}

static int
next(void *ctx, size_t log, uint64_t from, struct bundle_run *out)
{
	const struct run *r = ctx;
	uint64_t first = (from + r->each - 1) / r->each * r->each;

	(void)log;
	if (first > r->records)
		return 1;
	*out = (struct bundle_run){first, r->each == 1 ? r->records : first, true};
	return 0;
}

static void
read_back(struct run *r, struct slice id)
{
	static uint8_t piece[1 << 20];
	double from = now_s(CLOCK_PROCESS_CPUTIME_ID);
	struct spool_reader *s;
	uint64_t bytes;

	CHECK(spool_open(&s, r->st, id) == 0);
	bytes = spool_bytes(s);
	for (uint64_t at = 0; at < bytes; at += sizeof piece) {
		size_t n = bytes - at < sizeof piece ? (size_t)(bytes - at) : sizeof piece;
		CHECK(spool_read(s, at, piece, n) == 0);
	}
	spool_close(s);
	printf("read back %.0f MB/s\n",
	       (double)bytes / 1e6 / (now_s(CLOCK_PROCESS_CPUTIME_ID) - from));
}

static void
measure(struct run *r)
{
	struct toolbox *t = toolbox_new();
	struct sha256 *h = sha256_new();
	struct bundle_result out;
	struct bundle_log log = {.log = r->log, .head = log_head(r->log), .permitted = true};
	struct bundle_job job = {.st = r->st,
				 .id = slice_str("x-bench22222"),
				 .request = slice_str("{\"kind\":\"range\",\"logs\":[\"events\"]}"),
				 .requester = slice_str("p-bench"),
				 .version = slice_str("bench"),
				 .logs = &log,
				 .n_logs = 1,
				 .stored = r->stored,
				 .next = next,
				 .ctx = r};
	double cpu = now_s(CLOCK_PROCESS_CPUTIME_ID), wall = now_s(CLOCK_MONOTONIC);
	long before = resident_kb();
	struct arena a;
	struct buf why;

	arena_init(&a);
	buf_init(&why);
	log.mapping = mapping_builtin(&a, h);
	CHECK(t && h && log.mapping && bundle_make(&job, &out, &why) == 0);
	cpu = now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	wall = now_s(CLOCK_MONOTONIC) - wall;
	printf("%llu records, %.1f MB of payload: %.1f s, %.1f of a core; %.0f MB/s of a core, %.1f us "
	       "a record\narchive %.1f MB; resident at most %ld KB, before it %ld KB\n",
	       (unsigned long long)out.counts.entries, (double)out.counts.bytes / 1e6, wall, cpu,
	       (double)out.counts.bytes / 1e6 / cpu, cpu * 1e6 / (double)out.counts.entries,
	       (double)out.bytes / 1e6, resident_kb(), before);
	read_back(r, job.id);
	head_unref(log.head);
	buf_fini(&why);
	arena_fini(&a);
	sha256_free(h);
	toolbox_free(t);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {{"dir", 1, NULL, 'd'},
						{"records", 1, NULL, 'r'},
						{"each", 1, NULL, 'e'},
						{"stored", 0, NULL, 's'},
						{NULL, 0, NULL, 0}};
	struct run r = {.records = 1000000, .each = 1};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			snprintf(r.dir, sizeof r.dir, "%s/store", optarg);
		else if (c == 'r')
			r.records = strtoull(optarg, NULL, 10);
		else if (c == 'e')
			r.each = strtoull(optarg, NULL, 10);
		else
			r.stored = c == 's';
		if (c == '?')
			r.each = 0;
	}
	if (!r.dir[0] || !r.records || !r.each || crypto_init() != 0) {
		fputs(usage, stderr);
		return 3;
	}
	open_store(&r);
	fill(&r);
	measure(&r);
	store_close(r.st);
	nftw(r.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}
