/* Which segment holds an entry, and what a seal that rewrites leaves of the list. */
#include "storage/sealed.h"
#include "suite.h"

static void
put(struct sealed_list *l, uint64_t first, uint64_t count, uint32_t generation)
{
	struct sealed s = {.first = first, .count = count, .generation = generation};

	ck_assert_int_eq(sealed_reserve(l), 0);
	sealed_put(l, &s);
}

START_TEST(every_sealed_index_is_found_and_none_beyond)
{
	struct sealed_list l;

	sealed_init(&l);
	ck_assert_uint_eq(sealed_end(&l), 0);
	ck_assert_ptr_null(sealed_find(&l, 0));
	for (uint64_t i = 0; i < 100; i++)
		put(&l, i * 256, 256, 1);
	ck_assert_uint_eq(sealed_end(&l), 25600);
	for (uint64_t i = 0; i < 25600; i++)
		ck_assert_uint_eq(sealed_find(&l, i)->first, i / 256 * 256);
	ck_assert_ptr_null(sealed_find(&l, 25600));
	sealed_fini(&l);
	ck_assert_uint_eq(sealed_end(&l), 0);
}
END_TEST

START_TEST(a_new_generation_takes_the_place_of_those_it_covers)
{
	struct sealed_list l;

	sealed_init(&l);
	put(&l, 0, 100, 1); /* a tail */
	put(&l, 0, 300, 2); /* rewritten and longer */
	ck_assert_uint_eq(l.n, 1);
	ck_assert_uint_eq(sealed_end(&l), 300);
	put(&l, 0, 512, 3);
	put(&l, 512, 256, 1);
	put(&l, 768, 256, 1);
	put(&l, 1024, 256, 1);
	put(&l, 512, 512, 2); /* two in the middle merged */
	ck_assert_uint_eq(l.n, 3);
	ck_assert_uint_eq(sealed_find(&l, 511)->generation, 3);
	ck_assert_uint_eq(sealed_find(&l, 512)->count, 512);
	ck_assert_uint_eq(sealed_find(&l, 1023)->generation, 2);
	ck_assert_uint_eq(sealed_find(&l, 1024)->count, 256);
	put(&l, 512, 512, 7); /* the same range, thinned */
	ck_assert_uint_eq(l.n, 3);
	ck_assert_uint_eq(sealed_find(&l, 600)->generation, 7);
	ck_assert_uint_eq(sealed_end(&l), 1280);
	sealed_fini(&l);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_sealed_index_is_found_and_none_beyond,
		a_new_generation_takes_the_place_of_those_it_covers,
	};

	return suite_run("sealed", tests, sizeof tests / sizeof *tests, 60);
}
