/* A chain of blocks, the newest first; large requests get a block each. */
#include "proto/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_BLOCK_BYTES = 8192, ARENA_ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	size_t size; /* of data */
	size_t used;
	alignas(16) unsigned char data[];
};

void
arena_init(struct arena *a)
{
	a->head = NULL;
	a->used_bytes = 0;
}

static struct arena_block *
block_new(size_t n)
{
	size_t size = n > ARENA_BLOCK_BYTES ? n : ARENA_BLOCK_BYTES;
	struct arena_block *b;

	if (size > SIZE_MAX - sizeof *b)
		return NULL;
	b = malloc(sizeof *b + size);
	if (!b)
		return NULL;
	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;
	void *p;

	if (n > SIZE_MAX - ARENA_ALIGN)
		return NULL;
	n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (!b || b->size - b->used < n) {
		b = block_new(n);
		if (!b)
			return NULL;
		b->next = a->head;
		a->head = b;
	}
	p = b->data + b->used;
	b->used += n;
	a->used_bytes += n;
	return p;
}

void *
arena_dup(struct arena *a, const void *p, size_t n)
{
	char *copy = arena_alloc(a, n + 1);

	if (!copy)
		return NULL;
	if (n)
		memcpy(copy, p, n);
	copy[n] = '\0';
	return copy;
}

void
arena_reset(struct arena *a)
{
	struct arena_block *keep = NULL;

	while (a->head) {
		struct arena_block *next = a->head->next;
		if (!keep && a->head->size == ARENA_BLOCK_BYTES)
			keep = a->head;
		else
			free(a->head);
		a->head = next;
	}
	if (keep) {
		keep->next = NULL;
		keep->used = 0;
	}
	a->head = keep;
	a->used_bytes = 0;
}

void
arena_fini(struct arena *a)
{
	while (a->head) {
		struct arena_block *next = a->head->next;
		free(a->head);
		a->head = next;
	}
	a->used_bytes = 0;
}
