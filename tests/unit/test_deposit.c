/* Deposits: an object is there exactly when its record is, wherever a crash falls. */
#include "faulty_disk.h"
#include "scratch_object.h"

#include <dirent.h>
#include <sys/wait.h>

#include "suite.h"

/* How many files a folder of the store has. */
static unsigned
files_in(struct scratch *s, const char *folder)
{
	char path[512];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof path, "%s/%s", s->dir, folder);
	d = opendir(path);
	if (!d)
		return 0;
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static struct log *
the_log(struct scratch *s)
{
	struct log *log;

	ck_assert_int_eq(store_log_find(s->st, slice_str("scans"), &log), 0);
	return log;
}

static uint64_t
size_of(struct log *log)
{
	struct head *head = log_head(log);
	uint64_t size = head->size;

	head_unref(head);
	return size;
}

START_TEST(a_committed_object_leaves_nothing_pending)
{
	struct scratch s;

	scratch_begin(&s);
	scratch_object(&s, scratch_log(&s, "scans", "{}"), slice_str("payload"));
	ck_assert_uint_eq(files_in(&s, "objects/pending"), 0);
	ck_assert_uint_eq(files_in(&s, "objects/scans"), 1);
	scratch_end(&s);
}
END_TEST

START_TEST(a_dropped_one_leaves_no_trace_at_any_stage)
{
	struct scratch s;
	struct log *log;
	struct deposit *d;

	scratch_begin(&s);
	log = scratch_log(&s, "scans", "{}");
	for (int sealed = 0; sealed < 2; sealed++) {
		d = scratch_deposit(&s, log, slice_str("payload"), sealed);
		ck_assert_uint_eq(files_in(&s, "objects/pending"), 1);
		ck_assert_uint_eq(files_in(&s, "objects/scans"), (unsigned)sealed);
		deposit_drop(d);
		ck_assert_uint_eq(files_in(&s, "objects/pending"), 0);
		ck_assert_uint_eq(files_in(&s, "objects/scans"), 0);
	}
	deposit_drop(NULL);
	scratch_end(&s);
}
END_TEST

START_TEST(an_empty_payload_is_no_object)
{
	struct scratch s;
	struct deposit *d;

	scratch_begin(&s);
	ck_assert_int_eq(deposit_new(&d, s.st, scratch_log(&s, "scans", "{}"), 0, SCRATCH_CHUNK),
			 0);
	ck_assert_int_eq(deposit_seal(d, s.tools), STELE_EINVAL);
	deposit_drop(d);
	scratch_end(&s);
}
END_TEST

START_TEST(a_repeated_key_is_the_same_record_or_a_conflict)
{
	static const struct {
		const char *payload;
		bool object;
		int err; /* of append_resolve */
	} tries[] = {
		{"the payload", true, 1},
		{"the payload", false, 1},
		{"another one", true, STELE_ECONFLICT},
		{"another one", false, STELE_ECONFLICT},
		{"the payload, and more", true, STELE_ECONFLICT},
	};
	struct scratch s;
	struct log *log;
	struct append_job job;
	struct deposit *d;

	scratch_begin(&s);
	log = scratch_log(&s, "scans", "{}");
	for (int first = 0; first < 2; first++) { /* stored inline, stored as an object */
		const char *key = first ? "k1" : "k0";
		uint64_t index;
		d = first ? scratch_deposit(&s, log, slice_str("the payload"), true) : NULL;
		if (d)
			scratch_object_job(&s, &job, log, d, key);
		else
			scratch_job(&s, &job, log, "the payload", key);
		ck_assert_int_eq(store_append_batch(s.st, &job), 0);
		index = job.first;
		append_job_fini(&job);
		if (d)
			deposit_keep(d);
		for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
			size_t bad;
			d = NULL;
			if (tries[i].object) {
				d = scratch_deposit(&s, log, slice_str(tries[i].payload), true);
				scratch_object_job(&s, &job, log, d, key);
			} else {
				scratch_job(&s, &job, log, tries[i].payload, key);
			}
			ck_assert_int_eq(store_append_batch(s.st, &job), 0);
			ck_assert_int_eq(job.err, STELE_EDUPLICATE);
			ck_assert_int_eq(append_resolve(s.st, &job, s.tools, &bad), tries[i].err);
			if (tries[i].err == 1)
				ck_assert_uint_eq(job.first, index);
			append_job_fini(&job);
			deposit_drop(d);
		}
	}
	ck_assert_uint_eq(files_in(&s, "objects/scans"), 1);
	scratch_end(&s);
}
END_TEST

