/* Sealing in a store: what was in the WAL is in segments, and everything reads as before. */
#include "scratch_store.h"

#include <dirent.h>
#include <sys/stat.h>

#include "crypto/init.h"
#include "storage/internal.h"
#include "storage/seal.h"
#include "suite.h"

enum { FILLER = 20000 };

/* The payload of record i, which compresses badly when big. */
static const char *
payload_of(unsigned i, bool big)
{
	static char text[FILLER + 64];
	unsigned x = i * 2654435761u + 1;
	int n = snprintf(text, sizeof text, "{\"i\":%u,\"fill\":\"", i);

	for (int k = 0; big && k < FILLER; k++) {
		x = x * 1103515245u + 12345;
		text[n++] = (char)('a' + (x >> 16) % 26);
	}
	snprintf(text + n, 4, "\"}");
	return text;
}

/* Records [from, to) behind entry 0, one commit each. */
static void
append_range(struct scratch *s, struct log *log, unsigned from, unsigned to, bool big)
{
	for (unsigned i = from; i < to; i++)
		ck_assert_uint_eq(scratch_append(s, log, payload_of(i, big)), i + 1);
}

static struct slice
small_payload(uint64_t index)
{
	return slice_str(payload_of((unsigned)index - 1, false));
}

/* n records in all, small ones, in commits of `each`, so that thousands are quick. */
static void
fill(struct scratch *s, struct log *log, unsigned n, unsigned each)
{
	scratch_fill(s, log, n + 1, each, small_payload);
}

/* Every record reads as it was written and is included in the tree. */
static void
reads_as_written(struct scratch *s, struct log *log, unsigned n, bool big)
{
	struct head *head = log_head(log);
	struct sha256 *h = sha256_new();

	ck_assert_uint_eq(head->size, n + 1);
	for (unsigned i = 0; i < n; i++) {
		struct proof proof;
		struct record r;
		struct arena a;
		arena_init(&a);
		ck_assert_int_eq(read_record(s->st, log, i + 1, s->tools, &a, &r), 0);
		ck_assert(slice_eq_str(r.payload, payload_of(i, big)));
		ck_assert_int_eq(read_inclusion(s->st, log, i + 1, head->size, s->tools, &proof),
				 0);
		ck_assert_int_eq(merkle_verify_inclusion(h, head->root, i + 1, head->size, r.leaf,
							 (const uint8_t(*)[32])proof.hash, proof.n),
				 0);
		arena_fini(&a);
	}
	head_unref(head);
	sha256_free(h);
}

static void
seal_log(struct scratch *s, struct log *log)
{
	struct buf why;
	int err;

	buf_init(&why);
	err = store_seal_log(s->st, log, &why);
	ck_assert_msg(err == 0, "%d: %.*s", err, (int)why.n, why.p ? (const char *)why.p : "");
	buf_fini(&why);
}

static struct log *
reopen(struct scratch *s)
{
	struct log *log;

	scratch_close(s);
	ck_assert_int_eq(scratch_open(s), 0);
	ck_assert_int_eq(store_log_find(s->st, slice_str("l"), &log), 0);
	return log;
}

/* Closes as a killed process does: nothing saved. */
static struct log *
kill_and_reopen(struct scratch *s)
{
	atomic_store(&s->st->read_only, true);
	return reopen(s);
}

/* Files in DATA/segments/l with this suffix. */
static unsigned
count_files(struct scratch *s, const char *suffix)
{
	char path[512];
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof path, "%s/segments/l", s->dir);
	d = opendir(path);
	for (struct dirent *e; d && (e = readdir(d));) {
		size_t len = strlen(e->d_name), want = strlen(suffix);
		n += len > want && strcmp(e->d_name + len - want, suffix) == 0;
	}
	if (d)
		closedir(d);
	return n;
}

static void
forget_catalog(struct scratch *s)
{
	char path[512];

	snprintf(path, sizeof path, "%s/catalog.mdb", s->dir);
	ck_assert_int_eq(unlink(path), 0);
}

