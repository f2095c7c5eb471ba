/* Many paths in one tree, found by name. */
#include <stdio.h>

#include "proto/arena.h"
#include "proto/pathtrie.h"
#include "tests/unit/fence.h"
#include "tests/unit/suite.h"

START_TEST(thousands_of_paths_are_found_again)
{
	enum { N = 3000 };
	static char names[N][24];
	static struct slice steps[N][2];
	static uint32_t ends[N];
	struct pathtrie t;
	uint8_t *fence = fence_new();

	ck_assert_int_eq(pathtrie_init(&t), 0);
	for (size_t i = 0; i < N; i++) {
		struct jsonpath path = {steps[i], 2};
		snprintf(names[i], sizeof names[i], "%.*s%zu", (int)(i % 12), "abcdefghijkl", i);
		steps[i][0] = slice_str(i % 2 ? "odd" : "even");
		steps[i][1] = slice_str(names[i]);
		ck_assert_int_eq(pathtrie_add(&t, &ends[i], &path), 0);
	}
	for (size_t i = 0; i < N; i++) {
		struct jsonpath path = {steps[i], 2};
		struct slice first = fence_put(fence, steps[i][0]);
		uint32_t again, node = pathtrie_find(&t, 0, first, fence);
		struct slice second = fence_put(fence, steps[i][1]);
		ck_assert(node && t.nodes[node].inner && !t.nodes[node].wanted);
		ck_assert_uint_eq(pathtrie_find(&t, node, second, fence), ends[i]);
		ck_assert_uint_eq(pathtrie_find(&t, node, second, second.p + second.n), ends[i]);
		ck_assert_uint_eq(pathtrie_find(&t, 0, second, fence), 0);
		ck_assert(t.nodes[ends[i]].wanted && !t.nodes[ends[i]].inner);
		ck_assert_int_eq(pathtrie_add(&t, &again, &path), 0);
		ck_assert_uint_eq(again, ends[i]);
	}
	ck_assert_uint_eq(t.n, N + 3);
	pathtrie_fini(&t);
	fence_free(fence);
}
END_TEST

START_TEST(names_that_differ_in_the_middle_are_different)
{
	struct slice a = slice_str("12345678x12345678"), b = slice_str("12345678y12345678");
	struct jsonpath path_a = {&a, 1}, path_b = {&b, 1};
	struct slice c = slice_str("12345678z12345678"), empty = slice_str("");
	struct jsonpath path_empty = {&empty, 1};
	uint32_t node_a, node_b, node_empty;
	struct pathtrie t;

	ck_assert_int_eq(pathtrie_init(&t), 0);
	ck_assert_int_eq(pathtrie_add(&t, &node_a, &path_a), 0);
	ck_assert_int_eq(pathtrie_add(&t, &node_b, &path_b), 0);
	ck_assert_int_eq(pathtrie_add(&t, &node_empty, &path_empty), 0);
	ck_assert_uint_ne(node_a, node_b);
	ck_assert_uint_eq(pathtrie_find(&t, 0, c, c.p + c.n), 0);
	ck_assert_uint_eq(pathtrie_find(&t, 0, empty, empty.p), node_empty);
	pathtrie_fini(&t);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {thousands_of_paths_are_found_again,
				      names_that_differ_in_the_middle_are_different};

	return suite_run("pathtrie", tests, sizeof tests / sizeof *tests, 60);
}
