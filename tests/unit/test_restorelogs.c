/* What a restore makes of the logs: new keys, what their entries say, what contradicts them. */
#include "restore_case.h"

#include "proto/checkpoint.h"
#include "storage/file.h"
#include "storage/rotate.h"

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
	before = *signer_vkey(log->keys->signer);
	sealed_log_fill(&c.s, log, 700); /* lost */
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	ck_assert_uint_eq(c.n_seen, 2);
	ck_assert_int_eq(c.names[0], 'l');
	ck_assert_uint_eq(c.seen[0].size, 600);
	ck_assert_uint_eq(c.seen[0].newest, 0);
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
	ck_assert_uint_eq(log->keys->n, 2);
	ck_assert_uint_eq(log->keys->epoch, c.seen[0].epoch);
	ck_assert(memcmp(before.public_key, log->keys->vkeys[1].public_key, 32) != 0);
	ck_assert(memcmp(before.public_key, log->keys->vkeys[0].public_key, 32) == 0);
	ck_assert_uint_eq(log->keys->first_sizes[1], 601);
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

/* Two keys for one epoch would be proof of misconduct. */
START_TEST(its_epoch_is_none_that_what_is_lost_can_have_had)
{
	struct case_ c, late;
	struct scratch d;
	struct log *log;
	uint32_t first;

	begin(&c);
	for (int i = 0; i < 3; i++)
		rotate(&c.s, log_named(&c.s, "l")); /* after the backup */
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	first = c.seen[0].epoch;
	ck_assert_uint_gt(first, 1000000 + log_named(&c.s, "l")->keys->epoch);
	ck_assert_int_eq(open_data(&c, &d), 0);
	log = log_named(&d, "l");
	rotate(&d, log);
	ck_assert_uint_eq(log->keys->epoch, first + 1);
	scratch_close(&d);
	ck_assert_int_eq(scratch_open(&d), 0);
	log = log_named(&d, "l");
	ck_assert_uint_eq(log->keys->n, 3);
	ck_assert_uint_eq(log->keys->epoch, first + 1);
	scratch_close(&d);
	ck_assert_uint_eq(problems(&c), 0);

	/* the same backup again: what is lost now has had another restore, and a rotation */
	sleep(2);
	place(c.data, c.f.dir, "d2");
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	ck_assert_uint_gt(c.seen[0].epoch, first + 1);

	/* and when the machine's clock is behind that of the backup's */
	late = c;
	buf_init(&late.why);
	c.s.now_ns += INT64_C(10) * 365 * 86400 * 1000000000;
	place(late.backup, c.f.dir, "b2");
	place(late.ring, c.f.dir, "ring2");
	place(late.data, c.f.dir, "d3");
	back_up(&late);
	ck_assert_int_eq(restore(&late, NULL, 0), 0);
	ck_assert_uint_gt(late.seen[0].epoch, first + 9 * 365 * 86400u);
	buf_fini(&late.why);
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

START_TEST(a_restored_store_is_backed_up_and_restored_again)
{
	struct buf lost;
	struct slice note;
	struct case_ c, again;
	struct scratch d;
	struct log *log;

	buf_init(&lost);
	begin(&c);
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	again = c;
	buf_init(&again.why);
	ck_assert_int_eq(open_data(&c, &again.s), 0);
	log = log_named(&again.s, "l");
	scratch_append(&again.s, log, "{}");
	sealed_log_seal(&again.s, log);
	place(again.backup, c.f.dir, "b2");
	place(again.ring, c.f.dir, "ring2");
	back_up(&again);
	scratch_close(&again.s);
	place(again.data, c.f.dir, "d2");
	/* of the history that the first restore lost, and by a key of this log */
	sealed_log_fill(&c.s, log_named(&c.s, "l"), 700);
	checkpoint_now(log_named(&c.s, "l"), &lost);
	note = buf_slice(&lost);
	ck_assert_int_eq(restore(&again, &note, 1), STELE_EVERIFY);
	ck_assert_int_eq(restore(&again, NULL, 0), 0);
	ck_assert_uint_eq(again.seen[0].size, 602);
	ck_assert_uint_gt(again.seen[0].epoch, c.seen[0].epoch);
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
	buf_fini(&lost);
	buf_fini(&again.why);
	finish(&c);
}
END_TEST

/* One of this size and root, by the log's key. */
static void
checkpoint_of(struct log *log, uint64_t size, const uint8_t root[32], struct buf *out)
{
	const struct signer *signer = log->keys->signer;
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
	own = log->keys->signer;
	log->keys->signer = log_named(&c.s, "m")->keys->signer; /* another log's key */
	checkpoint_of(log, 700, root, &a);
	notes[0] = buf_slice(&a);
	ck_assert_int_ne(restore(&c, notes, 1), 0);
	notes[0] = slice_str("a text\n");
	ck_assert_int_ne(restore(&c, notes, 1), 0);
	log->keys->signer = own;
	ck_assert_int_eq(restore(&c, NULL, 0), 0); /* none of them left a trace */
	ck_assert_uint_eq(problems(&c), 0);
	buf_fini(&a);
	buf_fini(&b);
	finish(&c);
}
END_TEST

/* In a restore that goes on there may be a file of the clocks: of the first try, or whosever. */
START_TEST(no_clock_file_beside_it_says_what_time_it_is)
{
	char command[1200];
	struct clock_info info;
	struct case_ c;
	struct scratch d;

	begin_plain(&c);
	snprintf(command, sizeof command,
		 "mkdir -m 700 '%s' && touch '%s/RESTORE.partial' && cp '%s/clock' '%s/clock'",
		 c.data, c.data, c.s.dir, c.data);
	ck_assert_int_eq(system(command), 0);
	ck_assert_int_eq(restore(&c, NULL, 0), 0);
	ck_assert_int_eq(open_data(&c, &d), 0);
	store_clock_info(d.st, &info);
	ck_assert_int_eq(info.now.state, CLOCK_FROZEN);
	ck_assert_int_eq(info.cause, CLOCK_RESTORED);
	scratch_close(&d);
	finish(&c);
}
END_TEST

/* --- purges that are later than the backup ------------------------------------------------- */

static int
believe(void *ctx, const char *identity_vkey, struct buf *why)
{
	(void)ctx;
	(void)identity_vkey;
	(void)why;
	return 0;
}

static void
count_purged(void *ctx, const struct restore_purge *p, uint64_t again, uint64_t records)
{
	struct case_ *c = ctx;

	ck_assert_str_eq(p->log, "l");
	ck_assert_uint_eq(again, 601);
	c->n_seen = (unsigned)records;
}

/* A restore into another folder, with a purge of records 590 to 700, of which the backup has ten,
   by that key of an epoch: how many went, or the error. */
static int
purged_again(struct case_ *c, const char *to, const uint8_t key[32], uint64_t epoch,
	     uint64_t first_size)
{
	struct restore_purge p = {
		.log = "l",
		.entry = 701,
		.payload = slice_str("{\"type\":\"purge\",\"ranges\":[[590,700]],\"count\":111,"
				     "\"root\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"),
		.epoch = epoch,
		.first_size = first_size};
	struct restore_options o = {.backup = c->backup,
				    .dir = c->data,
				    .keyring = c->ring,
				    .purges = &p,
				    .n_purges = 1,
				    .check_purges = believe,
				    .purged = count_purged,
				    .say = say,
				    .ctx = c};
	struct restore_result result;
	int err;

	memcpy(p.key, key, 32);
	place(c->data, c->f.dir, to);
	buf_reset(&c->why);
	c->n_seen = 0;
	err = store_restore(&o, &result, &c->why);
	return err ? err : (int)c->n_seen;
}

START_TEST(a_purge_beyond_the_backup_counts_when_its_key_comes_after_it)
{
	const uint8_t other[32] = {7};
	uint8_t own[32];
	struct case_ c;

	begin_plain(&c);
	memcpy(own, signer_vkey(log_named(&c.s, "l")->keys->signer)->public_key, 32);
	ck_assert_int_eq(purged_again(&c, "to-a", own, 0, 0), 10);
	ck_assert_int_eq(purged_again(&c, "to-b", other, 0, 601), STELE_EVERIFY);
	ck_assert_int_eq(purged_again(&c, "to-c", other, 1, 600), STELE_EVERIFY);
	ck_assert_int_eq(purged_again(&c, "to-d", other, 1, 601), 10);
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

int
main(void)
{
	const TTest *const tests[] = {
		it_holds_what_the_backup_held_and_says_so_under_a_new_key,
		its_epoch_is_none_that_what_is_lost_can_have_had,
		a_restored_store_is_backed_up_and_restored_again,
		the_newest_checkpoint_names_what_is_lost,
		a_checkpoint_that_contradicts_or_is_not_the_logs_ends_it,
		no_clock_file_beside_it_says_what_time_it_is,
		a_purge_beyond_the_backup_counts_when_its_key_comes_after_it,
		a_keyring_from_before_the_backup_lacks_keys,
		fsck_names_a_restore_entry_whose_key_statement_does_not_hold,
		a_segment_of_the_lost_history_is_refused,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("restorelogs", tests, sizeof tests / sizeof *tests, 280);
}
