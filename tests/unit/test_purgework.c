/* The steps of a purge: what keeps one from ending, and what a cut or a failure at each leaves. */
#include "purge_case.h"

#include <sys/wait.h>

static struct scratch s;

/* The file of the object that the record at index is. */
static void
path_of_object(struct log *log, uint64_t index, char path[OBJECT_PATH_BYTES])
{
	struct object_descriptor d;
	struct record r;
	struct arena a;

	arena_init(&a);
	ck_assert_int_eq(read_record(s.st, log, index, s.tools, &a, &r), 0);
	ck_assert_int_eq(object_descriptor_read(&d, r.payload), 0);
	ck_assert_int_eq(object_path(path, OBJECT_PATH_BYTES, s.st, log, d.id), 0);
	ck_assert_int_eq(access(path, F_OK), 0);
	arena_fini(&a);
}

START_TEST(an_object_goes_with_its_file)
{
	struct log *log = purge_filled(&s, 10);
	uint8_t *payload = scratch_payload(70000, 7);
	char path[OBJECT_PATH_BYTES], kept[300];
	struct purge_result out;
	uint64_t index, other;
	struct control_range range;
	struct record r;
	struct arena a;

	index = scratch_object(&s, log, slice_of(payload, 70000));
	other = scratch_object(&s, log, slice_of(payload, 69000));
	arena_init(&a);
	path_of_object(log, index, path);
	snprintf(kept, sizeof kept, "%s/kept", s.dir);
	ck_assert_int_eq(link(path, kept), 0); /* somebody's copy, which is said */
	range = (struct control_range){index, index};
	ck_assert_int_eq(purge_of(&s, log, &range, 1, &out), 0);
	ck_assert(out.destroyed && out.objects == 1 && out.linked == 1);
	ck_assert_int_eq(unlink(kept), 0);
	ck_assert_uint_ge(out.returned_bytes, 70000);
	ck_assert_int_ne(access(path, F_OK), 0);
	purge_gone(&s, log, index, index, out.entry);
	ck_assert_int_eq(read_record(s.st, log, other, s.tools, &a, &r), 0);
	ck_assert(r.object);
	ck_assert_int_eq(read_next_object(s.st, log, 0, s.tools, &a, &r), 0);
	ck_assert_uint_eq(r.entry.index, other);
	arena_fini(&a);
	free(payload);
	scratch_close(&s);
	ck_assert_uint_eq(purge_fsck(&s), 0);
	scratch_end(&s);
}
END_TEST

static struct log *damaged_log;

/* The first segment is found damaged just now. */
static int
quarantine(void *ctx)
{
	location_quarantine(damaged_log, ctx, slice_str("by a test"));
	return 0;
}

START_TEST(a_quarantined_segment_keeps_a_purge_under_way_until_it_is_whole)
{
	const struct control_range ranges[] = {{5, 6}, {4000, 4001}};
	struct log *log = purge_filled(&s, 3840);
	struct purge_request rq = {.ranges = ranges,
				   .n_ranges = 2,
				   .members = slice_str("{}"),
				   .writer = slice_str("p-purger"),
				   .still_allowed = quarantine};
	struct purge_result out;
	struct sealed first;
	struct buf why;

	buf_init(&why);
	sealed_log_seal(&s, log);
	purge_fill(&s, log, 4200);
	sealed_log_seal(&s, log);
	ck_assert_uint_eq(log->sealed.n, 2);
	damaged_log = log;
	first = log->sealed.s[0];
	rq.ctx = &first;
	ck_assert_int_eq(purge_run(s.st, NULL, log, &rq, &out, &why), 0);
	ck_assert(!out.destroyed && out.quarantined == 1 && out.segments == 1);
	purge_gone(&s, log, 4000, 4001, out.entry);
	log = purge_reopen(&s);
	ck_assert_uint_eq(purge_pending(s.st), 1);
	ck_assert_int_eq(purge_resume(s.st), 1);
	ck_assert_uint_eq(purge_pending(s.st), 1);
	location_release(log, &first);
	purge_gone(&s, log, 5, 6, out.entry);
	purge_reads(&s, log, 7, 50);
	s.now_ns += INT64_C(31) * 1000000000;
	ck_assert_int_eq(purge_resume(s.st), 1);
	ck_assert_uint_eq(purge_pending(s.st), 0);
	purge_gone(&s, log, 5, 6, out.entry);
	buf_fini(&why);
	scratch_close(&s);
	ck_assert_uint_eq(purge_fsck(&s), 0);
	scratch_end(&s);
}
END_TEST

