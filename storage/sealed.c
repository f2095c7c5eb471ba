/* A sorted array; seals append at its end or rewrite its last few. */
#include "storage/sealed.h"

#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/err.h"

void
sealed_init(struct sealed_list *l)
{
	*l = (struct sealed_list){0};
}

void
sealed_fini(struct sealed_list *l)
{
	free(l->s);
	sealed_init(l);
}

int
sealed_reserve(struct sealed_list *l)
{
	size_t cap = l->cap ? l->cap * 2 : 2;
	struct sealed *p;

	if (l->n < l->cap)
		return 0;
	p = realloc(l->s, cap * sizeof *p);
	if (!p)
		return STELE_ENOMEM;
	l->s = p;
	l->cap = cap;
	return 0;
}

/* Position of the first segment that ends behind index. */
static size_t
position(const struct sealed_list *l, uint64_t index)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (l->s[mid].first + l->s[mid].count <= index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void
sealed_put(struct sealed_list *l, const struct sealed *s)
{
	uint64_t end = s->first + s->count;
	size_t from = position(l, s->first), to = from;

	CHECK(from < l->n ? l->s[from].first == s->first : s->first == sealed_end(l));
	while (to < l->n && l->s[to].first < end)
		to++;
	CHECK(to == from || l->s[to - 1].first + l->s[to - 1].count <= end);
	CHECK(to == l->n || l->s[to].first == end);
	if (to == from)
		CHECK(l->n < l->cap);
	memmove(l->s + from + 1, l->s + to, (l->n - to) * sizeof *l->s);
	l->n = l->n - (to - from) + 1;
	l->s[from] = *s;
}

struct sealed *
sealed_find(const struct sealed_list *l, uint64_t index)
{
	size_t at = position(l, index);

	return at < l->n && l->s[at].first <= index ? &l->s[at] : NULL;
}

uint64_t
sealed_end(const struct sealed_list *l)
{
	return l->n ? l->s[l->n - 1].first + l->s[l->n - 1].count : 0;
}
