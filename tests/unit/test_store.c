/* The store as a whole, with no network and no threads. */
#include "scratch_store.h"

#include "crypto/merkle.h"
#include "crypto/sha256.h"
#include "storage/internal.h"

static void
check_record(struct scratch *s, struct log *log, uint64_t index, const char *payload)
{
	struct head *head = log_head(log);
	struct proof proof;
	struct record r;
	struct arena a;

	arena_init(&a);
	ck_assert_int_eq(read_record(s->st, log, index, s->tools, &a, &r), 0);
	ck_assert(slice_eq_str(r.payload, payload));
	ck_assert_uint_eq(r.entry.index, index);
	ck_assert_int_eq(read_inclusion(s->st, log, index, head->size, s->tools, &proof), 0);
	struct sha256 *h = sha256_new();
	ck_assert_int_eq(merkle_verify_inclusion(h, head->root, index, head->size, r.leaf,
						 (const void *)proof.hash, proof.n),
			 0);
	sha256_free(h);
	arena_fini(&a);
	head_unref(head);
}

START_TEST(what_was_appended_is_read_back_with_its_proof)
{
	struct scratch s;
	char text[64];

	scratch_begin(&s);
	struct log *log = scratch_log(&s, "payments", "{}");
	for (int i = 1; i <= 600; i++) {
		snprintf(text, sizeof text, "{\"n\":%d}", i);
		ck_assert_uint_eq(scratch_append(&s, log, text), (uint64_t)i);
	}
	struct record founding;
	struct arena a;
	arena_init(&a);
	ck_assert_int_eq(read_record(s.st, log, 0, s.tools, &a, &founding), 0);
	ck_assert_int_eq(founding.entry.kind, ENTRY_POLICY);
	arena_fini(&a);
	for (int i = 1; i <= 600; i += 7) {
		snprintf(text, sizeof text, "{\"n\":%d}", i);
		check_record(&s, log, (uint64_t)i, text);
	}
	scratch_end(&s);
}
END_TEST

static void
reopen_and_check(struct scratch *s, int n)
{
	char text[64];
	struct log *log;

	scratch_close(s);
	ck_assert_int_eq(scratch_open(s), 0);
	ck_assert_int_eq(store_log_find(s->st, slice_str("payments"), &log), 0);
	struct head *head = log_head(log);
	ck_assert_uint_eq(head->size, (uint64_t)n + 1);
	head_unref(head);
	for (int i = 1; i <= n; i += 11) {
		snprintf(text, sizeof text, "{\"n\":%d}", i);
		check_record(s, log, (uint64_t)i, text);
	}
}

START_TEST(a_restart_finds_everything_with_and_without_its_catalogue)
{
	struct scratch s;
	char text[64], path[512];

	scratch_begin(&s);
	struct log *log = scratch_log(&s, "payments", "{\"retain\":{\"default\":\"7y\"}}");
	for (int i = 1; i <= 700; i++) {
		snprintf(text, sizeof text, "{\"n\":%d}", i);
		scratch_append(&s, log, text);
		if (i == 300)
			ck_assert_int_eq(store_maintain(s.st), 0);
	}
	reopen_and_check(&s, 700);
	snprintf(path, sizeof path, "%s/catalog.mdb", s.dir);
	store_close(s.st);
	s.st = NULL;
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(scratch_open(&s), 0);
	reopen_and_check(&s, 700);
	ck_assert_uint_eq(s.errors, 0);
	scratch_end(&s);
}
END_TEST

