/*
 * Restores: what comes back is what the backup held, under keys that never signed anything
 * before; what is not to be believed is refused; and every write, flush, rename and removal
 * of one fails, or is the last thing the program does, once.
 */
#include "faulty_disk.h"
#include "sealed_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "crypto/init.h"
#include "folder.h"
#include "proto/checkpoint.h"
#include "storage/backup.h"
#include "storage/backuplist.h"
#include "storage/file.h"
#include "storage/fsck.h"
#include "storage/restore.h"
#include "suite.h"

static const char secret[] = "tell nobody";

/* A store with a backup of it and its keys, and what is restored from that. */
struct case_ {
	struct folder f;
	struct scratch s;
	char backup[256], ring[256], data[256];
	const char *passphrase; /* of the ring, and of what is restored */
	struct buf why;
	struct restore_log seen[4]; /* names: only the first letter */
	char names[4];
	unsigned n_seen;
};

/* out = DIR/NAME, or DIR alone. */
static void
place(char out[256], const char *dir, const char *name)
{
	ck_assert_int_lt(snprintf(out, 256, "%s%s%s", dir, name ? "/" : "", name ? name : ""), 256);
}

static void
back_up(struct case_ *c)
{
	struct backup_request r = {c->backup, c->ring, secret};
	struct backup_state state;

	ck_assert_int_eq(store_backup_start(c->s.st, &r, &c->why), 0);
	ck_assert_int_eq(store_backup_run(c->s.st), 1);
	store_backup_get(c->s.st, &state);
	ck_assert_msg(state.err == 0, "%s", state.why);
}

/* Log "l": 600 records, 500 of them sealed; log "m": its policy alone. */
static void
begin(struct case_ *c)
{
	struct log *log;

	memset(c, 0, sizeof *c);
	c->passphrase = secret;
	folder_init(&c->f);
	buf_init(&c->why);
	place(c->backup, c->f.dir, "b");
	place(c->ring, c->f.dir, "ring");
	place(c->data, c->f.dir, "d");
	scratch_begin(&c->s);
	log = scratch_log(&c->s, "l", "{}");
	scratch_log(&c->s, "m", "{}");
	sealed_log_fill(&c->s, log, 500);
	sealed_log_seal(&c->s, log);
	sealed_log_fill(&c->s, log, 600);
	back_up(c);
}

/* The same with the store's own key files, which no passphrase seals: deriving takes time. */
static void
begin_plain(struct case_ *c)
{
	char command[2000];

	begin(c);
	c->passphrase = NULL;
	snprintf(command, sizeof command,
		 "cp -p '%s/keys/keyring' '%s' && cp -p '%s/keys/identity' '%s.identity'", c->s.dir,
		 c->ring, c->s.dir, c->ring);
	ck_assert_int_eq(system(command), 0);
}

static void
finish(struct case_ *c)
{
	scratch_end(&c->s);
	buf_fini(&c->why);
	folder_fini(&c->f);
}

static void
restored(void *ctx, const struct restore_log *log)
{
	struct case_ *c = ctx;

	ck_assert_uint_lt(c->n_seen, 4);
	c->names[c->n_seen] = log->name[0];
	c->seen[c->n_seen++] = *log;
}

static void
say(void *ctx, enum store_level level, const char *line)
{
	(void)ctx;
	(void)level;
	if (getenv("STELE_TEST_VERBOSE"))
		fprintf(stderr, "%s\n", line);
}

static int
restore(struct case_ *c, const struct slice *checkpoints, size_t n)
{
	struct restore_options o = {.backup = c->backup,
				    .dir = c->data,
				    .keyring = c->ring,
				    .passphrase = c->passphrase,
				    .checkpoints = checkpoints,
				    .n_checkpoints = n,
				    .restored = restored,
				    .say = say,
				    .ctx = c};
	struct restore_result result;
	int err;

	c->n_seen = 0;
	buf_reset(&c->why);
	err = store_restore(&o, &result, &c->why);
	ck_assert((err == 0) == (c->why.n == 0));
	if (getenv("STELE_TEST_VERBOSE") && err)
		fprintf(stderr, "restore: %.*s\n", (int)c->why.n, (const char *)c->why.p);
	return err;
}

/* It is refused with err, and says a word about it. */
static void
refused(struct case_ *c, int err, const char *word)
{
	ck_assert_int_eq(restore(c, NULL, 0), err);
	buf_put_u8(&c->why, 0);
	ck_assert_msg(strstr((const char *)c->why.p, word) != NULL, "%s", c->why.p);
}

