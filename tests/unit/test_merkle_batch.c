/* crypto/merkle_batch: the same nodes, roots and proofs as one leaf at a time. */
#include "crypto/merkle_batch.h"

#include <stdio.h>
#include <time.h>

#include <check.h>

#include "proto/err.h"
#include "tests/unit/tree.h"

typedef uint8_t hash[SHA256_BYTES];

static struct sha256 *h;

/* All of a batch against the reference tree t, which holds at least m + k leaves. */
static void
check_batch(struct tree *t, const struct merkle_batch *b, size_t m, size_t k, int proofs)
{
	hash proof[LIMIT_PROOF_HASHES], want[LIMIT_PROOF_HASHES], root;
	size_t size = m + k, n, want_n;

	tree_mth(t, 0, size, root);
	ck_assert_mem_eq(merkle_batch_root(b), root, sizeof root);
	ck_assert_uint_eq(merkle_batch_frontier(b)->size, size);
	merkle_frontier_root(h, merkle_batch_frontier(b), want[0]);
	ck_assert_mem_eq(want[0], root, sizeof root);
	for (unsigned up = 0; up < 16; up++) {
		for (size_t i = 0; i <= (t->size >> up) && i < 4000; i++) {
			const uint8_t *got = merkle_batch_node(b, up, i);
			int is_new = i >= m >> up && i < size >> up;

			ck_assert_int_eq(got != NULL, is_new);
			if (got)
				ck_assert_mem_eq(got, t->level[up][i], SHA256_BYTES);
		}
	}
	for (size_t i = m; proofs && i < size; i++) {
		merkle_batch_proof(b, i, proof, &n);
		want_n = 0;
		tree_path(t, i, 0, size, want, &want_n);
		ck_assert_uint_eq(n, want_n);
		ck_assert_mem_eq(proof, want, n * sizeof *proof);
	}
}

START_TEST(every_batch_on_every_small_tree_has_the_rfcs_nodes_and_proofs)
{
	struct merkle_frontier f;
	struct merkle_batch b;
	struct tree t;

	tree_init(&t, h, 140, 9);
	merkle_batch_init(&b);
	merkle_frontier_init(&f);
	for (size_t m = 0; m <= 70; m++) {
		for (size_t k = 0; k <= 70; k++) {
			ck_assert_int_eq(
				merkle_batch_build(h, &b, &f, (const hash *)t.level[0] + m, k), 0);
			check_batch(&t, &b, m, k, 1);
		}
		merkle_frontier_append(h, &f, t.level[0][m]);
	}
	merkle_batch_fini(&b);
	tree_fini(&t);
}
END_TEST

START_TEST(a_log_grown_by_batches_of_all_sizes_agrees_all_the_way)
{
	static const size_t sizes[] = {1, 2, 1, 255, 256, 257, 3, 1000, 64, 0, 4096, 1, 777};
	struct merkle_frontier f;
	struct merkle_batch b;
	struct tree t;
	size_t m = 0;

	tree_init(&t, h, 15000, 10);
	merkle_batch_init(&b);
	merkle_frontier_init(&f);
	for (size_t i = 0; m + 4096 <= t.size; i++) {
		size_t k = sizes[i % (sizeof sizes / sizeof *sizes)];

		ck_assert_int_eq(merkle_batch_build(h, &b, &f, (const hash *)t.level[0] + m, k), 0);
		check_batch(&t, &b, m, k, 1);
		merkle_frontier_copy(&f, merkle_batch_frontier(&b));
		m += k;
	}
	merkle_batch_fini(&b);
	tree_fini(&t);
}
END_TEST

START_TEST(a_tree_beyond_2_to_the_63_is_refused)
{
	static struct merkle_frontier f = {.size = (1ull << 63) - 1};
	struct merkle_batch b;
	hash leaves[2] = {{0}};

	merkle_batch_init(&b);
	ck_assert_int_eq(merkle_batch_build(h, &b, &f, (const hash *)leaves, 2), STELE_ELIMIT);
	ck_assert_int_eq(merkle_batch_build(h, &b, &f, (const hash *)leaves, 1), 0);
	ck_assert_uint_eq(merkle_batch_frontier(&b)->size, 1ull << 63);
	f.size = 1ull << 63;
	ck_assert_int_eq(merkle_batch_build(h, &b, &f, (const hash *)leaves, 1), STELE_ELIMIT);
	f.size = (1ull << 63) + 1;
	ck_assert_int_eq(merkle_batch_build(h, &b, &f, (const hash *)leaves, 1), STELE_ELIMIT);
	merkle_batch_fini(&b);
}
END_TEST

/*
 * The large tree: 2^22 leaves, or 2^27 with STELE_LONG=1. Nodes of height 12 and
 * up are kept as batches complete them; lower ones are computed again from the
 * leaves when a proof asks for them.
 */
