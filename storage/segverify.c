/*
 * A segment against itself and the tree before it. What is checked here was
 * computed elsewhere from the same records: nothing stored is taken on trust.
 */
#include <string.h>

#include "proto/err.h"
#include "storage/segbuild.h"
#include "storage/segfile.h"
#include "storage/segseal.h"
#include "storage/segterms.h"
#include "storage/tiletree.h"
#include "storage/toolbox.h"

struct verify {
	struct segment *s;
	const struct segment_facts *facts;
	struct toolbox *t;
	struct buf *why;
	struct slice origin;
	uint8_t prev[32];
	uint64_t ctl, payload_bytes, purged;
	int64_t time_ns;
	uint8_t leaves[SEGMENT_TILE][32]; /* of the tile so far, computed */
	struct merkle_frontier tree;
};

static int
wrong(struct verify *v, uint64_t index, const char *what)
{
	buf_printf(v->why, "record %llu: %s", (unsigned long long)index, what);
	return STELE_EDAMAGED;
}

/* The leaves of the tile so far into the tree; the nodes of height 4 of a full one. */
static int
end_tile(struct verify *v, uint64_t index)
{
	uint32_t n = (uint32_t)(index % SEGMENT_TILE) + 1;
	uint8_t nodes[16][32], stored[16][32];
	int err;

	if (n < SEGMENT_TILE) {
		for (uint32_t i = 0; i < n; i++)
			merkle_frontier_append(v->t->sha, &v->tree, v->leaves[i]);
		return 0;
	}
	tiletree_nodes(v->t->sha, (const uint8_t(*)[32])v->leaves, nodes);
	tiletree_append(v->t->sha, &v->tree, (const uint8_t(*)[32])nodes);
	err = segment_nodes(v->s, index / SEGMENT_TILE, stored);
	if (err == 0 && memcmp(nodes, stored, sizeof nodes) != 0)
		err = wrong(v, index, "the tile that ends with it has other nodes");
	return err;
}

static int
check_record(void *ctx, uint64_t index, const struct segment_record *r)
{
	struct verify *v = ctx;
	uint8_t *leaf = v->leaves[index % SEGMENT_TILE];
	char text[LIMIT_ENTRY_BYTES];
	struct entry e;
	int n;

	segment_entry(&e, v->origin, index, v->prev, r);
	n = entry_write(text, sizeof text, &e);
	if (n < 0)
		return wrong(v, index, "its columns are those of no entry");
	sha256_leaf(v->t->sha, leaf, slice_of(text, (size_t)n));
	if (memcmp(leaf, r->leaf, 32) != 0)
		return wrong(v, index, "payload, salt or columns are not what its entry hash says");
	if (index == v->facts->first)
		v->ctl = r->ctl;
	if (r->ctl != v->ctl)
		return wrong(v, index, "it does not point to the control entry before it");
	if (r->time_ns < v->time_ns || (index == v->facts->first && r->time_ns != v->time_ns))
		return wrong(v, index, "its time is before that of the entry before it");
	if (r->kind != ENTRY_RECORD)
		v->ctl = index;
	v->time_ns = r->time_ns;
	v->payload_bytes += r->size;
	v->purged += r->gone;
	memcpy(v->prev, leaf, 32);
	if (index % SEGMENT_TILE == SEGMENT_TILE - 1 ||
	    index + 1 == v->facts->first + v->facts->count)
		return end_tile(v, index);
	return 0;
}

static int
check_end(struct verify *v)
{
	const struct segment_facts *f = v->facts;
	uint8_t root[32];

	merkle_frontier_root(v->t->sha, &v->tree, root);
	if (memcmp(root, f->root, 32) != 0 || memcmp(v->prev, f->last, 32) != 0) {
		buf_put_str(v->why, "its entries do not lead to the root and the last entry that "
				    "its manifest says");
		return STELE_EDAMAGED;
	}
	if (v->ctl != f->ctl || v->time_ns != f->last_time_ns ||
	    v->payload_bytes != f->payload_bytes || v->purged != f->purged) {
		buf_put_str(v->why, "control entry, time, payload bytes or number of purged "
				    "records are not what its manifest says");
		return STELE_EDAMAGED;
	}
	return 0;
}

struct key_order {
	bool any;
	uint8_t digest[16];
	uint64_t index;
};

static int
check_key(void *ctx, const uint8_t digest[16], uint64_t index)
{
	struct key_order *k = ctx;
	int order = k->any ? memcmp(k->digest, digest, 16) : -1;

	if (order > 0 || (order == 0 && k->index >= index))
		return STELE_EDAMAGED;
	k->any = true;
	memcpy(k->digest, digest, 16);
	k->index = index;
	return 0;
}

/* The hash of each stream, which the manifest has beside that of the file. */
static int
check_parts(struct verify *v)
{
	const struct segfile *f = segment_file(v->s);
	uint8_t hash[32];

	for (int part = 0; part < SEGMENT_PARTS; part++) {
		uint64_t left = segfile_bytes(f, (enum segment_part)part), at = 0;
		sha256_begin(v->t->sha);
		while (left) {
			size_t n = left < SEGFILE_CHUNK ? (size_t)left : SEGFILE_CHUNK;
			int err = segfile_read(f, (enum segment_part)part, at, n,
					       &v->t->segment.joined);
			if (err != 0)
				return err;
			sha256_update(v->t->sha, buf_slice(&v->t->segment.joined));
			at += n;
			left -= n;
		}
		sha256_end(v->t->sha, hash);
		if (memcmp(hash, v->facts->part[part], 32) != 0) {
			buf_printf(v->why, "stream %d is not what its manifest says", part);
			return STELE_EDAMAGED;
		}
	}
	return 0;
}

int
segment_verify(struct segment *s, const struct merkle_frontier *before, struct toolbox *t,
	       struct buf *why)
{
	const struct segment_facts *f = segment_facts(s);
	struct verify v = {.s = s, .facts = f, .t = t, .why = why};
	struct key_order keys = {0};
	int err;

	if (before->size != f->first)
		return STELE_EINVAL;
	v.origin = slice_str(f->origin);
	v.time_ns = f->first_time_ns;
	memcpy(v.prev, f->prev, 32);
	merkle_frontier_copy(&v.tree, before);
	err = segment_each(s, f->first, f->first + f->count, true, t, check_record, &v);
	if (err == STELE_EDAMAGED && why->n == 0)
		buf_printf(why, "a block behind record %llu cannot be decrypted or unpacked",
			   (unsigned long long)(f->first + v.tree.size - before->size));
	if (err == 0)
		err = check_end(&v);
	if (err == 0)
		err = check_parts(&v);
	if (err != 0)
		return err;
	err = segment_keys(s, check_key, &keys);
	if (err != 0) {
		buf_put_str(why, "its idempotency digests are not in order");
		return err;
	}
	return segterms_verify(s, t, why);
}
