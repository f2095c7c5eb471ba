/* A log's signing key is replaced: what signs when, and what a cut at every step leaves. */
#include "restore_case.h"

#include "proto/checkpoint.h"
#include "storage/commit.h"
#include "storage/file.h"
#include "storage/rotate.h"

static void
kill_store(struct scratch *s)
{
	atomic_store(&s->st->read_only, true); /* closing writes nothing */
	scratch_close(s);
}

/* Step 1. */
static void
ask(struct scratch *s, struct append_job *job, struct log *log)
{
	append_job_init(job);
	ck_assert_int_eq(rotate_begin(job, log, slice_str("p-test"), s->tools), 0);
}

/* Steps 1 to 4: the index of the entry. */
static uint64_t
rotate_half(struct scratch *s, struct append_job *job, struct log *log)
{
	ask(s, job, log);
	ck_assert_int_eq(store_append_batch(s->st, job), 0);
	ck_assert_int_eq(job->err, 0);
	return job->first;
}

static uint64_t
rotate(struct scratch *s, struct log *log)
{
	struct append_job job;
	bool destroyed;
	uint64_t index = rotate_half(s, &job, log);

	ck_assert_int_eq(rotate_end(&job, &destroyed), 0);
	ck_assert(destroyed);
	append_job_fini(&job);
	return index;
}

/* Whether the log's checkpoint now is signed by the key of an epoch. */
static bool
signed_by(struct log *log, uint32_t epoch)
{
	struct head *head = log_head(log);
	struct note note;
	bool is = sign_verify_note(&log->keys->vkeys[epoch], 1,
				   slice_of(head->note, head->note_len), &note, NULL) == 0;

	head_unref(head);
	return is;
}

/* What the keyring's file holds for the log: ended and prepared ones, and whether one signs. */
static void
expect_file(struct scratch *s, uint64_t log_id, unsigned ended, unsigned prepared)
{
	static const uint8_t zeros[32];
	struct keyfile_seal *seal;
	struct keyring *kr;
	const struct keyring_seed *all;
	unsigned n_ended = 0, n_prepared = 0, n_signs = 0;
	char path[512];
	size_t n;

	snprintf(path, sizeof path, "%s/keys/keyring", s->dir);
	ck_assert_int_eq(keyfile_seal_new(&seal, NULL), 0);
	ck_assert_int_eq(keyring_open(&kr, path, seal, false), 0);
	all = keyring_each_seed(kr, &n);
	for (size_t i = 0; i < n; i++) {
		if (all[i].log_id != log_id)
			continue;
		n_ended += all[i].ended;
		n_prepared += all[i].prepared;
		n_signs += !all[i].ended && !all[i].prepared;
		ck_assert((memcmp(all[i].seed, zeros, 32) == 0) == all[i].ended);
	}
	ck_assert_uint_eq(n_ended, ended);
	ck_assert_uint_eq(n_prepared, prepared);
	ck_assert_uint_eq(n_signs, 1);
	keyring_free(kr);
	keyfile_seal_free(seal);
}

static void
keyring_file(struct scratch *s, bool put_back)
{
	char command[1200];

	snprintf(command, sizeof command, "cp -p '%s/%s' '%s/%s'", s->dir,
		 put_back ? "keyring.kept" : "keys/keyring", s->dir,
		 put_back ? "keys/keyring" : "keyring.kept");
	ck_assert_int_eq(system(command), 0);
}

static struct log *
start(struct scratch *s)
{
	struct log *log;

	scratch_begin(s);
	log = scratch_log(s, "l", "{}");
	scratch_append(s, log, "one");
	return log;
}

/* Opens it again; the log is in this epoch and goes on. */
static struct log *
reopened(struct scratch *s, uint32_t epoch)
{
	struct log *log;

	ck_assert_int_eq(scratch_open(s), 0);
	log = log_named(s, "l");
	ck_assert_uint_eq(log->keys->epoch, epoch);
	ck_assert(signed_by(log, epoch));
	scratch_append(s, log, "more");
	ck_assert(signed_by(log, epoch));
	return log;
}

