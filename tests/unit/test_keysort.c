/* Keys in order: few or more than memory is meant to hold. */
#include <string.h>
#include <unistd.h>

#include "folder.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/limits.h"
#include "storage/keysort.h"
#include "suite.h"

struct check {
	uint8_t last[20];
	uint64_t n, sum;
	uint64_t stop;
};

static int
in_order(void *ctx, const uint8_t *key)
{
	struct check *c = ctx;

	ck_assert(c->n == 0 || memcmp(c->last, key, 20) < 0);
	memcpy(c->last, key, 20);
	c->sum += be_get32(key + 16);
	return ++c->n == c->stop ? 9 : 0;
}

START_TEST(keys_come_out_in_order_whatever_their_number)
{
	const uint32_t counts[] = {
		0, 1, 1000, LIMIT_KEYRUN_KEYS, LIMIT_KEYRUN_KEYS + 1, 3 * LIMIT_KEYRUN_KEYS + 500};
	struct folder folder;

	folder_init(&folder);
	for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
		struct check c = {.stop = UINT64_MAX};
		struct keysort *sort;
		ck_assert_int_eq(keysort_new(&sort, folder.dir, 16), 0);
		for (uint32_t i = 0; i < counts[k]; i++) {
			uint8_t digest[16] = {0};
			be_put32(digest, i / 2 * 2654435761u); /* each twice */
			ck_assert_int_eq(keysort_add(sort, digest, i), 0);
		}
		ck_assert_int_eq(keysort_each(sort, in_order, &c), 0);
		ck_assert_uint_eq(c.n, counts[k]);
		c = (struct check){.stop = UINT64_MAX}; /* and once more */
		ck_assert_int_eq(keysort_each(sort, in_order, &c), 0);
		ck_assert_uint_eq(c.n, counts[k]);
		ck_assert_uint_eq(c.sum, counts[k] ? (uint64_t)counts[k] * (counts[k] - 1) / 2 : 0);
		keysort_free(sort);
	}
	ck_assert_int_eq(rmdir(folder.dir), 0); /* nothing was left */
}
END_TEST

START_TEST(the_walk_ends_when_told_and_a_folder_that_is_not_there_is_an_error)
{
	struct check c = {.stop = 3};
	struct keysort *sort;
	uint8_t digest[16] = {0};
	int err = 0;

	ck_assert_int_eq(keysort_new(&sort, "/nonexistent", 16), 0);
	for (uint32_t i = 0; i < LIMIT_KEYRUN_KEYS; i++)
		ck_assert_int_eq(keysort_add(sort, digest, i), 0);
	err = keysort_add(sort, digest, 7);
	ck_assert_int_eq(err, STELE_ENOTFOUND);
	ck_assert_int_eq(keysort_each(sort, in_order, &c), 9);
	ck_assert_uint_eq(c.n, 3);
	keysort_free(sort);
	keysort_free(NULL);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		keys_come_out_in_order_whatever_their_number,
		the_walk_ends_when_told_and_a_folder_that_is_not_there_is_an_error,
	};

	return suite_run("keysort", tests, sizeof tests / sizeof *tests, 60);
}
