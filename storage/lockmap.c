/* Every change makes anew the part of the list that it is about. */
#include "storage/lockmap.h"

#include <stdlib.h>
#include <string.h>

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

/* The number of the span that has the index. */
static size_t
span_of(const struct lockmap *m, uint64_t index)
{
	size_t lo = 0, hi = m->n;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (m->spans[mid].first <= index)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* Room for n spans, and at least one of them said. */
static int
reserve(struct lockmap *m, size_t n)
{
	size_t cap = m->cap ? m->cap : 4;
	struct lockmap_span *p;

	while (cap < n)
		cap *= 2;
	p = cap > m->cap ? realloc(m->spans, cap * sizeof *p) : m->spans;
	if (!p)
		return STELE_ENOMEM;
	m->spans = p;
	m->cap = cap;
	if (m->n == 0)
		m->spans[m->n++] = nothing;
	return 0;
}

/* Puts what is in `now` in the place of the spans from lo on, before hi; there is room. */
static void
replace(struct lockmap *m, size_t lo, size_t hi, const struct lockmap *now)
{
	memmove(m->spans + lo + now->n, m->spans + hi, (m->n - hi) * sizeof *m->spans);
	memcpy(m->spans + lo, now->spans, now->n * sizeof *m->spans);
	m->n = lo + now->n + (m->n - hi);
}

int
lockmap_apply(struct lockmap *m, const struct ranges *where, const struct lockmap_change *change)
{
	struct lockmap now = {0};
	size_t lo, hi, k = 0;

	if (where->n == 0)
		return 0;
	if (reserve(m, m->n + 2 * where->n + 1) != 0)
		return STELE_ENOMEM;
	/* with a neighbour on each side: it may come to say the same */
	lo = span_of(m, where->r[0].first);
	lo -= lo > 0;
	hi = span_of(m, where->r[where->n - 1].last) + 1;
	hi += hi < m->n;
	now.spans = malloc((hi - lo + 2 * where->n) * sizeof *now.spans);
	if (!now.spans)
		return STELE_ENOMEM;
	for (size_t i = lo; i < hi; i++)
		walk(&now, &m->spans[i], i + 1 < m->n ? m->spans[i + 1].first : UINT64_MAX, where,
		     &k, change);
	replace(m, lo, hi, &now);
	free(now.spans);
	return 0;
}

struct lockmap_span
lockmap_at(const struct lockmap *m, uint64_t index)
{
	return m->n ? m->spans[span_of(m, index)] : nothing;
}

uint64_t
lockmap_end_of(const struct lockmap *m, uint64_t index)
{
	size_t next = m->n ? span_of(m, index) + 1 : 0;

	return next < m->n ? m->spans[next].first : UINT64_MAX;
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
