/* Purges: what goes, what stays, and what is refused. */
#include "purge_case.h"

#include <pthread.h>

#include "storage/file.h"
#include "storage/mend.h"
#include "storage/writer.h"

static struct scratch s;

START_TEST(a_range_of_a_sealed_segment_goes_and_the_rest_is_served)
{
	struct log *log = purge_filled(&s, 600);
	uint64_t entry, key = 0, was = 0;

	sealed_log_seal(&s, log);
	entry = purge_range(&s, log, 100, 163);
	for (int round = 0; round < 3; round++) {
		ck_assert(round == 2 || purge_pending(s.st) == 0);
		while (purge_resume(s.st) > 0) /* without a catalogue it is found to have ended */
			;
		ck_assert_uint_eq(purge_pending(s.st), 0);
		ck_assert_uint_eq(purge_keys(&s, log, KEYRING_TAIL, &key), 1);
		ck_assert(round == 0 || key == was);
		was = key;
		purge_reads(&s, log, 1, 99);
		purge_gone(&s, log, 100, 163, entry);
		purge_reads(&s, log, 164, 599);
		if (round == 1)
			ck_assert_int_eq(unlink(sealed_log_path(&s, "..", "catalog.mdb")), 0);
		log = purge_reopen(&s);
	}
	scratch_close(&s);
	ck_assert_uint_eq(purge_fsck(&s), 0);
	scratch_end(&s);
}
END_TEST

START_TEST(what_is_in_the_wal_is_sealed_first_and_goes_too)
{
	struct log *log = purge_filled(&s, 300);
	struct purge_result out;
	const struct control_range ranges[] = {{1, 40}, {255, 256}, {290, 299}};

	ck_assert_int_eq(purge_of(&s, log, ranges, 3, &out), 0);
	ck_assert(out.destroyed);
	ck_assert_uint_eq(out.records, 52);
	ck_assert_uint_eq(out.entry, 300);
	for (size_t i = 0; i < 3; i++)
		purge_gone(&s, log, ranges[i].first, ranges[i].last, 300);
	purge_reads(&s, log, 41, 254);
	purge_reads(&s, log, 257, 289);
	purge_fill(&s, log, 400);
	purge_reads(&s, log, 301, 399);
	log = purge_reopen(&s);
	purge_reads(&s, log, 301, 399);
	purge_gone(&s, log, 1, 40, 300);
	scratch_close(&s);
	ck_assert_uint_eq(purge_fsck(&s), 0);
	scratch_end(&s);
}
END_TEST

START_TEST(whole_segments_go_and_give_their_space_back)
{
	struct log *log = purge_filled(&s, 512);
	struct purge_result out;
	const struct control_range range = {1, 767};
	struct log_storage before, after;

	sealed_log_seal(&s, log);
	purge_fill(&s, log, 1024);
	sealed_log_seal(&s, log);
	log_storage_get(log, &before);
	ck_assert_int_eq(purge_of(&s, log, &range, 1, &out), 0);
	ck_assert(out.destroyed);
	log_storage_get(log, &after);
	ck_assert_uint_ge(out.segments, 1);
	ck_assert_uint_lt(after.segment_bytes, before.segment_bytes / 2);
	ck_assert_uint_ge(out.returned_bytes, 500 * PURGE_PAYLOAD / 2);
	ck_assert_uint_eq(out.payload_bytes / 767, PURGE_PAYLOAD + 2);
	purge_gone(&s, log, 1, 767, 1024);
	purge_reads(&s, log, 768, 1023);
	scratch_end(&s);
}
END_TEST

static int
refuse(void *ctx)
{
	++*(int *)ctx;
	return STELE_EPERM;
}