START_TEST(what_is_sealed_reads_as_before_and_after_a_restart)
{
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	fill(&s, log, 1000, 70);
	seal_log(&s, log);
	ck_assert_uint_eq(sealed_end(&log->sealed), 1001);
	ck_assert_uint_eq(log->tail.n, 0);
	reads_as_written(&s, log, 1000, false);
	fill(&s, log, 1300, 70);
	reads_as_written(&s, log, 1300, false);
	log = reopen(&s);
	ck_assert_uint_eq(sealed_end(&log->sealed), 1001);
	reads_as_written(&s, log, 1300, false);
	append_range(&s, log, 1300, 1310, false);
	reads_as_written(&s, log, 1310, false);
	ck_assert_uint_eq(s.errors, 0);
	scratch_end(&s);
}
END_TEST

START_TEST(a_ragged_tail_is_rewritten_as_the_next_generation)
{
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	fill(&s, log, 300, 50);
	seal_log(&s, log);
	fill(&s, log, 600, 50);
	seal_log(&s, log);
	ck_assert_uint_eq(log->sealed.n, 1);
	ck_assert_uint_eq(log->sealed.s[0].generation, 2);
	ck_assert_uint_eq(log->sealed.s[0].count, 601);
	reads_as_written(&s, log, 600, false);
	ck_assert_uint_eq(count_files(&s, ".seg"), 2);
	ck_assert_int_ge(store_seal_due(s.st), 0); /* the catalogue does not know it yet */
	ck_assert_uint_eq(count_files(&s, ".seg"), 2);
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_int_ge(store_seal_due(s.st), 0);
	ck_assert_uint_eq(count_files(&s, ".seg"), 1);
	ck_assert_uint_eq(count_files(&s, ".manifest"), 1);
	log = reopen(&s);
	reads_as_written(&s, log, 600, false);
	scratch_end(&s);
}
END_TEST

START_TEST(sealing_what_is_sealed_does_nothing)
{
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	fill(&s, log, 100, 50);
	seal_log(&s, log);
	seal_log(&s, log);
	ck_assert_uint_eq(log->sealed.s[0].generation, 1);
	ck_assert_uint_eq(count_files(&s, ".seg"), 1);
	scratch_end(&s);
}
END_TEST

START_TEST(a_log_sealed_often_has_few_segments)
{
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (unsigned i = 0; i < 64; i++) {
		fill(&s, log, (i + 1) * 256, 256);
		seal_log(&s, log);
		ck_assert_int_eq(store_maintain(s.st), 0);
		ck_assert_int_ge(store_seal_due(s.st), 0);
	}
	ck_assert_uint_le(log->sealed.n, 8);
	ck_assert_uint_eq(count_files(&s, ".seg"), log->sealed.n);
	reads_as_written(&s, log, 64 * 256, false);
	scratch_end(&s);
}
END_TEST

START_TEST(wal_files_leave_when_what_they_held_is_sealed_and_saved)
{
	struct scratch s;
	struct log *log, *quiet;
	uint64_t before;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	quiet = scratch_log(&s, "quiet", "{}");
	append_range(&s, log, 0, 400, true); /* some 8 files of 1 MiB */
	before = wal_row(s.st->wal).last;
	ck_assert_uint_ge(before, 6);
	ck_assert_uint_eq(wal_row(s.st->wal).first, 1);
	for (int i = 0; i < 40; i++) {
		ck_assert_int_ge(store_seal_due(s.st), 0);
		ck_assert_int_eq(store_maintain(s.st), 0);
	}
	ck_assert_uint_gt(sealed_end(&quiet->sealed), 0); /* it had a record in the oldest file */
	ck_assert_uint_ge(wal_row(s.st->wal).first, before - LIMIT_WAL_FILES);
	reads_as_written(&s, log, 400, true);
	log = reopen(&s);
	reads_as_written(&s, log, 400, true);
	append_range(&s, log, 400, 500, true);
	log = kill_and_reopen(&s);
	reads_as_written(&s, log, 500, true);
	ck_assert_uint_eq(s.errors, 0);
	scratch_end(&s);
}
END_TEST

