/* crypto/merkle against the published vectors and the RFC's recursive definitions. */
#include "crypto/merkle.h"

#include <check.h>
#include <jansson.h>

#include "proto/base64.h"
#include "proto/err.h"
#include "tests/unit/shared.h"
#include "tests/unit/tree.h"

typedef uint8_t hash[SHA256_BYTES];

static struct sha256 *h;

/* xorshift64*: the same trees in every run. */
static uint64_t
next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ull;
}

/*
 * A hash of a vector: 0 when it cannot be one. Some vectors use short strings as
 * roots; they keep their meaning (equal or not) padded with zeros. An empty
 * string is no hash at all.
 */
static int
vector_hash(json_t *v, uint8_t out[SHA256_BYTES])
{
	const char *s = json_string_value(v);
	size_t n;

	memset(out, 0, SHA256_BYTES);
	return s && *s && base64_decode(out, SHA256_BYTES, &n, slice_str(s)) == 0;
}

/* The vector's proof: 0 when one of its hashes is not 32 bytes. */
static int
vector_proof(json_t *v, hash proof[LIMIT_PROOF_HASHES], size_t *n)
{
	size_t i;
	json_t *e;

	*n = 0;
	json_array_foreach(json_object_get(v, "proof"), i, e)
	{
		ck_assert_uint_lt(*n, LIMIT_PROOF_HASHES);
		if (base64_decode_exact(proof[(*n)++], SHA256_BYTES,
					slice_str(json_string_value(e))) != 0)
			return 0;
	}
	return 1;
}

/* run_vectors put null for 2^64 - 1. */
static uint64_t
vector_u64(json_t *v, const char *name)
{
	json_t *m = json_object_get(v, name);

	return json_is_integer(m) ? (uint64_t)json_integer_value(m) : UINT64_MAX;
}

static int
vector_inclusion(json_t *v)
{
	hash proof[LIMIT_PROOF_HASHES], root, leaf;
	size_t n;

	if (!vector_proof(v, proof, &n) || !vector_hash(json_object_get(v, "root"), root) ||
	    !vector_hash(json_object_get(v, "leafHash"), leaf))
		return STELE_ESYNTAX;
	return merkle_verify_inclusion(h, root, vector_u64(v, "leafIdx"), vector_u64(v, "treeSize"),
				       leaf, (const hash *)proof, n);
}

static int
vector_consistency(json_t *v)
{
	hash proof[LIMIT_PROOF_HASHES], root1, root2;
	size_t n;

	if (!vector_proof(v, proof, &n) || !vector_hash(json_object_get(v, "root1"), root1) ||
	    !vector_hash(json_object_get(v, "root2"), root2))
		return STELE_ESYNTAX;
	return merkle_verify_consistency(h, vector_u64(v, "size1"), root1, vector_u64(v, "size2"),
					 root2, (const hash *)proof, n);
}

static void
run_vectors(const char *name, int (*verify)(json_t *))
{
	FILE *f = shared_open(name);
	static char line[65536];
	int ran = 0;

	if (!f)
		return;
	while (fgets(line, sizeof line, f)) {
		char *max = strstr(line, "18446744073709551615");
		json_t *v;
		int want_err;

		if (max) /* more than jansson reads as an integer */
			memcpy(max, "null                ", 20);
		v = json_loads(line, 0, NULL);
		ck_assert_ptr_nonnull(v);
		want_err = json_is_true(json_object_get(v, "wantErr"));
		ck_assert_msg((verify(v) != 0) == want_err, "%s",
			      json_string_value(json_object_get(v, "name")));
		json_decref(v);
		ran++;
	}
	fclose(f);
	ck_assert_int_ge(ran, 98);
}

START_TEST(published_vectors_are_accepted_or_refused_as_they_say)
{
	run_vectors("vectors/merkle-inclusion.ndjson", vector_inclusion);
	run_vectors("vectors/merkle-consistency.ndjson", vector_consistency);
}
END_TEST