START_TEST(what_may_not_go_is_refused_and_nothing_is_done)
{
	struct log *log = purge_filled(&s, 300);
	static const struct control_range controls[] = {{0, 5}}, backward[] = {{5, 6}, {4, 9}},
					  beyond[] = {{301, 301}}, none[] = {{7, 6}},
					  twice[] = {{5, 6}, {6, 9}}, gone[] = {{9, 12}},
					  fine[] = {{20, 30}};
	struct purge_request rq = {.ranges = fine,
				   .n_ranges = 1,
				   .members = slice_str("{\"count\":1}"),
				   .writer = slice_str("p-purger")};
	static struct control_range many[LIMIT_PURGE_RANGES + 1];
	struct purge_result out;
	struct buf why;
	int asked = 0;

	purge_range(&s, log, 10, 11);
	ck_assert_int_eq(purge_of(&s, log, controls, 1, &out), STELE_EINVAL);
	ck_assert_int_eq(purge_of(&s, log, backward, 2, &out), STELE_EINVAL);
	ck_assert_int_eq(purge_of(&s, log, twice, 2, &out), STELE_EINVAL);
	ck_assert_int_eq(purge_of(&s, log, beyond, 0, &out), STELE_EINVAL);
	ck_assert_int_eq(purge_of(&s, log, beyond, 1, &out), STELE_EINVAL);
	ck_assert_int_eq(purge_of(&s, log, none, 1, &out), STELE_EINVAL);
	ck_assert_int_eq(purge_of(&s, log, many, LIMIT_PURGE_RANGES + 1, &out), STELE_ELIMIT);
	ck_assert_int_eq(purge_of(&s, log, gone, 1, &out), STELE_EINVAL);
	buf_init(&why);
	ck_assert_int_eq(purge_run(s.st, NULL, log, &rq, &out, &why), STELE_EINVAL);
	rq.members = slice_str("{");
	ck_assert_int_eq(purge_run(s.st, NULL, log, &rq, &out, &why), STELE_EINVAL);
	rq.members = slice_str("{}");
	rq.still_allowed = refuse;
	rq.ctx = &asked;
	ck_assert_int_eq(purge_run(s.st, NULL, log, &rq, &out, &why), STELE_EPERM);
	ck_assert_int_eq(asked, 1);
	atomic_store(&s.st->pinned, true);
	ck_assert_int_eq(purge_of(&s, log, fine, 1, &out), STELE_ECONFLICT);
	atomic_store(&s.st->pinned, false);
	buf_fini(&why);
	ck_assert_uint_eq(log->frontier.size, 301);
	ck_assert_uint_eq(purge_pending(s.st), 0);
	purge_reads(&s, log, 12, 299);
	scratch_end(&s);
}
END_TEST

START_TEST(with_skip_only_what_can_go_goes_and_the_entry_says_which)
{
	struct log *log = purge_filled(&s, 100);
	const struct control_range range = {0, 50};
	struct purge_request rq = {.ranges = &range,
				   .n_ranges = 1,
				   .members = slice_str("{}"),
				   .writer = slice_str("p-purger"),
				   .skip = true};
	struct purge_result out;
	struct record r;
	struct arena a;
	struct buf why;

	purge_range(&s, log, 10, 20);
	buf_init(&why);
	ck_assert_int_eq(purge_run(s.st, NULL, log, &rq, &out, &why), 0);
	ck_assert_uint_eq(out.records, 39);
	arena_init(&a);
	ck_assert_int_eq(read_record(s.st, log, out.entry, s.tools, &a, &r), 0);
	ck_assert_int_eq(r.entry.kind, ENTRY_PURGE);
	ck_assert_uint_eq(r.entry.ctl, 100);
	ck_assert(memmem(r.payload.p, r.payload.n, "[[1,9],[21,50]],\"count\":39", 26));
	arena_fini(&a);
	ck_assert_int_eq(purge_run(s.st, NULL, log, &rq, &out, &why), STELE_ENOTFOUND);
	buf_fini(&why);
	purge_gone(&s, log, 10, 20, 100);
	scratch_end(&s);
}
END_TEST

/* The record's payload and salt at index, as long as they are there. */
static void
secret_of(struct log *log, uint64_t index, uint8_t commitment[32])
{
	struct record r;
	struct arena a;

	arena_init(&a);
	ck_assert_int_eq(read_record(s.st, log, index, s.tools, &a, &r), 0);
	memcpy(commitment, r.entry.commitment, 32);
	arena_fini(&a);
}

