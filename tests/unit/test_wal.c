/* The row of WAL files: where frames go, what a walk makes of them, and the mark behind them. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/init.h"
#include "faulty_disk.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/limits.h"
#include "storage/wal.h"
#include "suite.h"
#include "wal_row.h"

START_TEST(frames_follow_each_other_over_files_and_none_spans_two)
{
	struct wal_pos end;
	uint64_t n;
	struct row r;

	row_begin(&r);
	ends_after(&r, 1, 0);
	for (int i = 0; i < 40; i++)
		put_frame(&r, (size_t)(i % 5) * 40000);
	ck_assert_uint_ge(wal_row(r.w).last, 3);
	ck_assert_uint_eq(wal_row(r.w).disk_bytes, (uint64_t)wal_row(r.w).last * FILE_BYTES);
	ck_assert_int_eq(walk(&r, &n, &end), 1);
	ck_assert_uint_eq(n, 40);
	ck_assert_uint_eq(end.file, wal_end(r.w).file);
	ck_assert_uint_eq(end.offset, wal_end(r.w).offset);
	wal_close(r.w);
	ck_assert_int_eq(row_open(&r, WAL_USE), 0);
	ends_after(&r, 1, 40);
	row_end(&r);
}
END_TEST

START_TEST(a_frame_fills_a_file_to_its_last_byte_and_no_more)
{
	struct row r;

	row_begin(&r);
	put_frame(&r, 10);
	put_frame(&r, FILE_BYTES - WAL_FIRST_OFFSET - FRAME_ALIGN - FRAME_HEADER_BYTES);
	ck_assert_uint_eq(r.at[1].file, 1);
	ck_assert_uint_eq(wal_end(r.w).offset, FILE_BYTES);
	put_frame(&r, FILE_BYTES - WAL_FIRST_OFFSET - FRAME_HEADER_BYTES);
	ck_assert_uint_eq(r.at[2].file, 2);
	ck_assert_uint_eq(wal_end(r.w).offset, FILE_BYTES);
	ck_assert_int_eq(wal_reserve(r.w, FILE_BYTES - WAL_FIRST_OFFSET + FRAME_ALIGN),
			 STELE_ELIMIT);
	put_frame(&r, 10);
	ck_assert_uint_eq(r.at[3].file, 3);
	ends_after(&r, 1, 4);
	row_end(&r);
}
END_TEST

/* Whole and of the right number, but not the one after the frame before it. */
START_TEST(a_frame_of_another_history_is_damage)
{
	struct row r;

	row_begin(&r);
	put_frame(&r, 10);
	put_frame(&r, 10);
	r.prev[0] ^= 1;
	put_frame(&r, 10);
	ends_after(&r, STELE_EDAMAGED, 2);
	row_end(&r);
}
END_TEST

/* The last frame in every state a cut in the power can leave it in. */
START_TEST(a_torn_last_frame_is_the_end)
{
	struct row r;
	struct buf b;

	row_begin(&r);
	for (int i = 0; i < 3; i++)
		put_frame(&r, 9000);
	make_frame(&r, &b, 9000);
	for (unsigned missing = 1; missing < 8; missing++) {
		struct wal_pos end = wal_end(r.w);
		int fd = open(folder_path(&r.f, "wal/00000001.wal"), O_RDWR);
		for (unsigned sector = 0; sector < 3; sector++) {
			static const uint8_t zeros[FRAME_ALIGN];
			const void *p = missing >> sector & 1 ? zeros : b.p + sector * FRAME_ALIGN;
			ck_assert_int_eq(pwrite(fd, p, FRAME_ALIGN,
						(off_t)(end.offset + sector * FRAME_ALIGN)),
					 FRAME_ALIGN);
		}
		close(fd);
		ends_after(&r, 1, 3);
	}
	buf_fini(&b);
	/* what is written next covers it, whatever was left */
	r.sequence = 3;
	wal_close(r.w);
	ck_assert_int_eq(row_open(&r, WAL_USE), 0);
	row_end(&r);
}
END_TEST

