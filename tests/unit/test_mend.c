/* Putting a segment back: from a copy it is whole again, from anything else nothing changes. */
#include "sealed_log.h"

#include <sys/stat.h>

#include "crypto/init.h"
#include "storage/file.h"
#include "storage/mend.h"
#include "storage/segcache.h"
#include "storage/scrub.h"
#include "suite.h"

static const struct segment_name first_two_tiles = {0, 512, 1};

struct copy {
	struct buf manifest, file;
};

/* What lies in segments/LOG of the first two tiles, as somebody's copy. */
static void
copy_init(struct copy *c, struct scratch *s, const char *log)
{
	buf_init(&c->manifest);
	buf_init(&c->file);
	ck_assert_int_eq(
		file_read_all(sealed_log_path(s, log, "0-512.1.manifest"), &c->manifest, 1 << 20),
		0);
	ck_assert_int_eq(file_read_all(sealed_log_path(s, log, "0-512.1.seg"), &c->file, 16 << 20),
			 0);
}

static void
copy_fini(struct copy *c)
{
	buf_fini(&c->manifest);
	buf_fini(&c->file);
}

/* A log of two sealed tiles and a tail, and a copy of the segment. */
static struct log *
begin(struct scratch *s, struct copy *c, const char *name)
{
	struct log *log;

	log = scratch_log(s, name, "{}");
	sealed_log_fill(s, log, 512);
	sealed_log_seal(s, log);
	sealed_log_fill(s, log, 600);
	copy_init(c, s, name);
	return log;
}

static int
put_manifest(struct scratch *s, struct log *log, const struct segment_name *name,
	     struct slice bytes)
{
	struct buf why;
	int err;

	buf_init(&why);
	err = mend_manifest(s->st, log, name, bytes, &why);
	ck_assert(err == 0 || why.n > 0);
	buf_fini(&why);
	return err;
}

static int
put_file(struct scratch *s, struct log *log, const struct segment_name *name, struct slice bytes)
{
	struct buf why;
	int err;

	buf_init(&why);
	err = mend_segment(s->st, log, name, bytes, s->tools, &why);
	ck_assert(err == 0 || why.n > 0);
	buf_fini(&why);
	return err;
}

START_TEST(a_damaged_segment_is_whole_again_and_stays_so)
{
	struct store_stats stats;
	struct scratch s;
	struct copy c;
	struct log *log;

	scratch_begin(&s);
	log = begin(&s, &c, "l");
	scratch_close(&s);
	sealed_log_damage(sealed_log_path(&s, "l", "0-512.1.seg"), 9000);
	sealed_log_damage(sealed_log_path(&s, "l", "0-512.1.manifest"), 50);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	ck_assert_int_eq(sealed_log_read(&s, log, 5), STELE_EDAMAGED);
	ck_assert(log->sealed.s[0].quarantined);
	ck_assert_int_eq(put_file(&s, log, &first_two_tiles, buf_slice(&c.file)),
			 STELE_EVERIFY); /* its manifest is damaged as well */
	ck_assert_int_eq(put_manifest(&s, log, &first_two_tiles, buf_slice(&c.manifest)), 0);
	ck_assert(log->sealed.s[0].quarantined);
	ck_assert_int_eq(put_file(&s, log, &first_two_tiles, buf_slice(&c.file)), 0);
	sealed_log_reads(&s, log, 600);
	store_stats_get(s.st, &stats);
	ck_assert_uint_eq(stats.segments_quarantined, 0);
	ck_assert_int_eq(put_file(&s, log, &first_two_tiles, buf_slice(&c.file)), 0); /* again */
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	ck_assert(!log->sealed.s[0].quarantined);
	sealed_log_reads(&s, log, 600);
	copy_fini(&c);
	scratch_end(&s);
}
END_TEST