/* No salt that any seed kept in the segments gives opens this commitment. */
static void
no_seed_opens(struct log *log, uint64_t index, const uint8_t commitment[32])
{
	for (uint64_t i = 1; i < log->frontier.size; i++) {
		static uint8_t salts[256][16];
		struct segment_record r;
		struct segment *segment;
		struct location l;
		uint8_t got[32];
		struct arena a;
		locate(log, i, &l);
		if (!l.sealed)
			break;
		arena_init(&a);
		ck_assert_int_eq(location_open(log, &l, s.tools, &segment), 0);
		ck_assert_int_eq(segment_read(segment, i, s.tools, &a, &r), 0);
		if (r.seed) {
			salt_expand(r.seed, 0, 256, salts);
			for (int k = 0; k < 256; k++) {
				sha256_commitment(s.tools->sha, got, salts[k],
						  purge_payload(index));
				ck_assert_mem_ne(got, commitment, 32);
			}
		}
		segment_unref(segment);
		arena_fini(&a);
	}
}

START_TEST(no_seed_that_is_kept_gives_the_salt_of_what_went)
{
	struct log *log = purge_filled(&s, 400);
	uint8_t in_the_middle[32], at_a_border[32];

	secret_of(log, 150, in_the_middle);
	secret_of(log, 255, at_a_border);
	sealed_log_seal(&s, log);
	purge_fill(&s, log, 600);
	sealed_log_seal(&s, log);
	purge_range(&s, log, 150, 150);
	purge_range(&s, log, 255, 256);
	no_seed_opens(log, 150, in_the_middle);
	no_seed_opens(log, 255, at_a_border);
	purge_reads(&s, log, 1, 149);
	scratch_end(&s);
}
END_TEST

START_TEST(a_seed_that_salts_two_segments_is_in_neither)
{
	struct log *log = purge_filled(&s, 300);
	uint8_t commitment[32];
	struct location l;

	/* commits of 64 behind entry 0: one of them reaches over index 256 */
	secret_of(log, 250, commitment);
	ck_assert_int_eq(store_seal_due(s.st), 0);
	scratch_end(&s);
	log = purge_filled(&s, 300);
	secret_of(log, 250, commitment);
	s.st->opts.wal_files = 1;
	sealed_log_seal(&s, log);
	locate(log, 250, &l);
	ck_assert(l.sealed);
	purge_range(&s, log, 250, 250);
	no_seed_opens(log, 250, commitment);
	scratch_end(&s);
}
END_TEST

START_TEST(the_tails_key_and_dictionaries_end_with_a_purge)
{
	struct log *log = purge_filled(&s, 40);
	uint64_t before = 0, after = 0, segments = 0;
	uint8_t old[32], found[32];

	for (int i = 0; i < 400; i++) { /* text that trains */
		char text[1200];
		int n = snprintf(text, sizeof text, "{\"user\":\"u%d\",\"text\":\"", i % 7);
		while (n < 1000)
			n += snprintf(text + n, sizeof text - (size_t)n, "the quick %d fox ", i);
		snprintf(text + n, sizeof text - (size_t)n, "\"}");
		scratch_append(&s, log, text);
	}
	ck_assert_int_eq(store_maintain(s.st), 0);
	scratch_append(&s, log, "{}");
	scratch_append(&s, log, "{}");
	ck_assert_uint_ge(log->n_dicts, 1);
	ck_assert_ptr_nonnull(log->dict);
	ck_assert_uint_eq(purge_keys(&s, log, KEYRING_TAIL, &before), 1);
	memcpy(old, log->tail_key->key, 32);
	purge_range(&s, log, 5, 5);
	ck_assert_uint_eq(purge_keys(&s, log, KEYRING_TAIL, &after), 1);
	ck_assert_uint_ne(before, after);
	ck_assert_int_ne(tailkey_find(log, before, found), 0);
	ck_assert_uint_eq(log->n_dicts, 0);
	ck_assert_ptr_null(log->dict);
	ck_assert_ptr_null(log->pending_dict);
	ck_assert_uint_eq(purge_keys(&s, log, KEYRING_SEGMENT, &segments), log->sealed.n);
	ck_assert_int_eq(store_maintain(s.st), 0); /* trains anew, on what stayed */
	scratch_append(&s, log, "{}");
	scratch_append(&s, log, "{}");
	log = purge_reopen(&s);
	ck_assert_uint_eq(purge_keys(&s, log, KEYRING_TAIL, &before), 1);
	ck_assert_uint_eq(before, after);
	purge_reads(&s, log, 6, 39);
	ck_assert_int_eq(unlink(sealed_log_path(&s, "..", "catalog.mdb")), 0);
	log = purge_reopen(&s);
	purge_reads(&s, log, 6, 39);
	purge_gone(&s, log, 5, 5, 442);
	scratch_end(&s);
}
END_TEST

