/* The server's identity is replaced: who signs what, and what a cut at every step leaves. */
#include "restore_case.h"

#include "storage/file.h"
#include "storage/rotate.h"
#include "storage/succeed.h"

static const char act[] = "{\"type\":\"identity.rotate\"}";

static void
kill_store(struct scratch *s)
{
	atomic_store(&s->st->read_only, true); /* closing writes nothing */
	scratch_close(s);
}

/* Step 1. */
static void
ask(struct scratch *s, struct append_job *job)
{
	append_job_init(job);
	ck_assert_int_eq(append_control(job, log_named(s, "s"), ENTRY_RECORD, slice_str("p-test"),
					slice_str(act), s->tools),
			 0);
	ck_assert_int_eq(succeed_begin(job), 0);
}

/* Steps 1 to 3. */
static void
replace_half(struct scratch *s, struct append_job *job)
{
	ask(s, job);
	ck_assert_int_eq(store_append_batch(s->st, job), 0);
	ck_assert_int_eq(job->err, 0);
}

static void
replace(struct scratch *s)
{
	struct append_job job;
	bool destroyed;

	replace_half(s, &job);
	ck_assert_int_eq(succeed_end(&job, &destroyed), 0);
	ck_assert(destroyed);
	append_job_fini(&job);
}

/* Step 2 alone. */
static void
prepare(struct scratch *s)
{
	struct append_job job;

	ask(s, &job);
	ck_assert_int_eq(job.place(&job, log_named(s, "s")->frontier.size, s->tools), 0);
	append_job_fini(&job);
}

/* A store with the logs "s", for the records, and "l". */
static void
start(struct scratch *s)
{
	scratch_begin(s);
	scratch_log(s, "s", "{}");
	scratch_append(s, scratch_log(s, "l", "{}"), "one");
}

static void
vkey_now(struct scratch *s, char out[256])
{
	struct identity *id = store_identity(s->st);

	snprintf(out, 256, "%s", identity_vkey(id));
	identity_unref(id);
}

/* What the file holds: n identities, and perhaps a prepared one. */
static void
expect_file(struct scratch *s, size_t n, bool prepared)
{
	struct identity_next next = {.identity = NULL};
	struct keyfile_seal *seal;
	struct identity *id;
	char path[512];

	snprintf(path, sizeof path, "%s/keys/identity", s->dir);
	ck_assert_int_eq(keyfile_seal_new(&seal, NULL), 0);
	ck_assert_int_eq(identity_open(&id, &next, path, seal, s->tools->sha), 0);
	ck_assert_uint_eq(identity_row(id)->n, n);
	ck_assert((next.identity != NULL) == prepared);
	identity_unref(next.identity);
	identity_unref(id);
	keyfile_seal_free(seal);
}

/* Opens it again: n identities there have been, and the one of this key is in force. */
static void
reopened(struct scratch *s, size_t n, const char *vkey)
{
	char now[256];

	ck_assert_int_eq(scratch_open(s), 0);
	vkey_now(s, now);
	ck_assert_str_eq(now, vkey);
	expect_file(s, n, false);
	scratch_append(s, log_named(s, "l"), "more");
}

/* Which identity made the statement of the i-th epoch. */
static size_t
stated_by(struct scratch *s, const char *log, size_t i)
{
	struct keystatement k;
	struct buf b;
	size_t by = 99;

	buf_init(&b);
	ck_assert_int_eq(logkeys_put_statement(log_named(s, log)->keys, i, &b), 0);
	ck_assert_int_eq(identities_statement(s->tools->sha, identity_row(s->st->identity),
					      buf_slice(&b), &k, &by),
			 0);
	ck_assert_uint_eq(k.epoch, log_named(s, log)->keys->epochs[i]);
	buf_fini(&b);
	return by;
}

static void
rotate(struct scratch *s, struct log *log)
{
	struct append_job job;
	bool destroyed;

	append_job_init(&job);
	ck_assert_int_eq(rotate_begin(&job, log, slice_str("p-test"), s->tools), 0);
	ck_assert_int_eq(store_append_batch(s->st, &job), 0);
	ck_assert_int_eq(rotate_end(&job, &destroyed), 0);
	append_job_fini(&job);
}

