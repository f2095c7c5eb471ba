/* The table of idempotency digests in memory. */
#include <string.h>

#include "storage/keytable.h"
#include "suite.h"

/* Digests that all want the same slot, so that every look-up has to probe. */
static struct key_entry
crowded(uint64_t log_id, uint64_t n)
{
	struct key_entry e = {.log_id = log_id, .index = n * 10};

	memcpy(e.digest + 8, &n, sizeof n);
	return e;
}

START_TEST(what_was_added_is_found_and_nothing_else)
{
	struct keytable t;

	keytable_init(&t);
	ck_assert_ptr_null(keytable_find(&t, 1, crowded(1, 0).digest));
	for (uint64_t n = 0; n < 3000; n++) {
		struct key_entry e = crowded(1 + n % 3, n);
		ck_assert_int_eq(keytable_reserve(&t, 1), 0);
		keytable_add(&t, &e);
	}
	ck_assert_uint_eq(t.n, 3000);
	for (uint64_t n = 0; n < 3000; n++) {
		struct key_entry e = crowded(1 + n % 3, n);
		const struct key_entry *found = keytable_find(&t, e.log_id, e.digest);
		ck_assert_ptr_nonnull(found);
		ck_assert_uint_eq(found->index, n * 10);
		ck_assert_ptr_null(keytable_find(&t, e.log_id + 1, e.digest));
	}
	ck_assert_ptr_null(keytable_find(&t, 1, crowded(1, 3000).digest));
	keytable_fini(&t);
}
END_TEST

START_TEST(reserved_room_is_used_without_moving)
{
	struct keytable t;
	const struct key_entry *slots;

	keytable_init(&t);
	ck_assert_int_eq(keytable_reserve(&t, 5000), 0);
	slots = t.slots;
	for (uint64_t n = 0; n < 5000; n++) {
		struct key_entry e = crowded(1, n);
		keytable_add(&t, &e);
	}
	ck_assert_ptr_eq(t.slots, slots);
	keytable_fini(&t);
}
END_TEST

START_TEST(a_cleared_table_is_empty_whether_or_not_it_kept_its_memory)
{
	struct keytable t;
	struct key_entry e = crowded(1, 7);

	keytable_init(&t);
	for (int keep = 0; keep < 2; keep++) {
		ck_assert_int_eq(keytable_reserve(&t, 1), 0);
		keytable_add(&t, &e);
		keytable_clear(&t, keep);
		ck_assert_uint_eq(t.n, 0);
		ck_assert_uint_eq(t.cap != 0, keep);
		ck_assert_ptr_null(keytable_find(&t, 1, e.digest));
	}
	keytable_fini(&t);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_was_added_is_found_and_nothing_else,
		reserved_room_is_used_without_moving,
		a_cleared_table_is_empty_whether_or_not_it_kept_its_memory,
	};

	return suite_run("keytable", tests, sizeof tests / sizeof *tests, 60);
}
