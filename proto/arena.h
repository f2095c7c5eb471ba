/*
 * An arena: many small allocations freed in one place. One per request.
 */
#ifndef STELE_PROTO_ARENA_H
#define STELE_PROTO_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *head; /* newest block; NULL when nothing was allocated */
	size_t used_bytes;        /* handed out since init or reset */
};

/* Prepares an empty arena; allocates nothing. */
void arena_init(struct arena *a);

/*
 * n bytes (0 gives a valid pointer), aligned to 16, owned by the arena until
 * reset or fini. NULL when memory is out. Contents are not zeroed.
 */
void *arena_alloc(struct arena *a, size_t n);

/* A copy of n bytes at p with a NUL after them; NULL when memory is out. */
void *arena_dup(struct arena *a, const void *p, size_t n);

/* Forgets every allocation; keeps one block for reuse. */
void arena_reset(struct arena *a);

/* Frees everything; the arena is as after arena_init. */
void arena_fini(struct arena *a);

#endif