START_TEST(statements_keep_who_made_them)
{
	char first[256], second[256], third[256];
	struct scratch s;

	start(&s);
	vkey_now(&s, first);
	replace(&s);
	vkey_now(&s, second);
	ck_assert_str_ne(first, second);
	expect_file(&s, 2, false);
	scratch_log(&s, "n", "{}");
	rotate(&s, log_named(&s, "l"));
	replace(&s);
	vkey_now(&s, third);
	rotate(&s, log_named(&s, "l"));
	for (int again = 0; again < 3; again++) {
		ck_assert_uint_eq(stated_by(&s, "l", 0), 0);
		ck_assert_uint_eq(stated_by(&s, "l", 1), 1);
		ck_assert_uint_eq(stated_by(&s, "l", 2), 2);
		ck_assert_uint_eq(stated_by(&s, "n", 0), 1);
		ck_assert_uint_eq(stated_by(&s, "s", 0), 0);
		if (again)
			kill_store(&s);
		else
			scratch_close(&s);
		ck_assert_uint_eq(problems_in(s.dir, NULL, first), 0);
		ck_assert_uint_eq(problems_in(s.dir, NULL, second), 0);
		ck_assert_uint_eq(problems_in(s.dir, NULL, third), 0);
		third[strlen(third) - 2] ^= 1;
		ck_assert_uint_eq(problems_in(s.dir, NULL, third), 1);
		third[strlen(third) - 2] ^= 1;
		if (again == 1) {
			struct buf why;
			buf_init(&why);
			ck_assert_int_eq(store_rebuild(&s.opts, &why), 0);
			buf_fini(&why);
		}
		reopened(&s, 3, third);
	}
	ck_assert_uint_eq(s.errors + s.warnings, 0);
	scratch_end(&s);
}
END_TEST

