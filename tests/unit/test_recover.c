/* From what lies on disk to a store: what is believed, what is dropped, what is refused. */
#include "scratch_store.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "crypto/init.h"
#include "storage/internal.h"
#include "suite.h"

/* Closes as a killed process does: nothing more is written. */
static void
kill_store(struct scratch *s)
{
	atomic_store(&s->st->read_only, true);
	scratch_close(s);
}

static void
overwrite(struct scratch *s, const char *name, off_t at, const void *p, size_t n)
{
	char path[512];
	int fd;

	snprintf(path, sizeof path, "%s/%s", s->dir, name);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, p, n, at), (ssize_t)n);
	close(fd);
}

static void
load(struct scratch *s, const char *name, off_t at, void *p, size_t n)
{
	char path[512];
	int fd;

	snprintf(path, sizeof path, "%s/%s", s->dir, name);
	fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, p, n, at), (ssize_t)n);
	close(fd);
}

static struct log *
find(struct scratch *s, uint64_t size)
{
	struct head *h;
	struct log *log;

	ck_assert_int_eq(store_log_find(s->st, slice_str("l"), &log), 0);
	h = log_head(log);
	ck_assert_uint_eq(h->size, size);
	head_unref(h);
	return log;
}

static int
open_with_why(struct scratch *s, char why[1024])
{
	struct buf b;
	int err;

	buf_init(&b);
	err = store_open(&s->st, &s->opts, &b);
	snprintf(why, 1024, "%.*s", (int)b.n, b.p ? (const char *)b.p : "");
	buf_fini(&b);
	if (err != 0)
		s->st = NULL;
	return err;
}

/* Entry 0 and ten records, a frame a page; the mark before the last one is kept in mark. */
static void
begin(struct scratch *s, uint8_t mark[8192])
{
	struct log *log;

	scratch_begin(s);
	log = scratch_log(s, "l", "{}");
	for (int i = 0; i < 9; i++)
		scratch_append(s, log, "one");
	load(s, "wal/released", 0, mark, 8192);
	scratch_append(s, log, "last");
	kill_store(s);
}

START_TEST(a_last_commit_that_was_acknowledged_must_be_there)
{
	static const uint8_t zeros[4096];
	uint8_t mark[8192];
	char why[1024];
	struct scratch s;

	begin(&s, mark);
	overwrite(&s, "wal/00000001.wal", 4096 * 11, zeros, sizeof zeros);
	ck_assert_int_eq(open_with_why(&s, why), STELE_EDAMAGED);
	ck_assert_ptr_nonnull(strstr(why, "wal/00000001.wal"));
	ck_assert_ptr_nonnull(strstr(why, "commit 11"));
	/* nothing was changed by the refusal */
	ck_assert_int_eq(open_with_why(&s, why), STELE_EDAMAGED);
	scratch_end(&s);
}
END_TEST

START_TEST(a_last_commit_that_was_not_acknowledged_may_be_torn)
{
	uint8_t mark[8192];
	struct scratch s;
	struct log *log;

	begin(&s, mark);
	overwrite(&s, "wal/released", 0, mark, sizeof mark);
	overwrite(&s, "wal/00000001.wal", 4096 * 11 + 300, "torn", 4);
	ck_assert_int_eq(scratch_open(&s), 0);
	log = find(&s, 10);
	ck_assert_uint_eq(scratch_append(&s, log, "again"), 10);
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	(void)find(&s, 11);
	ck_assert_uint_eq(s.errors, 0);
	scratch_end(&s);
}
END_TEST

START_TEST(a_last_commit_that_was_not_acknowledged_and_is_whole_is_kept)
{
	uint8_t mark[8192], before[8192];
	struct scratch s;

	begin(&s, mark);
	overwrite(&s, "wal/released", 0, mark, sizeof mark);
	load(&s, "wal/released", 0, before, sizeof before);
	ck_assert_int_eq(scratch_open(&s), 0);
	(void)find(&s, 11);
	kill_store(&s);
	load(&s, "wal/released", 0, mark, sizeof mark);
	ck_assert_int_ne(memcmp(mark, before, sizeof mark), 0); /* and counts as released now */
	ck_assert_int_eq(scratch_open(&s), 0);
	scratch_end(&s);
}
END_TEST

/* A mark of the right number and another hash: two histories. */
START_TEST(a_mark_of_another_history_is_refused)
{
	static const uint8_t zeros[4096];
	uint8_t mine[8192];
	char why[1024];
	struct scratch s;

	begin(&s, mine);
	load(&s, "wal/released", 0, mine, sizeof mine);
	/* the same store written differently from the last commit on */
	overwrite(&s, "wal/released", 0, zeros, 4096);
	overwrite(&s, "wal/released", 4096, zeros, 4096);
	overwrite(&s, "wal/00000001.wal", 4096 * 11, zeros, 4096);
	ck_assert_int_eq(scratch_open(&s), 0);
	scratch_append(&s, find(&s, 10), "another last");
	kill_store(&s);
	overwrite(&s, "wal/released", 0, mine, sizeof mine);
	ck_assert_int_eq(open_with_why(&s, why), STELE_EDAMAGED);
	scratch_end(&s);
}
END_TEST

