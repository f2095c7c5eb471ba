/* Runs: with what stands beside them they give the root, in every tree and nowhere else. */
#include "verify/runtree.h"

#include <check.h>
#include <string.h>

#include "crypto/init.h"
#include "suite.h"

enum { MOST = 40 };

static struct sha256 *h;
static uint8_t leaf[MOST][32];

static int
node(void *ctx, unsigned height, uint64_t index, uint8_t out[32])
{
	uint8_t right[32];

	(void)ctx;
	if (height == 0) {
		memcpy(out, leaf[index], 32);
		return 0;
	}
	node(NULL, height - 1, 2 * index, out);
	node(NULL, height - 1, 2 * index + 1, right);
	sha256_node(h, out, out, right);
	return 0;
}

static void
root_of(uint64_t size, uint8_t root[32])
{
	ck_assert_int_eq(merkle_root_at(h, node, NULL, size, root), 0);
}

/* The roots of the largest complete subtrees that cover [from, to), from left to right. */
static size_t
cover(uint64_t from, uint64_t to, uint8_t out[64][32])
{
	size_t n = 0;

	while (from < to) {
		unsigned k = 0;
		while (from % (UINT64_C(2) << k) == 0 && from + (UINT64_C(2) << k) <= to)
			k++;
		node(NULL, k, from >> k, out[n++]);
		from += UINT64_C(1) << k;
	}
	return n;
}

static void
make(struct run_line *r, uint64_t first, uint64_t last, uint64_t size)
{
	*r = (struct run_line){.first = first, .last = last};
	r->n_left = cover(0, first, r->left);
	r->n_right = cover(last + 1, size, r->right);
}

static bool
holds(const struct run_line *r, uint64_t size, const uint8_t root[32])
{
	struct runtree t;

	if (!runtree_begin(&t, r, size))
		return false;
	for (uint64_t i = r->first; i <= r->last; i++)
		ck_assert(runtree_add(&t, h, i, leaf[i]));
	ck_assert(!runtree_add(&t, h, r->last + 1, leaf[0]));
	return runtree_end(&t, h, root);
}

START_TEST(every_run_of_every_tree_leads_to_its_root)
{
	uint8_t root[32];
	struct run_line r;

	for (uint64_t size = 1; size <= MOST; size++) {
		root_of(size, root);
		for (uint64_t first = 0; first < size; first++)
			for (uint64_t last = first; last < size; last++) {
				make(&r, first, last, size);
				ck_assert(holds(&r, size, root));
			}
	}
}
END_TEST

START_TEST(no_root_beside_it_may_be_another_or_missing)
{
	uint8_t root[32];
	struct run_line r, bad;

	root_of(29, root);
	make(&r, 7, 12, 29);
	ck_assert_uint_eq(r.n_left, 3);
	for (size_t i = 0; i < r.n_left + r.n_right; i++) {
		bad = r;
		(i < r.n_left ? bad.left[i] : bad.right[i - r.n_left])[5] ^= 1;
		ck_assert(!holds(&bad, 29, root));
	}
	bad = r;
	bad.n_left--;
	ck_assert(!holds(&bad, 29, root));
	bad = r;
	bad.n_right++;
	ck_assert(!holds(&bad, 29, root));
	ck_assert(!holds(&r, 28, root));
	ck_assert(!holds(&r, 12, root)); /* it ends beyond that tree */
}
END_TEST

START_TEST(leaves_come_in_order_and_all_of_them)
{
	uint8_t root[32];
	struct run_line r;
	struct runtree t;

	root_of(20, root);
	make(&r, 4, 9, 20);
	ck_assert(runtree_begin(&t, &r, 20));
	ck_assert(!runtree_add(&t, h, 5, leaf[5]));
	ck_assert(runtree_add(&t, h, 4, leaf[4]));
	ck_assert(!runtree_end(&t, h, root));
}
END_TEST

START_TEST(a_run_from_the_first_entry_knows_older_roots)
{
	uint8_t root[32], got[32];
	struct run_line r;
	struct runtree t = {.open = false};

	ck_assert(!runtree_root_so_far(&t, h, got));
	make(&r, 0, 19, 30);
	ck_assert(runtree_begin(&t, &r, 30));
	for (uint64_t i = 0; i < 20; i++) {
		ck_assert(runtree_add(&t, h, i, leaf[i]));
		root_of(i + 1, root);
		ck_assert(runtree_root_so_far(&t, h, got));
		ck_assert_mem_eq(got, root, 32);
	}
	make(&r, 1, 19, 30);
	ck_assert(runtree_begin(&t, &r, 30));
	ck_assert(runtree_add(&t, h, 1, leaf[1]));
	ck_assert(!runtree_root_so_far(&t, h, got));
}
END_TEST

START_TEST(consistency_proofs_are_as_long_as_they_are)
{
	uint8_t proof[64][32];
	size_t n;

	for (uint64_t to = 1; to <= MOST; to++)
		for (uint64_t from = 1; from <= to; from++) {
			ck_assert_int_eq(merkle_consistency(h, node, NULL, from, to, proof, &n), 0);
			ck_assert_uint_eq(runtree_consistency_length(from, to), n);
		}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_run_of_every_tree_leads_to_its_root,
		no_root_beside_it_may_be_another_or_missing,
		leaves_come_in_order_and_all_of_them,
		a_run_from_the_first_entry_knows_older_roots,
		consistency_proofs_are_as_long_as_they_are,
	};
	int failed;

	h = sha256_new();
	for (size_t i = 0; i < MOST; i++)
		memset(leaf[i], (int)i + 1, 32);
	failed = suite_run("runtree", tests, sizeof tests / sizeof *tests, 120);
	sha256_free(h);
	return failed;
}
