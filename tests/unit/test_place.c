/* The data directory as a place: one process, one history, nothing half born. */
#include "scratch_store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "crypto/init.h"
#include "faulty_disk.h"
#include "storage/internal.h"
#include "suite.h"

static void
shell(const char *fmt, const char *a, const char *b)
{
	char cmd[1200];

	snprintf(cmd, sizeof cmd, fmt, a, b);
	ck_assert_int_eq(system(cmd), 0);
}

/* What opening the folder gives; moved as the operator would say it. *why is kept. */
static int
try_open(struct scratch *s, const char *dir, bool moved, char why[1024])
{
	struct store_options opts = s->opts;
	struct store *st;
	struct buf b;
	int err;

	opts.dir = dir;
	opts.moved = moved;
	buf_init(&b);
	err = store_open(&st, &opts, &b);
	snprintf(why, 1024, "%.*s", (int)b.n, b.p ? (const char *)b.p : "");
	buf_fini(&b);
	if (err == 0)
		store_close(st);
	return err;
}

START_TEST(a_copy_is_refused_until_the_operator_vouches_for_it)
{
	char copy[300], why[1024];
	struct scratch s;

	scratch_begin(&s);
	scratch_append(&s, scratch_log(&s, "l", "{}"), "one");
	scratch_close(&s);
	snprintf(copy, sizeof copy, "%s-copy", s.dir);
	shell("cp -a '%s' '%s'", s.dir, copy);
	ck_assert_int_eq(try_open(&s, copy, false, why), STELE_EMOVED);
	ck_assert_ptr_nonnull(strstr(why, "stele.id"));
	ck_assert_ptr_nonnull(strstr(why, "--moved"));
	ck_assert_int_eq(try_open(&s, s.dir, false, why), 0); /* the original is where it was */
	ck_assert_int_eq(try_open(&s, copy, true, why), 0);
	ck_assert_int_eq(try_open(&s, copy, false, why), 0); /* once is enough */
	shell("rm -rf '%s'%s", copy, "");
	scratch_end(&s);
}
END_TEST

START_TEST(a_renamed_directory_is_the_same_place)
{
	char other[300], why[1024];
	struct scratch s;

	scratch_begin(&s);
	scratch_close(&s);
	snprintf(other, sizeof other, "%s-renamed", s.dir);
	ck_assert_int_eq(rename(s.dir, other), 0);
	ck_assert_int_eq(try_open(&s, other, false, why), 0);
	ck_assert_int_eq(rename(other, s.dir), 0);
	scratch_end(&s);
}
END_TEST

START_TEST(another_process_is_kept_out)
{
	char why[1024];
	struct scratch s;
	int status;
	pid_t pid;

	scratch_begin(&s);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(try_open(&s, s.dir, false, why) == STELE_EBUSY &&
				      strstr(why, "another process")
			      ? 0
			      : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	s.now_ns += 10000000; /* the machine's clocks went on in it */
	ck_assert_int_eq(status, 0);
	scratch_end(&s);
}
END_TEST

/* A killed process's lock may outlive it by some tenths of a second. */
START_TEST(a_lock_that_is_about_to_go_is_waited_for)
{
	char why[1024];
	struct scratch s;
	int status;
	pid_t pid;

	scratch_begin(&s);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		close(s.st->place.lock_fd); /* or it would be the child's as well */
		_exit(try_open(&s, s.dir, false, why) == 0 ? 0 : 1);
	}
	usleep(300000);
	scratch_close(&s);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	s.now_ns += 10000000; /* the machine's clocks went on in it */
	ck_assert_int_eq(status, 0);
	scratch_end(&s);
}
END_TEST

START_TEST(a_missing_directory_is_made_only_on_request)
{
	char dir[300], why[1024];
	struct scratch s;

	scratch_begin(&s);
	snprintf(dir, sizeof dir, "%s/new", s.dir);
	s.opts.create = false;
	ck_assert_int_eq(try_open(&s, dir, false, why), STELE_ENOTFOUND);
	ck_assert_int_ne(access(dir, F_OK), 0);
	s.opts.create = true;
	ck_assert_int_eq(try_open(&s, dir, false, why), 0);
	s.opts.server_name = "other.example.com";
	ck_assert_int_eq(try_open(&s, dir, false, why), STELE_EINVAL);
	ck_assert_ptr_nonnull(strstr(why, "test.example.com"));
	s.opts.server_name = NULL;
	ck_assert_int_eq(try_open(&s, dir, false, why), 0);
	shell("rm '%s'/%s", dir, "LOCK");
	s.opts.create = false;
	ck_assert_int_ne(try_open(&s, dir, false, why), 0);
	scratch_end(&s);
}
END_TEST