/* A backup begins while a purge runs: nothing leaves, and what was begun goes on later. */
static int
pin(void *ctx)
{
	atomic_store((atomic_bool *)ctx, true);
	return 0;
}

START_TEST(while_a_backup_is_made_nothing_leaves_but_nothing_is_read)
{
	struct log *log = purge_filled(&s, 256);
	uint8_t *payload = scratch_payload(70000, 7);
	uint64_t object = scratch_object(&s, log, slice_of(payload, 70000));
	const struct control_range range[] = {{5, 6}, {object, object}};
	struct purge_request rq = {.ranges = range,
				   .n_ranges = 2,
				   .members = slice_str("{}"),
				   .writer = slice_str("p-purger"),
				   .still_allowed = pin,
				   .ctx = &s.st->pinned};
	struct purge_result out, again;
	char path[OBJECT_PATH_BYTES];
	struct buf why;

	free(payload);
	path_of_object(log, object, path);
	buf_init(&why);
	ck_assert_int_eq(purge_run(s.st, NULL, log, &rq, &out, &why), 0);
	ck_assert(!out.destroyed && out.backup);
	ck_assert_uint_eq(purge_pending(s.st), 1);
	purge_gone(&s, log, 5, 6, out.entry);
	purge_gone(&s, log, object, object, out.entry);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_eq(purge_resume(s.st), 0);
	atomic_store(&s.st->pinned, false);
	ck_assert_int_eq(purge_resume(s.st), 0);                             /* not so soon again */
	ck_assert_int_eq(purge_of(&s, log, range, 1, &again), STELE_EINVAL); /* twice */
	atomic_store(&s.st->pinned, true);
	s.now_ns += INT64_C(31) * 1000000000;
	ck_assert_int_eq(purge_resume(s.st), 0);
	atomic_store(&s.st->pinned, false);
	ck_assert_int_eq(purge_resume(s.st), 1);
	ck_assert_uint_eq(purge_pending(s.st), 0);
	ck_assert_int_ne(access(path, F_OK), 0);
	buf_fini(&why);
	scratch_end(&s);
}
END_TEST

/* A segment was made: a backup begins. */
static void
pin_when_sealed(void *ctx, struct slice json)
{
	if (memmem(json.p, json.n, "segment.seal", 12))
		atomic_store((atomic_bool *)ctx, true);
}

START_TEST(a_backup_that_begins_between_thinning_and_destruction_finds_all_that_it_copies)
{
	struct log *log = purge_filled(&s, 256);
	const struct control_range range = {5, 6};
	struct purge_result out;
	uint64_t newest;

	sealed_log_seal(&s, log);
	ck_assert_uint_eq(purge_keys(&s, log, KEYRING_SEGMENT, &newest), 1);
	s.st->opts.record = pin_when_sealed;
	s.st->opts.record_ctx = &s.st->pinned;
	ck_assert_int_eq(purge_of(&s, log, &range, 1, &out), 0);
	s.st->opts.record = NULL;
	ck_assert(!out.destroyed && out.backup);
	ck_assert_uint_eq(out.segments, 1);
	/* both generations and the tail that was sealed; the tail's keys of before and after */
	ck_assert_int_eq(access(sealed_log_path(&s, "l", "0-256.1.seg"), F_OK), 0);
	ck_assert_uint_eq(purge_keys(&s, log, KEYRING_SEGMENT, &newest), 3);
	ck_assert_uint_eq(purge_keys(&s, log, KEYRING_TAIL, &newest), 2);
	purge_gone(&s, log, 5, 6, out.entry);
	atomic_store(&s.st->pinned, false);
	s.now_ns += INT64_C(31) * 1000000000;
	while (purge_resume(s.st) > 0)
		;
	ck_assert_uint_eq(purge_pending(s.st), 0);
	ck_assert_int_ne(access(sealed_log_path(&s, "l", "0-256.1.seg"), F_OK), 0);
	ck_assert_uint_eq(purge_keys(&s, log, KEYRING_SEGMENT, &newest), 2);
	ck_assert_uint_eq(purge_keys(&s, log, KEYRING_TAIL, &newest), 1);
	scratch_end(&s);
}
END_TEST