/* Cut off under the running store, to any length, it is made anew; nothing else notices. */
START_TEST(a_catalogue_that_is_cut_off_under_the_store_is_made_anew)
{
	static const long lengths[] = {0, 4096, 8192, 12289};
	char path[300], name[16];
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	snprintf(path, sizeof path, "%s/catalog.mdb", s.dir);
	for (int i = 0; i < 300; i++) { /* more than a page of them */
		snprintf(name, sizeof name, "log-%d", i);
		log = scratch_log(&s, name, "{}");
	}
	ck_assert_int_eq(store_maintain(s.st), 0);
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		unsigned warnings = s.warnings;
		ck_assert_int_eq(truncate(path, lengths[i]), 0);
		for (int k = 0; k < 300; k++) {
			snprintf(name, sizeof name, "log-%d", k);
			ck_assert_int_eq(store_log_find(s.st, slice_str(name), &log), 0);
			scratch_append(&s, log, "{}");
		}
		ck_assert_int_eq(store_maintain(s.st), 0);
		ck_assert_uint_gt(s.warnings, warnings);
		ck_assert_uint_eq(s.st->saved_sequence, s.st->position.sequence);
	}
	scratch_close(&s);
	s.warnings = 0;
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_uint_eq(s.warnings, 0); /* what it was made into is whole */
	ck_assert_int_eq(store_log_find(s.st, slice_str("log-7"), &log), 0);
	ck_assert_uint_eq(log->frontier.size, 1 + sizeof lengths / sizeof *lengths);
	scratch_end(&s);
}
END_TEST

START_TEST(a_known_key_gives_the_first_record_and_another_payload_a_conflict)
{
	struct scratch s;
	struct append_job first, again, other;
	size_t bad;

	scratch_begin(&s);
	struct log *log = scratch_log(&s, "payments", "{}");
	scratch_job(&s, &first, log, "\"one\"", "key-1");
	ck_assert_int_eq(store_append_batch(s.st, &first), 0);
	for (int round = 0; round < 2; round++) {
		scratch_job(&s, &again, log, "\"one\"", "key-1");
		ck_assert_int_eq(store_append_batch(s.st, &again), 0);
		ck_assert_int_eq(again.err, STELE_EDUPLICATE);
		ck_assert_int_eq(append_resolve(s.st, &again, s.tools, &bad), 1);
		ck_assert_uint_eq(again.first, first.first);
		ck_assert(slice_eq(again.receipts[0].entry, first.receipts[0].entry));
		append_job_fini(&again);
		scratch_job(&s, &other, log, "\"two\"", "key-1");
		ck_assert_int_eq(store_append_batch(s.st, &other), 0);
		ck_assert_int_eq(other.err, STELE_EDUPLICATE);
		ck_assert_int_eq(append_resolve(s.st, &other, s.tools, &bad), STELE_ECONFLICT);
		append_job_fini(&other);
		if (round == 0) {
			append_job_fini(&first);
			scratch_close(&s);
			ck_assert_int_eq(scratch_open(&s), 0);
			ck_assert_int_eq(store_log_find(s.st, slice_str("payments"), &log), 0);
			scratch_job(&s, &first, log, "\"one\"", "key-1");
			ck_assert_int_eq(store_append_batch(s.st, &first), 0);
			ck_assert_int_eq(append_resolve(s.st, &first, s.tools, &bad), 1);
		}
	}
	append_job_fini(&first);
	scratch_end(&s);
}
END_TEST

/* What a retry with this wish is answered; the record is stored with the first one. */
static int
retried(struct policy_wish stored, struct policy_wish asked, int64_t *time_ns)
{
	struct append_job first, again;
	struct scratch s;
	struct log *log;
	size_t bad;
	int err;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{\"retain\":{\"default\":\"1d\"},\"event_based\":true}");
	scratch_job(&s, &first, log, "\"one\"", "key-1");
	first.wish = &stored;
	ck_assert_int_eq(store_append_batch(s.st, &first), 0);
	ck_assert_int_eq(first.err, 0);
	*time_ns = first.time_ns; /* the same each time: the test's clock is asked as often */
	scratch_job(&s, &again, log, "\"one\"", "key-1");
	again.wish = &asked;
	ck_assert_int_eq(store_append_batch(s.st, &again), 0);
	ck_assert_int_eq(again.err, STELE_EDUPLICATE);
	err = append_resolve(s.st, &again, s.tools, &bad);
	append_job_fini(&first);
	append_job_fini(&again);
	scratch_end(&s);
	return err;
}

