/* The pool of kits: as many as are in use at once, and no more once they have rested. */
#include "server/kit.h"

#include "crypto/init.h"
#include "suite.h"

static unsigned
count(struct kit *list)
{
	unsigned n = 0;

	for (; list; list = list->next)
		n++;
	return n;
}

START_TEST(one_that_came_back_is_taken_again_the_last_one_first)
{
	struct kit *a, *b;
	struct kit_pool p;

	kit_pool_init(&p);
	a = kit_take(&p);
	b = kit_take(&p);
	ck_assert_ptr_ne(a, b);
	kit_put(&p, a, 0);
	kit_put(&p, b, 1);
	ck_assert_ptr_eq(kit_take(&p), b);
	ck_assert_ptr_eq(kit_take(&p), a);
	kit_put(&p, a, 2);
	kit_put(&p, b, 2);
	kit_pool_fini(&p);
}
END_TEST

START_TEST(those_that_rested_are_given_up_and_those_in_use_are_not)
{
	struct kit *kits[4], *rested;
	struct kit_pool p;

	kit_pool_init(&p);
	for (int i = 0; i < 4; i++)
		kits[i] = kit_take(&p);
	for (int i = 0; i < 3; i++)
		kit_put(&p, kits[i], 100 * (uint64_t)i);
	ck_assert_ptr_null(kit_pool_rested(&p, KIT_REST_MS - 1));
	rested = kit_pool_rested(&p, KIT_REST_MS + 100); /* the first two */
	ck_assert_uint_eq(count(rested), 2);
	kit_give_up(rested);
	ck_assert_ptr_null(kit_pool_rested(&p, KIT_REST_MS + 100));
	ck_assert_ptr_eq(kit_take(&p), kits[2]);
	kit_put(&p, kits[2], 5);
	kit_put(&p, kits[3], 6);
	rested = kit_pool_rested(&p, 2 * KIT_REST_MS);
	ck_assert_uint_eq(count(rested), 2);
	kit_give_up(rested);
	ck_assert_ptr_null(kit_pool_rested(&p, 3 * KIT_REST_MS));
	kit_pool_fini(&p);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		one_that_came_back_is_taken_again_the_last_one_first,
		those_that_rested_are_given_up_and_those_in_use_are_not,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("kit", tests, sizeof tests / sizeof *tests, 30);
}
