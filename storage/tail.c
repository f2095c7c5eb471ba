/* A sorted array and a binary search. */
#include "storage/tail.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"

void
tail_init(struct tail *t)
{
	*t = (struct tail){0};
}

void
tail_fini(struct tail *t)
{
	free(t->extents);
	tail_init(t);
}

int
tail_reserve(struct tail *t)
{
	size_t cap = t->cap ? t->cap * 2 : 4;
	struct extent *p;

	if (t->n < t->cap)
		return 0;
	p = realloc(t->extents, cap * sizeof *p);
	if (!p)
		return STELE_ENOMEM;
	t->extents = p;
	t->cap = cap;
	return 0;
}

void
tail_add(struct tail *t, const struct extent *e)
{
	CHECK(t->n < t->cap);
	CHECK(t->n == 0 || t->extents[t->n - 1].first + t->extents[t->n - 1].count == e->first);
	t->extents[t->n++] = *e;
}

void
tail_drop(struct tail *t, uint64_t end)
{
	size_t n = 0;

	while (n < t->n && t->extents[n].first + t->extents[n].count <= end)
		n++;
	if (n == 0)
		return;
	memmove(t->extents, t->extents + n, (t->n - n) * sizeof *t->extents);
	t->n -= n;
	t->dropped += n;
}

const struct extent *
tail_find(const struct tail *t, uint64_t index)
{
	size_t lo = 0, hi = t->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (t->extents[mid].first + t->extents[mid].count <= index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < t->n && t->extents[lo].first <= index ? &t->extents[lo] : NULL;
}