START_TEST(the_empty_tree_has_the_hash_of_nothing)
{
	static const uint8_t head[4] = {0xe3, 0xb0, 0xc4, 0x42};
	struct merkle_frontier f;
	hash root;

	merkle_frontier_init(&f);
	merkle_frontier_root(h, &f, root);
	ck_assert_mem_eq(root, head, sizeof head);
	ck_assert_int_eq(merkle_root_at(h, tree_node, NULL, 0, root), 0);
	ck_assert_mem_eq(root, head, sizeof head);
}
END_TEST

START_TEST(the_frontier_has_every_root_on_the_way)
{
	struct merkle_frontier f, copy;
	struct tree t;
	hash want, got;

	tree_init(&t, h, 1100, 1);
	merkle_frontier_init(&f);
	for (size_t n = 0; n <= t.size; n++) {
		tree_mth(&t, 0, n, want);
		memset(&copy, 0xee, sizeof copy);
		merkle_frontier_copy(&copy, &f);
		merkle_frontier_root(h, &copy, got);
		ck_assert_mem_eq(want, got, sizeof want);
		ck_assert_int_eq(merkle_root_at(h, tree_node, &t, n, got), 0);
		ck_assert_mem_eq(want, got, sizeof want);
		if (n < t.size)
			merkle_frontier_append(h, &f, t.level[0][n]);
	}
	tree_fini(&t);
}
END_TEST

/* Which sides the siblings of a leaf lie on: the shape that a proof must have. */
static uint64_t
shape(uint64_t index, uint64_t size)
{
	uint64_t s = 1, last = size - 1;

	if (index >= size)
		return 0;
	for (; last; index >>= 1, last >>= 1) {
		if (index & 1)
			s = s << 1 | 1;
		else if (index < last)
			s <<= 1;
	}
	return s;
}

static int
verify_at(struct tree *t, const hash root, uint64_t index, uint64_t size, const hash *proof,
	  size_t n)
{
	return merkle_verify_inclusion(h, root, index, size, t->level[0][index < size ? index : 0],
				       proof, n);
}

