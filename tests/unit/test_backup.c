/* Backups: what they hold opens elsewhere and reads, and what is not whole is no backup. */
#include "sealed_log.h"

#include "crypto/init.h"
#include "folder.h"
#include "storage/backup.h"
#include "storage/file.h"
#include "suite.h"

/* Asks for a backup and makes it; its end. */
static struct backup_state
back_up(struct scratch *s, const char *dir, const char *keyring)
{
	struct backup_request r = {dir, keyring, keyring ? "tell nobody" : NULL};
	struct backup_state state;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(store_backup_start(s->st, &r, &why), 0);
	buf_fini(&why);
	ck_assert_int_eq(store_backup_run(s->st), 1);
	store_backup_get(s->st, &state);
	ck_assert(!state.running);
	ck_assert((state.err == 0) == (state.why[0] == '\0'));
	return state;
}

static bool
is_there(const char *dir, const char *name)
{
	char path[700];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return access(path, F_OK) == 0;
}

/* Whether LIST holds, with another program's eyes. */
static int
check_list(const char *dir)
{
	char command[700];

	snprintf(command, sizeof command, "cd '%s' && sha256sum --quiet -c LIST >/dev/null 2>&1",
		 dir);
	return system(command);
}

/* The backup at dir as a store of its own, its keys put beside it. */
static void
open_copy(struct scratch *copy, struct scratch *s, const char *dir, const char *keyring)
{
	char command[2100];

	*copy = *s;
	snprintf(copy->dir, sizeof copy->dir, "%s.opened", dir);
	snprintf(command, sizeof command,
		 "cp -r '%s' '%s' && mkdir -m 700 '%s/keys' && cp -p '%s' '%s/keys/keyring' && cp "
		 "-p '%s.identity' '%s/keys/identity'",
		 dir, copy->dir, copy->dir, keyring, copy->dir, keyring, copy->dir);
	ck_assert_int_eq(system(command), 0);
	copy->opts.dir = copy->dir;
	copy->opts.passphrase = "tell nobody";
	copy->opts.moved = true;
	copy->opts.clock = copy->opts.say_ctx = copy;
	ck_assert_int_eq(scratch_open(copy), 0);
}

START_TEST(a_backup_opens_elsewhere_and_every_record_reads)
{
	char dir[600], keyring[600];
	struct scratch s, copy;
	struct backup_state b;
	struct folder f;
	struct log *log;

	folder_init(&f);
	snprintf(dir, sizeof dir, "%s/b", f.dir);
	snprintf(keyring, sizeof keyring, "%s/ring", f.dir);
	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	scratch_log(&s, "empty", "{}");
	sealed_log_fill(&s, log, 1000);
	sealed_log_seal(&s, log);
	sealed_log_fill(&s, log, 1200);
	b = back_up(&s, dir, keyring);
	ck_assert_int_eq(b.err, 0);
	ck_assert_uint_gt(b.sequence, 0);
	ck_assert_uint_eq(b.sequence, s.st->position.sequence);
	ck_assert(is_there(dir, "BACKUP") && !is_there(dir, "BACKUP.partial"));
	ck_assert(!is_there(dir, "keys"));
	ck_assert_int_eq(check_list(dir), 0);
	sealed_log_fill(&s, log, 1500); /* the store goes on */
	open_copy(&copy, &s, dir, keyring);
	ck_assert_int_eq(store_log_find(copy.st, slice_str("l"), &log), 0);
	ck_assert_uint_eq(log->frontier.size, 1200);
	sealed_log_reads(&copy, log, 1200);
	ck_assert_int_eq(store_log_find(copy.st, slice_str("empty"), &log), 0);
	ck_assert_uint_eq(copy.errors, 1); /* a backup has no clocks: they are frozen */
	scratch_close(&copy);
	scratch_end(&s);
	folder_fini(&f);
}
END_TEST

