/* A log's part of a commit that is taken while the commit before it is being written. */
#include "scratch_store.h"

#include "crypto/init.h"
#include "crypto/merkle.h"
#include "faulty_disk.h"
#include "proto/timestamp.h"
#include "storage/commit.h"
#include "suite.h"

static void
reads_as(struct scratch *s, struct log *log, uint64_t index, const char *payload)
{
	struct record r;
	struct arena a;

	arena_init(&a);
	ck_assert_int_eq(read_record(s->st, log, index, s->tools, &a, &r), 0);
	ck_assert(slice_eq_str(r.payload, payload));
	arena_fini(&a);
}

static uint64_t
size_of(struct log *log)
{
	struct head *h = log_head(log);
	uint64_t size = h->size;

	head_unref(h);
	return size;
}

/* Settles and expects err for the commit; its jobs were taken as lists of one. */
static void
settles(struct commit *c, int err)
{
	struct append_job *jobs;

	ck_assert_int_eq(commit_settle(c, &jobs), err);
}

/* In the middle of a commit: closed, not written; and the second one, which takes upon it. */
struct overlap {
	struct scratch s;
	struct log *log;
	struct commit *first, *second;
	struct append_job a, b;
};

static void
overlap_begin(struct overlap *o, enum entry_kind kind, const char *a, const char *a_key,
	      const char *b, const char *b_key)
{
	scratch_begin(&o->s);
	o->log = scratch_log(&o->s, "l",
			     "{\"mode\":\"governance\",\"retain\":{\"default\":\"1d\"}}");
	o->first = o->s.st->commit;
	ck_assert_int_eq(commit_new(&o->second, o->s.st), 0);
	scratch_job(&o->s, &o->a, o->log, a, a_key);
	scratch_job(&o->s, &o->b, o->log, b, b_key);
	o->a.kind = kind;
	commit_take(o->first, &o->a, NULL);
	ck_assert_uint_gt(commit_close(o->first), 0);
	o->s.now_ns -= 5000000000; /* the clock goes back meanwhile */
	commit_take(o->second, &o->b, o->first);
}

static void
overlap_end(struct overlap *o)
{
	append_job_fini(&o->a);
	append_job_fini(&o->b);
	commit_free(o->second);
	scratch_end(&o->s);
}

static void
receipt_holds(struct append_job *job)
{
	struct append_receipt *r = &job->receipts[0];
	struct sha256 *h = sha256_new();
	uint8_t leaf[32];

	sha256_leaf(h, leaf, r->entry);
	ck_assert_int_eq(merkle_verify_inclusion(h, job->head->root, job->first, job->head->size,
						 leaf, r->proof, r->n_proof),
			 0);
	sha256_free(h);
}

START_TEST(a_commit_taken_while_another_is_written_goes_on_where_that_one_ends)
{
	struct overlap o;

	overlap_begin(&o, ENTRY_RECORD, "one", NULL, "two", NULL);
	ck_assert_int_eq(commit_write(o.first), 0);
	ck_assert_uint_eq(size_of(o.log), 1); /* written is not released */
	settles(o.first, 0);
	ck_assert_uint_eq(size_of(o.log), 2);
	ck_assert_uint_gt(commit_close(o.second), 0);
	ck_assert_int_eq(commit_write(o.second), 0);
	settles(o.second, 0);
	ck_assert_int_eq(o.a.err, 0);
	ck_assert_int_eq(o.b.err, 0);
	ck_assert_uint_eq(o.a.first, 1);
	ck_assert_uint_eq(o.b.first, 2);
	ck_assert_int_ge(o.b.time_ns, o.a.time_ns);
	receipt_holds(&o.a);
	receipt_holds(&o.b);
	scratch_close(&o.s); /* the chain, too, is checked by reading it back */
	ck_assert_int_eq(scratch_open(&o.s), 0);
	ck_assert_int_eq(store_log_find(o.s.st, slice_str("l"), &o.log), 0);
	reads_as(&o.s, o.log, 1, "one");
	reads_as(&o.s, o.log, 2, "two");
	overlap_end(&o);
}
END_TEST

START_TEST(a_control_entry_being_written_is_what_the_next_commit_points_to)
{
	struct overlap o;
	struct entry e;
	char scratch[LIMIT_ENTRY_BYTES];

	overlap_begin(&o, ENTRY_EVENT, "one", NULL, "two", NULL);
	ck_assert_int_eq(entry_read(&e, o.b.receipts[0].entry, scratch), 0);
	ck_assert_uint_eq(e.ctl, 1);
	ck_assert_int_eq(commit_write(o.first), 0);
	settles(o.first, 0);
	overlap_end(&o);
}
END_TEST

