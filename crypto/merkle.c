/*
 * A path from a node up to the root meets, below the height where it parts from
 * the path of the last leaf, one sibling at each height; the topmost of these,
 * on the right border, may be ragged (not perfect). Above, the node lies on the
 * border itself and only its left siblings count.
 */
#include "crypto/merkle.h"

#include <string.h>

#include "proto/check.h"
#include "proto/err.h"

static unsigned
bit_length(uint64_t v)
{
	return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

void
merkle_frontier_init(struct merkle_frontier *f)
{
	f->size = 0;
}

void
merkle_frontier_copy(struct merkle_frontier *dst, const struct merkle_frontier *src)
{
	dst->size = src->size;
	for (uint64_t bits = src->size; bits; bits &= bits - 1) {
		int k = __builtin_ctzll(bits);
		memcpy(dst->node[k], src->node[k], SHA256_BYTES);
	}
}

void
merkle_frontier_append(struct sha256 *h, struct merkle_frontier *f,
		       const uint8_t leaf[SHA256_BYTES])
{
	uint8_t node[SHA256_BYTES];
	unsigned k = 0;

	CHECK(f->size < 1ull << 63);
	memcpy(node, leaf, sizeof node);
	for (; f->size >> k & 1; k++)
		sha256_node(h, node, f->node[k], node);
	memcpy(f->node[k], node, sizeof node);
	f->size++;
}

void
merkle_frontier_root(struct sha256 *h, const struct merkle_frontier *f, uint8_t out[SHA256_BYTES])
{
	uint64_t bits = f->size;

	if (bits == 0) {
		sha256_hash(h, out, slice_of(NULL, 0));
		return;
	}
	memcpy(out, f->node[__builtin_ctzll(bits)], SHA256_BYTES);
	while (bits &= bits - 1)
		sha256_node(h, out, f->node[__builtin_ctzll(bits)], out);
}

int
merkle_verify_inclusion(struct sha256 *h, const uint8_t root[SHA256_BYTES], uint64_t index,
			uint64_t size, const uint8_t leaf_hash[SHA256_BYTES],
			const uint8_t (*proof)[SHA256_BYTES], size_t n)
{
	uint64_t fn = index, sn = size - 1; /* the names of the RFC */
	uint8_t r[SHA256_BYTES];

	if (index >= size)
		return STELE_EVERIFY;
	memcpy(r, leaf_hash, sizeof r);
	for (size_t i = 0; i < n; i++) {
		if (sn == 0)
			return STELE_EVERIFY;
		if ((fn & 1) || fn == sn) {
			sha256_node(h, r, proof[i], r);
			while (fn && !(fn & 1)) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			sha256_node(h, r, r, proof[i]);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && memcmp(r, root, sizeof r) == 0 ? 0 : STELE_EVERIFY;
}

/*
 * RFC 9162 section 2.1.4.2 steps 5 to 7: from the node both trees share, fr goes
 * up to the first root, sr to the second.
 */
static int
verify_common(struct sha256 *h, uint64_t from, const uint8_t root1[SHA256_BYTES], uint64_t to,
	      const uint8_t root2[SHA256_BYTES], const uint8_t start[SHA256_BYTES],
	      const uint8_t (*proof)[SHA256_BYTES], size_t n)
{
	unsigned shift = (unsigned)__builtin_ctzll(from);
	uint64_t fn = (from - 1) >> shift, sn = (to - 1) >> shift;
	uint8_t fr[SHA256_BYTES], sr[SHA256_BYTES];

	memcpy(fr, start, sizeof fr);
	memcpy(sr, start, sizeof sr);
	for (size_t i = 0; i < n; i++) {
		if (sn == 0)
			return STELE_EVERIFY;
		if ((fn & 1) || fn == sn) {
			sha256_node(h, fr, proof[i], fr);
			sha256_node(h, sr, proof[i], sr);
			while (fn && !(fn & 1)) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			sha256_node(h, sr, sr, proof[i]);
		}
		fn >>= 1;
		sn >>= 1;
	}
	if (sn != 0 || memcmp(fr, root1, sizeof fr) != 0 || memcmp(sr, root2, sizeof sr) != 0)
		return STELE_EVERIFY;
	return 0;
}

int
merkle_verify_consistency(struct sha256 *h, uint64_t from, const uint8_t root1[SHA256_BYTES],
			  uint64_t to, const uint8_t root2[SHA256_BYTES],
			  const uint8_t (*proof)[SHA256_BYTES], size_t n)
{
	if (from == 0 || from > to)
		return STELE_EVERIFY;
	if (from == to)
		return n == 0 && memcmp(root1, root2, SHA256_BYTES) == 0 ? 0 : STELE_EVERIFY;
	if (n == 0)
		return STELE_EVERIFY;
	if ((from & (from - 1)) == 0) /* the first tree is itself a node of the second */
		return verify_common(h, from, root1, to, root2, root1, proof, n);
	return verify_common(h, from, root1, to, root2, proof[0], proof + 1, n - 1);
}

/* out = root of the leaves [start, end), start < end, start a multiple of a power of 2 >= them. */
static int
range_root(struct sha256 *h, merkle_node_fn *fn, void *ctx, uint64_t start, uint64_t end,
	   uint8_t out[SHA256_BYTES])
{
	uint8_t acc[SHA256_BYTES], left[SHA256_BYTES];
	uint64_t bits = end - start;
	int first = 1, r;

	for (; bits; bits &= bits - 1) {
		unsigned k = (unsigned)__builtin_ctzll(bits);
		uint64_t index = (start >> k) + ((end - start) >> k) - 1;

		r = fn(ctx, k, index, first ? acc : left);
		if (r != 0)
			return r;
		if (!first)
			sha256_node(h, acc, left, acc);
		first = 0;
	}
	memcpy(out, acc, sizeof acc);
	return 0;
}

/*
 * Appends to proof, at *n, the siblings from the perfect node (height, index) up
 * to the root of the tree of size leaves.
 */
static int
path(struct sha256 *h, merkle_node_fn *fn, void *ctx, unsigned height, uint64_t index,
     uint64_t size, uint8_t proof[LIMIT_PROOF_HASHES][SHA256_BYTES], size_t *n)
{
	uint64_t last = (size - 1) >> height;
	int r = 0;

	for (; last && r == 0; height++, index >>= 1, last >>= 1) {
		CHECK(*n < LIMIT_PROOF_HASHES);
		if (index & 1)
			r = fn(ctx, height, index - 1, proof[(*n)++]);
		else if (index + 1 < last)
			r = fn(ctx, height, index + 1, proof[(*n)++]);
		else if (index + 1 == last)
			r = range_root(h, fn, ctx, last << height, size, proof[(*n)++]);
	}
	return r;
}

int
merkle_inclusion(struct sha256 *h, merkle_node_fn *fn, void *ctx, uint64_t index, uint64_t size,
		 uint8_t proof[LIMIT_PROOF_HASHES][SHA256_BYTES], size_t *n)
{
	size_t count = 0;
	int r;

	if (index >= size)
		return STELE_EINVAL;
	r = path(h, fn, ctx, 0, index, size, proof, &count);
	if (r == 0)
		*n = count;
	return r;
}

/*
 * The largest perfect subtree that ends where the first tree ends is the node
 * both share; it is left out when it is the whole first tree, whose root the
 * verifier has.
 */
int
merkle_consistency(struct sha256 *h, merkle_node_fn *fn, void *ctx, uint64_t from, uint64_t to,
		   uint8_t proof[LIMIT_PROOF_HASHES][SHA256_BYTES], size_t *n)
{
	unsigned height;
	size_t count = 0;
	int r = 0;

	if (from == 0 || from > to)
		return STELE_EINVAL;
	if (from == to) {
		*n = 0;
		return 0;
	}
	height = (unsigned)__builtin_ctzll(from);
	if (bit_length(from) - 1 != height)
		r = fn(ctx, height, (from - 1) >> height, proof[count++]);
	if (r == 0)
		r = path(h, fn, ctx, height, (from - 1) >> height, to, proof, &count);
	if (r == 0)
		*n = count;
	return r;
}

int
merkle_root_at(struct sha256 *h, merkle_node_fn *fn, void *ctx, uint64_t size,
	       uint8_t out[SHA256_BYTES])
{
	if (size == 0) {
		sha256_hash(h, out, slice_of(NULL, 0));
		return 0;
	}
	return range_root(h, fn, ctx, 0, size, out);
}