START_TEST(a_torn_frame_that_was_given_up_does_not_hide_the_next_file)
{
	struct wal_pos torn;
	struct row r;

	row_begin(&r);
	put_frame(&r, 600000);
	torn = wal_end(r.w);
	damage(&r, "wal/00000001.wal", torn.offset, 's'); /* the first byte of a header */
	put_frame(&r, 600000); /* after a restart: too large for what is left */
	ck_assert_uint_eq(r.at[1].file, 2);
	ends_after(&r, 1, 2);
	row_end(&r);
}
END_TEST

START_TEST(a_damaged_frame_with_a_readable_one_behind_it_is_damage)
{
	const uint64_t offsets[] = {0, 8, 16, 24, 32, 64, 72, 80, 96, 128, 5000, 8999 + 128};
	struct row r;

	row_begin(&r);
	for (int i = 0; i < 6; i++)
		put_frame(&r, i == 2 ? 900000 : 9000);
	ck_assert_uint_eq(wal_end(r.w).file, 1);
	put_frame(&r, 400000); /* in the next file */
	for (unsigned i = 0; i < 7; i++) {
		for (size_t k = 0; k < sizeof offsets / sizeof *offsets; k++) {
			damage_frame(&r, i, offsets[k], 0x10);
			ends_after(&r, i == 6 ? 1 : STELE_EDAMAGED, i);
			damage_frame(&r, i, offsets[k], 0x10);
		}
	}
	/* the place named is the frame's, also where it is the first of its file */
	put_frame(&r, 10);
	for (unsigned i = 0; i < 7; i++) {
		struct wal_pos end;
		uint64_t n;
		damage_frame(&r, i, 3, 0x10);
		ck_assert_int_eq(walk(&r, &n, &end), STELE_EDAMAGED);
		ck_assert_uint_eq(end.file, r.at[i].file);
		ck_assert_uint_eq(end.offset, r.at[i].offset);
		damage_frame(&r, i, 3, 0x10);
	}
	damage_frame(&r, 0, 9000 + 128 + 10, 0x10); /* padding belongs to nothing */
	ends_after(&r, 1, 8);
	row_end(&r);
}
END_TEST

START_TEST(a_walk_goes_on_behind_damage_when_asked_to)
{
	static const uint8_t zeros[32];
	struct frame_header head;
	struct wal_scan s;
	struct wal_pos at;
	struct slice body;
	struct row r;

	for (int header = 0; header < 2; header++) {
		row_begin(&r);
		for (int i = 0; i < 5; i++)
			put_frame(&r, 9000);
		damage_frame(&r, 1, header ? 3 : 2000, 1);
		ck_assert_int_eq(
			wal_scan_init(&s, r.w, (struct wal_pos){1, WAL_FIRST_OFFSET}, 1, zeros), 0);
		ck_assert_int_eq(wal_scan_next(&s, r.h, &head, &body, &at), 0);
		ck_assert_int_eq(wal_scan_next(&s, r.h, &head, &body, &at), STELE_EDAMAGED);
		ck_assert_uint_eq(at.offset, r.at[1].offset);
		if (header) {
			ck_assert_int_eq(wal_scan_damaged(&s, &head, &body, &at), STELE_ESYNTAX);
			ck_assert_int_eq(wal_scan_skip(&s, r.h), 0);
		} else {
			ck_assert_int_eq(wal_scan_damaged(&s, &head, &body, &at), 0);
			ck_assert_uint_eq(head.sequence, 2);
			ck_assert_uint_eq(body.n, 9000);
		}
		for (uint64_t n = 3; n <= 5; n++) {
			ck_assert_int_eq(wal_scan_next(&s, r.h, &head, &body, &at), 0);
			ck_assert_uint_eq(head.sequence, n);
		}
		ck_assert_int_eq(wal_scan_next(&s, r.h, &head, &body, &at), 1);
		ck_assert_int_eq(wal_scan_skip(&s, r.h), 1);
		wal_scan_fini(&s);
		row_end(&r);
	}
}
END_TEST

