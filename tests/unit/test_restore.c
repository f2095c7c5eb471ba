/*
 * A restore's files and steps: what is not as it was signed is refused, what was begun goes on,
 * and every write, flush, rename and removal fails, or is the last thing the program does, once.
 */
#include "faulty_disk.h"
#include "restore_case.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "storage/backuplist.h"
#include "storage/file.h"

static void
remove_data(struct case_ *c)
{
	nftw(c->data, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static void
flip(struct case_ *c, const char *name, off_t at)
{
	char path[700];
	uint8_t byte;
	int fd;

	snprintf(path, sizeof path, "%s/%s", c->backup, name);
	ck_assert_int_eq(chmod(path, 0600), 0);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* BACKUP signed again by the same identity, for another last commit, for a shorter LIST. */
static void
resign(struct case_ *c, int more_commits, int more_bytes)
{
	const struct signer *identity = identity_signer(c->s.st->identity);
	struct buf list, text, note;
	struct backup_note n = {.server = slice_str("test.example.com"), .files = 1};
	char path[300];

	buf_init(&list);
	buf_init(&text);
	buf_init(&note);
	snprintf(path, sizeof path, "%s/LIST", c->backup);
	ck_assert_int_eq(file_read_all(path, &list, 1 << 20), 0);
	list.n = (size_t)((ssize_t)list.n + more_bytes);
	n.commit = c->s.st->position.sequence + (uint64_t)more_commits;
	sha256_hash(c->s.tools->sha, n.list_hash, buf_slice(&list));
	backup_note_put(&text, &n);
	sign_note(&note, buf_slice(&text), &identity, 1);
	snprintf(path, sizeof path, "%s/BACKUP", c->backup);
	ck_assert_int_eq(file_replace(path, note.p, note.n, 0600), 0);
	buf_fini(&list);
	buf_fini(&text);
	buf_fini(&note);
}

START_TEST(what_is_not_as_it_was_signed_is_refused)
{
	static const char *const files[] = {"wal/00000001.wal", "segments/l/0-500.1.seg",
					    "segments/l/0-500.1.manifest", "catalog.mdb",
					    "stele.id"};
	char path[700], moved[700];
	struct case_ c;

	begin(&c);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		flip(&c, files[i], 300);
		refused(&c, STELE_EDAMAGED, files[i]);
		remove_data(&c); /* files that are there and right would stay */
		flip(&c, files[i], 300);
	}
	resign(&c, 0, -1);
	refused(&c, STELE_EDAMAGED, "not the list");
	resign(&c, 1, 0);
	refused(&c, STELE_EDAMAGED, "ends with commit");
	remove_data(&c);
	resign(&c, 0, 0);
	flip(&c, "BACKUP", 20);
	refused(&c, STELE_EVERIFY, "BACKUP");
	flip(&c, "BACKUP", 20);
	snprintf(path, sizeof path, "%s/segments/l/0-500.1.seg", c.backup);
	snprintf(moved, sizeof moved, "%s/away", c.f.dir);
	ck_assert_int_eq(rename(path, moved), 0);
	refused(&c, STELE_ENOTFOUND, "0-500.1.seg");
	ck_assert_int_eq(rename(moved, path), 0);
	snprintf(path, sizeof path, "%s/BACKUP", c.backup);
	ck_assert_int_eq(rename(path, moved), 0);
	refused(&c, STELE_ENOTFOUND, "is no backup");
	ck_assert_int_eq(rename(moved, path), 0);
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	ck_assert_uint_eq(problems(&c), 0);
	refused(&c, STELE_EEXIST, "holds files"); /* a store is not restored over */
	finish(&c);
}
END_TEST

START_TEST(another_servers_identity_is_refused)
{
	struct case_ c, other;

	begin(&c);
	begin(&other);
	place(other.backup, c.backup, NULL);
	refused(&other, STELE_EVERIFY, "not signed by the identity");
	ck_assert_int_ne(access(other.data, F_OK), 0); /* nothing was begun */
	finish(&c);
	finish(&other);
}
END_TEST

START_TEST(an_unfinished_restore_opens_for_nobody_and_goes_on)
{
	char path[700];
	struct scratch d;
	struct case_ c;

	begin(&c);
	flip(&c, "segments/l/0-500.1.seg", 300);
	refused(&c, STELE_EDAMAGED, "0-500.1.seg");
	ck_assert_int_eq(open_data(&c, &d), STELE_EINVAL);
	d.opts.create = true; /* not even as a first start */
	ck_assert_int_eq(scratch_open(&d), STELE_EINVAL);
	flip(&c, "segments/l/0-500.1.seg", 300);
	snprintf(path, sizeof path, "%s/wal", c.data);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof path, "%s/wal/00000099.wal", c.data);
	ck_assert_int_eq(file_replace(path, "x", 1, 0600), 0); /* of another try */
	snprintf(path, sizeof path, "%s/segments/l/0-600.2.seg", c.data);
	ck_assert_int_eq(file_replace(path, "x", 1, 0600), 0);
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_uint_eq(problems(&c), 0);
	ck_assert_int_eq(open_data(&c, &d), 0);
	scratch_close(&d);
	finish(&c);
}
END_TEST

/* After a try that failed: nobody opens what is there, or it is whole; and a try goes through. */
static void
check_after(struct case_ *c)
{
	char path[700];
	struct scratch d;
	int err;

	snprintf(path, sizeof path, "%s/RESTORE.partial", c->data);
	if (access(path, F_OK) == 0)
		ck_assert_int_eq(open_data(c, &d), STELE_EINVAL);
	err = restore(c, NULL, 0);
	ck_assert(err == 0 || err == STELE_EEXIST); /* done, all but the last flush */
	ck_assert_int_ne(access(path, F_OK), 0);
	ck_assert_uint_eq(problems(c), 0);
	ck_assert_int_eq(open_data(c, &d), 0);
	ck_assert_uint_eq(log_named(&d, "l")->frontier.size, 601);
	ck_assert_uint_eq(log_named(&d, "m")->frontier.size, 2);
	scratch_close(&d);
}

START_TEST(every_operation_of_a_restore_fails_once)
{
	static const int errors[] = {EIO, ENOSPC};
	enum { KINDS = DISK_WRITE | DISK_FLUSH | DISK_RENAME | DISK_REMOVE };
	struct case_ c;
	unsigned total;

	begin_plain(&c);
	disk_fail_at(KINDS, 0, 0, 0, false);
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	disk_repair(&total);
	remove_data(&c);
	ck_assert_uint_gt(total, 50);
	for (unsigned at = 1; at <= total; at++) {
		disk_fail_at(KINDS, at, 1, errors[at % 2], at % 3 == 0);
		(void)restore(&c, NULL, 0);
		disk_repair(NULL);
		check_after(&c);
		remove_data(&c);
	}
	finish(&c);
}
END_TEST

START_TEST(a_restore_is_killed_at_every_operation)
{
	enum { KINDS = DISK_WRITE | DISK_FLUSH | DISK_RENAME | DISK_REMOVE };
	struct case_ c;
	unsigned total, killed = 0;

	begin_plain(&c);
	disk_fail_at(KINDS, 0, 0, 0, false);
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	disk_repair(&total);
	remove_data(&c);
	for (unsigned at = 1; at <= total; at++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			disk.die = true;
			disk_fail_at(KINDS, at, 1, EIO, false);
			_exit(restore(&c, NULL, 0) != 0);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		killed += WIFSIGNALED(status) != 0;
		check_after(&c);
		remove_data(&c);
	}
	ck_assert_uint_gt(killed, 20);
	finish(&c);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_not_as_it_was_signed_is_refused,
		another_servers_identity_is_refused,
		an_unfinished_restore_opens_for_nobody_and_goes_on,
		every_operation_of_a_restore_fails_once,
		a_restore_is_killed_at_every_operation,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("restore", tests, sizeof tests / sizeof *tests, 280);
}