START_TEST(a_purge_under_way_is_found_without_a_catalogue_behind_later_entries)
{
	static const char hold[] =
		"{\"type\":\"hold\",\"hold\":\"h-aaaaaaaaaa\",\"ranges\":[[90,91]]}";
	struct log *log = purge_filled(&s, 256);
	const struct control_range range = {5, 6};
	struct append_job job;
	struct purge_request rq = {.ranges = &range,
				   .n_ranges = 1,
				   .members = slice_str("{}"),
				   .writer = slice_str("p-purger"),
				   .still_allowed = pin,
				   .ctx = &s.st->pinned};
	struct purge_result out;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(purge_run(s.st, NULL, log, &rq, &out, &why), 0);
	append_job_init(&job);
	ck_assert_int_eq(append_control(&job, log, ENTRY_HOLD, slice_str("p-test"), slice_str(hold),
					s.tools),
			 0);
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	ck_assert_int_eq(job.err, 0);
	append_job_fini(&job);
	atomic_store(&s.st->pinned, false);
	purge_fill(&s, log, 6000); /* both entries are in no WAL file any more */
	sealed_log_seal(&s, log);
	scratch_close(&s);
	ck_assert_int_eq(unlink(sealed_log_path(&s, "..", "catalog.mdb")), 0);
	s.errors = 0;
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_uint_eq(s.errors, 0);
	ck_assert_uint_eq(purge_pending(s.st), 1);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	purge_gone(&s, log, 5, 6, out.entry);
	ck_assert_int_eq(purge_resume(s.st), 1);
	ck_assert_uint_eq(purge_pending(s.st), 0);
	purge_gone(&s, log, 5, 6, out.entry);
	buf_fini(&why);
	scratch_end(&s);
}
END_TEST

/* --- at the last moment ------------------------------------------------------------------ */

static int
refuse(void *ctx)
{
	(void)ctx;
	return STELE_EPERM;
}

START_TEST(a_purge_that_is_refused_at_the_last_moment_leaves_no_record_that_it_was)
{
	struct log *log = purge_filled(&s, 300), *other = scratch_log(&s, "o", "{}");
	const struct control_range range = {10, 20};
	struct append_job record;
	const struct purge_request rq = {.ranges = &range,
					 .n_ranges = 1,
					 .members = slice_str("{}"),
					 .writer = slice_str("p-purger"),
					 .record = &record,
					 .still_allowed = refuse};
	struct purge_result out;
	struct buf why;

	buf_init(&why);
	scratch_job(&s, &record, other, "{\"purged\":1}", NULL);
	ck_assert_int_eq(purge_run(s.st, NULL, log, &rq, &out, &why), STELE_EPERM);
	ck_assert_int_eq(record.err, STELE_EPERM);
	ck_assert_uint_eq(other->frontier.size, 1);
	ck_assert_uint_eq(log->frontier.size, 300);
	purge_reads(&s, log, 1, 299);
	append_job_fini(&record);
	buf_fini(&why);
	scratch_end(&s);
}
END_TEST

/* --- cut off ---------------------------------------------------------------------------- */

enum { CUT_FIRST = 100, CUT_LAST = 310, CUT_SIZE = 400 };

static struct log *
before_the_cut(void)
{
	struct log *log = purge_filled(&s, 1);
	uint8_t *payload = scratch_payload(70000, 7);

	sealed_log_fill(&s, log, 200);
	scratch_object(&s, log, slice_of(payload, 70000));
	free(payload);
	sealed_log_fill(&s, log, 256);
	sealed_log_seal(&s, log);
	sealed_log_fill(&s, log, CUT_SIZE);
	return log;
}