START_TEST(damage_before_the_catalogues_place_is_said_and_costs_only_its_records)
{
	struct append_job job;
	struct scratch s;
	struct record r;
	struct arena a;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (int i = 1; i <= 9; i++) {
		char key[8];
		snprintf(key, sizeof key, "k%d", i);
		scratch_job(&s, &job, log, "one", key);
		ck_assert_int_eq(store_append_batch(s.st, &job), 0);
		append_job_fini(&job);
	}
	scratch_close(&s);
	overwrite(&s, "wal/00000001.wal", 4096 * 6 + 300, "harm", 4); /* record 5 */
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_uint_ge(s.errors, 1);
	log = find(&s, 10);
	arena_init(&a);
	for (uint64_t n = 1; n <= 9; n++)
		ck_assert_int_eq(read_record(s.st, log, n, s.tools, &a, &r),
				 n == 5 ? STELE_EDAMAGED : 0);
	arena_fini(&a);
	scratch_job(&s, &job, log, "one", "k3"); /* keys before the damage are known */
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	ck_assert_int_eq(job.err, STELE_EDUPLICATE);
	append_job_fini(&job);
	scratch_append(&s, log, "goes on");
	scratch_end(&s);
}
END_TEST

START_TEST(a_wal_file_that_the_catalogue_knows_and_is_gone_is_refused_by_name)
{
	char why[1024], path[512];
	static char big[700001];
	struct scratch s;
	struct log *log;

	for (size_t i = 0; i < sizeof big - 1; i++)
		big[i] = (char)('!' + random() % 90);
	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (int i = 0; i < 3; i++)
		scratch_append(&s, log, big);
	scratch_close(&s);
	snprintf(path, sizeof path, "%s/wal/00000003.wal", s.dir);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(open_with_why(&s, why), STELE_EDAMAGED);
	ck_assert_ptr_nonnull(strstr(why, "00000003.wal"));
	scratch_end(&s);
}
END_TEST

/* The bytes on disk are made to be those believed: the last frame is written once more. */
START_TEST(the_last_frame_is_written_again_before_it_is_believed)
{
	struct stat before, after;
	uint8_t mark[8192];
	char path[512];
	struct scratch s;

	begin(&s, mark);
	snprintf(path, sizeof path, "%s/wal/00000001.wal", s.dir);
	ck_assert_int_eq(stat(path, &before), 0);
	usleep(20000);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert(after.st_mtim.tv_sec > before.st_mtim.tv_sec ||
		  after.st_mtim.tv_nsec != before.st_mtim.tv_nsec);
	scratch_end(&s);
}
END_TEST

START_TEST(a_lost_keyring_is_refused_and_a_restored_one_serves_again)
{
	char why[1024], path[512], aside[512];
	uint8_t mark[8192];
	struct scratch s;

	begin(&s, mark);
	snprintf(path, sizeof path, "%s/keys/keyring", s.dir);
	snprintf(aside, sizeof aside, "%s/aside", s.dir);
	ck_assert_int_eq(rename(path, aside), 0);
	ck_assert_int_ne(open_with_why(&s, why), 0);
	ck_assert_ptr_nonnull(strstr(why, "keyring"));
	ck_assert_int_ne(access(path, F_OK), 0); /* none was made in its place */
	ck_assert_int_eq(rename(aside, path), 0);
	ck_assert_int_eq(scratch_open(&s), 0);
	(void)find(&s, 11);
	scratch_end(&s);
}
END_TEST

/* Keys were made and stored, entry 0 was not: the name is free and the keys are made anew. */
START_TEST(a_log_that_was_conceived_and_not_born_can_be_made_again)
{
	struct policy policy = {.mode = ENTRY_MODE_NONE};
	struct append_job job;
	struct scratch s;
	struct log *log;
	char first[200];

	scratch_begin(&s);
	ck_assert_int_eq(
		store_log_conceive(s.st, slice_str("l"), &policy, slice_str("p"), &job, &log), 0);
	snprintf(first, sizeof first, "%s", logkeys_vkey(log->keys));
	job.err = STELE_ENOMEM; /* never submitted */
	ck_assert_int_eq(store_log_born(s.st, &job), STELE_ENOMEM);
	append_job_fini(&job);
	for (int i = 0; i < 2; i++) {
		if (i)
			kill_store(&s);
		if (i)
			ck_assert_int_eq(scratch_open(&s), 0);
		ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), STELE_ENOTFOUND);
	}
	log = scratch_log(&s, "l", "{}");
	ck_assert_str_ne(logkeys_vkey(log->keys), first);
	scratch_append(&s, log, "one");
	ck_assert_int_eq(
		store_log_conceive(s.st, slice_str("l"), &policy, slice_str("p"), &job, &log),
		STELE_EEXIST);
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	(void)find(&s, 2);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_last_commit_that_was_acknowledged_must_be_there,
		a_last_commit_that_was_not_acknowledged_may_be_torn,
		a_last_commit_that_was_not_acknowledged_and_is_whole_is_kept,
		a_mark_of_another_history_is_refused,
		damage_before_the_catalogues_place_is_said_and_costs_only_its_records,
		a_wal_file_that_the_catalogue_knows_and_is_gone_is_refused_by_name,
		the_last_frame_is_written_again_before_it_is_believed,
		a_lost_keyring_is_refused_and_a_restored_one_serves_again,
		a_log_that_was_conceived_and_not_born_can_be_made_again,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("recover", tests, sizeof tests / sizeof *tests, 120);
}