static int
repeat(struct log *log, uint64_t i, uint64_t *index)
{
	struct append_job job;
	char key[16], text[32];
	size_t bad;
	int err;

	snprintf(key, sizeof key, "key-%llu", (unsigned long long)i);
	snprintf(text, sizeof text, "{\"n\":%llu}", (unsigned long long)i);
	scratch_job(&s, &job, log, text, key);
	ck_assert_int_eq(store_append_batch(s.st, &job), 0);
	err = job.err;
	if (err == STELE_EDUPLICATE)
		err = append_resolve(s.st, &job, s.tools, &bad);
	*index = err >= 0 ? job.first : 0;
	append_job_fini(&job);
	return err;
}

START_TEST(a_repeat_of_what_stayed_is_known_and_one_of_what_went_is_refused)
{
	struct log *log = purge_filled(&s, 1);
	uint64_t index;

	for (uint64_t i = 1; i <= 50; i++) {
		ck_assert_int_eq(repeat(log, i, &index), 0);
		ck_assert_uint_eq(index, i);
	}
	purge_range(&s, log, 10, 12);
	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 1; i <= 50; i++) {
			bool went = i >= 10 && i <= 12;
			ck_assert_int_eq(repeat(log, i, &index), went ? STELE_EGONE : 1);
			if (!went)
				ck_assert_uint_eq(index, i);
		}
		log = purge_reopen(&s);
	}
	ck_assert_uint_eq(log->frontier.size, 52);
	scratch_end(&s);
}
END_TEST

START_TEST(segments_are_merged_and_what_is_gone_stays_gone)
{
	struct log *log = purge_filled(&s, 200);
	struct location l;
	uint64_t entry;

	entry = purge_range(&s, log, 3, 70);
	for (uint64_t size = 260; size < 800; size += 60) {
		purge_fill(&s, log, size);
		sealed_log_seal(&s, log);
	}
	locate(log, 3, &l);
	ck_assert(l.sealed && l.segment.count > 256);
	purge_gone(&s, log, 3, 70, entry);
	purge_reads(&s, log, 71, 199);
	purge_range(&s, log, 71, 72);
	purge_gone(&s, log, 3, 70, entry);
	scratch_close(&s);
	ck_assert_uint_eq(purge_fsck(&s), 0);
	scratch_end(&s);
}
END_TEST

START_TEST(a_file_from_before_a_purge_is_not_put_back)
{
	struct segment_name old, now;
	struct log *log = purge_filled(&s, 256);
	struct buf manifest, file, why;
	char name[SEGMENT_NAME_BYTES], path[SEGMENT_NAME_BYTES + 16];

	buf_init(&manifest);
	buf_init(&file);
	buf_init(&why);
	sealed_log_seal(&s, log);
	old = (struct segment_name){log->sealed.s[0].first, log->sealed.s[0].count,
				    log->sealed.s[0].generation};
	segment_name_format(name, &old);
	snprintf(path, sizeof path, "%s.manifest", name);
	ck_assert_int_eq(file_read_all(sealed_log_path(&s, "l", path), &manifest, 1 << 20), 0);
	snprintf(path, sizeof path, "%s.seg", name);
	ck_assert_int_eq(file_read_all(sealed_log_path(&s, "l", path), &file, 16 << 20), 0);
	purge_range(&s, log, 7, 9);
	now = old;
	now.generation = log->sealed.s[0].generation;
	ck_assert_uint_gt(now.generation, old.generation);
	ck_assert_int_eq(mend_manifest(s.st, log, &old, buf_slice(&manifest), &why),
			 STELE_ENOTFOUND);
	ck_assert_int_eq(mend_segment(s.st, log, &old, buf_slice(&file), s.tools, &why),
			 STELE_ENOTFOUND);
	ck_assert_int_eq(mend_manifest(s.st, log, &now, buf_slice(&manifest), &why), STELE_EVERIFY);
	ck_assert_int_eq(mend_segment(s.st, log, &now, buf_slice(&file), s.tools, &why),
			 STELE_EVERIFY);
	purge_gone(&s, log, 7, 9, 256);
	buf_fini(&manifest);
	buf_fini(&file);
	buf_fini(&why);
	scratch_end(&s);
}
END_TEST