START_TEST(the_new_key_signs_from_its_entry_on)
{
	char before[200];
	struct scratch s;
	struct record r;
	struct arena a;
	struct log *log = start(&s);

	snprintf(before, sizeof before, "%s", logkeys_vkey(log->keys));
	ck_assert_uint_eq(rotate(&s, log), 2);
	ck_assert_uint_eq(log->keys->epoch, 1);
	ck_assert_uint_eq(log->keys->first_sizes[1], 3);
	ck_assert_str_ne(logkeys_vkey(log->keys), before);
	ck_assert(signed_by(log, 0) && signed_by(log, 1)); /* the one checkpoint of both */
	arena_init(&a);
	ck_assert_int_eq(read_record(s.st, log, 2, s.tools, &a, &r), 0);
	ck_assert_int_eq(r.entry.kind, ENTRY_KEY);
	ck_assert(slice_eq_str(r.entry.writer, "p-test"));
	ck_assert(log_statement_holds(log, 3, r.payload, s.tools->sha));
	ck_assert(!log_statement_holds(log, 4, r.payload, s.tools->sha));
	arena_fini(&a);
	expect_file(&s, log->id, 1, 0);
	scratch_append(&s, log, "two");
	ck_assert(!signed_by(log, 0) && signed_by(log, 1));
	ck_assert_uint_eq(log->ctl, 2);
	ck_assert_uint_eq(rotate(&s, log), 4);
	ck_assert_uint_eq(log->keys->epoch, 2);
	expect_file(&s, log->id, 2, 0);
	scratch_close(&s);
	ck_assert_uint_eq(problems_in(s.dir, NULL, NULL), 0);
	log = reopened(&s, 2);
	ck_assert_uint_eq(log->frontier.size, 6);
	ck_assert_uint_eq(s.errors + s.warnings, 0);
	scratch_end(&s);
}
END_TEST

/* Step 2 was done, step 3 not: the key of the log is the old one, however often. */
START_TEST(a_cut_before_the_commit_leaves_the_old_key)
{
	char before[200];
	struct scratch s;
	struct append_job job;
	struct log *log = start(&s);

	snprintf(before, sizeof before, "%s", logkeys_vkey(log->keys));
	for (unsigned i = 0; i < 3; i++) {
		ask(&s, &job, log);
		ck_assert_int_eq(job.place(&job, log->frontier.size, s.tools), 0);
		expect_file(&s, log->id, 0, 1);
		logkeys_unref(job.keys);
		append_job_fini(&job);
		kill_store(&s);
		ck_assert_uint_eq(problems_in(s.dir, NULL, NULL), 0);
		log = reopened(&s, 0);
		ck_assert_str_eq(logkeys_vkey(log->keys), before);
	}
	scratch_close(&s); /* the catalogue, too, knows a log that went on */
	log = reopened(&s, 0);
	rotate(&s, log);
	expect_file(&s, log->id, 1, 0);
	scratch_close(&s);
	reopened(&s, 1);
	scratch_end(&s);
}
END_TEST

/* Step 3 was done, step 5 not: the next start does it, whatever it finds the entry by. */
START_TEST(a_cut_after_the_commit_leaves_the_new_key)
{
	for (unsigned how = 0; how < 4; how++) {
		struct append_job job;
		struct scratch s;
		struct log *log = start(&s);
		struct buf why;
		char after[200];

		sealed_log_fill(&s, log, 100);
		rotate_half(&s, &job, log);
		snprintf(after, sizeof after, "%s", logkeys_vkey(log->keys));
		if (how & 1)
			scratch_append(&s, log, "under the new key");
		expect_file(&s, log->id, 0, 1);
		if (how & 2)
			ck_assert_int_eq(store_maintain(s.st), 0); /* the catalogue knows it */
		logkeys_unref(job.keys);
		append_job_fini(&job);
		kill_store(&s);
		ck_assert_uint_eq(problems_in(s.dir, NULL, NULL), 0);
		if (how == 3) {
			buf_init(&why);
			ck_assert_int_eq(store_rebuild(&s.opts, &why), 0);
			buf_fini(&why);
		}
		log = reopened(&s, 1);
		ck_assert_str_eq(logkeys_vkey(log->keys), after);
		expect_file(&s, log->id, 1, 0);
		rotate(&s, log);
		scratch_close(&s);
		ck_assert_uint_eq(problems_in(s.dir, NULL, NULL), 0);
		scratch_end(&s);
	}
}
END_TEST

