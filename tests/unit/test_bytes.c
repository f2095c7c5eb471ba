/* The sticky-error reader, and the byte orders of le.h. */
#include "proto/bytes.h"

#include <check.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/le.h"

static const uint8_t row[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};

START_TEST(integers_are_little_endian)
{
	struct bytes b;

	bytes_init(&b, slice_of(row, sizeof row));
	ck_assert_uint_eq(bytes_u8(&b), 1);
	ck_assert_uint_eq(bytes_u16(&b), 0x0302);
	ck_assert_uint_eq(bytes_u32(&b), 0x07060504);
	ck_assert_uint_eq(bytes_u64(&b), 0x0f0e0d0c0b0a0908);
	ck_assert_uint_eq(bytes_left(&b), 2);
	ck_assert_int_eq(bytes_err(&b), 0);
	ck_assert_int_eq(bytes_end(&b), STELE_ESYNTAX);
	ck_assert_uint_eq(bytes_u16(&b), 0x1110);
	ck_assert_int_eq(bytes_end(&b), 0);
}
END_TEST

START_TEST(a_read_past_the_end_sticks)
{
	struct bytes b;
	uint8_t dst[4] = {9, 9, 9, 9};

	bytes_init(&b, slice_of(row, 3));
	ck_assert_uint_eq(bytes_u32(&b), 0);
	ck_assert_int_eq(bytes_err(&b), STELE_ESYNTAX);
	ck_assert_uint_eq(bytes_left(&b), 0);
	ck_assert_uint_eq(bytes_u8(&b), 0); /* three bytes are there, but it failed already */
	ck_assert_uint_eq(bytes_take(&b, 0).n, 0);
	bytes_copy(&b, dst, sizeof dst);
	ck_assert_uint_eq(le_get32(dst), 0);
	ck_assert_int_eq(bytes_end(&b), STELE_ESYNTAX);
}
END_TEST

START_TEST(a_length_near_the_top_of_size_t_is_refused)
{
	struct bytes b;

	bytes_init(&b, slice_of(row, sizeof row));
	bytes_u8(&b);
	ck_assert_uint_eq(bytes_take(&b, SIZE_MAX).n, 0);
	ck_assert_int_eq(bytes_err(&b), STELE_ESYNTAX);
}
END_TEST

START_TEST(an_empty_slice_reads_as_nothing)
{
	struct bytes b;

	bytes_init(&b, slice_of(NULL, 0));
	ck_assert_uint_eq(bytes_take(&b, 0).n, 0);
	ck_assert_int_eq(bytes_end(&b), 0);
	bytes_fail(&b);
	ck_assert_int_eq(bytes_end(&b), STELE_ESYNTAX);
}
END_TEST

START_TEST(take_points_into_the_memory_and_copy_copies)
{
	struct bytes b;
	uint8_t dst[3];

	bytes_init(&b, slice_of(row, sizeof row));
	ck_assert_ptr_eq(bytes_take(&b, 2).p, row);
	bytes_copy(&b, dst, 3);
	ck_assert_mem_eq(dst, row + 2, 3);
	ck_assert_uint_eq(bytes_left(&b), sizeof row - 5);
}
END_TEST

START_TEST(both_byte_orders_round_trip)
{
	uint8_t p[8];

	le_put64(p, 0x0102030405060708);
	ck_assert_uint_eq(p[0], 8);
	ck_assert_uint_eq(le_get64(p), 0x0102030405060708);
	be_put64(p, 0x0102030405060708);
	ck_assert_uint_eq(p[0], 1);
	ck_assert_uint_eq(be_get64(p), 0x0102030405060708);
	be_put16(p, 0x0102);
	ck_assert_uint_eq(p[1], 2);
	ck_assert_uint_eq(be_get16(p), 0x0102);
	be_put32(p, 0x01020304);
	ck_assert_uint_eq(p[3], 4);
	ck_assert_uint_eq(be_get32(p), 0x01020304);
	le_put16(p, 0x0102);
	le_put32(p + 2, 0x03040506);
	ck_assert_uint_eq(p[0], 2);
	ck_assert_uint_eq(le_get16(p), 0x0102);
	ck_assert_uint_eq(le_get32(p + 2), 0x03040506);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bytes");
	TCase *t = tcase_create("bytes");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_test(t, integers_are_little_endian);
	tcase_add_test(t, a_read_past_the_end_sticks);
	tcase_add_test(t, a_length_near_the_top_of_size_t_is_refused);
	tcase_add_test(t, an_empty_slice_reads_as_nothing);
	tcase_add_test(t, take_points_into_the_memory_and_copy_copies);
	tcase_add_test(t, both_byte_orders_round_trip);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