START_TEST(a_key_in_a_commit_being_written_is_known_to_the_next_one)
{
	struct overlap o;
	size_t bad;

	overlap_begin(&o, ENTRY_RECORD, "one", "k", "one", "k");
	ck_assert_int_eq(o.b.err, STELE_EDUPLICATE);
	ck_assert_int_eq(commit_write(o.first), 0);
	settles(o.first, 0);
	ck_assert_uint_eq(commit_close(o.second), 0); /* nothing is left to write */
	ck_assert_int_eq(commit_write(o.second), 0);
	settles(o.second, 0);
	ck_assert_int_eq(o.b.err, STELE_EDUPLICATE);
	ck_assert_int_eq(append_resolve(o.s.st, &o.b, o.s.tools, &bad), 1);
	ck_assert_uint_eq(o.b.first, 1);
	ck_assert_uint_eq(size_of(o.log), 2);
	overlap_end(&o);
}
END_TEST

START_TEST(what_was_taken_upon_a_commit_that_failed_fails_with_it)
{
	for (int repeats = 0; repeats < 2; repeats++) {
		struct overlap o;
		struct wal_pos end;
		overlap_begin(&o, ENTRY_RECORD, "one", "k", "two", repeats ? "k" : "other");
		end = wal_end(o.s.st->wal);
		disk_fail_at(DISK_FLUSH, 1, 1, EIO, false);
		ck_assert_int_eq(commit_write(o.first), STELE_EREADONLY);
		ck_assert(disk_repair(NULL));
		settles(o.first, STELE_EREADONLY);
		ck_assert_uint_eq(commit_close(o.second), 0);
		ck_assert_int_eq(commit_write(o.second), STELE_EREADONLY);
		settles(o.second, STELE_EREADONLY);
		ck_assert_int_eq(o.a.err, STELE_EREADONLY);
		ck_assert_int_eq(o.b.err, STELE_EREADONLY);
		ck_assert_int_eq(o.b.items[0].state, APPEND_NEW);
		ck_assert_uint_eq(wal_end(o.s.st->wal).offset, end.offset);
		ck_assert_uint_eq(size_of(o.log), 1);
		ck_assert_uint_eq(o.s.errors, 1);
		overlap_end(&o);
	}
}
END_TEST

/* A dictionary is in one commit, however many are made while it is on its way. */
START_TEST(a_dictionary_goes_into_one_commit_only)
{
	struct overlap o;
	static uint8_t bytes[512];

	overlap_begin(&o, ENTRY_RECORD, "one", NULL, "two", NULL);
	ck_assert_int_eq(commit_write(o.first), 0);
	settles(o.first, 0);
	o.log->pending_dict = compress_dict_new(7, slice_of(bytes, sizeof bytes));
	ck_assert_ptr_nonnull(o.log->pending_dict);
	ck_assert_uint_gt(commit_close(o.second), 0);
	ck_assert_int_eq(commit_write(o.second), 0);
	settles(o.second, 0);
	append_job_fini(&o.a);
	append_job_fini(&o.b);
	scratch_job(&o.s, &o.a, o.log, "three", NULL);
	scratch_job(&o.s, &o.b, o.log, "four", NULL);
	commit_take(o.first, &o.a, NULL);
	ck_assert_uint_gt(commit_close(o.first), 0);
	commit_take(o.second, &o.b, o.first);
	ck_assert_int_eq(commit_write(o.first), 0);
	settles(o.first, 0);
	ck_assert_uint_gt(commit_close(o.second), 0);
	ck_assert_int_eq(commit_write(o.second), 0);
	settles(o.second, 0);
	ck_assert_uint_eq(o.log->n_dicts, 1);
	ck_assert_ptr_null(o.log->pending_dict);
	reads_as(&o.s, o.log, 3, "three");
	reads_as(&o.s, o.log, 4, "four");
	overlap_end(&o);
}
END_TEST

#define PERIODS "\"retain\":{\"default\":\"2d\",\"max\":\"9d\"},\"quota\":{\"records\":99}"
#define AHEAD "{\"mode\":\"governance\"," PERIODS ",\"compliance_from\":\"@\"}"
#define FAR_NS INT64_C(4102444800000000000)

/* The text with an instant in the place of its @. */
static const char *
at_instant(char out[512], const char *text, int64_t ns)
{
	const char *at = strchr(text, '@');
	char instant[TIMESTAMP_BYTES];

	timestamp_format(instant, ns);
	if (at)
		snprintf(out, 512, "%.*s%.*s%s", (int)(at - text), text, TIMESTAMP_BYTES, instant,
			 at + 1);
	return at ? out : text;
}

/*
 * What becomes of a control entry of a log whose compliance begins then, with a record tied to it.
 * Its time, in *time_ns, is the same each time: the clock of the test is asked as often.
 */
