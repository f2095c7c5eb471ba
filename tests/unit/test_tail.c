/* Which commit holds a record. */
#include "storage/tail.h"
#include "suite.h"

START_TEST(every_index_is_found_in_its_extent_and_none_beyond)
{
	struct tail t;
	uint64_t next = 0;

	tail_init(&t);
	ck_assert_ptr_null(tail_find(&t, 0));
	for (uint32_t i = 1; i <= 1000; i++) {
		struct extent e = {.first = next, .count = i % 7 + 1, .at = {i, 4096}};
		ck_assert_int_eq(tail_reserve(&t), 0);
		tail_add(&t, &e);
		next += e.count;
	}
	for (uint64_t index = 0; index < next; index++) {
		const struct extent *e = tail_find(&t, index);
		ck_assert_ptr_nonnull(e);
		ck_assert(e->first <= index && index < e->first + e->count);
		ck_assert_uint_eq(e->count, e->at.file % 7 + 1);
	}
	ck_assert_ptr_null(tail_find(&t, next));
	ck_assert_ptr_null(tail_find(&t, UINT64_MAX));
	tail_fini(&t);
	ck_assert_ptr_null(tail_find(&t, 0));
}
END_TEST

START_TEST(extents_leave_at_the_front_once_all_their_records_are_sealed)
{
	struct tail t;

	tail_init(&t);
	for (uint32_t i = 0; i < 10; i++) {
		struct extent e = {.first = i * 10, .count = 10, .at = {1, 4096 * (i + 1)}};
		ck_assert_int_eq(tail_reserve(&t), 0);
		tail_add(&t, &e);
	}
	tail_drop(&t, 9);
	ck_assert_uint_eq(t.n, 10);
	tail_drop(&t, 35); /* the extent that straddles stays */
	ck_assert_uint_eq(t.n, 7);
	ck_assert_uint_eq(t.dropped, 3);
	ck_assert_ptr_null(tail_find(&t, 29));
	ck_assert_uint_eq(tail_find(&t, 30)->at.offset, 4096 * 4);
	ck_assert_uint_eq(tail_find(&t, 99)->first, 90);
	tail_drop(&t, 100);
	ck_assert_uint_eq(t.n, 0);
	ck_assert_uint_eq(t.dropped, 10);
	ck_assert_ptr_null(tail_find(&t, 99));
	ck_assert_int_eq(tail_reserve(&t), 0);
	tail_add(&t, &(struct extent){.first = 100, .count = 1});
	ck_assert_uint_eq(tail_find(&t, 100)->count, 1);
	tail_fini(&t);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_index_is_found_in_its_extent_and_none_beyond,
		extents_leave_at_the_front_once_all_their_records_are_sealed,
	};

	return suite_run("tail", tests, sizeof tests / sizeof *tests, 60);
}