START_TEST(a_second_backup_keeps_what_is_there_renews_what_is_not_and_removes_what_left)
{
	char dir[600], keyring[600];
	struct scratch s, copy;
	struct backup_state b;
	struct log *log, *other;
	struct folder f;
	char path[700];

	folder_init(&f);
	snprintf(dir, sizeof dir, "%s/b", f.dir);
	snprintf(keyring, sizeof keyring, "%s/ring", f.dir);
	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	other = scratch_log(&s, "other", "{}");
	sealed_log_fill(&s, log, 300);
	sealed_log_fill(&s, other, 300);
	sealed_log_seal(&s, log);
	sealed_log_seal(&s, other);
	ck_assert_int_eq(back_up(&s, dir, NULL).err, 0);
	ck_assert(is_there(dir, "segments/l/0-300.1.seg"));
	sealed_log_fill(&s, log, 500);
	sealed_log_seal(&s, log); /* the next generation replaces it */
	b = back_up(&s, dir, NULL);
	ck_assert_int_eq(b.err, 0);
	ck_assert_uint_eq(b.kept, 1);
	ck_assert(!is_there(dir, "segments/l/0-300.1.seg"));
	ck_assert(!is_there(dir, "segments/l/0-300.1.manifest"));
	ck_assert(is_there(dir, "segments/l/0-500.2.seg"));
	snprintf(path, sizeof path, "%s/segments/l/0-500.2.seg", dir);
	ck_assert_int_eq(file_replace(path, "rot", 3, 0400), 0);
	b = back_up(&s, dir, keyring);
	ck_assert_int_eq(b.err, 0);
	ck_assert_uint_eq(b.kept, 1);
	ck_assert_int_eq(check_list(dir), 0);
	open_copy(&copy, &s, dir, keyring);
	ck_assert_int_eq(store_log_find(copy.st, slice_str("l"), &log), 0);
	sealed_log_reads(&copy, log, 500);
	scratch_close(&copy);
	scratch_end(&s);
	folder_fini(&f);
}
END_TEST

START_TEST(an_interrupted_backup_is_none_and_the_next_one_goes_on)
{
	struct backup_state b;
	struct scratch s;
	struct folder f;
	struct log *log;
	char dir[600];

	folder_init(&f);
	snprintf(dir, sizeof dir, "%s/b", f.dir);
	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	sealed_log_fill(&s, log, 300);
	sealed_log_seal(&s, log);
	ck_assert_int_eq(back_up(&s, dir, NULL).err, 0);
	store_backup_stop(s.st);
	b = back_up(&s, dir, NULL);
	ck_assert_int_eq(b.err, STELE_ECLOSED);
	ck_assert(!is_there(dir, "BACKUP"));
	ck_assert(is_there(dir, "BACKUP.partial"));
	ck_assert(!atomic_load(&s.st->pinned));
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	b = back_up(&s, dir, NULL);
	ck_assert_int_eq(b.err, 0);
	ck_assert_uint_eq(b.kept, 1);
	ck_assert_int_eq(check_list(dir), 0);
	scratch_end(&s);
	folder_fini(&f);
}
END_TEST

START_TEST(nothing_leaves_while_a_backup_runs)
{
	struct wal_row before, after;
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	sealed_log_fill(&s, log, 300);
	sealed_log_seal(&s, log);
	atomic_store(&s.st->pinned, true);
	before = wal_row(s.st->wal);
	sealed_log_fill(&s, log, 40000); /* several WAL files */
	sealed_log_seal(&s, log);
	sealed_log_seal(&s, log);
	after = wal_row(s.st->wal);
	ck_assert_uint_gt(after.last, before.last + 1);
	ck_assert_uint_eq(after.first, before.first);
	ck_assert_int_eq(access(sealed_log_path(&s, "l", "0-300.1.seg"), F_OK), 0);
	atomic_store(&s.st->pinned, false);
	sealed_log_fill(&s, log, 40001);
	sealed_log_seal(&s, log);
	ck_assert_uint_gt(wal_row(s.st->wal).first, before.first);
	ck_assert_int_ne(access(sealed_log_path(&s, "l", "0-300.1.seg"), F_OK), 0);
	scratch_end(&s);
}
END_TEST

