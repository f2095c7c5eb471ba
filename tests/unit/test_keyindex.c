/* Known keys in memory and in runs, as the writer and the maintaining thread use them. */
#include "scratch_store.h"

#include <dirent.h>
#include <pthread.h>

#include "crypto/init.h"
#include "folder.h"
#include "storage/internal.h"
#include "suite.h"

static struct key_entry
key(uint64_t n)
{
	struct key_entry e = {.log_id = 1, .index = n};
	uint64_t x = (n + 1) * 0x9E3779B97F4A7C15u;

	memcpy(e.digest, &x, 8);
	memcpy(e.digest + 8, &n, 8);
	return e;
}

static void
add(struct keyindex *k, uint64_t from, uint64_t to)
{
	ck_assert_int_eq(keyindex_reserve(k, to - from), 0);
	for (uint64_t n = from; n < to; n++) {
		struct key_entry e = key(n);
		keyindex_add(k, &e);
	}
}

static void
holds(struct keyindex *k, uint64_t from, uint64_t to, bool want)
{
	for (uint64_t n = from; n < to; n++) {
		struct key_entry e = key(n);
		uint64_t index = UINT64_MAX;
		ck_assert_int_eq(keyindex_find(k, 1, e.digest, &index), want);
		if (want)
			ck_assert_uint_eq(index, n);
		ck_assert(!keyindex_find(k, 2, e.digest, &index));
	}
}