/* Another prepared key for the same place is not the log's, though all numbers agree. */
START_TEST(a_keyring_of_before_is_refused)
{
	struct append_job job;
	struct scratch s;
	struct log *log = start(&s);

	ask(&s, &job, log);
	ck_assert_int_eq(job.place(&job, log->frontier.size, s.tools), 0);
	logkeys_unref(job.keys);
	append_job_fini(&job);
	keyring_file(&s, false);
	rotate(&s, log); /* at the same index, with another key */
	kill_store(&s);
	keyring_file(&s, true);
	ck_assert_int_eq(scratch_open(&s), STELE_EKEY);
	ck_assert_uint_gt(problems_in(s.dir, NULL, NULL), 0);
	scratch_end(&s);
}
END_TEST

START_TEST(a_keyring_without_the_next_key_is_refused)
{
	struct scratch s;
	struct log *log = start(&s);

	keyring_file(&s, false);
	rotate(&s, log);
	scratch_close(&s);
	keyring_file(&s, true);
	ck_assert_int_eq(scratch_open(&s), STELE_EKEY);
	ck_assert_uint_gt(problems_in(s.dir, NULL, NULL), 0);
	scratch_end(&s);
}
END_TEST

/* What is tied to an entry that cannot be made is not made either; the rest of the commit is. */
START_TEST(a_keyring_that_cannot_be_written_leaves_the_old_key)
{
	struct append_job job, record, other;
	struct scratch s;
	bool destroyed = true;
	char from[512], to[512];
	struct log *log = start(&s), *system = scratch_log(&s, "s", "{}");

	snprintf(from, sizeof from, "%s/keys", s.dir);
	snprintf(to, sizeof to, "%s/elsewhere", s.dir);
	ask(&s, &job, log);
	scratch_job(&s, &record, system, "{\"type\":\"log.key.rotate\"}", NULL);
	scratch_job(&s, &other, log, "goes on", NULL);
	job.next = &record;
	job.tied = true;
	record.next = &other;
	ck_assert_int_eq(rename(from, to), 0);
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	ck_assert_int_eq(rename(to, from), 0);
	ck_assert_int_ne(job.err, 0);
	ck_assert_int_eq(record.err, job.err);
	ck_assert_int_eq(other.err, 0);
	ck_assert_int_eq(rotate_end(&job, &destroyed), job.err);
	ck_assert(!destroyed);
	ck_assert_uint_eq(system->frontier.size, 1);
	ck_assert_uint_eq(log->frontier.size, 3);
	ck_assert_uint_eq(log->keys->epoch, 0);
	append_job_fini(&job);
	append_job_fini(&record);
	append_job_fini(&other);
	rotate(&s, log);
	scratch_close(&s);
	reopened(&s, 1);
	scratch_end(&s);
}
END_TEST

/* The old key's commits are still on their way when the new key's place is made. */
START_TEST(commits_on_their_way_are_signed_by_their_own_keys)
{
	struct append_job first, key, last, *jobs;
	struct commit *next;
	struct scratch s;
	bool destroyed;
	struct log *log = start(&s);

	ck_assert_int_eq(commit_new(&next, s.st), 0);
	scratch_job(&s, &first, log, "before", NULL);
	scratch_job(&s, &last, log, "after", NULL);
	ask(&s, &key, log);
	commit_take(s.st->commit, &first, NULL);
	ck_assert_uint_gt(commit_close(s.st->commit), 0);
	commit_take(next, &key, s.st->commit);
	ck_assert_int_eq(commit_write(s.st->commit), 0);
	ck_assert_int_eq(commit_settle(s.st->commit, &jobs), 0);
	ck_assert_uint_eq(log->keys->epoch, 0);
	ck_assert(signed_by(log, 0));
	ck_assert_uint_gt(commit_close(next), 0);
	commit_take(s.st->commit, &last, next); /* before the key's own commit is published */
	ck_assert_int_eq(commit_write(next), 0);
	ck_assert_int_eq(commit_settle(next, &jobs), 0);
	ck_assert_uint_eq(log->keys->epoch, 1);
	ck_assert_uint_eq(log->keys->first_sizes[1], 4);
	ck_assert_uint_gt(commit_close(s.st->commit), 0);
	ck_assert_int_eq(commit_write(s.st->commit), 0);
	ck_assert_int_eq(commit_settle(s.st->commit, &jobs), 0);
	ck_assert(!signed_by(log, 0) && signed_by(log, 1));
	ck_assert_int_eq(rotate_end(&key, &destroyed), 0);
	append_job_fini(&first);
	append_job_fini(&key);
	append_job_fini(&last);
	commit_free(next);
	kill_store(&s);
	ck_assert_uint_eq(problems_in(s.dir, NULL, NULL), 0);
	reopened(&s, 1);
	scratch_end(&s);
}
END_TEST

