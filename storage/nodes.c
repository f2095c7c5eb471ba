/*
 * Nodes of a log's tree, from memory or, for the entry hashes of full tiles, from
 * segments and WAL; checked against the level above before anyone sees them.
 */
#include <string.h>

#include "crypto/merkle.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "storage/internal.h"
#include "storage/locate.h"
#include "storage/read.h"

/* Entry hashes from index `at` on, up to `end`, that lie together; *n is their number. */
static int
read_some(struct log *log, uint64_t at, uint64_t end, const struct location *l, struct toolbox *t,
	  uint8_t out[][32], uint64_t *n)
{
	uint64_t first = l->sealed ? l->segment.first : l->extent.first;
	uint64_t count = l->sealed ? l->segment.count : l->extent.count;
	struct wal_pos pos = l->extent.at;
	struct segment *segment;
	int err;

	*n = first + count < end ? first + count - at : end - at;
	if (!l->sealed) {
		pos.offset += l->extent.leaves_at + (at - first) * 32;
		return wal_read(log->store->wal, pos, out, *n * 32);
	}
	err = location_open(log, l, t, &segment);
	if (err != 0)
		return err;
	err = segment_leaves(segment, at, (uint32_t)*n, out);
	segment_unref(segment);
	return err;
}

/* Entry hashes [first, first + TREE_TILE), from wherever they lie; *moved: some moved meanwhile. */
static int
read_leaves(struct log *log, uint64_t first, struct toolbox *t, uint8_t out[TREE_TILE][32],
	    bool *moved)
{
	uint64_t at = first, end = first + TREE_TILE, n = 0;
	int err = 0;

	*moved = false;
	for (; err == 0 && at < end; at += n) {
		struct location l;
		locate(log, at, &l);
		err = l.found ? read_some(log, at, end, &l, t, out + (at - first), &n)
			      : STELE_EDAMAGED;
		*moved |= location_moved(log, at, &l);
	}
	return err;
}

/* Hashes that memory holds of a tile, copied; their number. *root is set for full tiles. */
static unsigned
memory_hashes(struct log *log, unsigned level, uint64_t n, uint8_t out[TREE_TILE][32], bool *full,
	      uint8_t root[32])
{
	const struct tree *t = &log->tree;
	uint64_t first = n * TREE_TILE, have = 0;

	pthread_rwlock_rdlock(&log->store->lock);
	*full = level < TREE_LEVELS && n < t->up[level].n;
	if (*full)
		memcpy(root, t->up[level].hash[n], 32);
	if (level > 0) {
		const struct tree_level *l = &t->up[level - 1];
		have = l->n > first ? l->n - first : 0;
		have = have < TREE_TILE ? have : TREE_TILE;
		memcpy(out, l->hash + first, have * 32);
	} else if (!*full && first == t->size / TREE_TILE * TREE_TILE) {
		have = t->partial.n;
		memcpy(out, t->partial.hash, have * 32);
	}
	pthread_rwlock_unlock(&log->store->lock);
	return (unsigned)have;
}

/* Brings a tile into the cache. */
static int
load_tile(struct node_source *s, unsigned level, uint64_t n)
{
	uint8_t hashes[TREE_TILE][32], root[32];
	bool full, moved;
	unsigned have = memory_hashes(s->log, level, n, hashes, &full, root);
	int err;

	if (have) {
		tilecache_put(s->st->tiles, s->log->id, level, n, (const uint8_t(*)[32])hashes,
			      have, s->tools->sha);
		return 0;
	}
	if (!full)
		return STELE_EINVAL;
	if (s->cached)
		return STELE_EBUSY;
	do {
		err = read_leaves(s->log, n * TREE_TILE, s->tools, hashes, &moved);
		if (err == 0)
			err = tilecache_put_full(s->st->tiles, s->log->id, level, n,
						 (const uint8_t(*)[32])hashes, root, s->tools->sha);
	} while (err != 0 && moved);
	if (err == STELE_EVERIFY || err == STELE_EDAMAGED)
		return read_damaged(s->log, n * TREE_TILE, "the entry hashes of a tile");
	return err;
}

/* Root of a full level-0 tile, from memory; false when it is not full. */
static bool
full_root(struct log *log, uint64_t n, uint8_t root[32])
{
	bool full;

	pthread_rwlock_rdlock(&log->store->lock);
	full = n < log->tree.up[0].n;
	if (full)
		memcpy(root, log->tree.up[0].hash[n], 32);
	pthread_rwlock_unlock(&log->store->lock);
	return full;
}

/* What the toolbox's part lacks for a node of tile n, out of the segment that holds the tile. */
static int
fill_part(struct node_source *s, struct segment *segment, uint64_t n, unsigned h, unsigned i,
	  const uint8_t root[32])
{
	struct tilepart *p = &s->tools->part;
	uint8_t hashes[TILEPART_GROUP][32];
	unsigned group;
	int err = 0;

	if (!tilepart_is(p, s->log->id, n, root)) {
		err = segment_nodes(segment, n, hashes);
		if (err == 0)
			err = tilepart_take_nodes(p, s->log->id, n, (const uint8_t(*)[32])hashes,
						  root, s->tools->sha);
	}
	if (err != 0 || h >= 4)
		return err;
	group = tilepart_group(h, i);
	err = segment_leaves(segment, n * TREE_TILE + group * TILEPART_GROUP, TILEPART_GROUP,
			     hashes);
	if (err == 0)
		err = tilepart_take_group(p, group, (const uint8_t(*)[32])hashes, s->tools->sha);
	return err;
}

/*
 * A node of a full tile that a segment holds whole, from a sixteenth of the tile:
 * STELE_ENOTFOUND when there is no such segment; else errors as node_get.
 */
