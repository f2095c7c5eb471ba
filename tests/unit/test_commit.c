/* Group commit: what one batch of jobs becomes, and what is left of one that fails. */
#include "scratch_store.h"

#include <sys/stat.h>

#include "crypto/init.h"
#include "crypto/merkle.h"
#include "crypto/salt.h"
#include "faulty_disk.h"
#include "storage/internal.h"
#include "suite.h"

/* A prepared job of n items: payloads and keys (NULL: none) as given; err of the preparation. */
static int
make_job(struct scratch *s, struct append_job *job, struct log *log, size_t n,
	 const char *const *payloads, const char *const *keys)
{
	append_job_init(job);
	job->items = arena_alloc(&job->arena, n * sizeof *job->items);
	memset(job->items, 0, n * sizeof *job->items);
	for (size_t i = 0; i < n; i++) {
		struct append_item *item = &job->items[i];
		item->payload = slice_str(payloads[i]);
		item->media_type = slice_str("application/json");
		if (keys && keys[i]) {
			struct slice part = slice_str(keys[i]);
			item->has_key = true;
			log_key_digest(log, item->key, 'k', &part, 1);
		}
	}
	job->log = log;
	job->writer = slice_str("p-test");
	job->n_items = n;
	job->want_receipts = true;
	return append_prepare(job, s->tools);
}

static void
reads_as(struct scratch *s, struct log *log, uint64_t index, const char *payload)
{
	struct record r;
	struct arena a;

	arena_init(&a);
	ck_assert_int_eq(read_record(s->st, log, index, s->tools, &a, &r), 0);
	ck_assert(slice_eq_str(r.payload, payload));
	arena_fini(&a);
}

static uint64_t
size_of(struct log *log)
{
	struct head *h = log_head(log);
	uint64_t size = h->size;

	head_unref(h);
	return size;
}

START_TEST(a_batch_over_several_logs_is_one_commit_and_every_receipt_holds)
{
	struct append_job jobs[40];
	struct sha256 *h = sha256_new();
	struct log *logs[20];
	char text[40][32];
	struct scratch s;
	uint64_t before;

	scratch_begin(&s);
	for (int i = 0; i < 20; i++) {
		snprintf(text[i], sizeof text[i], "log-%d", i);
		logs[i] = scratch_log(&s, text[i], "{}");
	}
	before = s.st->position.sequence;
	for (int i = 0; i < 40; i++) {
		snprintf(text[i], sizeof text[i], "{\"n\":%d}", i);
		scratch_job(&s, &jobs[i], logs[i * 7 % 20], text[i], NULL);
		jobs[i].next = i < 39 ? &jobs[i + 1] : NULL;
	}
	ck_assert_int_eq(store_append_batch(s.st, jobs), 0);
	ck_assert_uint_eq(s.st->position.sequence, before + 1);
	for (int i = 0; i < 40; i++) {
		struct append_receipt *r = &jobs[i].receipts[0];
		uint8_t leaf[32];
		ck_assert_int_eq(jobs[i].err, 0);
		ck_assert_uint_eq(jobs[i].first, i < 20 ? 1 : 2);
		ck_assert_uint_eq(jobs[i].head->size, 3);
		sha256_leaf(h, leaf, r->entry);
		ck_assert_int_eq(merkle_verify_inclusion(h, jobs[i].head->root, jobs[i].first, 3,
							 leaf, r->proof, r->n_proof),
				 0);
		reads_as(&s, jobs[i].log, jobs[i].first, text[i]);
		append_job_fini(&jobs[i]);
	}
	sha256_free(h);
	scratch_end(&s);
}
END_TEST

START_TEST(a_key_used_twice_in_one_batch_is_written_once)
{
	struct append_job a, same, other;
	struct scratch s;
	struct log *log;
	size_t bad;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	scratch_job(&s, &a, log, "one", "k");
	scratch_job(&s, &same, log, "one", "k");
	scratch_job(&s, &other, log, "two", "k");
	a.next = &same;
	same.next = &other;
	ck_assert_int_eq(store_append_batch(s.st, &a), 0);
	ck_assert_int_eq(a.err, 0);
	ck_assert_int_eq(same.err, STELE_EDUPLICATE);
	ck_assert_int_eq(other.err, STELE_EDUPLICATE);
	ck_assert_uint_eq(size_of(log), 2);
	ck_assert_int_eq(append_resolve(s.st, &same, s.tools, &bad), 1);
	ck_assert_uint_eq(same.first, 1);
	ck_assert(slice_eq(same.receipts[0].entry, a.receipts[0].entry));
	ck_assert_mem_eq(same.items[0].salt, a.items[0].salt, 16);
	ck_assert_int_eq(append_resolve(s.st, &other, s.tools, &bad), STELE_ECONFLICT);
	append_job_fini(&a);
	append_job_fini(&same);
	append_job_fini(&other);
	scratch_end(&s);
}
END_TEST