/* As a restore would, of a backup with the log's first 300 entries. */
static int
reapply(struct log *log, bool follows, const char *payload, struct purge_result *out)
{
	const struct purge_request rq = {.members = slice_str("{\"reapplied\":\"x\"}"),
					 .writer = slice_str("p-purger")};
	struct buf why;
	int err;

	buf_init(&why);
	err = purge_reapply(s.st, NULL, log, 300, follows, slice_str(payload), &rq, out, &why);
	buf_fini(&why);
	return err;
}

START_TEST(a_purge_is_done_again_in_an_older_copy)
{
	struct log *log = purge_filled(&s, 300);
	static const char beyond[] = "{\"type\":\"purge\",\"ranges\":[[250,300]],\"count\":51,"
				     "\"root\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
			  of_other[] = "{\"type\":\"purge\",\"ranges\":[[1,3]],\"count\":3,"
				       "\"root\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
			  behind[] = "{\"type\":\"purge\",\"ranges\":[[301,301]],\"count\":1,"
				     "\"root\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}";
	struct purge_result out;

	purge_range(&s, log, 260, 269);
	ck_assert_int_eq(reapply(log, true, of_other, &out), STELE_EVERIFY);
	ck_assert_int_eq(reapply(log, false, behind, &out), STELE_ENOTFOUND);
	ck_assert_int_eq(reapply(log, true, "{}", &out), STELE_ESYNTAX);
	/* where no root can tell, it must be known whose it is */
	ck_assert_int_eq(reapply(log, false, beyond, &out), STELE_EVERIFY);
	purge_reads(&s, log, 250, 259);
	/* the log has an entry 300 by now: not the one that this purge knew */
	ck_assert_int_eq(reapply(log, true, beyond, &out), 0);
	ck_assert_uint_eq(out.records, 40);
	ck_assert(out.destroyed);
	purge_gone(&s, log, 250, 259, 301);
	purge_gone(&s, log, 260, 269, 300);
	purge_gone(&s, log, 270, 299, 301);
	purge_reads(&s, log, 1, 249);
	scratch_end(&s);
}
END_TEST

START_TEST(nothing_of_the_systems_own_log_goes_whoever_asks)
{
	static const struct control_range range = {1, 5};
	struct purge_request rq = {.ranges = &range,
				   .n_ranges = 1,
				   .members = slice_str("{\"plan\":\"pl-1\"}"),
				   .writer = slice_str("p-purger"),
				   .skip = true};
	struct purge_result out;
	struct log *log, *access;
	uint64_t entry;
	struct buf why;

	scratch_begin(&s);
	log = scratch_log(&s, "_system", "");
	purge_fill(&s, log, 300);
	buf_init(&why);
	ck_assert_int_eq(purge_run(s.st, NULL, log, &rq, &out, &why), STELE_EPERM);
	ck_assert_uint_gt(why.n, 0);
	ck_assert_int_eq(purge_begin(s.st, NULL, log, &rq, &entry, &why), STELE_EPERM);
	rq.ranges = NULL; /* what a restore knows of it ends beyond the backup: no root is asked */
	ck_assert_int_eq(
		purge_reapply(s.st, NULL, log, 300, true,
			      slice_str("{\"type\":\"purge\",\"ranges\":[[1,500]],"
					"\"count\":500,\"root\":"
					"\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"),
			      &rq, &out, &why),
		STELE_EPERM);
	ck_assert_uint_eq(log->frontier.size, 300);
	purge_reads(&s, log, 1, 299);
	access = scratch_log(&s, "_access", ""); /* who read what may go */
	purge_fill(&s, access, 300);
	purge_range(&s, access, 1, 5);
	buf_fini(&why);
	scratch_end(&s);
}
END_TEST

