/* Every change makes the list anew in one walk: changes are rare, questions are not. */
#include "storage/lockmap.h"

#include <stdlib.h>

#include "proto/err.h"

static const struct lockmap_span nothing;

void
lockmap_fini(struct lockmap *m)
{
	free(m->spans);
	*m = (struct lockmap){0};
}

static bool
says_the_same(const struct lockmap_span *a, const struct lockmap_span *b)
{
	return a->purged == b->purged && a->until_ns == b->until_ns && a->holds == b->holds &&
	       a->fixed == b->fixed;
}

/* Adds a span that begins at `first`, unless it goes on with what the last one says. */
static void
put(struct lockmap *out, uint64_t first, struct lockmap_span s)
{
	s.first = first;
	if (out->n == 0 || !says_the_same(&out->spans[out->n - 1], &s))
		out->spans[out->n++] = s;
}

static struct lockmap_span
changed(struct lockmap_span s, const struct lockmap_change *c)
{
	switch (c->kind) {
	case LOCKMAP_HOLD:
		s.holds++;
		break;
	case LOCKMAP_RELEASE:
		s.holds--;
		break;
	case LOCKMAP_EXTEND:
		s.until_ns = c->until_ns > s.until_ns ? c->until_ns : s.until_ns;
		break;
	case LOCKMAP_SHORTEN:
		s.until_ns = c->until_ns;
		s.fixed = true;
		break;
	case LOCKMAP_PURGE:
		s.purged = c->purged;
		break;
	}
	return s;
}

/* The part of one span, which ends at `end`; *k is the first range that may reach it. */
static void
walk(struct lockmap *out, const struct lockmap_span *s, uint64_t end, const struct ranges *where,
     size_t *k, const struct lockmap_change *c)
{
	uint64_t at = s->first;

	while (at < end) {
		const struct control_range *r;
		while (*k < where->n && where->r[*k].last < at)
			++*k;
		r = *k < where->n ? &where->r[*k] : NULL;
		if (!r || r->first >= end) {
			put(out, at, *s);
			return;
		}
		if (r->first > at)
			put(out, at, *s);
		put(out, r->first > at ? r->first : at, changed(*s, c));
		at = r->last >= end - 1 ? end : r->last + 1;
	}
}

int
lockmap_apply(struct lockmap *m, const struct ranges *where, const struct lockmap_change *change)
{
	const struct lockmap_span *old = m->n ? m->spans : &nothing;
	size_t n = m->n ? m->n : 1, k = 0;
	struct lockmap next = {.spans = malloc((n + 2 * where->n) * sizeof *next.spans)};

	if (!next.spans)
		return STELE_ENOMEM;
	for (size_t i = 0; i < n; i++)
		walk(&next, &old[i], i + 1 < n ? old[i + 1].first : UINT64_MAX, where, &k, change);
	free(m->spans);
	*m = next;
	return 0;
}

struct lockmap_span
lockmap_at(const struct lockmap *m, uint64_t index)
{
	size_t lo = 0, hi = m->n;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (m->spans[mid].first <= index)
			lo = mid;
		else
			hi = mid;
	}
	return m->n ? m->spans[lo] : nothing;
}

/* How many indexes from first on, but before end, the ranges from *k on have. */
static uint64_t
overlap(uint64_t first, uint64_t end, const struct ranges *where, size_t *k)
{
	uint64_t n = 0;

	while (*k < where->n && where->r[*k].last < first)
		++*k;
	for (size_t i = *k; i < where->n && where->r[i].first < end; i++) {
		uint64_t from = where->r[i].first > first ? where->r[i].first : first;
		uint64_t last = where->r[i].last < end - 1 ? where->r[i].last : end - 1;
		n += last - from + 1;
	}
	return n;
}

uint64_t
lockmap_purged(const struct lockmap *m, const struct ranges *where)
{
	uint64_t n = 0;
	size_t k = 0;

	for (size_t i = 0; i < m->n; i++)
		if (m->spans[i].purged)
			n += overlap(m->spans[i].first,
				     i + 1 < m->n ? m->spans[i + 1].first : UINT64_MAX, where, &k);
	return n;
}

int64_t
lockmap_end(const struct lockmap_span *s, int64_t retain_until_ns)
{
	if (s->fixed)
		return s->until_ns;
	return s->until_ns > retain_until_ns ? s->until_ns : retain_until_ns;
}