/* A keyring of before statements were kept has them from the first start on. */
START_TEST(statements_that_were_never_kept_are_kept_before_their_maker_goes)
{
	struct keyring_seed *seeds;
	struct scratch s;
	char now[256];
	size_t n;

	start(&s);
	rotate(&s, log_named(&s, "l"));
	memcpy(&seeds, &(const struct keyring_seed *){keyring_each_seed(s.st->keyring, &n)},
	       sizeof seeds);
	for (size_t i = 0; i < n; i++) {
		seeds[i].stated = false;
		memset(seeds[i].statement, 0, sizeof seeds[i].statement);
	}
	ck_assert_int_eq(keyring_commit(s.st->keyring), 0);
	kill_store(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	replace(&s);
	vkey_now(&s, now);
	kill_store(&s);
	reopened(&s, 2, now);
	ck_assert_uint_eq(stated_by(&s, "l", 0), 0);
	ck_assert_uint_eq(stated_by(&s, "l", 1), 0);
	ck_assert_uint_eq(stated_by(&s, "s", 0), 0);
	scratch_end(&s);
}
END_TEST

START_TEST(the_record_carries_the_note)
{
	static const char begins[] = "{\"type\":\"identity.rotate\",\"number\":1,\"vkey\":\"test";
	struct identity_next next;
	struct append_job job;
	struct scratch s;
	struct record r;
	struct arena a;
	bool destroyed;

	start(&s);
	replace_half(&s, &job);
	next = s.st->next_identity;
	arena_init(&a);
	ck_assert_int_eq(read_record(s.st, log_named(&s, "s"), next.index, s.tools, &a, &r), 0);
	ck_assert(succeed_is_record(&next, r.payload));
	ck_assert_uint_eq(job.first, next.index);
	ck_assert_mem_eq(r.payload.p, begins, strlen(begins));
	ck_assert(!succeed_is_record(&next, slice_str(act)));
	ck_assert_int_eq(succeed_end(&job, &destroyed), 0);
	append_job_fini(&job);
	arena_fini(&a);
	scratch_end(&s);
}
END_TEST

START_TEST(a_cut_before_the_commit_leaves_the_old_one)
{
	char before[256];
	struct scratch s;

	start(&s);
	vkey_now(&s, before);
	for (unsigned how = 0; how < 3; how++) {
		prepare(&s);
		expect_file(&s, 1, true);
		if (how == 1) /* another record at the place of the one that never came */
			scratch_append(&s, log_named(&s, "s"), act);
		kill_store(&s);
		ck_assert_uint_eq(problems_in(s.dir, NULL, before), 0);
		reopened(&s, 1, before);
	}
	replace(&s);
	scratch_end(&s);
}
END_TEST

START_TEST(a_cut_after_the_commit_leaves_the_new_one)
{
	for (unsigned how = 0; how < 4; how++) {
		char before[256], after[256];
		struct append_job job;
		struct scratch s;
		struct buf why;

		start(&s);
		vkey_now(&s, before);
		replace_half(&s, &job);
		snprintf(after, sizeof after, "%s", identity_vkey(s.st->next_identity.identity));
		if (how & 1)
			scratch_append(&s, log_named(&s, "s"), "{}");
		if (how & 2)
			ck_assert_int_eq(store_maintain(s.st), 0); /* the catalogue knows it */
		expect_file(&s, 1, true);
		append_job_fini(&job);
		kill_store(&s);
		ck_assert_uint_eq(problems_in(s.dir, NULL, before), 0);
		ck_assert_uint_eq(problems_in(s.dir, NULL, after), 0);
		if (how == 3) {
			buf_init(&why);
			ck_assert_int_eq(store_rebuild(&s.opts, &why), 0);
			buf_fini(&why);
		}
		reopened(&s, 2, after);
		replace(&s);
		expect_file(&s, 3, false);
		scratch_end(&s);
	}
}
END_TEST

static void
move_keys(struct scratch *s, bool away)
{
	char from[512], to[512];

	snprintf(from, sizeof from, "%s/%s", s->dir, away ? "keys" : "elsewhere");
	snprintf(to, sizeof to, "%s/%s", s->dir, away ? "elsewhere" : "keys");
	ck_assert_int_eq(rename(from, to), 0);
}

START_TEST(a_file_that_cannot_be_written_leaves_the_old_one)
{
	char before[256], now[256];
	struct append_job job;
	struct scratch s;
	bool destroyed = true;
	uint64_t size;

	start(&s);
	vkey_now(&s, before);
	ask(&s, &job);
	size = log_named(&s, "s")->frontier.size;
	move_keys(&s, true);
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	move_keys(&s, false);
	ck_assert_int_ne(job.err, 0);
	ck_assert_int_eq(succeed_end(&job, &destroyed), job.err);
	ck_assert(!destroyed);
	ck_assert_uint_eq(log_named(&s, "s")->frontier.size, size);
	vkey_now(&s, now);
	ck_assert_str_eq(now, before);
	append_job_fini(&job);
	replace(&s);
	scratch_end(&s);
}
END_TEST

/* Step 5 fails: what is stated meanwhile is the new one's, and the next start ends it. */
START_TEST(a_file_that_cannot_be_written_at_the_end_is_written_by_the_next_start)
{
	for (unsigned last = 0; last < 2; last++) {
		char after[256];
		struct append_job job;
		struct scratch s;
		bool destroyed = true;

		start(&s);
		replace_half(&s, &job);
		move_keys(&s, true);
		ck_assert_int_eq(succeed_end(&job, &destroyed), 0);
		move_keys(&s, false);
		ck_assert(!destroyed);
		ck_assert_uint_eq(s.warnings, 1);
		append_job_fini(&job);
		expect_file(&s, 1, true);
		vkey_now(&s, after);
		if (last)
			rotate(&s, log_named(&s, "l"));
		scratch_log(&s, "n", "{}");
		if (!last)
			rotate(&s, log_named(&s, "l"));
		kill_store(&s);
		ck_assert_uint_eq(problems_in(s.dir, NULL, after), 0);
		reopened(&s, 2, after);
		ck_assert_uint_eq(stated_by(&s, "n", 0), 1);
		ck_assert_uint_eq(stated_by(&s, "l", 1), 1);
		ck_assert_uint_eq(stated_by(&s, "l", 0), 0);
		scratch_end(&s);
	}
}
END_TEST

/* An entry that the old one stated is never later than what the note says. */
START_TEST(a_clock_that_goes_back_does_not_bring_it_before_the_logs)
{
	int64_t last_ns;
	struct scratch s;

	start(&s);
	rotate(&s, log_named(&s, "l"));
	last_ns = log_named(&s, "l")->time_ns;
	s.now_ns -= INT64_C(3600000000000);
	replace(&s);
	ck_assert_int_ge(identity_row(s.st->identity)->of[0].until_ns, last_ns);
	s.now_ns -= INT64_C(3600000000000);
	replace(&s);
	ck_assert_int_gt(identity_row(s.st->identity)->of[1].until_ns,
			 identity_row(s.st->identity)->of[0].until_ns);
	scratch_end(&s);
}
END_TEST

START_TEST(while_a_backup_copies_it_stays)
{
	struct append_job job;
	struct scratch s;

	start(&s);
	append_job_init(&job);
	ck_assert_int_eq(append_control(&job, log_named(&s, "s"), ENTRY_RECORD, slice_str("p"),
					slice_str(act), s.tools),
			 0);
	atomic_store(&s.st->pinned, true);
	ck_assert_int_eq(succeed_begin(&job), STELE_ECONFLICT);
	atomic_store(&s.st->pinned, false);
	atomic_store(&s.st->read_only, true);
	ck_assert_int_eq(succeed_begin(&job), STELE_EREADONLY);
	atomic_store(&s.st->read_only, false);
	append_job_fini(&job);
	scratch_end(&s);
}
END_TEST

START_TEST(there_is_an_end_to_it)
{
	struct append_job job;
	struct scratch s;

	start(&s);
	for (unsigned i = 0; i < LIMIT_SUCCESSIONS; i++)
		replace(&s);
	append_job_init(&job);
	ck_assert_int_eq(append_control(&job, log_named(&s, "s"), ENTRY_RECORD, slice_str("p"),
					slice_str(act), s.tools),
			 0);
	ck_assert_int_eq(succeed_begin(&job), STELE_ELIMIT);
	append_job_fini(&job);
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_uint_eq(identity_row(s.st->identity)->n, LIMIT_SUCCESSIONS + 1);
	scratch_end(&s);
}
END_TEST

/* --- backups ---------------------------------------------------------------------------- */

START_TEST(a_backup_of_after_is_restored_and_goes_on)
{
	char vkey[256];
	struct case_ c;
	struct scratch d;

	begin(&c);
	scratch_log(&c.s, "s", "{}");
	replace(&c.s);
	vkey_now(&c.s, vkey);
	back_up(&c); /* into the folder of the one before, which the old identity signed */
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	ck_assert_uint_eq(problems(&c), 0);
	ck_assert_int_eq(open_data(&c, &d), 0);
	ck_assert_str_eq(identity_vkey(d.st->identity), vkey);
	ck_assert_uint_eq(stated_by(&d, "l", 0), 0);
	ck_assert_uint_eq(stated_by(&d, "l", 1), 1); /* the restore's */
	replace(&d);
	scratch_close(&d);
	ck_assert_uint_eq(problems(&c), 0);
	finish(&c);
}
END_TEST

START_TEST(a_backup_is_verified_under_the_identity_of_its_time)
{
	char command[1024];
	struct case_ c;

	begin(&c); /* its keyring is of before */
	scratch_log(&c.s, "s", "{}");
	replace(&c.s);
	snprintf(command, sizeof command, "cp -p '%s.identity' '%s.identity.kept'", c.ring, c.ring);
	ck_assert_int_eq(system(command), 0);
	back_up(&c);
	snprintf(command, sizeof command, "mv '%s.identity.kept' '%s.identity'", c.ring, c.ring);
	ck_assert_int_eq(system(command), 0);
	refused(&c, STELE_EVERIFY, "of then or later");
	finish(&c);
}
END_TEST

/* The old identity signed it, the keys are of later. */
START_TEST(a_backup_of_before_is_verified_with_the_identity_of_after)
{
	char command[2048];
	struct case_ c;

	begin_plain(&c);
	scratch_log(&c.s, "s", "{}");
	replace(&c.s);
	snprintf(command, sizeof command, "cp -p '%s/keys/identity' '%s.identity'", c.s.dir,
		 c.ring);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	ck_assert_uint_eq(problems(&c), 0);
	finish(&c);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		statements_keep_who_made_them,
		statements_that_were_never_kept_are_kept_before_their_maker_goes,
		the_record_carries_the_note,
		a_cut_before_the_commit_leaves_the_old_one,
		a_cut_after_the_commit_leaves_the_new_one,
		a_file_that_cannot_be_written_leaves_the_old_one,
		a_file_that_cannot_be_written_at_the_end_is_written_by_the_next_start,
		a_clock_that_goes_back_does_not_bring_it_before_the_logs,
		while_a_backup_copies_it_stays,
		there_is_an_end_to_it,
		a_backup_of_after_is_restored_and_goes_on,
		a_backup_is_verified_under_the_identity_of_its_time,
		a_backup_of_before_is_verified_with_the_identity_of_after,
	};

	return suite_run("succeed", tests, sizeof tests / sizeof *tests, 120);
}