static int
part_get(struct node_source *s, uint64_t n, unsigned h, unsigned i, uint8_t out[32])
{
	struct tilepart *p = &s->tools->part;
	struct segment *segment;
	struct location l;
	uint8_t root[32];
	int err;

	if (!full_root(s->log, n, root))
		return STELE_ENOTFOUND;
	if (tilepart_is(p, s->log->id, n, root) && tilepart_node(p, h, i, out))
		return 0;
	locate(s->log, n * TREE_TILE, &l);
	if (s->cached || !l.sealed || l.segment.first + l.segment.count < (n + 1) * TREE_TILE)
		return STELE_ENOTFOUND;
	err = location_open(s->log, &l, s->tools, &segment);
	if (err != 0)
		return location_moved(s->log, n * TREE_TILE, &l) ? STELE_ENOTFOUND : err;
	err = fill_part(s, segment, n, h, i, root);
	segment_unref(segment);
	if (err != 0)
		return read_damaged(s->log, n * TREE_TILE, "the entry hashes of a tile");
	CHECK(tilepart_node(p, h, i, out));
	return 0;
}

int
node_get(void *source, unsigned height, uint64_t index, uint8_t out[32])
{
	struct node_source *s = source;
	unsigned level = height / 8, h = height % 8;
	uint64_t n = index >> (8 - h);
	unsigned i = (unsigned)(index & ((1u << (8 - h)) - 1));

	for (int attempt = 0; attempt < 3; attempt++) { /* another thread may evict in between */
		int err;
		if (tilecache_get(s->st->tiles, s->log->id, level, n, h, i, out))
			return 0;
		err = level == 0 ? part_get(s, n, h, i, out) : STELE_ENOTFOUND;
		if (err == 0)
			return 0;
		if (err == STELE_ENOTFOUND)
			err = load_tile(s, level, n);
		if (err != 0)
			return err;
	}
	return STELE_EBUSY;
}

int
node_frontier(struct node_source *s, uint64_t size, struct merkle_frontier *f)
{
	int err = 0;

	merkle_frontier_init(f);
	f->size = size;
	for (unsigned k = 0; err == 0 && k < 64; k++) {
		if (size >> k & 1)
			err = node_get(s, k, (size >> k) - 1, f->node[k]);
	}
	return err;
}

static uint64_t
released_size(struct log *log)
{
	struct head *h = log_head(log);
	uint64_t size = h->size;

	head_unref(h);
	return size;
}

static int
inclusion(struct store *st, struct log *log, uint64_t index, uint64_t size, struct toolbox *t,
	  bool cached, struct proof *out)
{
	struct node_source s = {st, log, t, cached};

	if (index >= size || size > released_size(log))
		return STELE_EINVAL;
	return merkle_inclusion(t->sha, node_get, &s, index, size, out->hash, &out->n);
}

int
read_inclusion(struct store *st, struct log *log, uint64_t index, uint64_t size, struct toolbox *t,
	       struct proof *out)
{
	return inclusion(st, log, index, size, t, false, out);
}

int
read_inclusion_cached(struct store *st, struct log *log, uint64_t index, uint64_t size,
		      struct toolbox *t, struct proof *out)
{
	return inclusion(st, log, index, size, t, true, out);
}

int
read_consistency(struct store *st, struct log *log, uint64_t from, uint64_t to, struct toolbox *t,
		 struct proof *out)
{
	struct node_source s = {st, log, t, false};

	if (from == 0 || from > to || to > released_size(log))
		return STELE_EINVAL;
	return merkle_consistency(t->sha, node_get, &s, from, to, out->hash, &out->n);
}

int
read_root(struct store *st, struct log *log, uint64_t size, struct toolbox *t, uint8_t root[32])
{
	struct node_source s = {st, log, t, false};

	if (size > released_size(log))
		return STELE_EINVAL;
	return merkle_root_at(t->sha, node_get, &s, size, root);
}

/* Whether tile n of a level has width hashes in a tree of size; overflow-safe. */
static bool
tile_exists(uint64_t size, unsigned level, uint64_t n, unsigned width)
{
	uint64_t count;

	if (level > 7 || width == 0 || width > TREE_TILE)
		return false;
	count = size >> (8 * level);
	return n <= count / TREE_TILE && n * TREE_TILE + width <= count;
}

int
read_tile(struct store *st, struct log *log, unsigned level, uint64_t n, unsigned width,
	  struct toolbox *t, struct buf *out)
{
	struct node_source s = {st, log, t, false};

	if (!tile_exists(released_size(log), level, n, width))
		return STELE_ENOTFOUND;
	for (unsigned i = 0; i < width; i++) {
		uint8_t hash[32];
		int err = node_get(&s, level * 8, n * TREE_TILE + i, hash);
		if (err != 0)
			return err;
		buf_put(out, hash, sizeof hash);
	}
	return out->err;
}

int
read_bundle(struct store *st, struct log *log, uint64_t n, unsigned width, struct toolbox *t,
	    struct buf *out)
{
	struct arena a;
	int err = 0;

	if (!tile_exists(released_size(log), 0, n, width))
		return STELE_ENOTFOUND;
	arena_init(&a);
	for (unsigned i = 0; err == 0 && i < width; i++) {
		struct record r;
		arena_reset(&a);
		err = read_entry(st, log, n * TREE_TILE + i, t, &a, &r);
		if (err != 0)
			break;
		buf_put_u8(out, (uint8_t)(r.text.n >> 8));
		buf_put_u8(out, (uint8_t)r.text.n);
		buf_put_slice(out, r.text);
	}
	arena_fini(&a);
	return err ? err : out->err;
}