static int
control_of(int64_t begin_ns, enum entry_kind kind, const char *json, int64_t *time_ns)
{
	struct append_job job, record;
	char policy[512], said[512];
	struct scratch s;
	struct log *log, *other;
	int err;

	scratch_begin(&s);
	log = scratch_log(&s, "l", at_instant(policy, AHEAD, begin_ns));
	other = scratch_log(&s, "other", "{}");
	scratch_append(&s, log, "{}");
	append_job_init(&job);
	ck_assert_int_eq(append_control(&job, log, kind, slice_str("p-test"),
					slice_str(at_instant(said, json, begin_ns)), s.tools),
			 0);
	scratch_job(&s, &record, other, "{}", NULL);
	job.next = &record;
	job.tied = true;
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	err = job.err;
	ck_assert_int_eq(record.err, err); /* both, or none */
	ck_assert_uint_eq(size_of(other), err ? 1 : 2);
	if (err == 0)
		*time_ns = job.time_ns;
	append_job_fini(&job);
	append_job_fini(&record);
	scratch_end(&s);
	return err;
}

START_TEST(in_compliance_nothing_becomes_weaker_from_its_nanosecond_on)
{
	static const struct {
		enum entry_kind kind;
		const char *json;
		int after; /* compliance has begun */
	} rows[] = {
		{ENTRY_EXTEND,
		 "{\"type\":\"extend\",\"ranges\":[[1,1]],\"shorten\":true,"
		 "\"until\":\"2027-01-02T00:00:00.000000000Z\"}",
		 STELE_EPERM},
		{ENTRY_EXTEND,
		 "{\"type\":\"extend\",\"ranges\":[[1,1]],"
		 "\"until\":\"2028-01-02T00:00:00.000000000Z\"}",
		 0},
		{ENTRY_POLICY, "{\"policy\":{\"mode\":\"governance\"," PERIODS "}}", STELE_EPERM},
		{ENTRY_POLICY, "{\"policy\":{\"mode\":\"none\"}}", STELE_EPERM},
		{ENTRY_POLICY, "{\"policy\":" AHEAD "}", 0},
		{ENTRY_POLICY, "{\"policy\":{\"mode\":\"compliance\"," PERIODS "}}", 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t time_ns, again_ns;
		ck_assert_int_eq(control_of(FAR_NS, rows[i].kind, rows[i].json, &time_ns), 0);
		ck_assert_int_eq(control_of(time_ns + 1, rows[i].kind, rows[i].json, &again_ns), 0);
		ck_assert_int_eq(again_ns, time_ns);
		ck_assert_int_eq(control_of(time_ns, rows[i].kind, rows[i].json, &again_ns),
				 rows[i].after);
		ck_assert_int_eq(control_of(time_ns - 1, rows[i].kind, rows[i].json, &again_ns),
				 rows[i].after);
	}
}
END_TEST

/* What becomes of a record with that wish, in a log that takes one day to two. */
static int
wished(struct policy_wish wish, int64_t *until_ns)
{
	struct append_job job;
	struct scratch s;
	struct log *log;
	int err;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{\"retain\":{\"min\":\"1d\",\"max\":\"2d\"}}");
	scratch_job(&s, &job, log, "{}", NULL);
	job.wish = &wish;
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	err = job.err;
	if (err == 0)
		*until_ns = job.lock.until_ns;
	append_job_fini(&job);
	scratch_end(&s);
	return err;
}

START_TEST(a_wish_counts_from_when_it_is_taken_to_the_nanosecond)
{
	const int64_t day = 86400000000000;
	struct policy_wish until = {.kind = POLICY_WISH_UNTIL};
	const struct {
		int64_t after;
		int err;
	} rows[] = {{day - 1, STELE_EPERM}, {day, 0}, {2 * day, 0}, {2 * day + 1, STELE_EPERM}};
	int64_t from_ns, got_ns;

	ck_assert_int_eq(wished((struct policy_wish){.kind = POLICY_WISH_FOR,
						     .period = {.ns = (uint64_t)day}},
				&from_ns),
			 0);
	from_ns -= day;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		until.until_ns = from_ns + rows[i].after;
		ck_assert_int_eq(wished(until, &got_ns), rows[i].err);
		ck_assert(rows[i].err || got_ns == until.until_ns);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_commit_taken_while_another_is_written_goes_on_where_that_one_ends,
		a_control_entry_being_written_is_what_the_next_commit_points_to,
		a_key_in_a_commit_being_written_is_known_to_the_next_one,
		what_was_taken_upon_a_commit_that_failed_fails_with_it,
		a_dictionary_goes_into_one_commit_only,
		in_compliance_nothing_becomes_weaker_from_its_nanosecond_on,
		a_wish_counts_from_when_it_is_taken_to_the_nanosecond,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("touched", tests, sizeof tests / sizeof *tests, 60);
}