/* What was restored, opened: a scratch that scratch_close closes. */
static int
open_data(struct case_ *c, struct scratch *d)
{
	*d = c->s;
	place(d->dir, c->data, NULL);
	d->opts.dir = d->dir;
	d->opts.passphrase = c->passphrase;
	d->opts.create = false;
	d->opts.clock = d->opts.say_ctx = d;
	return scratch_open(d);
}

static struct log *
log_named(struct scratch *d, const char *name)
{
	struct log *log;

	ck_assert_int_eq(store_log_find(d->st, slice_str(name), &log), 0);
	return log;
}

static void
count_finding(void *ctx, const char *where, const char *what)
{
	(void)ctx;
	if (getenv("STELE_TEST_VERBOSE"))
		fprintf(stderr, "%s: %s\n", where, what);
}

/* What fsck finds wrong in what was restored. */
static uint64_t
problems(struct case_ *c)
{
	struct fsck_options o = {.dir = c->data,
				 .passphrase = c->passphrase,
				 .threads = 1,
				 .finding = count_finding};
	struct fsck_result r;

	buf_reset(&c->why);
	ck_assert_int_eq(fsck_run(&o, &r, &c->why), 0);
	return r.problems;
}

/* The restore entry at index of the log. */
static void
entry_of(struct scratch *d, struct log *log, uint64_t index, struct arena *a, struct record *r)
{
	ck_assert_int_eq(read_record(d->st, log, index, d->tools, a, r), 0);
	ck_assert_int_eq(r->entry.kind, ENTRY_RESTORE);
	ck_assert(slice_eq_str(r->entry.writer, "restore"));
}

START_TEST(it_holds_what_the_backup_held_and_says_so_under_a_new_key)
{
	struct note_vkey before;
	struct case_ c;
	struct scratch d;
	struct record r;
	struct arena a;
	struct log *log;

	begin(&c);
	log = log_named(&c.s, "l");
	before = *signer_vkey(log->signer);
	sealed_log_fill(&c.s, log, 700); /* lost */
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	ck_assert_uint_eq(c.n_seen, 2);
	ck_assert_int_eq(c.names[0], 'l');
	ck_assert_uint_eq(c.seen[0].size, 600);
	ck_assert_uint_eq(c.seen[0].newest, 0);
	ck_assert_uint_eq(c.seen[0].epoch, 1);
	ck_assert_uint_eq(c.seen[1].size, 1);
	ck_assert_uint_eq(problems(&c), 0);
	ck_assert_int_eq(open_data(&c, &d), 0);
	log = log_named(&d, "l");
	ck_assert_uint_eq(log->frontier.size, 601);
	sealed_log_reads(&d, log, 600);
	arena_init(&a);
	entry_of(&d, log, 600, &a, &r);
	ck_assert_uint_eq(log->ctl, 600);
	ck_assert_ptr_nonnull(memmem(r.payload.p, r.payload.n, "\"lost\":null", 11));
	ck_assert_uint_eq(log_epoch(log), 1);
	ck_assert(memcmp(before.public_key, log->vkeys[1].public_key, 32) != 0);
	ck_assert(memcmp(before.public_key, log->vkeys[0].public_key, 32) == 0);
	ck_assert_uint_eq(log->first_sizes[1], 601);
	ck_assert_uint_eq(d.errors, 0);
	arena_fini(&a);
	scratch_append(&d, log, "{}");
	sealed_log_seal(&d, log);
	sealed_log_seal(&d, log_named(&d, "m"));
	scratch_close(&d);
	ck_assert_uint_eq(problems(&c), 0); /* sealed over both epochs */
	finish(&c);
}
END_TEST

