/* A fixed table, four tiles a set; the one used longest ago is replaced. */
#include "storage/tilecache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"

enum { WAYS = 4, SETS = TILECACHE_TILES / WAYS, TILE_NODES = 511, TILE_WIDTH = 256 };

struct cached_tile {
	uint64_t log_id, n;
	unsigned level, width; /* width 0: an empty slot */
	uint64_t used;         /* tick of the last use */
	uint8_t (*node)[32];   /* TILE_NODES: height 0 first, then height 1, ... */
};

struct tilecache {
	pthread_mutex_t mu;
	uint64_t tick;
	struct cached_tile slot[SETS][WAYS];
};

struct tilecache *
tilecache_new(void)
{
	struct tilecache *c = calloc(1, sizeof *c);

	if (c)
		pthread_mutex_init(&c->mu, NULL);
	return c;
}

void
tilecache_free(struct tilecache *c)
{
	if (!c)
		return;
	for (int s = 0; s < SETS; s++) {
		for (int w = 0; w < WAYS; w++)
			free(c->slot[s][w].node);
	}
	pthread_mutex_destroy(&c->mu);
	free(c);
}

/* Where the nodes of a height begin: 0, 256, 384, ... */
static unsigned
height_start(unsigned height)
{
	return 2 * TILE_WIDTH - (2u * TILE_WIDTH >> height);
}

static struct cached_tile *
set_of(struct tilecache *c, uint64_t log_id, unsigned level, uint64_t n)
{
	uint64_t x = (n + level * 0x10001u) * 0x9E3779B97F4A7C15u ^ log_id * 0xC2B2AE3D27D4EB4Fu;

	return c->slot[(x >> 40) % SETS];
}

static struct cached_tile *
find(struct tilecache *c, uint64_t log_id, unsigned level, uint64_t n)
{
	struct cached_tile *set = set_of(c, log_id, level, n);

	for (int w = 0; w < WAYS; w++) {
		if (set[w].width && set[w].log_id == log_id && set[w].level == level &&
		    set[w].n == n)
			return &set[w];
	}
	return NULL;
}

bool
tilecache_get(struct tilecache *c, uint64_t log_id, unsigned level, uint64_t n, unsigned height,
	      unsigned i, uint8_t out[32])
{
	struct cached_tile *t;
	bool found;

	pthread_mutex_lock(&c->mu);
	t = find(c, log_id, level, n);
	found = t && (i + 1) << height <= t->width;
	if (found) {
		memcpy(out, t->node[height_start(height) + i], 32);
		t->used = ++c->tick;
	}
	pthread_mutex_unlock(&c->mu);
	return found;
}

/* Adds hashes [t->width, width) and every node they complete. */
static void
extend(struct cached_tile *t, const uint8_t (*hashes)[32], unsigned width, struct sha256 *h)
{
	unsigned from = t->width;

	memcpy(t->node[from], hashes[from], (size_t)(width - from) * 32);
	for (unsigned height = 1; height <= 8; height++) {
		uint8_t(*below)[32] = t->node + height_start(height - 1);
		uint8_t(*here)[32] = t->node + height_start(height);
		for (unsigned i = from >> height; i < width >> height; i++)
			sha256_node(h, here[i], below[2 * i], below[2 * i + 1]);
	}
	t->width = width;
}

/* The tile's slot, or the one of its set to be used for it. */
static struct cached_tile *
slot_for(struct tilecache *c, uint64_t log_id, unsigned level, uint64_t n)
{
	struct cached_tile *t = find(c, log_id, level, n), *set;

	if (t)
		return t;
	set = set_of(c, log_id, level, n);
	t = &set[0];
	for (int w = 1; w < WAYS; w++) {
		if (set[w].used < t->used)
			t = &set[w];
	}
	t->width = 0;
	t->log_id = log_id;
	t->level = level;
	t->n = n;
	return t;
}

void
tilecache_put(struct tilecache *c, uint64_t log_id, unsigned level, uint64_t n,
	      const uint8_t (*hashes)[32], unsigned width, struct sha256 *h)
{
	struct cached_tile *t;

	CHECK(width >= 1 && width <= TILE_WIDTH);
	pthread_mutex_lock(&c->mu);
	t = slot_for(c, log_id, level, n);
	if (!t->node)
		t->node = malloc(TILE_NODES * sizeof *t->node);
	if (t->node && t->width < width)
		extend(t, hashes, width, h);
	t->used = ++c->tick;
	pthread_mutex_unlock(&c->mu);
}

int
tilecache_put_full(struct tilecache *c, uint64_t log_id, unsigned level, uint64_t n,
		   const uint8_t (*hashes)[32], const uint8_t root[32], struct sha256 *h)
{
	struct cached_tile made = {.node = malloc(TILE_NODES * sizeof *made.node)}, *t;

	if (!made.node)
		return STELE_ENOMEM;
	extend(&made, hashes, TILE_WIDTH, h); /* the dear part, outside the lock */
	if (memcmp(made.node[TILE_NODES - 1], root, 32) != 0) {
		free(made.node);
		return STELE_EVERIFY;
	}
	pthread_mutex_lock(&c->mu);
	t = slot_for(c, log_id, level, n);
	free(t->node);
	t->node = made.node;
	t->width = TILE_WIDTH;
	t->used = ++c->tick;
	pthread_mutex_unlock(&c->mu);
	return 0;
}