/* Killed after the switch in memory and before the catalogue knew of it. */
START_TEST(a_segment_that_no_catalogue_knows_is_removed_at_start)
{
	struct scratch s;
	struct log *log;
	size_t keys;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	fill(&s, log, 300, 50);
	ck_assert_int_eq(store_maintain(s.st), 0);
	seal_log(&s, log);
	ck_assert_uint_eq(count_files(&s, ".seg"), 1);
	log = kill_and_reopen(&s);
	ck_assert_uint_eq(log->sealed.n, 0);
	ck_assert_uint_eq(count_files(&s, ".seg"), 0);
	ck_assert_uint_eq(count_files(&s, ".manifest"), 0);
	keyring_each_data(s.st->keyring, &keys);
	ck_assert_uint_eq(keys, 2); /* of the tail and of digests: the segment's is destroyed */
	reads_as_written(&s, log, 300, false);
	seal_log(&s, log);
	reads_as_written(&s, log, 300, false);
	scratch_end(&s);
}
END_TEST

START_TEST(a_store_without_its_catalogue_is_made_again_from_segments_and_wal)
{
	struct head *was, *is;
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{\"mode\":\"governance\",\"retain\":{\"default\":\"1y\"}}");
	append_range(&s, log, 0, 300, true);
	for (int i = 0; i < 40; i++) {
		ck_assert_int_ge(store_seal_due(s.st), 0);
		ck_assert_int_eq(store_maintain(s.st), 0);
	}
	append_range(&s, log, 300, 320, true);
	ck_assert_uint_gt(wal_row(s.st->wal).first, 1);
	was = log_head(log);
	atomic_store(&s.st->read_only, true);
	scratch_close(&s);
	forget_catalog(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	is = log_head(log);
	ck_assert_uint_eq(is->size, was->size);
	ck_assert_uint_eq(is->note_len, was->note_len);
	ck_assert_mem_eq(is->note, was->note, was->note_len);
	ck_assert(log_policy(log)->mode == ENTRY_MODE_GOVERNANCE);
	ck_assert_int_gt(log_created_ns(log), 0);
	reads_as_written(&s, log, 320, true);
	append_range(&s, log, 320, 330, true);
	log = reopen(&s);
	reads_as_written(&s, log, 330, true);
	head_unref(was);
	head_unref(is);
	scratch_end(&s);
}
END_TEST

START_TEST(idempotency_keys_are_known_when_their_records_are_sealed_and_their_wal_is_gone)
{
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (unsigned i = 0; i < 200; i++) {
		struct append_job job;
		char key[16];
		snprintf(key, sizeof key, "key-%u", i);
		scratch_job(&s, &job, log, payload_of(i, true), key);
		ck_assert_int_eq(store_append_batch(s.st, &job), 0);
		ck_assert_int_eq(job.err, 0);
		append_job_fini(&job);
	}
	for (int i = 0; i < 40; i++) {
		ck_assert_int_eq(store_maintain(s.st), 0);
		ck_assert_int_ge(store_seal_due(s.st), 0);
	}
	ck_assert_uint_gt(wal_row(s.st->wal).first, 1);
	for (int forget = 0; forget < 2; forget++) {
		scratch_close(&s);
		if (forget)
			forget_catalog(&s);
		ck_assert_int_eq(scratch_open(&s), 0);
		ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
		for (unsigned i = 0; i < 200; i++) {
			struct append_job job;
			char key[16];
			size_t bad;
			snprintf(key, sizeof key, "key-%u", i);
			scratch_job(&s, &job, log, payload_of(i, true), key);
			ck_assert_int_eq(store_append_batch(s.st, &job), 0);
			ck_assert_int_eq(job.err, STELE_EDUPLICATE);
			ck_assert_int_eq(append_resolve(s.st, &job, s.tools, &bad), 1);
			ck_assert_uint_eq(job.first, i + 1);
			append_job_fini(&job);
		}
	}
	scratch_end(&s);
}
END_TEST

/* Files leave at the front, so only the store can tell a lost one from one that left. */
START_TEST(a_missing_wal_file_that_is_still_needed_is_named_and_nothing_is_changed)
{
	char path[512], aside[512], want[32];
	struct scratch s;
	struct log *log;
	struct buf why;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	append_range(&s, log, 0, 300, true);
	for (int i = 0; i < 40; i++) {
		ck_assert_int_ge(store_seal_due(s.st), 0);
		ck_assert_int_eq(store_maintain(s.st), 0);
	}
	append_range(&s, log, 300, 400, true);
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_uint_gt(wal_row(s.st->wal).first, 1);
	ck_assert_uint_gt(wal_row(s.st->wal).last, wal_row(s.st->wal).first);
	snprintf(want, sizeof want, "%08u.wal", log->tail.extents[0].at.file);
	snprintf(path, sizeof path, "%s/wal/%08u.wal", s.dir, log->tail.extents[0].at.file);
	snprintf(aside, sizeof aside, "%s/aside", s.dir);
	scratch_close(&s);
	for (int forget = 0; forget < 2; forget++) {
		ck_assert_int_eq(rename(path, aside), 0);
		if (forget)
			forget_catalog(&s);
		buf_init(&why);
		ck_assert_int_eq(store_open(&s.st, &s.opts, &why), STELE_EDAMAGED);
		buf_put_u8(&why, 0);
		if (!forget) /* without it nobody knows the number */
			ck_assert_msg(strstr((const char *)why.p, want) != NULL, "%s", why.p);
		buf_fini(&why);
		ck_assert_int_eq(rename(aside, path), 0);
		ck_assert_int_eq(scratch_open(&s), 0);
		ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
		reads_as_written(&s, log, 400, true);
		scratch_close(&s);
	}
	scratch_end(&s);
}
END_TEST

START_TEST(a_tail_is_sealed_when_it_is_old_enough_and_not_before)
{
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	fill(&s, log, 10, 5);
	ck_assert_int_eq(store_seal_due(s.st), 0);
	s.now_ns += LIMIT_SEAL_AFTER_S * 1000000000ll / 2;
	log = reopen(&s); /* a restart neither forgets the age nor adds to it */
	ck_assert_int_eq(store_seal_due(s.st), 0);
	s.now_ns += LIMIT_SEAL_AFTER_S * 1000000000ll / 2 + 1000000000ll;
	ck_assert_int_eq(store_seal_due(s.st), 1);
	ck_assert_uint_eq(sealed_end(&log->sealed), 11);
	ck_assert_int_eq(store_seal_due(s.st), 0);
	fill(&s, log, 12, 5);
	ck_assert_int_eq(store_seal_due(s.st), 0);
	scratch_end(&s);
}
END_TEST

/* Flips a bit of a sealed file. */
static void
damage(struct scratch *s, const char *name, long at)
{
	char path[512];
	FILE *f;
	int c;

	snprintf(path, sizeof path, "%s/segments/l/%s", s->dir, name);
	ck_assert_int_eq(chmod(path, 0600), 0);
	f = fopen(path, "r+");
	ck_assert_ptr_nonnull(f);
	fseek(f, at, SEEK_SET);
	c = fgetc(f);
	fseek(f, at, SEEK_SET);
	fputc(c ^ 1, f);
	fclose(f);
}

START_TEST(a_damaged_segment_is_quarantined_and_everything_else_is_served)
{
	struct record r;
	struct scratch s;
	struct log *log;
	struct arena a;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	fill(&s, log, 511, 50); /* with entry 0 two full tiles: no ragged tail */
	seal_log(&s, log);
	scratch_close(&s);
	damage(&s, "0-512.1.seg", 9000);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	fill(&s, log, 600, 5);
	arena_init(&a);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(read_record(s.st, log, 5, s.tools, &a, &r), STELE_EDAMAGED);
	ck_assert(log->sealed.s[0].quarantined);
	ck_assert_int_eq(read_record(s.st, log, 550, s.tools, &a, &r), 0);
	seal_log(&s, log); /* not merged with the damaged one */
	ck_assert_uint_eq(log->sealed.n, 2);
	ck_assert_int_eq(read_record(s.st, log, 600, s.tools, &a, &r), 0);
	log = reopen(&s);
	ck_assert(log->sealed.s[0].quarantined); /* it stays so */
	ck_assert(!log->sealed.s[1].quarantined);
	ck_assert_int_eq(read_record(s.st, log, 5, s.tools, &a, &r), STELE_EDAMAGED);
	ck_assert_int_eq(read_record(s.st, log, 512, s.tools, &a, &r), 0);
	arena_fini(&a);
	scratch_end(&s);
}
END_TEST

START_TEST(a_ragged_tail_that_is_damaged_is_never_rewritten)
{
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	fill(&s, log, 300, 50);
	seal_log(&s, log);
	scratch_close(&s);
	damage(&s, "0-301.1.seg", 9000);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	fill(&s, log, 400, 50);
	for (int i = 0; i < 3; i++) {
		struct buf why;
		buf_init(&why);
		ck_assert_int_le(store_seal_log(s.st, log, &why), 0);
		buf_fini(&why);
		ck_assert_int_eq(store_maintain(s.st), 0);
		ck_assert_int_ge(store_seal_due(s.st), 0);
	}
	ck_assert_uint_eq(log->sealed.n, 1);
	ck_assert_uint_eq(log->sealed.s[0].generation, 1);
	ck_assert_uint_eq(count_files(&s, ".seg"), 1);
	scratch_end(&s);
}
END_TEST

/* A job prepared before its dictionary was retired, committed after. */
START_TEST(a_retired_dictionary_is_used_by_no_later_commit_and_comes_back_under_a_new_number)
{
	struct append_job early;
	struct scratch s;
	struct log *log;
	unsigned n = 0;
	uint32_t id;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	for (; !log->dict && n < 200; n += 20) {
		append_range(&s, log, n, n + 20, true);
		ck_assert_int_eq(store_maintain(s.st), 0);
	}
	ck_assert_ptr_nonnull(log->dict);
	id = compress_dict_id(log->dict);
	append_job_init(&early);
	early.items = arena_alloc(&early.arena, 3 * sizeof *early.items);
	memset(early.items, 0, 3 * sizeof *early.items);
	for (unsigned i = 0; i < 3; i++) {
		const char *p = payload_of(n + i, true);
		early.items[i].payload = slice_of(arena_dup(&early.arena, p, strlen(p)), strlen(p));
		early.items[i].media_type = slice_str("application/json");
	}
	early.log = log;
	early.writer = slice_str("p-test");
	early.n_items = 3;
	ck_assert_int_eq(append_prepare(&early, s.tools), 0);
	ck_assert_uint_eq(early.blocks[0].dict, id);
	ck_assert_int_eq(dict_retire_before(log, UINT32_MAX), 0);
	ck_assert_int_eq(store_append_batch(s.st, &early), 0);
	ck_assert_int_eq(early.err, 0);
	append_job_fini(&early);
	n += 3;
	append_range(&s, log, n, n + 5, true);
	n += 5;
	ck_assert_ptr_nonnull(log->dict);
	ck_assert_uint_gt(compress_dict_id(log->dict), id);
	seal_log(&s, log);
	dict_sweep(s.st);
	ck_assert_uint_eq(log->n_dicts, 1);
	ck_assert_uint_ne(log->dicts[0].id, id);
	reads_as_written(&s, log, n, true);
	log = kill_and_reopen(&s);
	reads_as_written(&s, log, n, true);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_sealed_reads_as_before_and_after_a_restart,
		a_ragged_tail_is_rewritten_as_the_next_generation,
		sealing_what_is_sealed_does_nothing,
		a_log_sealed_often_has_few_segments,
		wal_files_leave_when_what_they_held_is_sealed_and_saved,
		a_segment_that_no_catalogue_knows_is_removed_at_start,
		a_store_without_its_catalogue_is_made_again_from_segments_and_wal,
		idempotency_keys_are_known_when_their_records_are_sealed_and_their_wal_is_gone,
		a_missing_wal_file_that_is_still_needed_is_named_and_nothing_is_changed,
		a_tail_is_sealed_when_it_is_old_enough_and_not_before,
		a_damaged_segment_is_quarantined_and_everything_else_is_served,
		a_ragged_tail_that_is_damaged_is_never_rewritten,
		a_retired_dictionary_is_used_by_no_later_commit_and_comes_back_under_a_new_number,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("seal", tests, sizeof tests / sizeof *tests, 240);
}