START_TEST(a_restored_store_is_backed_up_and_restored_again)
{
	struct case_ c, again;
	struct scratch d;
	struct log *log;

	begin(&c);
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	again = c;
	ck_assert_int_eq(open_data(&c, &again.s), 0);
	log = log_named(&again.s, "l");
	scratch_append(&again.s, log, "{}");
	sealed_log_seal(&again.s, log);
	place(again.backup, c.f.dir, "b2");
	place(again.ring, c.f.dir, "ring2");
	back_up(&again);
	scratch_close(&again.s);
	place(again.data, c.f.dir, "d2");
	ck_assert_int_eq(restore(&again, NULL, 0), 0);
	ck_assert_uint_eq(again.seen[0].size, 602);
	ck_assert_uint_eq(again.seen[0].epoch, 2);
	ck_assert_uint_eq(problems(&again), 0);
	ck_assert_int_eq(open_data(&again, &d), 0);
	log = log_named(&d, "l");
	sealed_log_reads(&d, log, 600);
	sealed_log_seal(&d, log);
	scratch_close(&d);
	ck_assert_uint_eq(problems(&again), 0);

	/* the first backup with the later keys: they speak for more than it has */
	place(c.ring, c.f.dir, "ring2");
	place(c.data, c.f.dir, "d3");
	refused(&c, STELE_EKEY, "later state");
	/* the second one with the earlier keys: those of its segments are missing */
	place(again.ring, c.f.dir, "ring");
	place(again.data, c.f.dir, "d4");
	refused(&again, STELE_EKEY, "key");
	c.why = again.why;
	finish(&c);
}
END_TEST

/* A checkpoint of the log now, signed by its key. */
static void
checkpoint_now(struct log *log, struct buf *out)
{
	struct head *head = log_head(log);

	buf_put(out, head->note, head->note_len);
	head_unref(head);
}

/* One of this size and root, by the log's key. */
static void
checkpoint_of(struct log *log, uint64_t size, const uint8_t root[32], struct buf *out)
{
	const struct signer *signer = log->signer;
	struct buf text;

	buf_init(&text);
	ck_assert_int_eq(checkpoint_put(&text, slice_str(log->origin), size, root), 0);
	sign_note(out, buf_slice(&text), &signer, 1);
	buf_fini(&text);
}

START_TEST(the_newest_checkpoint_names_what_is_lost)
{
	struct buf early, late, later;
	struct slice notes[3];
	struct case_ c;
	struct scratch d;
	struct record r;
	struct arena a;
	struct log *log;

	begin(&c);
	log = log_named(&c.s, "l");
	buf_init(&early);
	buf_init(&late);
	buf_init(&later);
	checkpoint_now(log, &early);
	sealed_log_fill(&c.s, log, 650);
	checkpoint_now(log, &late);
	sealed_log_fill(&c.s, log, 700);
	checkpoint_now(log, &later);
	notes[0] = buf_slice(&late);
	notes[1] = buf_slice(&later);
	notes[2] = buf_slice(&early);
	ck_assert_int_eq(restore(&c, notes, 3), 0);
	ck_assert_uint_eq(c.seen[0].newest, 700);
	ck_assert_uint_eq(c.seen[1].newest, 0);
	ck_assert_int_eq(open_data(&c, &d), 0);
	arena_init(&a);
	entry_of(&d, log_named(&d, "l"), 600, &a, &r);
	ck_assert_ptr_nonnull(
		memmem(r.payload.p, r.payload.n, "\"lost\":{\"first\":600,\"last\":699}", 31));
	entry_of(&d, log_named(&d, "m"), 1, &a, &r);
	ck_assert_ptr_nonnull(
		memmem(r.payload.p, r.payload.n, "\"newest_checkpoint\":null,\"lost\":null", 36));
	scratch_close(&d);

	place(c.data, c.f.dir, "d2");
	ck_assert_int_eq(restore(&c, &notes[2], 1), 0); /* nothing lost by this one */
	ck_assert_uint_eq(c.seen[0].newest, 600);
	arena_fini(&a);
	buf_fini(&early);
	buf_fini(&late);
	buf_fini(&later);
	finish(&c);
}
END_TEST