START_TEST(a_row_with_a_missing_or_foreign_file_is_refused_by_name)
{
	char path[600], other[600];
	struct row r;

	row_begin(&r);
	for (int i = 0; i < 3; i++)
		put_frame(&r, 900000);
	wal_close(r.w);
	/* that the first is missing only the store can know: files leave at the front */
	for (unsigned i = 1; i <= 3; i++) {
		snprintf(path, sizeof path, "%s/wal/%08u.wal", r.f.dir, i);
		snprintf(other, sizeof other, "%s/aside", r.f.dir);
		ck_assert_int_eq(rename(path, other), 0);
		if (i == 2) {
			ck_assert_int_eq(row_open(&r, WAL_USE), STELE_EDAMAGED);
			ck_assert_ptr_nonnull(strstr(r.why, path + strlen(r.f.dir)));
		}
		ck_assert_int_eq(rename(other, path), 0);
		for (unsigned at = 0; at < 104; at++) {
			char name[32];
			int err;
			if (at >= 40 && at < 64)
				continue; /* zeros under the hash, as the others */
			snprintf(name, sizeof name, "wal/%08u.wal", i);
			damage(&r, name, at, 4);
			err = row_open(&r, WAL_USE);
			ck_assert_int_eq(err, at < 96 ? STELE_EDAMAGED : 0);
			if (err == 0)
				wal_close(r.w);
			else
				ck_assert_ptr_nonnull(strstr(r.why, name));
			damage(&r, name, at, 4);
		}
		ck_assert_int_eq(truncate(path, FILE_BYTES - FRAME_ALIGN), 0);
		ck_assert_int_eq(row_open(&r, WAL_USE), STELE_EDAMAGED);
		ck_assert_int_eq(truncate(path, FILE_BYTES), 0);
	}
	ck_assert_int_eq(row_open(&r, WAL_CHECK), 0);
	ends_after(&r, 1, 3);
	row_end(&r);
}
END_TEST

START_TEST(a_row_without_files_is_refused_and_another_stores_row_too)
{
	struct row r;
	struct buf why;
	struct wal *w;

	row_begin(&r);
	put_frame(&r, 10);
	buf_init(&why);
	ck_assert_int_eq(wal_open(&w, r.f.dir, INCARNATION + 1, FILE_BYTES, WAL_USE, &why),
			 STELE_EDAMAGED);
	buf_fini(&why);
	wal_close(r.w);
	ck_assert_int_eq(unlink(folder_path(&r.f, "wal/00000001.wal")), 0);
	ck_assert_int_eq(row_open(&r, WAL_USE), STELE_EDAMAGED);
	ck_assert_ptr_nonnull(strstr(r.why, "NNNNNNNN.wal"));
	row_end(&r);
}
END_TEST

/* A walk that must start in a file that is gone. */
START_TEST(a_walk_from_a_lost_file_is_damage)
{
	static const uint8_t zeros[32];
	struct frame_header head;
	struct wal_scan s;
	struct wal_pos at;
	struct slice body;
	struct row r;

	row_begin(&r);
	put_frame(&r, 10);
	ck_assert_int_eq(wal_scan_init(&s, r.w, (struct wal_pos){2, 8192}, 5, zeros), 0);
	ck_assert_int_eq(wal_scan_next(&s, r.h, &head, &body, &at), STELE_EDAMAGED);
	ck_assert_uint_eq(at.file, 2);
	wal_scan_fini(&s);
	row_end(&r);
}
END_TEST

static void
mark_is(struct row *r, uint64_t sequence, uint8_t first)
{
	uint8_t hash[32] = {0};
	uint64_t got = 77;

	ck_assert_int_eq(wal_read_released(r->w, &got, hash, r->h), 0);
	ck_assert_uint_eq(got, sequence);
	if (sequence)
		ck_assert_uint_eq(hash[0], first);
}