enum { KEPT = 12 };

struct large {
	uint64_t size;
	hash *level[64];
};

static void
large_leaf(uint64_t i, uint8_t out[SHA256_BYTES])
{
	uint64_t word[4] = {i, ~i, i * 0x9e3779b97f4a7c15ull, 7};

	memcpy(out, word, sizeof word);
}

static int
large_node(void *ctx, unsigned height, uint64_t index, uint8_t out[SHA256_BYTES])
{
	struct large *l = ctx;
	struct merkle_frontier f;

	ck_assert_uint_lt(index, l->size >> height);
	if (height >= KEPT) {
		memcpy(out, l->level[height][index], SHA256_BYTES);
		return 0;
	}
	merkle_frontier_init(&f);
	for (uint64_t i = index << height; i < (index + 1) << height; i++) {
		uint8_t leaf[SHA256_BYTES];
		large_leaf(i, leaf);
		merkle_frontier_append(h, &f, leaf);
	}
	memcpy(out, f.node[height], SHA256_BYTES);
	return 0;
}

/* Grows l to its size in batches of at most 65536 that do not fall on round numbers. */
static void
large_grow(struct large *l, struct merkle_frontier *f, struct merkle_batch *b)
{
	hash *leaves = malloc(65536 * sizeof *leaves);

	while (f->size < l->size) {
		uint64_t m = f->size, k = 65536 - m % 1000;

		if (k > l->size - m)
			k = l->size - m;
		for (uint64_t i = 0; i < k; i++)
			large_leaf(m + i, leaves[i]);
		ck_assert_int_eq(merkle_batch_build(h, b, f, (const hash *)leaves, k), 0);
		for (unsigned up = KEPT; up < 40; up++) {
			for (uint64_t i = m >> up; i < (m + k) >> up; i++)
				memcpy(l->level[up][i], merkle_batch_node(b, up, i), SHA256_BYTES);
		}
		merkle_frontier_copy(f, merkle_batch_frontier(b));
	}
	free(leaves);
}

static void
check_large(struct large *l, const struct merkle_frontier *f)
{
	hash root, root1, leaf, proof[LIMIT_PROOF_HASHES];
	size_t n;

	merkle_frontier_root(h, f, root);
	ck_assert_int_eq(merkle_root_at(h, large_node, l, l->size, root1), 0);
	ck_assert_mem_eq(root, root1, sizeof root);
	for (uint64_t i = 1; i < l->size; i += l->size / 97) {
		large_leaf(i, leaf);
		ck_assert_int_eq(merkle_inclusion(h, large_node, l, i, l->size, proof, &n), 0);
		ck_assert_int_eq(
			merkle_verify_inclusion(h, root, i, l->size, leaf, (const hash *)proof, n),
			0);
		ck_assert_int_eq(merkle_root_at(h, large_node, l, i, root1), 0);
		ck_assert_int_eq(merkle_consistency(h, large_node, l, i, l->size, proof, &n), 0);
		ck_assert_int_eq(merkle_verify_consistency(h, i, root1, l->size, root,
							   (const hash *)proof, n),
				 0);
	}
}

START_TEST(a_large_tree_grown_by_batches_proves_all_over)
{
	const char *env = getenv("STELE_LONG");
	uint64_t size = env && *env == '1' ? 1ull << 27 : 1ull << 22;
	struct large l = {.size = size + 12345};
	struct timespec t0, t1;
	struct merkle_frontier f;
	struct merkle_batch b;

	for (unsigned up = KEPT; up < 40; up++)
		l.level[up] = malloc(((l.size >> up) + 1) * sizeof(hash));
	merkle_frontier_init(&f);
	merkle_batch_init(&b);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	large_grow(&l, &f, &b);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	printf("%llu leaves in batches: %.0f ns a leaf\n", (unsigned long long)l.size,
	       ((double)(t1.tv_sec - t0.tv_sec) * 1e9 + (double)(t1.tv_nsec - t0.tv_nsec)) /
		       (double)l.size);
	check_large(&l, &f);
	merkle_batch_fini(&b);
	for (unsigned up = KEPT; up < 40; up++)
		free(l.level[up]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("merkle_batch");
	TCase *t = tcase_create("merkle_batch");
	SRunner *r = srunner_create(s);
	int failed;

	h = sha256_new();
	if (!h)
		return 1;
	suite_add_tcase(s, t);
	tcase_set_timeout(t, 250);
	tcase_add_test(t, every_batch_on_every_small_tree_has_the_rfcs_nodes_and_proofs);
	tcase_add_test(t, a_log_grown_by_batches_of_all_sizes_agrees_all_the_way);
	tcase_add_test(t, a_tree_beyond_2_to_the_63_is_refused);
	tcase_add_test(t, a_large_tree_grown_by_batches_proves_all_over);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	sha256_free(h);
	return failed != 0;
}