START_TEST(a_checkpoint_that_contradicts_or_is_not_the_logs_ends_it)
{
	struct buf a, b;
	struct slice notes[2];
	uint8_t root[32] = {7};
	struct signer *own;
	struct case_ c;
	struct log *log;

	begin(&c);
	log = log_named(&c.s, "l");
	buf_init(&a);
	buf_init(&b);
	checkpoint_of(log, 300, root, &a); /* another history */
	notes[0] = buf_slice(&a);
	ck_assert_int_eq(restore(&c, notes, 1), STELE_EVERIFY);
	buf_reset(&a);
	checkpoint_of(log, 700, root, &a); /* two histories, neither to be seen here */
	root[0] = 8;
	checkpoint_of(log, 700, root, &b);
	notes[0] = buf_slice(&a);
	notes[1] = buf_slice(&b);
	ck_assert_int_eq(restore(&c, notes, 2), STELE_EVERIFY);
	notes[0].n -= 5; /* what is left of the signature is none */
	ck_assert_int_ne(restore(&c, notes, 1), 0);
	buf_reset(&a);
	own = log->signer;
	log->signer = log_named(&c.s, "m")->signer; /* another log's key */
	checkpoint_of(log, 700, root, &a);
	notes[0] = buf_slice(&a);
	ck_assert_int_ne(restore(&c, notes, 1), 0);
	notes[0] = slice_str("a text\n");
	ck_assert_int_ne(restore(&c, notes, 1), 0);
	log->signer = own;
	ck_assert_int_eq(restore(&c, NULL, 0), 0); /* none of them left a trace */
	ck_assert_uint_eq(problems(&c), 0);
	buf_fini(&a);
	buf_fini(&b);
	finish(&c);
}
END_TEST

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
	const struct signer *identity = c->s.st->identity;
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

START_TEST(a_keyring_from_before_the_backup_lacks_keys)
{
	struct case_ c;
	struct log *log;

	begin(&c);
	place(c.ring, c.f.dir, "ring2");
	log = log_named(&c.s, "l");
	sealed_log_fill(&c.s, log, 700);
	sealed_log_seal(&c.s, log);
	back_up(&c);
	place(c.ring, c.f.dir, "ring");
	refused(&c, STELE_EKEY, "records 0 to 699: their key is not in");
	place(c.ring, c.f.dir, "ring2");
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	finish(&c);
}
END_TEST

START_TEST(fsck_names_a_restore_entry_whose_key_statement_does_not_hold)
{
	static const char *const bad[] = {"{}", "{\"key_statement\":\"stele key v1\\n\"}"};
	struct scratch d;
	struct case_ c;
	struct log *log;

	begin(&c);
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	ck_assert_int_eq(open_data(&c, &d), 0);
	log = log_named(&d, "l");
	for (size_t i = 0; i < 2; i++) {
		struct append_job job;
		append_job_init(&job);
		ck_assert_int_eq(append_control(&job, log, ENTRY_RESTORE, slice_str("restore"),
						slice_str(bad[i]), d.tools),
				 0);
		ck_assert_int_eq(store_append_batch(d.st, &job), 0);
		ck_assert_int_eq(job.err, 0);
		append_job_fini(&job);
	}
	scratch_close(&d);
	ck_assert_uint_eq(problems(&c), 2); /* in the WAL */
	ck_assert_int_eq(open_data(&c, &d), 0);
	sealed_log_seal(&d, log_named(&d, "l"));
	sealed_log_seal(&d, log_named(&d, "m"));
	scratch_close(&d);
	ck_assert_uint_eq(problems(&c), 2); /* sealed */
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

/* What was sealed of the history that was lost does not come back, by no file put in place. */
START_TEST(a_segment_of_the_lost_history_is_refused)
{
	char from[700], command[3000];
	struct case_ c;
	struct scratch d;
	struct log *log;

	begin(&c);
	log = log_named(&c.s, "l");
	sealed_log_fill(&c.s, log, 700);
	sealed_log_seal(&c.s, log);
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	snprintf(from, sizeof from, "%s/segments/l", c.s.dir);
	snprintf(command, sizeof command,
		 "cp -p '%s'/0-700.2.* '%s/segments/l/' && rm '%s/catalog.mdb'", from, c.data,
		 c.data);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(open_data(&c, &d), 0);
	log = log_named(&d, "l");
	ck_assert_uint_eq(log->frontier.size, 601);
	sealed_log_reads(&d, log, 600);
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
		it_holds_what_the_backup_held_and_says_so_under_a_new_key,
		a_restored_store_is_backed_up_and_restored_again,
		the_newest_checkpoint_names_what_is_lost,
		a_checkpoint_that_contradicts_or_is_not_the_logs_ends_it,
		what_is_not_as_it_was_signed_is_refused,
		a_keyring_from_before_the_backup_lacks_keys,
		fsck_names_a_restore_entry_whose_key_statement_does_not_hold,
		another_servers_identity_is_refused,
		an_unfinished_restore_opens_for_nobody_and_goes_on,
		a_segment_of_the_lost_history_is_refused,
		every_operation_of_a_restore_fails_once,
		a_restore_is_killed_at_every_operation,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("restore", tests, sizeof tests / sizeof *tests, 280);
}