START_TEST(a_key_is_known_while_fresh_while_frozen_in_a_run_and_after_a_restart)
{
	struct sha256 *h = sha256_new();
	const struct wal_pos end = {2, 8192};
	uint8_t prev[32] = {1};
	struct keyindex k;
	struct folder f;

	folder_init(&f);
	keyindex_init(&k, f.dir, 7);
	add(&k, 0, 100);
	holds(&k, 0, 100, true);
	ck_assert_int_eq(keyindex_freeze(&k, end, 10, prev), 0);
	holds(&k, 0, 100, true);
	add(&k, 100, 150);
	holds(&k, 0, 150, true);
	ck_assert_int_eq(keyindex_write_run(&k, 5, h), 0);
	holds(&k, 0, 150, true);
	holds(&k, 150, 200, false);
	ck_assert_uint_eq(keyindex_count(&k), 150);
	ck_assert_int_eq(keyindex_freeze(&k, end, 11, prev), 0);
	ck_assert_int_eq(keyindex_write_run(&k, 5, h), 0);
	ck_assert_uint_eq(k.n_runs, 2);
	keyindex_fini(&k);

	keyindex_init(&k, f.dir, 7);
	ck_assert_int_eq(keyindex_open_runs(&k, 1, 2, NULL, h), 0);
	holds(&k, 0, 150, true);
	ck_assert_int_eq(keyindex_open_runs(&k, 1, 3, NULL, h), STELE_ENOTFOUND);
	keyindex_reset(&k);
	holds(&k, 0, 150, false);
	ck_assert_int_eq(keyindex_open_runs(&k, 1, 1, NULL, h), STELE_ENOTFOUND);
	keyindex_fini(&k);
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

/* A commit reserves, flushes, publishes; a freeze may come at any moment in between. */
START_TEST(room_that_a_commit_reserved_outlives_a_freeze)
{
	struct keyindex k;
	struct folder f;
	const uint8_t prev[32] = {0};

	folder_init(&f);
	keyindex_init(&k, f.dir, 7);
	ck_assert_int_eq(keyindex_reserve(&k, 5000), 0);
	ck_assert_int_eq(keyindex_freeze(&k, (struct wal_pos){1, 4096}, 1, prev), 0);
	for (uint64_t n = 0; n < 5000; n++) {
		struct key_entry e = key(n);
		keyindex_add(&k, &e);
	}
	holds(&k, 0, 5000, true);
	keyindex_fini(&k);
	folder_fini(&f);
}
END_TEST

START_TEST(a_run_is_due_when_the_table_is_full_or_reaches_far_back)
{
	struct keyindex k;
	struct folder f;
	uint8_t prev[32] = {9};

	folder_init(&f);
	keyindex_init(&k, f.dir, 7);
	add(&k, 0, 10);
	ck_assert(!keyindex_due(&k, (struct wal_pos){2, 4096}));
	ck_assert(keyindex_due(&k, (struct wal_pos){3, 4096}));
	keyindex_start(&k, (struct wal_pos){2, 4096}, 5, prev);
	ck_assert(!keyindex_due(&k, (struct wal_pos){3, 4096}));
	add(&k, 10, LIMIT_KEYRUN_KEYS);
	ck_assert(keyindex_due(&k, (struct wal_pos){2, 4096}));
	ck_assert_int_eq(keyindex_freeze(&k, (struct wal_pos){2, 4096}, 6, prev), 0);
	ck_assert(!keyindex_due(&k, (struct wal_pos){9, 4096})); /* one at a time */
	keyindex_fini(&k);
	folder_fini(&f);
}
END_TEST

/* A run of the keys [from, to), the newest at newest_ns. */
static void
spill(struct keyindex *k, uint64_t from, uint64_t to, int64_t newest_ns, struct sha256 *h)
{
	const uint8_t prev[32] = {0};

	add(k, from, to);
	ck_assert_int_eq(keyindex_freeze(k, (struct wal_pos){1, 4096}, to, prev), 0);
	ck_assert_int_eq(keyindex_write_run(k, newest_ns, h), 0);
}

static unsigned
count_files(const char *dir)
{
	unsigned n = 0;
	DIR *d = opendir(dir);

	ck_assert_ptr_nonnull(d);
	for (struct dirent *e; (e = readdir(d));)
		n += strncmp(e->d_name, "keys-", 5) == 0;
	closedir(d);
	return n;
}

START_TEST(merged_runs_know_what_their_parts_knew_and_stay_few)
{
	struct sha256 *h = sha256_new();
	uint32_t first, last;
	struct keyindex k;
	struct folder f;

	folder_init(&f);
	keyindex_init(&k, f.dir, 7);
	for (uint64_t i = 0; i < 64; i++) {
		int r;
		spill(&k, i * 50, i * 50 + 50 + (i == 3), 5, h); /* one key replayed in two runs */
		while ((r = keyindex_merge(&k, h)) == 1)
			continue;
		ck_assert_int_eq(r, 0);
	}
	holds(&k, 0, 64 * 50, true);
	holds(&k, 64 * 50, 64 * 50 + 100, false);
	ck_assert_uint_lt(k.n_runs, KEYRUN_MERGE);
	ck_assert_uint_eq(count_files(f.dir), k.n_runs);
	ck_assert_uint_eq(keyindex_count(&k), 64 * 50);
	keyindex_numbers(&k, &first, &last);
	ck_assert(first == 1 && last == 64);
	keyindex_fini(&k);

	keyindex_init(&k, f.dir, 7);
	ck_assert_int_eq(keyindex_open_runs(&k, first, last, NULL, h), 0);
	holds(&k, 0, 64 * 50, true);
	keyindex_fini(&k);
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

START_TEST(the_oldest_are_merged_first)
{
	struct sha256 *h = sha256_new();
	struct keyindex k;
	struct folder f;

	folder_init(&f);
	keyindex_init(&k, f.dir, 7);
	for (uint64_t i = 0; i < 7; i++)
		spill(&k, i * 50, i * 50 + 50, 5, h);
	ck_assert_int_eq(keyindex_merge(&k, h), 1);
	ck_assert_uint_eq(k.n_runs, 4);
	ck_assert(k.runs[0].first == 1 && k.runs[0].last == 4);
	holds(&k, 0, 7 * 50, true);
	keyindex_fini(&k);
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

/* A large one between any two small ones: none has neighbours of its class. */
START_TEST(runs_of_sizes_that_alternate_stay_few)
{
	enum { PAIRS = 12, LARGE = 2 * LIMIT_KEYRUN_KEYS, PAIR = LARGE + 10 };
	struct sha256 *h = sha256_new();
	uint32_t first, last;
	struct keyindex k;
	struct folder f;

	folder_init(&f);
	keyindex_init(&k, f.dir, 7);
	for (uint64_t i = 0; i < PAIRS; i++) {
		spill(&k, i * PAIR, i * PAIR + 10, 5, h);
		spill(&k, i * PAIR + 10, (i + 1) * PAIR, 5, h);
		while (keyindex_merge(&k, h) == 1)
			continue;
		ck_assert(!keyindex_crowded(&k));
		ck_assert_uint_eq(count_files(f.dir), k.n_runs);
	}
	ck_assert_uint_ge(k.n_runs, 2 * KEYRUN_MERGE); /* not all of them, each time */
	ck_assert_uint_eq(keyindex_count(&k), (uint64_t)PAIRS * PAIR);
	for (uint64_t i = 0; i < PAIRS; i++)
		holds(&k, i * PAIR, i * PAIR + 200, true);
	keyindex_numbers(&k, &first, &last);
	ck_assert(first == 1 && last == 2 * PAIRS);
	keyindex_fini(&k);
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

/* Killed between the merged file and the removal of its parts, or in the middle of writing it. */
START_TEST(what_a_merge_left_over_is_removed_at_the_next_start)
{
	struct sha256 *h = sha256_new();
	struct keyindex k;
	struct folder f;

	folder_init(&f);
	keyindex_init(&k, f.dir, 7);
	for (uint64_t i = 0; i < KEYRUN_MERGE; i++)
		spill(&k, i * 50, i * 50 + 50, 5, h);
	ck_assert_int_eq(keyrun_merge(f.dir, 7, k.runs, KEYRUN_MERGE, h), 0);
	keyindex_fini(&k);
	fclose(fopen(folder_path(&f, "keys-00000001-00000009.run.tmp"), "w"));
	ck_assert_uint_eq(count_files(f.dir), KEYRUN_MERGE + 2);
	keyindex_init(&k, f.dir, 7);
	ck_assert_int_eq(keyindex_open_runs(&k, 1, KEYRUN_MERGE, NULL, h), 0);
	ck_assert_uint_eq(k.n_runs, 1);
	ck_assert_uint_eq(count_files(f.dir), 1);
	holds(&k, 0, KEYRUN_MERGE * 50, true);
	keyindex_fini(&k);
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

/* Merged with a run that was written after the catalogue was saved, then killed. */
START_TEST(a_merged_run_that_reaches_further_than_the_catalogue_knows_keeps_its_numbers)
{
	struct sha256 *h = sha256_new();
	uint32_t first, last;
	struct keyindex k;
	struct folder f;

	folder_init(&f);
	keyindex_init(&k, f.dir, 7);
	for (uint64_t i = 0; i < KEYRUN_MERGE; i++)
		spill(&k, i * 50, i * 50 + 50, 5, h);
	ck_assert_int_eq(keyindex_merge(&k, h), 1);
	keyindex_fini(&k);
	keyindex_init(&k, f.dir, 7);
	ck_assert_int_eq(keyindex_open_runs(&k, 1, KEYRUN_MERGE - 1, NULL, h), 0);
	holds(&k, 0, KEYRUN_MERGE * 50, true);
	spill(&k, 1000, 1050, 5, h);
	keyindex_numbers(&k, &first, &last);
	ck_assert_uint_eq(last, KEYRUN_MERGE + 1);
	keyindex_fini(&k);
	keyindex_init(&k, f.dir, 7);
	ck_assert_int_eq(keyindex_open_runs(&k, first, last, NULL, h), 0);
	holds(&k, 0, KEYRUN_MERGE * 50, true);
	holds(&k, 1000, 1050, true);
	keyindex_fini(&k);
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

START_TEST(runs_whose_newest_key_is_old_are_forgotten_oldest_first)
{
	struct sha256 *h = sha256_new();
	uint32_t first, last;
	struct keyindex k;
	struct folder f;

	folder_init(&f);
	keyindex_init(&k, f.dir, 7);
	for (uint64_t i = 0; i < 3; i++)
		spill(&k, i * 50, i * 50 + 50, (int64_t)(100 + i), h);
	ck_assert_int_eq(keyindex_expire(&k, 100), 0);
	holds(&k, 0, 150, true);
	ck_assert_int_eq(keyindex_expire(&k, 102), 0);
	holds(&k, 0, 100, false);
	holds(&k, 100, 150, true);
	ck_assert_uint_eq(count_files(f.dir), 1);
	keyindex_numbers(&k, &first, &last);
	ck_assert(first == 3 && last == 3);
	spill(&k, 150, 200, 103, h);
	keyindex_numbers(&k, &first, &last);
	keyindex_fini(&k);
	keyindex_init(&k, f.dir, 7);
	ck_assert_int_eq(keyindex_open_runs(&k, first, last, NULL, h), 0);
	holds(&k, 100, 200, true);
	ck_assert_int_eq(keyindex_expire(&k, INT64_MAX), 0);
	keyindex_numbers(&k, &first, &last);
	ck_assert(first == 5 && last == 4); /* none: the next is number 5 */
	spill(&k, 200, 250, 104, h);
	holds(&k, 200, 250, true);
	keyindex_fini(&k);
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

static void
flip(const char *path, long at)
{
	FILE *f = fopen(path, "r+");
	int c;

	ck_assert_ptr_nonnull(f);
	fseek(f, at, SEEK_SET);
	c = fgetc(f);
	fseek(f, at, SEEK_SET);
	fputc(c ^ 4, f);
	fclose(f);
}

START_TEST(where_the_wal_is_gone_a_damaged_run_is_counted_and_the_others_serve)
{
	struct sha256 *h = sha256_new();
	unsigned lost = 0;
	struct keyindex k;
	struct folder f;

	folder_init(&f);
	keyindex_init(&k, f.dir, 7);
	for (uint64_t i = 0; i < 3; i++)
		spill(&k, i * 50, i * 50 + 50, 5, h);
	keyindex_fini(&k);
	flip(folder_path(&f, "keys-00000002-00000002.run"), 200);
	for (int adopt = 0; adopt < 2; adopt++) {
		keyindex_init(&k, f.dir, 7);
		if (adopt)
			fclose(fopen(folder_path(&f, "keys-00000002-00000002.run"), "w"));
		if (adopt)
			ck_assert_int_eq(keyindex_adopt(&k, &lost, h), 0);
		else
			ck_assert_int_eq(keyindex_open_runs(&k, 1, 3, &lost, h), 0);
		ck_assert_uint_eq(lost, 1 + (unsigned)adopt);
		holds(&k, 0, 50, true);
		holds(&k, 50, 100, false);
		holds(&k, 100, 150, true);
		spill(&k, 1000 + (uint64_t)adopt, 1010, 5, h); /* goes on behind them */
		ck_assert_uint_eq(k.last_run, 4 + (unsigned)adopt);
		keyindex_fini(&k);
	}
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

START_TEST(a_large_run_is_checked_behind_the_start_and_forgotten_when_damaged)
{
	const uint64_t n = KEYRUN_LAZY_BYTES / 34 + 5000;
	struct sha256 *h = sha256_new();
	struct keyindex k;
	struct folder f;

	folder_init(&f);
	keyindex_init(&k, f.dir, 7);
	spill(&k, 0, n, 5, h);
	keyindex_fini(&k);
	for (int damaged = 0; damaged < 2; damaged++) {
		keyindex_init(&k, f.dir, 7);
		ck_assert_int_eq(keyindex_open_runs(&k, 1, 1, NULL, h), 0);
		ck_assert(!k.runs[0].verified);
		ck_assert_int_eq(keyindex_verify(&k, h), damaged ? STELE_EDAMAGED : 1);
		ck_assert_int_eq(keyindex_verify(&k, h), 0);
		ck_assert_uint_eq(k.n_runs, damaged ? 0 : 1);
		keyindex_fini(&k);
		flip(folder_path(&f, "keys-00000001-00000001.run"), 300000);
	}
	folder_fini(&f);
	sha256_free(h);
}
END_TEST

/* --- in a store ------------------------------------------------------------ */

/* Appends n records with the keys from, from + 1, ... of 100 KB each, one commit each. */
static void
append_keyed(struct scratch *s, struct log *log, unsigned from, unsigned n)
{
	static char payload[100001];

	for (unsigned i = from; i < from + n; i++) {
		struct append_job job;
		char name[16];
		for (size_t k = 0; k < sizeof payload - 1; k++)
			payload[k] = (char)('a' + random() % 26);
		memcpy(payload, &(char[]){(char)('A' + i % 26)}, 1);
		snprintf(name, sizeof name, "key-%u", i);
		scratch_job(s, &job, log, payload, name);
		ck_assert_int_eq(store_append_batch(s->st, &job), 0);
		ck_assert_int_eq(job.err, 0);
		append_job_fini(&job);
	}
}

/* Every key from 0 to n is known to the store. */
static void
keys_are_known(struct scratch *s, struct log *log, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct append_job job;
		char name[16];
		snprintf(name, sizeof name, "key-%u", i);
		scratch_job(s, &job, log, "other", name);
		ck_assert_int_eq(store_append_batch(s->st, &job), 0);
		ck_assert_msg(job.err == STELE_EDUPLICATE, "%s: %d", name, job.err);
		ck_assert_uint_eq(job.items[0].index, i + 1);
		append_job_fini(&job);
	}
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

START_TEST(a_store_spills_its_keys_and_goes_on_from_there_after_a_restart)
{
	struct wal_pos from;
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	append_keyed(&s, log, 0, 40);
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_uint_eq(s.st->keys.n_runs, 1);
	ck_assert_uint_eq(s.st->keys.fresh.n, 0);
	append_keyed(&s, log, 40, 3);
	ck_assert_int_eq(store_maintain(s.st), 0);
	from = s.st->keys_from.end;
	ck_assert_uint_ge(from.file, 3);
	for (int i = 0; i < 3; i++) {
		log = reopen(&s);
		ck_assert_uint_eq(s.st->keys.n_runs, 1);
		ck_assert_uint_eq(s.st->keys.fresh.n, 3);
		keys_are_known(&s, log, 43);
		scratch_append(&s, log, "something to save");
		ck_assert_int_eq(store_maintain(s.st), 0);
		ck_assert_uint_eq(s.st->keys_from.end.file, from.file);
		ck_assert_uint_eq(s.st->keys_from.end.offset, from.offset);
	}
	ck_assert_uint_eq(keyindex_count(&s.st->keys), 43);
	ck_assert_uint_eq(s.errors, 0);
	scratch_end(&s);
}
END_TEST

START_TEST(a_damaged_or_missing_run_is_made_again_from_the_wal)
{
	char path[512];
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	append_keyed(&s, log, 0, 40);
	ck_assert_int_eq(store_maintain(s.st), 0);
	snprintf(path, sizeof path, "%s/wal/keys-00000001-00000001.run", s.dir);
	for (int missing = 0; missing < 2; missing++) {
		FILE *f;
		scratch_close(&s);
		f = fopen(path, "r+");
		ck_assert_ptr_nonnull(f);
		fseek(f, 300, SEEK_SET);
		fputc(fgetc(f) ^ 4, f);
		fclose(f);
		if (missing)
			ck_assert_int_eq(unlink(path), 0);
		ck_assert_int_eq(scratch_open(&s), 0);
		ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
		keys_are_known(&s, log, 40);
		scratch_append(&s, log, "something to save");
		ck_assert_int_eq(store_maintain(s.st), 0);
		ck_assert_uint_eq(s.st->keys.n_runs, 1);
	}
	scratch_end(&s);
}
END_TEST

/* Killed after a run was written and before the catalogue knew of it. */
START_TEST(a_run_that_no_catalogue_knows_is_written_again)
{
	struct scratch s;
	struct log *log;

	scratch_begin(&s);
	log = scratch_log(&s, "l", "{}");
	append_keyed(&s, log, 0, 40);
	ck_assert_int_eq(keyindex_freeze(&s.st->keys, s.st->position.end,
					 s.st->position.sequence + 1, s.st->position.hash),
			 0);
	ck_assert_int_eq(keyindex_write_run(&s.st->keys, 5, s.st->upkeep->sha), 0);
	atomic_store(&s.st->read_only, true); /* closes as a killed process does: nothing saved */
	log = reopen(&s);
	ck_assert_uint_eq(s.st->keys.n_runs, 0);
	keys_are_known(&s, log, 40);
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_uint_eq(s.st->keys.n_runs, 1);
	log = reopen(&s);
	keys_are_known(&s, log, 40);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_key_is_known_while_fresh_while_frozen_in_a_run_and_after_a_restart,
		room_that_a_commit_reserved_outlives_a_freeze,
		a_run_is_due_when_the_table_is_full_or_reaches_far_back,
		merged_runs_know_what_their_parts_knew_and_stay_few,
		the_oldest_are_merged_first,
		runs_of_sizes_that_alternate_stay_few,
		what_a_merge_left_over_is_removed_at_the_next_start,
		a_merged_run_that_reaches_further_than_the_catalogue_knows_keeps_its_numbers,
		runs_whose_newest_key_is_old_are_forgotten_oldest_first,
		where_the_wal_is_gone_a_damaged_run_is_counted_and_the_others_serve,
		a_large_run_is_checked_behind_the_start_and_forgotten_when_damaged,
		a_store_spills_its_keys_and_goes_on_from_there_after_a_restart,
		a_damaged_or_missing_run_is_made_again_from_the_wal,
		a_run_that_no_catalogue_knows_is_written_again,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("keyindex", tests, sizeof tests / sizeof *tests, 120);
}