/* The purge in a process of its own, which dies at an operation; whether it did. */
static bool
dies_at(struct log *log, unsigned at)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		const struct control_range range = {CUT_FIRST, CUT_LAST};
		struct purge_result out;
		disk_fail_at(DISK_WRITE | DISK_FLUSH | DISK_RENAME | DISK_REMOVE, at, 1, EIO,
			     false);
		disk.die = true;
		_exit(purge_of(&s, log, &range, 1, &out) == 0 && out.destroyed ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status);
}

/* Whatever was cut: with its entry all of it goes, without it nothing is missing. */
static void
after_the_cut(unsigned at, bool forget)
{
	struct log *log;
	bool purged;

	scratch_close(&s);
	if (forget)
		ck_assert_int_eq(unlink(sealed_log_path(&s, "..", "catalog.mdb")), 0);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	purged = log->frontier.size > CUT_SIZE;
	if (purged) /* before anything goes on: not readable for a moment */
		purge_gone(&s, log, CUT_FIRST, CUT_LAST, CUT_SIZE);
	while (purge_resume(s.st) > 0)
		;
	ck_assert_uint_eq(purge_pending(s.st), 0);
	for (uint64_t i = 1; i < CUT_SIZE; i++) {
		struct record r;
		struct arena a;
		bool went = purged && i >= CUT_FIRST && i <= CUT_LAST;
		arena_init(&a);
		ck_assert_msg(read_record(s.st, log, i, s.tools, &a, &r) ==
				      (went ? STELE_EGONE : 0),
			      "cut at %u: record %llu", at, (unsigned long long)i);
		arena_fini(&a);
	}
	scratch_append(&s, log, "{}");
	scratch_close(&s);
	ck_assert_uint_eq(purge_fsck(&s), 0);
}

START_TEST(a_purge_that_is_cut_off_anywhere_ends_at_the_next_start_or_never_began)
{
	unsigned at = 1;
	bool died = true;

	while (died) {
		struct log *log = before_the_cut();
		died = dies_at(log, at);
		atomic_store(&s.st->read_only, true); /* this process's store writes nothing */
		after_the_cut(at, at % 2);
		scratch_end(&s);
		at++;
	}
	ck_assert_uint_gt(at, 30);
	printf("cut at %u places\n", at - 1);
}
END_TEST

/* As above, but the disk fails once, and the process goes on as it can. */
START_TEST(a_purge_on_a_disk_that_fails_anywhere_ends_or_never_began)
{
	unsigned at = 1;
	bool failed = true;

	while (failed) {
		const struct control_range range = {CUT_FIRST, CUT_LAST};
		struct log *log = before_the_cut();
		struct purge_result out = {.entry = 0};
		bool full = at % 4 < 2;
		int err;

		disk_fail_at(DISK_WRITE | DISK_FLUSH | DISK_RENAME | DISK_REMOVE, at, 1,
			     full ? ENOSPC : EIO, false);
		err = purge_of(&s, log, &range, 1, &out);
		failed = disk_repair(NULL);
		if (err == 0) { /* not readable, whatever failed */
			purge_gone(&s, log, CUT_FIRST, CUT_LAST, CUT_SIZE);
			ck_assert_uint_eq(purge_pending(s.st), !out.destroyed);
		}
		ck_assert(failed || out.destroyed);
		s.now_ns += INT64_C(31) * 1000000000;
		if (err == 0 && !atomic_load(&s.st->read_only)) { /* and no restart is needed */
			while (purge_resume(s.st) > 0)
				;
			ck_assert_uint_eq(purge_pending(s.st), 0);
		}
		after_the_cut(at, at % 2);
		scratch_end(&s);
		at++;
	}
	ck_assert_uint_gt(at, 30);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		an_object_goes_with_its_file,
		a_quarantined_segment_keeps_a_purge_under_way_until_it_is_whole,
		while_a_backup_is_made_nothing_leaves_but_nothing_is_read,
		a_backup_that_begins_between_thinning_and_destruction_finds_all_that_it_copies,
		a_purge_under_way_is_found_without_a_catalogue_behind_later_entries,
		a_purge_that_is_refused_at_the_last_moment_leaves_no_record_that_it_was,
		a_purge_that_is_cut_off_anywhere_ends_at_the_next_start_or_never_began,
		a_purge_on_a_disk_that_fails_anywhere_ends_or_never_began,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("purgework", tests, sizeof tests / sizeof *tests, 900);
}