START_TEST(the_mark_is_the_newest_that_is_whole)
{
	struct row r;
	uint8_t hash[32] = {0};

	row_begin(&r);
	mark_is(&r, 0, 0);
	for (uint64_t n = 1; n <= 5; n++) {
		hash[0] = (uint8_t)n;
		ck_assert_int_eq(wal_mark_released(r.w, n, hash, r.h), 0);
		mark_is(&r, n, (uint8_t)n);
	}
	ck_assert_int_eq(wal_sync_released(r.w), 0);
	/* every flipped bit of either slot, and a torn half */
	for (unsigned slot = 0; slot < 2; slot++) {
		unsigned newer = 5 % 2; /* the fifth mark lies in slot 1 */
		for (unsigned bit = 0; bit < 96 * 8; bit++) {
			damage(&r, "wal/released", slot * 4096 + bit / 8, (uint8_t)(1u << bit % 8));
			mark_is(&r, slot == newer ? 4 : 5, slot == newer ? 4 : 5);
			damage(&r, "wal/released", slot * 4096 + bit / 8, (uint8_t)(1u << bit % 8));
		}
	}
	mark_is(&r, 5, 5);
	/* after reading, the next mark does not go over the newest one */
	wal_close(r.w);
	ck_assert_int_eq(row_open(&r, WAL_USE), 0);
	mark_is(&r, 5, 5);
	hash[0] = 6;
	disk_fail_at(DISK_WRITE, 1, 2, EIO, true);
	ck_assert_int_ne(wal_mark_released(r.w, 6, hash, r.h), 0);
	ck_assert(disk_repair(NULL));
	mark_is(&r, 5, 5);
	row_end(&r);
}
END_TEST

START_TEST(a_file_that_cannot_be_made_leaves_nothing_behind)
{
	const unsigned kinds[] = {DISK_WRITE, DISK_FLUSH, DISK_RENAME};
	struct stat sb;
	struct row r;

	row_begin(&r);
	put_frame(&r, 10);
	for (int i = 0; i < 6; i++) {
		int error = i % 2 ? ENOSPC : EIO;
		disk_fail_at(kinds[i / 2], 1, 1, error, false);
		ck_assert_int_eq(wal_prepare_next(r.w), i % 2 ? STELE_ENOSPACE : STELE_EIO);
		ck_assert(disk_repair(NULL));
		ck_assert_int_ne(stat(folder_path(&r.f, "wal/00000002.wal"), &sb), 0);
		ck_assert_int_ne(stat(folder_path(&r.f, "wal/00000002.wal.tmp"), &sb), 0);
	}
	ck_assert_int_eq(wal_prepare_next(r.w), 0);
	ck_assert_int_eq(wal_prepare_next(r.w), 0);
	ck_assert_int_eq(stat(folder_path(&r.f, "wal/00000002.wal"), &sb), 0);
	ck_assert_int_eq(sb.st_size, FILE_BYTES);
	ck_assert_int_ge(sb.st_blocks * 512, FILE_BYTES); /* prewritten, not a hole */
	ends_after(&r, 1, 1);
	row_end(&r);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		frames_follow_each_other_over_files_and_none_spans_two,
		a_frame_fills_a_file_to_its_last_byte_and_no_more,
		a_frame_of_another_history_is_damage,
		a_torn_last_frame_is_the_end,
		a_torn_frame_that_was_given_up_does_not_hide_the_next_file,
		a_damaged_frame_with_a_readable_one_behind_it_is_damage,
		a_walk_goes_on_behind_damage_when_asked_to,
		a_row_with_a_missing_or_foreign_file_is_refused_by_name,
		a_row_without_files_is_refused_and_another_stores_row_too,
		a_walk_from_a_lost_file_is_damage,
		the_mark_is_the_newest_that_is_whole,
		a_file_that_cannot_be_made_leaves_nothing_behind,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("wal", tests, sizeof tests / sizeof *tests, 240);
}