START_TEST(a_damaged_segment_is_never_taken_into_a_backup)
{
	struct backup_state b;
	struct scratch s;
	struct folder f;
	struct log *log;
	char dir[600];

	folder_init(&f);
	snprintf(dir, sizeof dir, "%s/b", f.dir);
	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	sealed_log_fill(&s, log, 256);
	sealed_log_seal(&s, log);
	sealed_log_damage(sealed_log_path(&s, "l", "0-256.1.seg"), 9000);
	b = back_up(&s, dir, NULL);
	ck_assert_int_eq(b.err, STELE_EDAMAGED);
	ck_assert_ptr_nonnull(strstr(b.why, "0-256.1.seg"));
	ck_assert(!is_there(dir, "BACKUP"));
	ck_assert(!is_there(dir, "segments/l/0-256.1.seg"));
	scratch_end(&s);
	folder_fini(&f);
}
END_TEST

static int
refused(struct scratch *s, const char *dir, const char *keyring, const char *passphrase)
{
	struct backup_request r = {dir, keyring, passphrase};
	struct buf why;
	int err;

	buf_init(&why);
	err = store_backup_start(s->st, &r, &why);
	ck_assert_uint_gt(why.n, 0);
	buf_fini(&why);
	return err;
}

START_TEST(nothing_of_anybody_elses_is_touched_and_keys_stay_apart)
{
	char dir[600], inside[700], ring[700];
	struct scratch s, stranger;
	struct folder f;

	folder_init(&f);
	scratch_begin(&s);
	scratch_begin(&stranger);
	scratch_log(&s, "l", "{}");
	snprintf(inside, sizeof inside, "%s/b", s.dir);
	snprintf(dir, sizeof dir, "%s/b", f.dir);
	snprintf(ring, sizeof ring, "%s/ring", dir);
	ck_assert_int_eq(refused(&s, s.dir, NULL, NULL), STELE_EINVAL);
	ck_assert_int_eq(refused(&s, inside, NULL, NULL), STELE_EINVAL);
	ck_assert_int_eq(refused(&s, "relative", NULL, NULL), STELE_EINVAL);
	ck_assert_int_eq(refused(&s, "/tmp/../tmp/x", NULL, NULL), STELE_EINVAL);
	ck_assert_int_eq(refused(&s, dir, ring, "x"), STELE_EINVAL);
	ck_assert_int_eq(refused(&s, dir, "/tmp/ring", ""), STELE_EINVAL);
	ck_assert_int_eq(file_replace(folder_path(&f, "mine"), "x", 1, 0600), 0);
	ck_assert_int_eq(back_up(&s, f.dir, NULL).err, STELE_EINVAL);
	ck_assert(is_there(f.dir, "mine") && !is_there(f.dir, "BACKUP.partial"));
	ck_assert_int_eq(back_up(&s, dir, NULL).err, 0);
	ck_assert_int_eq(back_up(&stranger, dir, NULL).err, STELE_EINVAL); /* of s */
	ck_assert(is_there(dir, "BACKUP"));
	ck_assert_int_eq(check_list(dir), 0);
	scratch_end(&s);
	scratch_end(&stranger);
	folder_fini(&f);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_backup_opens_elsewhere_and_every_record_reads,
		a_second_backup_keeps_what_is_there_renews_what_is_not_and_removes_what_left,
		an_interrupted_backup_is_none_and_the_next_one_goes_on,
		nothing_leaves_while_a_backup_runs,
		a_damaged_segment_is_never_taken_into_a_backup,
		nothing_of_anybody_elses_is_touched_and_keys_stay_apart,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("backup", tests, sizeof tests / sizeof *tests, 120);
}