START_TEST(twins_in_one_job_are_one_record_and_with_other_payloads_a_conflict)
{
	const char *payloads[] = {"x", "one", "y", "one", "one", "z"};
	const char *conflict[] = {"x", "one", "y", "one", "two", "z"};
	const char *keys[] = {NULL, "k", "j", "k", "k", NULL};
	struct append_job job;
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	ck_assert_int_eq(make_job(&s, &job, log, 6, conflict, keys), STELE_ECONFLICT);
	append_job_fini(&job);
	ck_assert_int_eq(make_job(&s, &job, log, 6, payloads, keys), 0);
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	ck_assert_int_eq(job.err, 0);
	ck_assert_uint_eq(size_of(log), 5);
	const uint64_t want[] = {1, 2, 3, 2, 2, 4};
	for (int i = 0; i < 6; i++) {
		ck_assert_uint_eq(job.items[i].index, want[i]);
		ck_assert_int_eq(job.receipts[i].entry.n != 0, i != 3 && i != 4);
		reads_as(&s, log, want[i], payloads[i]);
	}
	ck_assert_uint_eq(job.first, 1);
	ck_assert_uint_eq(job.last, 4);
	append_job_fini(&job);
	scratch_end(&s);
}
END_TEST

/* Half known, half new, with a twin on each side; compared, then submitted again. */
START_TEST(what_a_retried_batch_lacks_is_written_and_the_rest_keeps_its_place)
{
	const char *payloads[] = {"one", "two", "three", "two", "four", "four"};
	const char *keys[] = {"1", "2", "3", "2", "4", "4"};
	struct append_job job;
	struct scratch s;
	struct log *log;
	size_t bad;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	ck_assert_int_eq(make_job(&s, &job, log, 2, payloads, keys), 0);
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	append_job_fini(&job);
	for (int round = 0; round < 2; round++) {
		const uint64_t want[] = {1, 2, 3, 2, 4, 4};
		ck_assert_int_eq(make_job(&s, &job, log, 6, payloads, keys), 0);
		ck_assert_int_eq(store_append_batch(s.st, &job), 0);
		ck_assert_int_eq(job.err, STELE_EDUPLICATE);
		ck_assert_int_eq(append_resolve(s.st, &job, s.tools, &bad), round);
		if (round == 0) {
			ck_assert_int_eq(store_append_batch(s.st, &job), 0);
			ck_assert_int_eq(job.err, 0);
		}
		ck_assert_uint_eq(job.first, 1);
		ck_assert_uint_eq(job.last, 4);
		ck_assert_uint_eq(job.head->size, 5);
		for (int i = 0; i < 6; i++)
			ck_assert_uint_eq(job.items[i].index, want[i]);
		append_job_fini(&job);
	}
	ck_assert_uint_eq(size_of(log), 5);
	scratch_end(&s);
}
END_TEST

/* n letters that do not compress well; the caller frees. */
static char *
noise(size_t n)
{
	char *p = malloc(n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (char)('!' + random() % 90);
	p[n] = '\0';
	return p;
}

START_TEST(a_job_that_no_file_can_hold_is_refused_and_the_store_goes_on)
{
	struct append_job job;
	const char *payloads[3];
	struct scratch s;
	struct log *log;
	char *big = noise(600000);

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (int i = 0; i < 3; i++)
		payloads[i] = big;
	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(make_job(&s, &job, log, 3, payloads, NULL), 0);
		ck_assert_int_eq(store_append_batch(s.st, &job), STELE_ELIMIT);
		ck_assert_int_eq(job.err, STELE_ELIMIT);
		append_job_fini(&job);
		ck_assert_int_eq(make_job(&s, &job, log, 1, payloads, NULL), 0);
		ck_assert_int_eq(store_append_batch(s.st, &job), 0);
		reads_as(&s, log, job.first, big);
		append_job_fini(&job);
	}
	ck_assert_uint_eq(size_of(log), 3);
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	free(big);
	scratch_end(&s);
}
END_TEST