START_TEST(a_folder_of_segments_that_is_gone_comes_back)
{
	struct scratch s;
	struct copy c;
	struct log *log;

	scratch_begin(&s);
	log = begin(&s, &c, "l");
	scratch_close(&s);
	ck_assert_int_eq(
		nftw(sealed_log_path(&s, "l", ""), scratch_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	ck_assert_int_eq(sealed_log_read(&s, log, 5), STELE_EDAMAGED);
	ck_assert_int_eq(put_manifest(&s, log, &first_two_tiles, buf_slice(&c.manifest)), 0);
	ck_assert_int_eq(put_file(&s, log, &first_two_tiles, buf_slice(&c.file)), 0);
	sealed_log_reads(&s, log, 600);
	copy_fini(&c);
	scratch_end(&s);
}
END_TEST

START_TEST(nothing_but_the_very_bytes_is_believed)
{
	struct segment_name other = {0, 512, 2};
	struct copy c, strange;
	struct log *log, *twin;
	struct scratch s;

	scratch_begin(&s);
	log = begin(&s, &c, "l");
	twin = begin(&s, &strange, "twin"); /* the same records, range and generation */
	sealed_log_damage(sealed_log_path(&s, "l", "0-512.1.seg"), 9000);
	segcache_forget(s.st->segments, log->id, 0, 1);
	ck_assert_int_eq(sealed_log_read(&s, log, 5), STELE_EDAMAGED);
	ck_assert_int_eq(put_manifest(&s, log, &first_two_tiles, buf_slice(&strange.manifest)),
			 STELE_EVERIFY);
	ck_assert_int_eq(put_file(&s, log, &first_two_tiles, buf_slice(&strange.file)),
			 STELE_EVERIFY);
	ck_assert_int_eq(put_file(&s, log, &other, buf_slice(&c.file)), STELE_ENOTFOUND);
	ck_assert_int_eq(put_manifest(&s, log, &other, buf_slice(&c.manifest)), STELE_ENOTFOUND);
	ck_assert_int_eq(put_file(&s, log, &first_two_tiles, slice_of(c.file.p, c.file.n - 1)),
			 STELE_EVERIFY);
	for (size_t i = 0; i < c.file.n; i += 1009) {
		c.file.p[i] ^= 4;
		ck_assert_int_eq(put_file(&s, log, &first_two_tiles, buf_slice(&c.file)),
				 STELE_EVERIFY);
		c.file.p[i] ^= 4;
	}
	for (size_t i = 0; i < c.manifest.n; i++) {
		c.manifest.p[i] ^= 1;
		ck_assert_int_eq(put_manifest(&s, log, &first_two_tiles, buf_slice(&c.manifest)),
				 STELE_EVERIFY);
		c.manifest.p[i] ^= 1;
	}
	ck_assert(log->sealed.s[0].quarantined);
	ck_assert_int_eq(sealed_log_read(&s, twin, 5), 0);
	ck_assert_int_eq(put_file(&s, log, &first_two_tiles, buf_slice(&c.file)), 0);
	sealed_log_reads(&s, log, 600);
	copy_fini(&c);
	copy_fini(&strange);
	scratch_end(&s);
}
END_TEST

/* Killed between the rename and the save: quarantine is still in the catalogue. */
START_TEST(a_segment_that_was_put_back_before_a_crash_is_released_by_the_next_scrub)
{
	struct scrub_state state;
	struct scratch s;
	struct copy c;
	struct log *log;
	unsigned ms;

	scratch_begin(&s);
	log = begin(&s, &c, "l");
	sealed_log_damage(sealed_log_path(&s, "l", "0-512.1.seg"), 9000);
	segcache_forget(s.st->segments, log->id, 0, 1);
	ck_assert_int_eq(sealed_log_read(&s, log, 5), STELE_EDAMAGED);
	ck_assert_int_eq(store_maintain(s.st), 0);
	ck_assert_int_eq(put_file(&s, log, &first_two_tiles, buf_slice(&c.file)), 0);
	atomic_store(&s.st->read_only, true); /* closes without a save */
	scratch_close(&s);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	ck_assert(log->sealed.s[0].quarantined);
	store_scrub_start(s.st);
	ck_assert_int_eq(store_scrub_step(s.st, &ms), 1);
	store_scrub_get(s.st, &state);
	ck_assert_uint_eq(state.now.damaged, 0);
	ck_assert(!log->sealed.s[0].quarantined);
	sealed_log_reads(&s, log, 600);
	copy_fini(&c);
	scratch_end(&s);
}
END_TEST

/* Killed in the middle of the write. */
START_TEST(what_half_a_restore_leaves_is_removed_at_start)
{
	struct scratch s;
	struct copy c;
	struct log *log;
	FILE *f;

	scratch_begin(&s);
	log = begin(&s, &c, "l");
	scratch_close(&s);
	f = fopen(sealed_log_path(&s, "l", "0-512.1.seg.tmp"), "w");
	ck_assert_ptr_nonnull(f);
	fwrite(c.file.p, 1, c.file.n / 2, f);
	fclose(f);
	ck_assert_int_eq(scratch_open(&s), 0);
	ck_assert_int_eq(access(sealed_log_path(&s, "l", "0-512.1.seg.tmp"), F_OK), -1);
	ck_assert_int_eq(store_log_find(s.st, slice_str("l"), &log), 0);
	sealed_log_reads(&s, log, 600);
	copy_fini(&c);
	scratch_end(&s);
}
END_TEST

/* The file stays mapped: what lies behind its new end is no answer and no crash. */
START_TEST(a_segment_cut_off_while_it_is_open_is_an_error_and_comes_back)
{
	const char *path;
	struct scratch s;
	unsigned damaged;
	struct copy c;
	struct stat sb;
	struct log *log;

	scratch_begin(&s);
	log = begin(&s, &c, "l");
	sealed_log_reads(&s, log, 600);
	path = sealed_log_path(&s, "l", "0-512.1.seg");
	ck_assert_int_eq(stat(path, &sb), 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
	for (off_t left = sb.st_size - 1; left >= 0; left -= left > 4096 ? 1777 : left ? left : 1) {
		ck_assert_int_eq(truncate(path, left), 0);
		damaged = 0;
		for (uint64_t i = 1; i < 512; i += 7) {
			int err = sealed_log_read(&s, log, i);
			ck_assert_msg(err == 0 || err == STELE_EDAMAGED, "%d", err);
			damaged += err != 0;
		}
	}
	ck_assert_uint_gt(damaged, 60);
	ck_assert_int_eq(put_file(&s, log, &first_two_tiles, buf_slice(&c.file)), 0);
	sealed_log_reads(&s, log, 600);
	copy_fini(&c);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_damaged_segment_is_whole_again_and_stays_so,
		a_folder_of_segments_that_is_gone_comes_back,
		a_segment_cut_off_while_it_is_open_is_an_error_and_comes_back,
		nothing_but_the_very_bytes_is_believed,
		a_segment_that_was_put_back_before_a_crash_is_released_by_the_next_scrub,
		what_half_a_restore_leaves_is_removed_at_start,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("mend", tests, sizeof tests / sizeof *tests, 60);
}