START_TEST(a_first_start_without_a_name_makes_one_and_says_so)
{
	struct scratch s;
	char name[200];

	scratch_begin(&s);
	ck_assert(!store_is_demo(s.st));
	scratch_close(&s);
	shell("rm -rf '%s'%s", s.dir, "");
	s.opts.server_name = NULL;
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert(store_is_demo(s.st));
	ck_assert_int_eq(strncmp(store_server_name(s.st), "demo-", 5), 0);
	snprintf(name, sizeof name, "%s", store_server_name(s.st));
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert(store_is_demo(s.st));
	ck_assert_str_eq(store_server_name(s.st), name);
	scratch_end(&s);
}
END_TEST

/* In a child that dies at the n-th operation of its first start: whether it died. */
static bool
dies_at(struct scratch *s, unsigned n)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		disk_fail_at(DISK_WRITE | DISK_FLUSH | DISK_RENAME, n, 1, EIO, false);
		disk.die = true;
		_exit(scratch_open(s) == 0 ? 1 : 2);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	s->now_ns += 10000000; /* the machine's clocks went on in it */
	return WIFSIGNALED(status);
}

/* Killed at every operation: the next start begins anew, and only then is there a server. */
START_TEST(an_unborn_first_start_is_cleared_away_at_every_step)
{
	struct scratch s;
	unsigned n = 0;
	bool died;

	scratch_begin(&s);
	do {
		scratch_close(&s);
		shell("rm -rf '%s'%s", s.dir, "");
		died = dies_at(&s, ++n);
		ck_assert_int_eq(scratch_open(&s), 0);
		scratch_append(&s, scratch_log(&s, "l", "{}"), "one");
		scratch_close(&s);
		ck_assert_int_eq(scratch_open(&s), 0);
		ck_assert_uint_eq(s.st->n_logs, 1);
	} while (died);
	ck_assert_uint_gt(n, 10);
	ck_assert_uint_eq(s.errors, 0);
	scratch_end(&s);
}
END_TEST

/* stele.id gone: never taken for a first start while anything is there. */
START_TEST(a_lost_stele_id_is_refused_and_nothing_is_cleared)
{
	const char *also_lost[] = {"", "catalog.mdb", "wal/released", "wal/00000001.wal"};
	char why[1024], path[512];
	struct scratch s;

	for (int i = 0; i < 4; i++) {
		scratch_begin(&s);
		scratch_append(&s, scratch_log(&s, "l", "{}"), "one");
		scratch_close(&s);
		shell("cp '%s'/stele.id /tmp/stele-id-%s", s.dir, "test");
		shell("cd '%s' && rm stele.id %s", s.dir, also_lost[i]);
		ck_assert_int_eq(try_open(&s, s.dir, false, why), STELE_EDAMAGED);
		ck_assert_ptr_nonnull(strstr(why, "stele.id"));
		snprintf(path, sizeof path, "%s/keys/identity", s.dir);
		ck_assert_int_eq(access(path, F_OK), 0);
		shell("mv /tmp/stele-id-test '%s'/stele.id%s", s.dir, "");
		ck_assert_int_eq(try_open(&s, s.dir, true, why), i < 3 ? 0 : STELE_EDAMAGED);
		scratch_end(&s);
	}
}
END_TEST

/* What cannot be looked at is not taken for absent. */
START_TEST(an_unreadable_wal_without_stele_id_is_not_cleared)
{
	char why[1024], path[512];
	struct scratch s;

	scratch_begin(&s);
	scratch_append(&s, scratch_log(&s, "l", "{}"), "one");
	scratch_close(&s);
	shell("cd '%s' && rm stele.id catalog.mdb && mv wal/00000001.wal w && "
	      "ln -s loop wal/loop && ln -s loop wal/00000001.wal%s",
	      s.dir, "");
	ck_assert_int_eq(try_open(&s, s.dir, false, why), STELE_EDAMAGED);
	snprintf(path, sizeof path, "%s/keys/identity", s.dir);
	ck_assert_int_eq(access(path, F_OK), 0);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_copy_is_refused_until_the_operator_vouches_for_it,
		a_renamed_directory_is_the_same_place,
		another_process_is_kept_out,
		a_lock_that_is_about_to_go_is_waited_for,
		a_missing_directory_is_made_only_on_request,
		a_first_start_without_a_name_makes_one_and_says_so,
		an_unborn_first_start_is_cleared_away_at_every_step,
		a_lost_stele_id_is_refused_and_nothing_is_cleared,
		an_unreadable_wal_without_stele_id_is_not_cleared,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("place", tests, sizeof tests / sizeof *tests, 240);
}
