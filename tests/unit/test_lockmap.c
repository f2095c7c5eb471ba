/* The spans, against one cell for each index. */
#include "storage/lockmap.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"

enum { INDEXES = 100 };

/* A range that the rest of the indexes belong to has no end. */
static struct ranges
random_ranges(bool in[INDEXES])
{
	struct ranges set = {0};
	uint64_t at = 0;

	memset(in, 0, INDEXES * sizeof *in);
	while (at < INDEXES) {
		uint64_t first = at + (uint64_t)(rand() % 30),
			 last = first + (uint64_t)(rand() % 9);
		if (rand() % 12 == 0)
			last = UINT64_MAX;
		if (first >= INDEXES)
			break;
		ck_assert_int_eq(ranges_add(&set, first, last), 0);
		for (uint64_t i = first; i < INDEXES && i <= last; i++)
			in[i] = true;
		at = last == UINT64_MAX ? INDEXES : last + 2;
	}
	return set;
}

static void
change_cell(struct lockmap_span *s, const struct lockmap_change *c)
{
	if (c->kind == LOCKMAP_HOLD)
		s->holds++;
	if (c->kind == LOCKMAP_RELEASE)
		s->holds--;
	if (c->kind == LOCKMAP_EXTEND && c->until_ns > s->until_ns)
		s->until_ns = c->until_ns;
	if (c->kind == LOCKMAP_SHORTEN) {
		s->until_ns = c->until_ns;
		s->fixed = true;
	}
	if (c->kind == LOCKMAP_PURGE)
		s->purged = c->purged;
}

static void
compare(const struct lockmap *m, const struct lockmap_span cells[INDEXES])
{
	for (uint64_t i = 0; i < INDEXES; i++) {
		struct lockmap_span s = lockmap_at(m, i);
		ck_assert_uint_eq(s.holds, cells[i].holds);
		ck_assert_uint_eq(s.purged, cells[i].purged);
		ck_assert_int_eq(s.until_ns, cells[i].until_ns);
		ck_assert_int_eq(s.fixed, cells[i].fixed);
	}
	for (size_t i = 1; i < m->n; i++) /* two that say the same are one */
		ck_assert(m->spans[i].first > m->spans[i - 1].first &&
			  (m->spans[i].holds != m->spans[i - 1].holds ||
			   m->spans[i].purged != m->spans[i - 1].purged ||
			   m->spans[i].until_ns != m->spans[i - 1].until_ns ||
			   m->spans[i].fixed != m->spans[i - 1].fixed));
}

/* Those gone, counted one by one: all of the ranges are below INDEXES, but for one without an end.
 */
static void
count_purged(const struct lockmap *m, const struct lockmap_span cells[INDEXES])
{
	bool in[INDEXES];
	struct ranges where = random_ranges(in);
	uint64_t n = 0, counted;

	if (where.n && where.r[where.n - 1].last >= INDEXES)
		where.r[where.n - 1].last = INDEXES - 1;
	for (unsigned i = 0; i < INDEXES; i++)
		n += in[i] && cells[i].purged;
	counted = lockmap_purged(m, &where);
	ck_assert_uint_eq(counted, n);
	ranges_fini(&where);
}

START_TEST(every_index_says_what_its_changes_made_of_it)
{
	srand(7);
	for (unsigned round = 0; round < 300; round++) {
		struct lockmap_span cells[INDEXES] = {{0}};
		struct lockmap m = {0};
		for (unsigned step = 0; step < 40; step++) {
			struct lockmap_change c = {.kind = rand() % 5,
						   .until_ns = rand() % 5 + 1,
						   .purged = (uint64_t)step + 1};
			bool in[INDEXES];
			struct ranges where = random_ranges(in);
			ck_assert_int_eq(lockmap_apply(&m, &where, &c), 0);
			for (unsigned i = 0; i < INDEXES; i++)
				if (in[i])
					change_cell(&cells[i], &c);
			compare(&m, cells);
			count_purged(&m, cells);
			ranges_fini(&where);
		}
		lockmap_fini(&m);
	}
}
END_TEST

START_TEST(the_later_end_counts_but_for_what_was_shortened)
{
	const struct lockmap_span none = {0}, later = {.until_ns = 10},
				  fixed = {.until_ns = 10, .fixed = true};

	ck_assert_int_eq(lockmap_end(&none, 0), 0);
	ck_assert_int_eq(lockmap_end(&none, 7), 7);
	ck_assert_int_eq(lockmap_end(&later, 7), 10);
	ck_assert_int_eq(lockmap_end(&later, 11), 11);
	ck_assert_int_eq(lockmap_end(&fixed, 11), 10);
	ck_assert_int_eq(lockmap_end(&fixed, 7), 10);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_index_says_what_its_changes_made_of_it,
		the_later_end_counts_but_for_what_was_shortened,
	};

	return suite_run("lockmap", tests, sizeof tests / sizeof(tests[0]), 20.0);
}
