/* A log's tail goes on under a next key: which commit uses which, and until when one is needed. */
#include "purge_case.h"

#include <sys/syscall.h>

#include "storage/commit.h"

static struct scratch s;
static struct log *hooked; /* gets a next key at the next read of a file */

/* The store reads its WAL by this. */
ssize_t
pread(int fd, void *p, size_t n, off_t offset)
{
	struct log *log = hooked;

	hooked = NULL;
	if (log)
		ck_assert_int_eq(tailkey_begin(log), 0);
	return syscall(SYS_pread64, fd, p, n, offset);
}

START_TEST(a_commit_is_sealed_under_the_key_that_it_began_with)
{
	struct log *log = purge_filled(&s, 10);
	uint64_t old = log->tail_key->id, until;
	struct append_job job, *jobs;
	uint64_t ids[4];

	scratch_job(&s, &job, log, "{\"begun\":1}", NULL);
	commit_take(s.st->commit, &job, NULL);
	ck_assert_int_eq(tailkey_begin(log), 0);
	ck_assert_uint_ne(log->tail_key->id, old);
	ck_assert_uint_eq(tailkey_needed_until(log), UINT64_MAX); /* one is under way */
	ck_assert_uint_eq(tailkey_unneeded(log, ids, 4), 0);
	(void)commit_close(s.st->commit);
	ck_assert_int_eq(commit_write(s.st->commit), 0);
	ck_assert_int_eq(commit_settle(s.st->commit, &jobs), 0);
	append_job_fini(&job);
	until = tailkey_needed_until(log);
	ck_assert_uint_eq(until, 11);
	purge_fill(&s, log, 20);
	for (int round = 0; round < 2; round++) { /* under two keys, and after a start, too */
		purge_reads(&s, log, 1, 9);
		purge_reads(&s, log, 11, 19);
		ck_assert(log->tail_key->next && !log->tail_key->next->next);
		ck_assert(log->tail_key->next->use.retired && !log->tail_key->use.retired);
		log = purge_reopen(&s);
	}
	ck_assert_uint_eq(tailkey_needed_until(log), 20); /* a start does not know better */
	ck_assert(!tailkey_only(log));
	sealed_log_seal(&s, log);
	ck_assert_uint_eq(tailkey_needed_until(log), 0);
	ck_assert_uint_eq(tailkey_unneeded(log, ids, 4), 1);
	ck_assert_uint_eq(ids[0], old);
	tailkey_forget(log, old);
	ck_assert(tailkey_only(log));
	scratch_end(&s);
}
END_TEST

START_TEST(a_section_whose_key_is_missing_is_no_log_to_serve)
{
	struct log *log = purge_filled(&s, 10);
	uint64_t old = log->tail_key->id;
	struct buf why;

	ck_assert_int_eq(tailkey_begin(log), 0);
	atomic_store(&s.st->read_only, true); /* as if killed: the catalogue knows nothing */
	keyring_drop_data(s.st->keyring, old);
	ck_assert_int_eq(keyring_commit(s.st->keyring), 0);
	scratch_close(&s);
	buf_init(&why);
	ck_assert_int_ne(store_open(&s.st, &s.opts, &why), 0);
	s.st = NULL;
	buf_fini(&why);
	scratch_end(&s);
}
END_TEST

static void
fill_trainable(struct log *log)
{
	for (int i = 0; i < 400; i++) {
		char text[1400];
		int n = snprintf(text, sizeof text, "{\"n\":%d", i);
		for (int k = 0; k < 40; k++)
			n += snprintf(text + n, sizeof text - (size_t)n, ",\"field-%d\":\"v%d\"", k,
				      (i * 7919 + k * 104729) % 997);
		snprintf(text + n, sizeof text - (size_t)n, "}");
		scratch_append(&s, log, text);
	}
}

START_TEST(a_dictionary_trained_on_what_was_there_before_is_not_used_after)
{
	struct log *log = purge_filled(&s, 2);

	fill_trainable(log);
	hooked = log; /* while it samples */
	ck_assert_int_eq(dict_train(log, s.tools), 0);
	ck_assert_ptr_null(hooked);
	ck_assert_ptr_null(log->pending_dict);
	log->trained_at_bytes = 0;
	ck_assert_int_eq(dict_train(log, s.tools), 0);
	ck_assert_ptr_nonnull(log->pending_dict);
	ck_assert_int_eq(tailkey_begin(log), 0);
	ck_assert_ptr_null(log->pending_dict);
	ck_assert_int_eq(dict_train(log, s.tools), 0); /* it is due again at once */
	ck_assert_ptr_nonnull(log->pending_dict);
	scratch_append(&s, log, "{}");
	ck_assert_ptr_nonnull(log->dict);
	scratch_end(&s);
}
END_TEST

START_TEST(what_was_packed_with_a_retired_dictionary_is_packed_again)
{
	struct log *log = purge_filled(&s, 2);
	struct append_job job;
	static char big[40000];
	struct append_item *item;

	fill_trainable(log);
	ck_assert_int_eq(dict_train(log, s.tools), 0);
	scratch_append(&s, log, "{}");
	ck_assert_ptr_nonnull(log->dict);
	memset(big, 'x', sizeof big - 1);
	append_job_init(&job);
	item = arena_alloc(&job.arena, sizeof *item);
	memset(item, 0, sizeof *item);
	item->payload = slice_str(big);
	item->media_type = slice_str("text/plain");
	job.log = log;
	job.writer = slice_str("p-test");
	job.items = item;
	job.n_items = 1;
	ck_assert_int_eq(append_prepare(&job, s.tools), 0);
	ck_assert(job.n_blocks == 1 && job.blocks[0].dict != 0);
	ck_assert_int_eq(tailkey_begin(log), 0);
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	ck_assert_int_eq(job.err, 0);
	ck_assert_uint_eq(job.n_blocks, 0);
	append_job_fini(&job);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_commit_is_sealed_under_the_key_that_it_began_with,
		a_section_whose_key_is_missing_is_no_log_to_serve,
		a_dictionary_trained_on_what_was_there_before_is_not_used_after,
		what_was_packed_with_a_retired_dictionary_is_packed_again,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("tailkey", tests, sizeof tests / sizeof *tests, 60);
}