START_TEST(a_retry_that_asks_for_a_longer_lock_is_a_conflict)
{
	const int64_t day = 86400000000000;
	const struct policy_wish period = {.kind = POLICY_WISH_FOR,
					   .period = {.ns = 5 * (uint64_t)day}},
				 more = {.kind = POLICY_WISH_FOR,
					 .period = {.ns = 5 * (uint64_t)day + 1}},
				 event = {.kind = POLICY_WISH_EVENT, .event = slice_str("e")},
				 other = {.kind = POLICY_WISH_EVENT, .event = slice_str("f")},
				 none = {.kind = POLICY_WISH_DEFAULT};
	struct policy_wish until = {.kind = POLICY_WISH_UNTIL}, longer, sooner;
	int64_t time_ns;

	ck_assert_int_eq(retried(period, period, &time_ns), 1); /* from when it was stored */
	until.until_ns = time_ns + 5 * day;
	longer = sooner = until;
	longer.until_ns++;
	sooner.until_ns--;
	ck_assert_int_eq(retried(until, until, &time_ns), 1);
	ck_assert_int_eq(retried(until, none, &time_ns), 1);
	ck_assert_int_eq(retried(until, sooner, &time_ns), 1);
	ck_assert_int_eq(retried(until, longer, &time_ns), STELE_ECONFLICT);
	ck_assert_int_eq(retried(until, period, &time_ns), 1);
	ck_assert_int_eq(retried(until, more, &time_ns), STELE_ECONFLICT);
	ck_assert_int_eq(retried(event, event, &time_ns), 1);
	ck_assert_int_eq(retried(event, other, &time_ns), STELE_ECONFLICT);
	ck_assert_int_eq(retried(event, until, &time_ns), STELE_ECONFLICT);
	ck_assert_int_eq(retried(until, event, &time_ns), STELE_ECONFLICT);
}
END_TEST

START_TEST(a_second_opening_of_the_same_directory_is_refused)
{
	struct scratch s;
	struct store *second;
	struct buf why;

	scratch_begin(&s);
	buf_init(&why);
	ck_assert_int_eq(store_open(&second, &s.opts, &why), STELE_EBUSY);
	buf_fini(&why);
	scratch_end(&s);
}
END_TEST

/* Whether the newest head's note is the head's with these lines. */
static bool
newest_is(struct log *log, const struct head *head, const char *lines)
{
	struct head *newest = log_head(log);
	bool is = newest->size == head->size &&
		  newest->note_len == head->note_len + strlen(lines) &&
		  memcmp(newest->note, head->note, head->note_len) == 0 &&
		  strcmp(newest->note + head->note_len, lines) == 0;

	head_unref(newest);
	return is;
}

START_TEST(cosignatures_are_in_the_newest_head_and_never_bring_back_an_older_one)
{
	struct scratch s;

	scratch_begin(&s);
	struct log *log = scratch_log(&s, "payments", "{}");
	struct head *one = log_head(log), *two;

	ck_assert_int_eq(log_cosign(log, one, slice_str("a line\n")), 1);
	ck_assert(newest_is(log, one, "a line\n"));
	ck_assert_int_eq(log_cosign(log, one, slice_str("others\n")), 1);
	ck_assert(newest_is(log, one, "others\n"));
	scratch_append(&s, log, "more");
	two = log_head(log);
	ck_assert_int_eq(log_cosign(log, one, slice_str("late\n")), 0);
	ck_assert(newest_is(log, two, ""));
	ck_assert_int_eq(log_cosign(log, two, slice_str("in time\n")), 1);
	ck_assert(newest_is(log, two, "in time\n"));
	head_unref(one);
	head_unref(two);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("store");
	TCase *c = tcase_create("store");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 120);
	tcase_add_test(c, what_was_appended_is_read_back_with_its_proof);
	tcase_add_test(c, a_restart_finds_everything_with_and_without_its_catalogue);
	tcase_add_test(c, a_known_key_gives_the_first_record_and_another_payload_a_conflict);
	tcase_add_test(c, a_retry_that_asks_for_a_longer_lock_is_a_conflict);
	tcase_add_test(c, a_second_opening_of_the_same_directory_is_refused);
	tcase_add_test(c, a_catalogue_that_is_cut_off_under_the_store_is_made_anew);
	tcase_add_test(c, cosignatures_are_in_the_newest_head_and_never_bring_back_an_older_one);
	suite_add_tcase(suite, c);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
