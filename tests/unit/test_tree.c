/* What memory keeps of a tree is the same however the entries came. */
#include <string.h>

#include "crypto/init.h"
#include "crypto/merkle.h"
#include "storage/tree.h"
#include "suite.h"

enum { ENTRIES = 140000 };

/* Grows a tree to ENTRIES by batches of these sizes, over and over. */
static void
grow(struct tree *t, const uint8_t (*leaves)[32], const unsigned *sizes, size_t n_sizes)
{
	struct sha256 *h = sha256_new();
	struct merkle_frontier f;
	struct merkle_batch b;

	tree_init(t);
	merkle_batch_init(&b);
	merkle_frontier_init(&f);
	for (size_t i = 0; t->size < ENTRIES; i++) {
		uint64_t left = ENTRIES - t->size, k = sizes[i % n_sizes];
		k = k < left ? k : left;
		ck_assert_int_eq(merkle_batch_build(h, &b, &f, leaves + t->size, k), 0);
		ck_assert_int_eq(tree_reserve(t, k), 0);
		ck_assert(tree_has_room(t, k));
		tree_add(t, leaves + t->size, k, &b);
		merkle_frontier_copy(&f, merkle_batch_frontier(&b));
		ck_assert_uint_eq(t->partial.n, t->size % TREE_TILE);
		ck_assert_mem_eq(t->partial.hash, leaves + t->size / TREE_TILE * TREE_TILE,
				 t->partial.n * 32);
	}
	merkle_batch_fini(&b);
	sha256_free(h);
}

START_TEST(however_entries_come_the_tree_is_the_same)
{
	static uint8_t leaves[ENTRIES][32];
	static const unsigned one[] = {1000}, odd[] = {1, 255, 256, 257, 0, 511, 513, 7, 65536};
	struct sha256 *h = sha256_new();
	struct tree a, b;

	for (uint64_t i = 0; i < ENTRIES; i++)
		sha256_hash(h, leaves[i], slice_of(&i, sizeof i));
	grow(&a, (const uint8_t(*)[32])leaves, one, 1);
	grow(&b, (const uint8_t(*)[32])leaves, odd, sizeof odd / sizeof *odd);
	for (int level = 0; level < TREE_LEVELS; level++) {
		ck_assert_uint_eq(a.up[level].n, (size_t)ENTRIES >> (8 * (level + 1)));
		ck_assert_uint_eq(b.up[level].n, a.up[level].n);
		if (a.up[level].n)
			ck_assert_mem_eq(a.up[level].hash, b.up[level].hash, a.up[level].n * 32);
	}
	for (uint64_t n = 0; n < a.up[0].n; n += 61) {
		struct merkle_frontier f;
		uint8_t root[32];
		merkle_frontier_init(&f);
		for (int i = 0; i < TREE_TILE; i++)
			merkle_frontier_append(h, &f, leaves[n * TREE_TILE + (uint64_t)i]);
		merkle_frontier_root(h, &f, root);
		ck_assert_mem_eq(root, a.up[0].hash[n], 32);
	}
	tree_fini(&a);
	tree_fini(&b);
	sha256_free(h);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {however_entries_come_the_tree_is_the_same};

	if (crypto_init() != 0)
		return 1;
	return suite_run("tree", tests, sizeof tests / sizeof *tests, 120);
}