/* --- crashes ---------------------------------------------------------------------------- */

enum { CHILD_NS = 10000000 }; /* the machine's clocks went on in it */

/* The child's part: one deposit and its commit, on a disk that kills it at call `at`. */
static void
deposit_and_die(struct scratch *s, unsigned at)
{
	uint8_t *payload = scratch_payload(3000, 1);
	struct append_job job;
	struct deposit *d;
	struct log *log;

	if (scratch_open(s) != 0)
		_exit(9);
	log = the_log(s);
	disk_fail_at(DISK_WRITE | DISK_FLUSH | DISK_RENAME | DISK_REMOVE, at, 1, EIO, false);
	disk.die = true;
	d = scratch_deposit(s, log, slice_of(payload, 3000), true);
	scratch_object_job(s, &job, log, d, NULL);
	if (store_append_batch(s->st, &job) != 0 || job.err != 0)
		_exit(9);
	deposit_keep(d);
	_exit(0);
}

/* After any crash: reopen, and the object is there if and only if its record is. */
START_TEST(a_kill_at_every_step_leaves_record_and_object_or_neither)
{
	unsigned committed = 0, undone = 0, at = 1;
	int status = 1;

	for (; status != 0; at++) {
		uint8_t *payload = scratch_payload(3000, 1), got[3000];
		struct object *o;
		struct scratch s;
		struct log *log;
		uint64_t size;
		pid_t pid;
		scratch_begin(&s);
		scratch_log(&s, "scans", "{}");
		scratch_close(&s);
		pid = fork();
		if (pid == 0)
			deposit_and_die(&s, at);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		s.now_ns += CHILD_NS;
		ck_assert(status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
		ck_assert_int_eq(scratch_open(&s), 0);
		log = the_log(&s);
		size = size_of(log);
		ck_assert_uint_eq(files_in(&s, "objects/pending"), 0);
		ck_assert_uint_eq(files_in(&s, "objects/scans"), size - 1);
		if (size == 2) {
			ck_assert_int_eq(scratch_open_object(&s, log, 1, &o, NULL), 0);
			ck_assert_int_eq(object_read(o, 0, got, sizeof got, s.tools), 0);
			ck_assert_mem_eq(got, payload, sizeof got);
			object_close(o);
			committed++;
		} else {
			undone++;
		}
		ck_assert_uint_eq(s.errors + s.warnings, 0);
		free(payload);
		scratch_end(&s);
	}
	ck_assert_uint_gt(undone, 10);
	ck_assert_uint_gt(committed, 1);
}
END_TEST

/* The same with calls that fail: an error is answered, and nothing is half there. */
START_TEST(a_disk_that_fails_at_any_call_is_an_error_and_no_record_loses_its_object)
{
	bool whole = false;

	for (unsigned at = 1; !whole; at++) {
		struct append_job job;
		struct scratch s;
		struct deposit *d;
		struct log *log;
		uint8_t *payload = scratch_payload(3000, 1);
		int err, commit = STELE_EINVAL;
		scratch_begin(&s);
		log = scratch_log(&s, "scans", "{}");
		disk_fail_at(DISK_WRITE | DISK_FLUSH | DISK_RENAME, at, 1, EIO, false);
		err = deposit_new(&d, s.st, log, 0, SCRATCH_CHUNK);
		if (err == 0) {
			err = deposit_put(d, slice_of(payload, 3000), s.tools);
			if (err == 0)
				err = deposit_seal(d, s.tools);
			if (err == 0) {
				scratch_object_job(&s, &job, log, d, NULL);
				commit = store_append_batch(s.st, &job);
				append_job_fini(&job);
			}
			whole = !disk_repair(NULL);
			if (err != 0)
				deposit_drop(d);
			else if (commit == 0)
				deposit_keep(d);
			else
				deposit_leave(d);
		}
		disk_repair(NULL);
		ck_assert(whole || err == STELE_EIO || commit == STELE_EREADONLY);
		if (!whole) { /* promise 8: after a failed write nothing more is written */
			struct deposit *next;
			ck_assert_int_eq(deposit_new(&next, s.st, log, 0, SCRATCH_CHUNK),
					 STELE_EREADONLY);
		}
		scratch_close(&s);
		ck_assert_int_eq(scratch_open(&s), 0);
		ck_assert_uint_eq(files_in(&s, "objects/pending"), 0);
		ck_assert_uint_eq(files_in(&s, "objects/scans"), size_of(the_log(&s)) - 1);
		free(payload);
		scratch_end(&s);
	}
}
END_TEST

/* A marker that comes back after a power loss, long after its record was committed. */
START_TEST(a_marker_that_comes_back_takes_no_object_away)
{
	struct scratch s;
	struct log *log;
	struct deposit *d;
	struct append_job job;
	struct object *o;

	scratch_begin(&s);
	log = scratch_log(&s, "scans", "{}");
	d = scratch_deposit(&s, log, slice_str("payload"), true);
	scratch_object_job(&s, &job, log, d, NULL);
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	append_job_fini(&job);
	deposit_leave(d); /* as if its removal had never reached the disk */
	for (int i = 0; i < 30; i++)
		scratch_append(&s, log, "{}");
	scratch_object(&s, log, slice_str("another"));
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_uint_eq(files_in(&s, "objects/pending"), 0);
	ck_assert_int_eq(scratch_open_object(&s, the_log(&s), 1, &o, NULL), 0);
	object_close(o);
	scratch_end(&s);
}
END_TEST

/* What cannot be judged is kept: an object may be all that is left of a record. */
START_TEST(a_marker_that_cannot_be_judged_stays_and_so_does_its_object)
{
	char path[512];
	struct scratch s;
	struct deposit *d;
	FILE *f;

	scratch_begin(&s);
	d = scratch_deposit(&s, scratch_log(&s, "scans", "{}"), slice_str("payload"), true);
	snprintf(path, sizeof path, "%s/objects/pending", s.dir);
	{
		char name[OBJECT_NAME_BYTES];
		object_name(name, deposit_id(d));
		snprintf(path, sizeof path, "%s/objects/pending/%s.commit", s.dir, name);
	}
	deposit_leave(d);
	scratch_close(&s);
	f = fopen(path, "w");
	fputs("short", f);
	fclose(f);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_uint_eq(s.warnings, 1);
	ck_assert_uint_eq(files_in(&s, "objects/pending"), 1);
	ck_assert_uint_eq(files_in(&s, "objects/scans"), 1);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_committed_object_leaves_nothing_pending,
		a_dropped_one_leaves_no_trace_at_any_stage,
		an_empty_payload_is_no_object,
		a_repeated_key_is_the_same_record_or_a_conflict,
		a_kill_at_every_step_leaves_record_and_object_or_neither,
		a_disk_that_fails_at_any_call_is_an_error_and_no_record_loses_its_object,
		a_marker_that_comes_back_takes_no_object_away,
		a_marker_that_cannot_be_judged_stays_and_so_does_its_object,
	};

	return suite_run("deposit", tests, sizeof tests / sizeof *tests, 240);
}