/* Every bit of everything that goes into the verification, one at a time. */
static void
flip_inclusion(const hash root_in, uint64_t index, uint64_t size, const hash leaf_in,
	       const hash *proof_in, size_t n)
{
	hash proof[LIMIT_PROOF_HASHES + 1], root, leaf;
	const hash *p = (const hash *)proof;

	memcpy(root, root_in, sizeof root);
	memcpy(leaf, leaf_in, sizeof leaf);
	memset(proof, 0, sizeof proof);
	memcpy(proof, proof_in, n * sizeof *proof);
	for (size_t bit = 0; bit < n * 256; bit += 1 + bit % 7) {
		proof[bit / 256][bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_ne(merkle_verify_inclusion(h, root, index, size, leaf, p, n), 0);
		proof[bit / 256][bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 256; bit++) {
		root[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_ne(merkle_verify_inclusion(h, root, index, size, leaf, p, n), 0);
		root[bit / 8] ^= (uint8_t)(1 << bit % 8);
		leaf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_ne(merkle_verify_inclusion(h, root, index, size, leaf, p, n), 0);
		leaf[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		uint64_t other = size ^ 1ull << bit;
		int same = shape(index, other) == shape(index, size);

		ck_assert_int_ne(
			merkle_verify_inclusion(h, root, index ^ 1ull << bit, size, leaf, p, n), 0);
		ck_assert_int_eq(merkle_verify_inclusion(h, root, index, other, leaf, p, n),
				 same ? 0 : STELE_EVERIFY);
	}
	ck_assert_int_ne(merkle_verify_inclusion(h, root, index, size, leaf, p, n + 1), 0);
	if (n)
		ck_assert_int_ne(merkle_verify_inclusion(h, root, index, size, leaf, p, n - 1), 0);
	ck_assert_int_eq(merkle_verify_inclusion(h, root, index, size, leaf, p, n), 0);
}

START_TEST(every_inclusion_proof_is_the_rfcs_and_no_other_verifies)
{
	static const size_t chosen[] = {1, 2, 3, 4, 5, 7, 8, 9, 31, 100, 255, 256, 257, 1000};
	uint64_t rnd = 88172645463325252ull;

	for (size_t c = 0; c < 24; c++) {
		size_t size = c < 14 ? chosen[c] : 1 + next(&rnd) % 5000, n, want_n;
		hash proof[LIMIT_PROOF_HASHES], want[LIMIT_PROOF_HASHES], root;
		struct tree t;

		tree_init(&t, h, size, c);
		tree_mth(&t, 0, size, root);
		for (size_t i = 0; i < size; i++) {
			ck_assert_int_eq(merkle_inclusion(h, tree_node, &t, i, size, proof, &n), 0);
			want_n = 0;
			tree_path(&t, i, 0, size, want, &want_n);
			ck_assert_uint_eq(n, want_n);
			ck_assert_mem_eq(proof, want, n * sizeof *proof);
			ck_assert_int_eq(verify_at(&t, root, i, size, (const hash *)proof, n), 0);
			if (i == 0 || i == size - 1 || next(&rnd) % size < 4)
				flip_inclusion(root, i, size, t.level[0][i], (const hash *)proof,
					       n);
		}
		n = 77;
		ck_assert_int_eq(merkle_inclusion(h, tree_node, &t, size, size, proof, &n),
				 STELE_EINVAL);
		ck_assert_uint_eq(n, 77);
		tree_fini(&t);
	}
}
END_TEST

static void
flip_consistency(uint64_t from, const hash r1, uint64_t to, const hash r2, const hash *proof_in,
		 size_t n)
{
	hash proof[LIMIT_PROOF_HASHES + 1], root1, root2;
	const hash *p = (const hash *)proof;

	memcpy(root1, r1, sizeof root1);
	memcpy(root2, r2, sizeof root2);
	memset(proof, 0, sizeof proof);
	memcpy(proof, proof_in, n * sizeof *proof);
	for (size_t bit = 0; bit < n * 256; bit += 1 + bit % 31) {
		proof[bit / 256][bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_ne(merkle_verify_consistency(h, from, root1, to, root2, p, n), 0);
		proof[bit / 256][bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < 256; bit += 5) {
		root1[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_ne(merkle_verify_consistency(h, from, root1, to, root2, p, n), 0);
		root1[bit / 8] ^= (uint8_t)(1 << bit % 8);
		root2[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_ne(merkle_verify_consistency(h, from, root1, to, root2, p, n), 0);
		root2[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_int_ne(merkle_verify_consistency(h, from, root1, to, root2, p, n + 1), 0);
	if (n)
		ck_assert_int_ne(merkle_verify_consistency(h, from, root1, to, root2, p, n - 1), 0);
	ck_assert_int_ne(merkle_verify_consistency(h, to + 1, root2, to, root1, p, n), 0);
	ck_assert_int_ne(merkle_verify_consistency(h, 0, root1, to, root2, p, n), 0);
	ck_assert_int_eq(merkle_verify_consistency(h, from, root1, to, root2, p, n), 0);
}

static void
check_consistency(struct tree *t, size_t from, size_t to, int flip)
{
	hash proof[LIMIT_PROOF_HASHES], want[LIMIT_PROOF_HASHES], root1, root2;
	size_t n = 77, want_n = 0;

	tree_mth(t, 0, from, root1);
	tree_mth(t, 0, to, root2);
	ck_assert_int_eq(merkle_consistency(h, tree_node, t, from, to, proof, &n), 0);
	tree_subproof(t, from, 0, to, 1, want, &want_n);
	ck_assert_uint_eq(n, want_n);
	ck_assert_mem_eq(proof, want, n * sizeof *proof);
	ck_assert_int_eq(
		merkle_verify_consistency(h, from, root1, to, root2, (const hash *)proof, n), 0);
	if (flip)
		flip_consistency(from, root1, to, root2, (const hash *)proof, n);
}

START_TEST(every_consistency_proof_is_the_rfcs_and_no_other_verifies)
{
	uint64_t rnd = 1234567;
	struct tree t;
	size_t n = 77;
	hash proof[LIMIT_PROOF_HASHES];

	tree_init(&t, h, 5000, 3);
	for (size_t to = 1; to <= 200; to++) {
		for (size_t from = 1; from <= to; from++)
			check_consistency(&t, from, to, (from * 7 + to) % 53 == 0);
	}
	for (int i = 0; i < 4000; i++) {
		size_t to = 1 + next(&rnd) % 5000;
		check_consistency(&t, 1 + next(&rnd) % to, to, i % 50 == 0);
	}
	ck_assert_int_eq(merkle_consistency(h, tree_node, &t, 0, 5, proof, &n), STELE_EINVAL);
	ck_assert_int_eq(merkle_consistency(h, tree_node, &t, 6, 5, proof, &n), STELE_EINVAL);
	ck_assert_uint_eq(n, 77);
	tree_fini(&t);
}
END_TEST

/* A claimed size that differs in one bit: the shapes say which proofs may still fit. */
START_TEST(a_consistency_proof_for_another_first_size_is_refused)
{
	hash proof[LIMIT_PROOF_HASHES], root1, root2;
	struct tree t;
	size_t n;

	tree_init(&t, h, 300, 4);
	for (size_t to = 2; to <= 300; to += 7) {
		for (size_t from = 1; from < to; from += 3) {
			tree_mth(&t, 0, from, root1);
			tree_mth(&t, 0, to, root2);
			ck_assert_int_eq(merkle_consistency(h, tree_node, &t, from, to, proof, &n),
					 0);
			for (size_t other = 1; other <= to; other++) {
				int r = merkle_verify_consistency(h, other, root1, to, root2,
								  (const hash *)proof, n);
				ck_assert_int_eq(r == 0, other == from);
			}
		}
	}
	tree_fini(&t);
}
END_TEST

/* Roots made to fit when a verifier goes on hashing after it reached the top. */
START_TEST(hashes_beyond_the_top_are_refused_even_when_they_lead_to_the_root)
{
	hash l[5], root1, root2, proof[4]; /* start, its sibling, its left, one too many */

	for (unsigned char i = 0; i < 5; i++)
		sha256_leaf(h, l[i], slice_of(&i, 1));
	sha256_node(h, root2, l[0], l[1]);
	ck_assert_int_eq(merkle_verify_inclusion(h, root2, 0, 1, l[1], (const hash *)&l[0], 1),
			 STELE_EVERIFY);
	memcpy(proof[0], l[2], sizeof *proof);
	memcpy(proof[1], l[3], sizeof *proof);
	memcpy(proof[2], l[1], sizeof *proof);
	memcpy(proof[3], l[4], sizeof *proof);
	sha256_node(h, root1, proof[2], proof[0]);
	sha256_node(h, root2, proof[0], proof[1]);
	sha256_node(h, root2, proof[2], root2);
	ck_assert_int_eq(merkle_verify_consistency(h, 3, root1, 4, root2, (const hash *)proof, 3),
			 0);
	sha256_node(h, root1, proof[3], root1);
	sha256_node(h, root2, proof[3], root2);
	ck_assert_int_eq(merkle_verify_consistency(h, 3, root1, 4, root2, (const hash *)proof, 4),
			 STELE_EVERIFY);
}
END_TEST

static int
failing_node(void *ctx, unsigned height, uint64_t index, uint8_t out[SHA256_BYTES])
{
	int *countdown = ctx;

	(void)height;
	(void)index;
	memset(out, 0, SHA256_BYTES);
	return (*countdown)-- == 0 ? STELE_EDAMAGED : 0;
}

START_TEST(a_failing_source_ends_the_construction_with_its_error)
{
	hash proof[LIMIT_PROOF_HASHES], root;
	size_t n = 77;

	for (int at = 0; at < 5; at++) {
		int c = at;
		ck_assert_int_eq(merkle_inclusion(h, failing_node, &c, 9, 1000, proof, &n),
				 STELE_EDAMAGED);
		c = at;
		ck_assert_int_eq(merkle_consistency(h, failing_node, &c, 700, 1000, proof, &n),
				 STELE_EDAMAGED);
		c = at;
		ck_assert_int_eq(merkle_root_at(h, failing_node, &c, 1000, root), STELE_EDAMAGED);
	}
	ck_assert_uint_eq(n, 77);
}
END_TEST

/* A tree whose leaves are all alike: a perfect node depends on its height only. */
static hash alike[64];

static int
alike_node(void *ctx, unsigned height, uint64_t index, uint8_t out[SHA256_BYTES])
{
	uint64_t size = *(uint64_t *)ctx;

	ck_assert_uint_lt(index, size >> height);
	memcpy(out, alike[height], SHA256_BYTES);
	return 0;
}

static void
check_alike(uint64_t size, uint64_t *rnd)
{
	hash proof[LIMIT_PROOF_HASHES], root, root1;
	struct merkle_frontier f = {.size = size};
	size_t n;

	for (unsigned k = 0; k < 64; k++)
		memcpy(f.node[k], alike[k], sizeof *alike);
	merkle_frontier_root(h, &f, root1);
	ck_assert_int_eq(merkle_root_at(h, alike_node, &size, size, root), 0);
	ck_assert_mem_eq(root, root1, sizeof root);
	for (int i = 0; i < 200; i++) {
		uint64_t index = i < 100   ? next(rnd) % size
				 : i < 150 ? (uint64_t)i
					   : size - 1 - (uint64_t)i;
		uint64_t from = index + 1;

		ck_assert_int_eq(merkle_inclusion(h, alike_node, &size, index, size, proof, &n), 0);
		ck_assert_uint_le(n, 63);
		ck_assert_int_eq(merkle_verify_inclusion(h, root, index, size, alike[0],
							 (const hash *)proof, n),
				 0);
		ck_assert_int_eq(merkle_root_at(h, alike_node, &size, from, root1), 0);
		ck_assert_int_eq(merkle_consistency(h, alike_node, &size, from, size, proof, &n),
				 0);
		ck_assert_int_eq(merkle_verify_consistency(h, from, root1, size, root,
							   (const hash *)proof, n),
				 0);
	}
}

START_TEST(the_arithmetic_holds_up_to_the_largest_trees)
{
	uint64_t rnd = 42;

	sha256_leaf(h, alike[0], slice_str("the same"));
	for (unsigned k = 1; k < 64; k++)
		sha256_node(h, alike[k], alike[k - 1], alike[k - 1]);
	for (int d = -2; d <= 2; d++) {
		check_alike((1ull << 32) + (uint64_t)d, &rnd);
		check_alike(LIMIT_TREE_SIZE + (uint64_t)d, &rnd);
	}
	for (int i = 0; i < 20; i++)
		check_alike(LIMIT_TREE_SIZE - next(&rnd) % LIMIT_TREE_SIZE / 2, &rnd);
	check_alike((1ull << 63) - 1, &rnd);
	check_alike(1ull << 63, &rnd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("merkle");
	TCase *t = tcase_create("merkle");
	SRunner *r = srunner_create(s);
	int failed;

	h = sha256_new();
	if (!h)
		return 1;
	suite_add_tcase(s, t);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, published_vectors_are_accepted_or_refused_as_they_say);
	tcase_add_test(t, the_empty_tree_has_the_hash_of_nothing);
	tcase_add_test(t, the_frontier_has_every_root_on_the_way);
	tcase_add_test(t, every_inclusion_proof_is_the_rfcs_and_no_other_verifies);
	tcase_add_test(t, every_consistency_proof_is_the_rfcs_and_no_other_verifies);
	tcase_add_test(t, a_consistency_proof_for_another_first_size_is_refused);
	tcase_add_test(t, hashes_beyond_the_top_are_refused_even_when_they_lead_to_the_root);
	tcase_add_test(t, a_failing_source_ends_the_construction_with_its_error);
	tcase_add_test(t, the_arithmetic_holds_up_to_the_largest_trees);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	sha256_free(h);
	return failed != 0;
}