/* Appends beside what the test does, with pauses: else a slow machine has ever more to purge. */
struct appender {
	struct writer *w;
	struct log *log;
	pthread_t thread;
	atomic_bool stop;
	atomic_ullong n;
};

static void *
append_main(void *arg)
{
	struct appender *a = arg;
	struct toolbox *tools = toolbox_new();

	while (!atomic_load(&a->stop)) {
		struct append_job job;
		struct append_item item = {.payload = slice_str("{\"beside\":1}"),
					   .media_type = slice_str("application/json")};
		append_job_init(&job);
		job.log = a->log;
		job.writer = slice_str("p-test");
		job.items = &item;
		job.n_items = 1;
		ck_assert_int_eq(append_prepare(&job, tools), 0);
		ck_assert_int_eq(writer_append(a->w, &job), 0);
		append_job_fini(&job);
		a->n++;
		usleep(200);
	}
	toolbox_free(tools);
	return NULL;
}

static int
count_asked(void *ctx)
{
	++*(unsigned *)ctx;
	return 0;
}

START_TEST(appends_go_on_while_purges_run_and_another_log_has_the_record_of_each)
{
	struct log *log = purge_filled(&s, 400), *other = scratch_log(&s, "o", "{}");
	struct appender a = {.log = log};
	unsigned asked = 0;
	uint64_t entry[3], before;

	ck_assert_int_eq(writer_new(&a.w, s.st, 0), 0);
	ck_assert_int_eq(pthread_create(&a.thread, NULL, append_main, &a), 0);
	for (uint64_t i = 0; i < 3; i++) {
		const struct control_range range = {10 + i * 100, 50 + i * 100};
		struct append_job record;
		struct purge_request rq = {.ranges = &range,
					   .n_ranges = 1,
					   .members = slice_str("{}"),
					   .writer = slice_str("p-purger"),
					   .record = &record,
					   .still_allowed = count_asked,
					   .ctx = &asked};
		struct purge_result out;
		struct buf why;
		buf_init(&why);
		scratch_job(&s, &record, other, "{\"purged\":1}", NULL);
		ck_assert_int_eq(purge_run(s.st, a.w, log, &rq, &out, &why), 0);
		ck_assert(out.destroyed);
		ck_assert_int_eq(record.err, 0);
		entry[i] = out.entry;
		append_job_fini(&record);
		buf_fini(&why);
	}
	before = a.n;
	while (a.n < before + 20)
		usleep(1000);
	atomic_store(&a.stop, true);
	pthread_join(a.thread, NULL);
	writer_free(a.w);
	ck_assert_uint_ge(asked, 3);
	ck_assert_uint_eq(other->frontier.size, 4);
	log = purge_reopen(&s);
	for (uint64_t i = 0; i < 3; i++)
		purge_gone(&s, log, 10 + i * 100, 50 + i * 100, entry[i]);
	purge_reads(&s, log, 51, 109);
	scratch_close(&s);
	ck_assert_uint_eq(purge_fsck(&s), 0);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_range_of_a_sealed_segment_goes_and_the_rest_is_served,
		what_is_in_the_wal_is_sealed_first_and_goes_too,
		whole_segments_go_and_give_their_space_back,
		what_may_not_go_is_refused_and_nothing_is_done,
		with_skip_only_what_can_go_goes_and_the_entry_says_which,
		no_seed_that_is_kept_gives_the_salt_of_what_went,
		a_seed_that_salts_two_segments_is_in_neither,
		the_tails_key_and_dictionaries_end_with_a_purge,
		a_repeat_of_what_stayed_is_known_and_one_of_what_went_is_refused,
		segments_are_merged_and_what_is_gone_stays_gone,
		a_file_from_before_a_purge_is_not_put_back,
		a_purge_is_done_again_in_an_older_copy,
		nothing_of_the_systems_own_log_goes_whoever_asks,
		appends_go_on_while_purges_run_and_another_log_has_the_record_of_each,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("purge", tests, sizeof tests / sizeof *tests, 120);
}
