/*
 * A slice: bytes that someone else owns. Never NUL-terminated by promise.
 */
#ifndef STELE_PROTO_SLICE_H
#define STELE_PROTO_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *p;
	size_t n;
};

/* A slice over n bytes at p, which stays the caller's. */
static inline struct slice
slice_of(const void *p, size_t n)
{
	return (struct slice){(const uint8_t *)p, n};
}

/* A slice over a NUL-terminated string, without its NUL. */
static inline struct slice
slice_str(const char *s)
{
	return (struct slice){(const uint8_t *)s, strlen(s)};
}

/* True when both hold the same bytes. Not constant-time. */
static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* True when s is exactly the NUL-terminated string lit. */
static inline bool
slice_eq_str(struct slice s, const char *lit)
{
	return slice_eq(s, slice_str(lit));
}

#endif