/* Segments keep verifying: those of the old key, and those made again under the new one. */
START_TEST(segments_of_all_epochs_are_read)
{
	struct scratch s;
	struct buf why;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (uint64_t size = 300; size <= 900; size += 300) {
		sealed_log_fill(&s, log, size);
		sealed_log_seal(&s, log);
		if (size < 900)
			ck_assert_uint_eq(rotate(&s, log), size);
	}
	scratch_close(&s);
	ck_assert_uint_eq(problems_in(s.dir, NULL, NULL), 0);
	buf_init(&why);
	ck_assert_int_eq(store_rebuild(&s.opts, &why), 0);
	buf_fini(&why);
	ck_assert_int_eq(scratch_open(&s), 0);
	log = log_named(&s, "l");
	ck_assert_uint_eq(log->keys->epoch, 2);
	for (uint64_t i = 1; i < 900; i++) {
		if (i != 300 && i != 600)
			ck_assert_int_eq(sealed_log_read(&s, log, i), 0);
	}
	scratch_end(&s);
}
END_TEST

START_TEST(while_a_backup_copies_keys_stay)
{
	struct append_job job;
	struct scratch s;
	struct log *log = start(&s);

	append_job_init(&job);
	atomic_store(&s.st->pinned, true);
	ck_assert_int_eq(rotate_begin(&job, log, slice_str("p-test"), s.tools), STELE_ECONFLICT);
	atomic_store(&s.st->pinned, false);
	append_job_fini(&job);
	rotate(&s, log);
	scratch_end(&s);
}
END_TEST

START_TEST(a_backup_after_a_rotation_is_restored)
{
	struct case_ c;
	struct scratch d;
	struct log *log;

	begin(&c);
	rotate(&c.s, log_named(&c.s, "l"));
	place(c.backup, c.f.dir, "b2");
	place(c.ring, c.f.dir, "ring2");
	back_up(&c);
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	ck_assert_uint_eq(c.seen[0].size, 601);
	ck_assert_uint_gt(c.seen[0].epoch, 2);
	ck_assert_uint_eq(problems(&c), 0);
	ck_assert_int_eq(open_data(&c, &d), 0);
	log = log_named(&d, "l");
	sealed_log_reads(&d, log, 600);
	ck_assert_uint_eq(log->keys->first_sizes[1], 601);
	ck_assert_uint_eq(log->keys->first_sizes[2], 602);
	rotate(&d, log);
	scratch_close(&d);
	ck_assert_uint_eq(problems(&c), 0);
	finish(&c);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_new_key_signs_from_its_entry_on,
		a_cut_before_the_commit_leaves_the_old_key,
		a_cut_after_the_commit_leaves_the_new_key,
		a_keyring_of_before_is_refused,
		a_keyring_without_the_next_key_is_refused,
		a_keyring_that_cannot_be_written_leaves_the_old_key,
		commits_on_their_way_are_signed_by_their_own_keys,
		segments_of_all_epochs_are_read,
		while_a_backup_copies_keys_stay,
		a_backup_after_a_rotation_is_restored,
	};

	return suite_run("rotate", tests, sizeof tests / sizeof *tests, 120);
}
