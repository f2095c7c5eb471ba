/*
 * A set of a segment's records by their ordinals, a bit each: which of them a query has to look at.
 */
#ifndef STELE_STORAGE_ORDSET_H
#define STELE_STORAGE_ORDSET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Of [0, count); bits beyond it are 0. */
struct ordset {
	uint64_t *word; /* ordset_words(count) of them */
	uint32_t count;
};

/* Words of such a set. */
static inline size_t
ordset_words(uint32_t count)
{
	return ((size_t)count + 63) / 64;
}

/* An empty set, freed by ordset_fini; false without memory. */
static inline bool
ordset_init(struct ordset *s, uint32_t count)
{
	s->word = calloc(ordset_words(count) + 1, sizeof *s->word);
	s->count = s->word ? count : 0;
	return s->word != NULL;
}

/* Frees its memory; it has none then. */
static inline void
ordset_fini(struct ordset *s)
{
	free(s->word);
	s->word = NULL;
	s->count = 0;
}

/* Nothing is in it any more. */
static inline void
ordset_clear(struct ordset *s)
{
	memset(s->word, 0, ordset_words(s->count) * sizeof *s->word);
}

/* Takes i < count in. */
static inline void
ordset_add(struct ordset *s, uint32_t i)
{
	s->word[i / 64] |= 1ull << i % 64;
}

/* Whether i < count is in it. */
static inline bool
ordset_has(const struct ordset *s, uint32_t i)
{
	return s->word[i / 64] >> i % 64 & 1;
}

/* [from, to) too; within count. */
static inline void
ordset_add_range(struct ordset *s, uint32_t from, uint32_t to)
{
	for (; from < to && from % 64; from++)
		ordset_add(s, from);
	for (; to - from >= 64; from += 64)
		s->word[from / 64] = ~0ull;
	for (; from < to; from++)
		ordset_add(s, from);
}

/* Keeps what is in both, which are of one count. */
static inline void
ordset_and(struct ordset *s, const struct ordset *other)
{
	for (size_t i = 0; i < ordset_words(s->count); i++)
		s->word[i] &= other->word[i];
}

/* Takes all of the other in, which is of that count. */
static inline void
ordset_or(struct ordset *s, const struct ordset *other)
{
	for (size_t i = 0; i < ordset_words(s->count); i++)
		s->word[i] |= other->word[i];
}

/* Whether nothing is in it. */
static inline bool
ordset_empty(const struct ordset *s)
{
	for (size_t i = 0; i < ordset_words(s->count); i++)
		if (s->word[i])
			return false;
	return true;
}

/* The first one in [from, end) that is in it (is: true) or is not; end when there is none. */
static inline uint32_t
ordset_next(const struct ordset *s, uint32_t from, uint32_t end, bool is)
{
	while (from < end) {
		uint64_t word = (is ? s->word[from / 64] : ~s->word[from / 64]) >> from % 64;

		if (word) {
			from += (uint32_t)__builtin_ctzll(word);
			return from < end ? from : end;
		}
		from = (from / 64 + 1) * 64;
	}
	return end;
}

/* How many of [from, end) are in it. */
static inline uint32_t
ordset_count(const struct ordset *s, uint32_t from, uint32_t end)
{
	uint32_t n = 0;

	while (from < end) {
		uint64_t word = s->word[from / 64] >> from % 64;
		uint32_t bits = 64 - from % 64;

		if (end - from < bits) {
			bits = end - from;
			word &= (1ull << bits) - 1;
		}
		n += (uint32_t)__builtin_popcountll(word);
		from += bits;
	}
	return n;
}

#endif
