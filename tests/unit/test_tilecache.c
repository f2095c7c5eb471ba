/* Cached tiles: only what was proven or came from memory, and never another tile's. */
#include <pthread.h>
#include <string.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "storage/tilecache.h"
#include "suite.h"

/* The hashes of a tile, and by plain recursion any node of it. */
static void
hashes_of(struct sha256 *h, uint64_t log_id, unsigned level, uint64_t n, uint8_t out[256][32])
{
	for (uint64_t i = 0; i < 256; i++) {
		const uint64_t id[] = {log_id, level, n, i};
		sha256_hash(h, out[i], slice_of(id, sizeof id));
	}
}

static void
node_of(struct sha256 *h, const uint8_t (*hashes)[32], unsigned height, unsigned i, uint8_t out[32])
{
	uint8_t left[32], right[32];

	if (height == 0) {
		memcpy(out, hashes[i], 32);
		return;
	}
	node_of(h, hashes, height - 1, 2 * i, left);
	node_of(h, hashes, height - 1, 2 * i + 1, right);
	sha256_node(h, out, left, right);
}

/* Every node of the tile: right while i is within width, absent beyond. */
static void
nodes_are_right(struct tilecache *c, struct sha256 *h, uint64_t log_id, unsigned level, uint64_t n,
		unsigned width)
{
	uint8_t hashes[256][32], want[32], got[32];

	hashes_of(h, log_id, level, n, hashes);
	for (unsigned height = 0; height <= 8; height++) {
		for (unsigned i = 0; i < 256u >> height; i++) {
			bool there = (i + 1) << height <= width;
			ck_assert_int_eq(tilecache_get(c, log_id, level, n, height, i, got), there);
			if (!there)
				continue;
			node_of(h, (const uint8_t(*)[32])hashes, height, i, want);
			ck_assert_mem_eq(got, want, 32);
		}
	}
}

START_TEST(a_growing_tile_has_the_nodes_its_entries_complete)
{
	const unsigned widths[] = {1, 2, 3, 17, 100, 128, 129, 255, 256};
	struct sha256 *h = sha256_new();
	struct tilecache *c = tilecache_new();
	uint8_t hashes[256][32];

	hashes_of(h, 1, 0, 5, hashes);
	nodes_are_right(c, h, 1, 0, 5, 0);
	for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
		tilecache_put(c, 1, 0, 5, (const uint8_t(*)[32])hashes, widths[i], h);
		nodes_are_right(c, h, 1, 0, 5, widths[i]);
	}
	tilecache_put(c, 1, 0, 5, (const uint8_t(*)[32])hashes, 3, h); /* late: nothing shrinks */
	nodes_are_right(c, h, 1, 0, 5, 256);
	nodes_are_right(c, h, 2, 0, 5, 0);
	nodes_are_right(c, h, 1, 1, 5, 0);
	nodes_are_right(c, h, 1, 0, 6, 0);
	tilecache_free(c);
	sha256_free(h);
}
END_TEST

START_TEST(a_tile_from_disk_is_kept_only_when_it_leads_to_its_root)
{
	struct sha256 *h = sha256_new();
	struct tilecache *c = tilecache_new();
	uint8_t hashes[256][32], root[32];

	hashes_of(h, 1, 0, 9, hashes);
	node_of(h, (const uint8_t(*)[32])hashes, 8, 0, root);
	for (unsigned i = 0; i < 256; i += 17) {
		hashes[i][i % 32] ^= 1;
		ck_assert_int_eq(
			tilecache_put_full(c, 1, 0, 9, (const uint8_t(*)[32])hashes, root, h),
			STELE_EVERIFY);
		nodes_are_right(c, h, 1, 0, 9, 0);
		hashes[i][i % 32] ^= 1;
	}
	ck_assert_int_eq(tilecache_put_full(c, 1, 0, 9, (const uint8_t(*)[32])hashes, root, h), 0);
	nodes_are_right(c, h, 1, 0, 9, 256);
	tilecache_free(c);
	sha256_free(h);
}
END_TEST

struct crowd {
	struct tilecache *c;
	unsigned seed, wrong, found;
	pthread_t thread;
};

/* Many more tiles than there is room for, from several threads. */
static void *
crowd_main(void *arg)
{
	struct crowd *w = arg;
	struct sha256 *h = sha256_new();

	for (unsigned i = 0; i < 3000; i++) {
		unsigned x = (i * 2654435761u + w->seed * 40503u) >> 5;
		uint64_t log_id = 1 + x % 3, n = x / 3 % 500;
		unsigned level = x / 1500 % 2, width = 1 + x % 256, k = x % width;
		uint8_t hashes[256][32], got[32];
		hashes_of(h, log_id, level, n, hashes);
		tilecache_put(w->c, log_id, level, n, (const uint8_t(*)[32])hashes, width, h);
		if (tilecache_get(w->c, log_id, level, n, 0, k, got)) {
			w->found++;
			w->wrong += memcmp(got, hashes[k], 32) != 0;
		}
	}
	sha256_free(h);
	return NULL;
}

START_TEST(a_full_cache_gives_the_right_tile_or_none)
{
	struct crowd w[4];
	struct tilecache *c = tilecache_new();

	for (unsigned i = 0; i < 4; i++) {
		w[i] = (struct crowd){.c = c, .seed = i};
		pthread_create(&w[i].thread, NULL, crowd_main, &w[i]);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(w[i].thread, NULL);
		ck_assert_uint_eq(w[i].wrong, 0);
		ck_assert_uint_gt(w[i].found, 2000);
	}
	tilecache_free(c);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_growing_tile_has_the_nodes_its_entries_complete,
		a_tile_from_disk_is_kept_only_when_it_leads_to_its_root,
		a_full_cache_gives_the_right_tile_or_none,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("tilecache", tests, sizeof tests / sizeof *tests, 120);
}