START_TEST(jobs_that_together_pass_a_file_are_cut_into_commits)
{
	struct append_job jobs[30];
	struct scratch s;
	struct log *log;
	char *text = noise(100000);
	unsigned taken = 0, late = 0;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (int i = 0; i < 30; i++) {
		scratch_job(&s, &jobs[i], log, text, NULL);
		jobs[i].next = i < 29 ? &jobs[i + 1] : NULL;
	}
	ck_assert_int_eq(store_append_batch(s.st, jobs), 0);
	for (int i = 0; i < 30; i++) {
		taken += jobs[i].err == 0;
		late += jobs[i].err == STELE_EBUSY;
		append_job_fini(&jobs[i]);
	}
	ck_assert_uint_ge(taken, 5);
	ck_assert_uint_eq(taken + late, 30);
	free(text);
	scratch_end(&s);
}
END_TEST

START_TEST(empty_payloads_and_the_largest_are_kept_as_they_came)
{
	struct append_job job;
	struct scratch s;
	struct log *log;
	char *largest = malloc(LIMIT_RECORD_BYTES + 2);
	const char *payloads[] = {"", "", "a", "", largest, "", ""};

	memset(largest, 'x', LIMIT_RECORD_BYTES + 1);
	largest[LIMIT_RECORD_BYTES] = '\0';
	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (size_t n = 1; n <= 7; n++) {
		ck_assert_int_eq(make_job(&s, &job, log, n, payloads, NULL), 0);
		ck_assert_int_eq(store_append_batch(s.st, &job), 0);
		for (size_t i = 0; i < n; i++)
			reads_as(&s, log, job.first + i, payloads[i]);
		append_job_fini(&job);
	}
	largest[LIMIT_RECORD_BYTES] = 'x';
	largest[LIMIT_RECORD_BYTES + 1] = '\0';
	ck_assert_int_eq(make_job(&s, &job, log, 7, payloads, NULL), STELE_ELIMIT);
	append_job_fini(&job);
	free(largest);
	scratch_end(&s);
}
END_TEST

/* The clock beyond the last year a lock can be written for. */
START_TEST(a_record_whose_lock_cannot_be_written_is_refused_with_all_its_like)
{
	struct append_job a, b, c;
	struct log *locked, *free_log;
	struct scratch s;

	scratch_begin(&s);
	locked = scratch_log(&s, "locked", "{\"retain\":{\"default\":\"150y\"}}");
	free_log = scratch_log(&s, "free", "{\"mode\":\"none\"}");
	s.now_ns = INT64_MAX / 10 * 9;
	scratch_job(&s, &a, locked, "one", NULL);
	scratch_job(&s, &b, locked, "two", NULL);
	scratch_job(&s, &c, free_log, "three", NULL);
	a.next = &b;
	b.next = &c;
	ck_assert_int_eq(store_append_batch(s.st, &a), 0);
	ck_assert_int_eq(a.err, STELE_ELIMIT);
	ck_assert_int_eq(b.err, STELE_ELIMIT);
	ck_assert_int_eq(c.err, 0);
	ck_assert_uint_eq(size_of(locked), 1);
	ck_assert_uint_eq(size_of(free_log), 2);
	append_job_fini(&a);
	append_job_fini(&b);
	append_job_fini(&c);
	scratch_end(&s);
}
END_TEST

START_TEST(time_never_decreases_when_the_clock_does)
{
	struct append_job job;
	struct scratch s;
	struct log *log;
	int64_t last = 0;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (int i = 0; i < 5; i++) {
		s.now_ns -= 1000000000;
		scratch_job(&s, &job, log, "x", NULL);
		ck_assert_int_eq(store_append_batch(s.st, &job), 0);
		ck_assert_int_ge(job.time_ns, last);
		last = job.time_ns;
		append_job_fini(&job);
	}
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	scratch_end(&s);
}
END_TEST

/* The next file cannot be made for want of room: nothing is written, nothing is broken. */
START_TEST(a_full_disk_fails_the_batch_and_what_it_would_have_repeated)
{
	struct append_job a, same;
	struct scratch s;
	struct log *log;
	char *filler = noise(1000000), *text = noise(380000);

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	scratch_append(&s, log, filler); /* most of file 1 */
	free(filler);
	for (int round = 0; round < 2; round++) {
		scratch_job(&s, &a, log, text, "k");
		scratch_job(&s, &same, log, text, "k");
		a.next = &same;
		if (round == 0)
			disk_fail_at(DISK_WRITE, 1, 1, ENOSPC, false);
		ck_assert_int_eq(store_append_batch(s.st, &a), round ? 0 : STELE_ENOSPACE);
		ck_assert_int_eq(disk_repair(NULL), round == 0);
		ck_assert_int_eq(a.err, round ? 0 : STELE_ENOSPACE);
		ck_assert_int_eq(same.err, round ? STELE_EDUPLICATE : STELE_ENOSPACE);
		ck_assert_int_eq(same.items[0].state, round ? APPEND_MAYBE : APPEND_NEW);
		ck_assert(!atomic_load(&s.st->read_only));
		ck_assert_uint_eq(size_of(log), 2 + (uint64_t)round);
		append_job_fini(&a);
		append_job_fini(&same);
	}
	free(text);
	scratch_end(&s);
}
END_TEST

