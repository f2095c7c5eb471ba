/*
 * A fence: bytes put before it can be read, not one behind. For code that must
 * not read past the end of what it is given, when the build has no sanitizer
 * or the reading is done in a library that was built without one.
 */
#ifndef STELE_TESTS_UNIT_FENCE_H
#define STELE_TESTS_UNIT_FENCE_H

#include <check.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "proto/slice.h"

enum { FENCE_ROOM_BYTES = 4 << 20, FENCE_PAGE_BYTES = 4096 };

/* A fence with FENCE_ROOM_BYTES before it; freed by fence_free. */
static inline uint8_t *
fence_new(void)
{
	uint8_t *p = mmap(NULL, FENCE_ROOM_BYTES + FENCE_PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	ck_assert_int_eq(mprotect(p + FENCE_ROOM_BYTES, FENCE_PAGE_BYTES, PROT_NONE), 0);
	return p + FENCE_ROOM_BYTES;
}

static inline void
fence_free(uint8_t *fence)
{
	munmap(fence - FENCE_ROOM_BYTES, FENCE_ROOM_BYTES + FENCE_PAGE_BYTES);
}

/* Copies s to the fence, over what was put there before. */
static inline struct slice
fence_put(uint8_t *fence, struct slice s)
{
	ck_assert_uint_le(s.n, FENCE_ROOM_BYTES);
	memmove(fence - s.n, s.p, s.n);
	return slice_of(fence - s.n, s.n);
}

#endif
