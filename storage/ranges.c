/* Two sorted lists are walked side by side; nothing is ever searched twice. */
#include "storage/ranges.h"

#include <stdlib.h>

#include "proto/err.h"

void
ranges_fini(struct ranges *set)
{
	free(set->r);
	*set = (struct ranges){0};
}

int
ranges_add(struct ranges *set, uint64_t first, uint64_t last)
{
	struct control_range *end = set->n ? &set->r[set->n - 1] : NULL;

	if (end && (first <= end->last || first == end->last + 1)) {
		if (last > end->last)
			end->last = last;
		return 0;
	}
	if (set->n == set->cap) {
		size_t cap = set->cap ? set->cap * 2 : 4;
		struct control_range *p = realloc(set->r, cap * sizeof *p);
		if (!p)
			return STELE_ENOMEM;
		set->r = p;
		set->cap = cap;
	}
	set->r[set->n++] = (struct control_range){first, last};
	return 0;
}

int
ranges_union(struct ranges *out, const struct ranges *a, const struct ranges *b)
{
	size_t i = 0, k = 0;
	int err = 0;

	while (err == 0 && (i < a->n || k < b->n)) {
		bool from_a = k == b->n || (i < a->n && a->r[i].first <= b->r[k].first);
		const struct control_range *r = from_a ? &a->r[i++] : &b->r[k++];
		err = ranges_add(out, r->first, r->last);
	}
	return err;
}

/* What of r no range of b from *k on covers. */
static int
remainder_of(struct ranges *out, struct control_range r, const struct ranges *b, size_t *k)
{
	int err = 0;

	while (*k < b->n && b->r[*k].last < r.first)
		++*k;
	for (size_t at = *k; err == 0 && at < b->n && b->r[at].first <= r.last; at++) {
		if (b->r[at].first > r.first)
			err = ranges_add(out, r.first, b->r[at].first - 1);
		if (b->r[at].last >= r.last)
			return err;
		r.first = b->r[at].last + 1;
	}
	return err ? err : ranges_add(out, r.first, r.last);
}

int
ranges_less(struct ranges *out, const struct ranges *a, const struct ranges *b)
{
	size_t k = 0;
	int err = 0;

	for (size_t i = 0; err == 0 && i < a->n; i++)
		err = remainder_of(out, a->r[i], b, &k);
	return err;
}

bool
ranges_has(const struct ranges *set, uint64_t index)
{
	size_t lo = 0, hi = set->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (set->r[mid].last < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < set->n && set->r[lo].first <= index;
}

uint64_t
ranges_count(const struct ranges *set)
{
	uint64_t n = 0;

	for (size_t i = 0; i < set->n; i++) {
		if (set->r[i].last == UINT64_MAX)
			return UINT64_MAX;
		n += set->r[i].last - set->r[i].first + 1;
	}
	return n;
}

bool
ranges_meet(const struct ranges *a, const struct ranges *b)
{
	size_t i = 0, k = 0;

	while (i < a->n && k < b->n) {
		if (a->r[i].last < b->r[k].first)
			i++;
		else if (b->r[k].last < a->r[i].first)
			k++;
		else
			return true;
	}
	return false;
}

uint64_t
ranges_below(const struct ranges *set, uint64_t end)
{
	uint64_t n = 0;

	for (size_t i = 0; i < set->n && set->r[i].first < end; i++)
		n += (set->r[i].last < end ? set->r[i].last + 1 : end) - set->r[i].first;
	return n;
}