/* A write or flush that fails: in the commit, and in making the file for it. */
START_TEST(a_failed_write_or_flush_makes_the_store_read_only_until_restart)
{
	const unsigned kinds[] = {DISK_WRITE, DISK_FLUSH};
	char *text = noise(700000);

	for (int i = 0; i < 4; i++) {
		struct append_job job, later;
		struct scratch s;
		struct log *log, *made;
		struct policy policy = {.mode = ENTRY_MODE_NONE};
		scratch_begin(&s);
		log = scratch_log(&s, "l", "{}");
		if (i / 2)
			scratch_append(&s, log, text); /* the next one needs the next file */
		scratch_job(&s, &job, log, text, NULL);
		disk_fail_at(kinds[i % 2], 1, 1, EIO, false);
		ck_assert_int_eq(store_append_batch(s.st, &job), STELE_EREADONLY);
		ck_assert(disk_repair(NULL));
		ck_assert_int_eq(job.err, STELE_EREADONLY);
		ck_assert_uint_eq(s.errors, 1);
		scratch_job(&s, &later, log, "later", NULL);
		ck_assert_int_eq(store_append_batch(s.st, &later), STELE_EREADONLY);
		append_job_fini(&job);
		append_job_fini(&later);
		ck_assert_int_eq(store_log_conceive(s.st, slice_str("m"), &policy, slice_str("p"),
						    &job, &made),
				 STELE_EREADONLY);
		for (uint64_t n = 1; n < size_of(log); n++)
			reads_as(&s, log, n, text);
		scratch_close(&s);
		ck_assert_int_eq(scratch_open(&s), 0);
		ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
		scratch_append(&s, log, "goes on");
		scratch_end(&s);
	}
	free(text);
}
END_TEST

START_TEST(each_block_of_a_large_batch_has_one_seed_that_all_its_salts_expand_from)
{
	enum { N = 150, BYTES = 1000 };
	const char *payloads[N];
	struct append_job job;
	struct scratch s;
	struct log *log;
	char *text = malloc(BYTES + 1);
	size_t next = 0;

	memset(text, 'x', BYTES);
	text[BYTES] = '\0';
	for (int i = 0; i < N; i++)
		payloads[i] = text;
	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	ck_assert_int_eq(make_job(&s, &job, log, N, payloads, NULL), 0);
	ck_assert_uint_gt(job.n_blocks, 1);
	for (size_t b = 0; b < job.n_blocks; b++) {
		const uint8_t *seed = job.blocks[b].packed.p;
		for (uint32_t i = 0; i < job.blocks[b].count; i++) {
			uint8_t salt[1][SALT_BYTES];
			salt_expand(seed, i, 1, salt);
			ck_assert_mem_eq(job.items[next++].salt, salt, sizeof salt);
		}
		ck_assert(b == 0 || memcmp(seed, job.blocks[b - 1].packed.p, 32) != 0);
	}
	ck_assert_uint_eq(next, N);
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	for (int i = 0; i < N; i++) {
		struct record r;
		struct arena a;
		arena_init(&a);
		ck_assert_int_eq(read_record(s.st, log, job.items[i].index, s.tools, &a, &r), 0);
		ck_assert_mem_eq(r.salt, job.items[i].salt, sizeof r.salt);
		arena_fini(&a);
	}
	append_job_fini(&job);
	scratch_end(&s);
	free(text);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_batch_over_several_logs_is_one_commit_and_every_receipt_holds,
		a_key_used_twice_in_one_batch_is_written_once,
		twins_in_one_job_are_one_record_and_with_other_payloads_a_conflict,
		what_a_retried_batch_lacks_is_written_and_the_rest_keeps_its_place,
		a_job_that_no_file_can_hold_is_refused_and_the_store_goes_on,
		jobs_that_together_pass_a_file_are_cut_into_commits,
		empty_payloads_and_the_largest_are_kept_as_they_came,
		a_record_whose_lock_cannot_be_written_is_refused_with_all_its_like,
		time_never_decreases_when_the_clock_does,
		a_full_disk_fails_the_batch_and_what_it_would_have_repeated,
		a_failed_write_or_flush_makes_the_store_read_only_until_restart,
		each_block_of_a_large_batch_has_one_seed_that_all_its_salts_expand_from,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("commit", tests, sizeof tests / sizeof *tests, 120);
}
