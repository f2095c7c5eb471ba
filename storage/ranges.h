/*
 * Sets of record indexes as ranges, both ends in them, ascending and apart: what a hold covers,
 * what a purge takes. Memory is the caller's, by realloc and free.
 */
#ifndef STELE_STORAGE_RANGES_H
#define STELE_STORAGE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/control.h"

struct ranges {
	struct control_range *r; /* n of them, with room for cap */
	size_t n, cap;
};

/* Frees the memory; it is empty then. */
void ranges_fini(struct ranges *set);

/*
 * Adds an index range that begins behind all there are, or goes on where the last one ends: for
 * building one in order. first <= last. STELE_ENOMEM.
 */
int ranges_add(struct ranges *set, uint64_t first, uint64_t last);

/* *out, which is empty, becomes what is in a or in b. STELE_ENOMEM. */
int ranges_union(struct ranges *out, const struct ranges *a, const struct ranges *b);

/* *out, which is empty, becomes what is in a and not in b. STELE_ENOMEM. */
int ranges_less(struct ranges *out, const struct ranges *a, const struct ranges *b);

/* Whether the index is in it. */
bool ranges_has(const struct ranges *set, uint64_t index);

/* Whether some index is in both. */
bool ranges_meet(const struct ranges *a, const struct ranges *b);

/* How many of its indexes are below `end`. */
uint64_t ranges_below(const struct ranges *set, uint64_t end);

/* How many indexes there are; UINT64_MAX when one range has no end. */
uint64_t ranges_count(const struct ranges *set);

#endif
