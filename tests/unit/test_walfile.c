/* Files that leave the row and come back under another number. */
#include <unistd.h>

#include "crypto/init.h"
#include "suite.h"
#include "wal_row.h"

/* Fills files until the row ends in file `last`. */
static void
fill_until(struct row *r, uint32_t last)
{
	while (wal_end(r->w).file < last)
		put_frame(r, 200000);
}

/* Walks from the oldest file on: how it ends, and in *n how many frames there were. */
static int
walk_oldest(struct row *r, uint64_t *n, uint64_t *first)
{
	struct frame_header head;
	struct wal_scan s;
	struct wal_pos at;
	struct slice body;
	int err = wal_scan_oldest(&s, r->w, r->h);

	*n = 0;
	if (err != 0)
		return err;
	*first = s.sequence;
	while ((err = wal_scan_next(&s, r->h, &head, &body, &at)) == 0)
		++*n;
	wal_scan_fini(&s);
	return err;
}

START_TEST(files_leave_at_the_front_and_come_back_at_the_end)
{
	uint64_t n, first;
	struct row r;

	row_begin(&r);
	fill_until(&r, 4);
	ck_assert_int_eq(wal_drop_before(r.w, 3), 0);
	ck_assert_uint_eq(wal_row(r.w).first, 3);
	ck_assert(access(folder_path(&r.f, "wal/00000001.wal"), F_OK) != 0);
	ck_assert(access(folder_path(&r.f, "wal/00000002.wal"), F_OK) != 0);
	ck_assert_int_eq(access(folder_path(&r.f, "wal/spare.wal"), F_OK), 0);
	ck_assert_uint_eq(wal_row(r.w).disk_bytes, 3 * FILE_BYTES);
	ck_assert_int_eq(wal_prepare_next(r.w), 0); /* out of the spare file */
	ck_assert_uint_eq(wal_row(r.w).last, 5);
	ck_assert(access(folder_path(&r.f, "wal/spare.wal"), F_OK) != 0);
	fill_until(&r, 5);
	put_frame(&r, 10);
	ck_assert_int_eq(walk_oldest(&r, &n, &first), 1);
	ck_assert_uint_eq(first + n, r.sequence + 1);
	ck_assert_uint_eq(r.at[first - 1].file, 3);
	wal_close(r.w);
	ck_assert_int_eq(row_open(&r, WAL_USE), 0);
	ck_assert_uint_eq(wal_row(r.w).first, 3);
	ck_assert_int_eq(walk_oldest(&r, &n, &first), 1);
	ck_assert_uint_eq(first + n, r.sequence + 1);
	row_end(&r);
}
END_TEST

START_TEST(the_file_that_is_written_to_never_leaves)
{
	struct row r;

	row_begin(&r);
	fill_until(&r, 2);
	ck_assert_int_eq(wal_drop_before(r.w, 100), 0);
	ck_assert_uint_eq(wal_row(r.w).first, 2);
	put_frame(&r, 10);
	row_end(&r);
}
END_TEST

/* What a file held in an earlier life is neither part of the row nor taken for damage. */
START_TEST(old_frames_in_a_file_that_came_back_are_blank_space)
{
	uint64_t n, first, whole;
	struct row r;

	row_begin(&r);
	fill_until(&r, 3);
	ck_assert_int_eq(wal_drop_before(r.w, 2), 0);
	fill_until(&r, 4); /* file 4 was file 1 */
	ck_assert_int_eq(walk_oldest(&r, &n, &first), 1);
	ck_assert_uint_eq(first + n, r.sequence + 1);
	put_frame(&r, 10);
	put_frame(&r, 10);
	/* the last frame torn: the walk ends before it; an earlier one: damage */
	whole = r.sequence;
	wal_close(r.w);
	damage(&r, "wal/00000004.wal", r.at[whole - 1].offset + 60, 1);
	ck_assert_int_eq(row_open(&r, WAL_USE), 0);
	ck_assert_int_eq(walk_oldest(&r, &n, &first), 1);
	ck_assert_uint_eq(first + n, whole);
	damage(&r, "wal/00000004.wal", r.at[whole - 1].offset + 60, 1);
	damage(&r, "wal/00000004.wal", r.at[whole - 2].offset + 60, 1);
	ck_assert_int_eq(walk_oldest(&r, &n, &first), STELE_EDAMAGED);
	row_end(&r);
}
END_TEST

START_TEST(a_row_whose_oldest_frame_is_damaged_says_so)
{
	uint64_t n, first;
	struct row r;

	row_begin(&r);
	fill_until(&r, 3);
	ck_assert_int_eq(wal_drop_before(r.w, 2), 0);
	damage(&r, "wal/00000002.wal", WAL_FIRST_OFFSET + 40, 1);
	ck_assert_int_eq(walk_oldest(&r, &n, &first), STELE_EDAMAGED);
	row_end(&r);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		files_leave_at_the_front_and_come_back_at_the_end,
		the_file_that_is_written_to_never_leaves,
		old_frames_in_a_file_that_came_back_are_blank_space,
		a_row_whose_oldest_frame_is_damaged_says_so,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("walfile", tests, sizeof tests / sizeof *tests, 120);
}
