/* Whom pieces are kept for. How feeds go on is tail_test.py's. */
#include "server/feed.h"
#include "suite.h"

/* Two feeds: one that others share, whose pieces are given, and one that is on its way there. */
static struct piece pieces[3];
static struct feed shared, own;

static void
begin(void)
{
	shared = (struct feed){.number = 7, .newest = &pieces[1], .next = &own};
	own = (struct feed){.number = 8, .own = true};
}

START_TEST(a_piece_is_kept_for_who_joins_before_it)
{
	begin();
	ck_assert(!feed_is_aimed_at(&shared, &shared));
	own.anchor = &pieces[0];
	own.anchor_feed = 7;
	ck_assert(feed_is_aimed_at(&shared, &shared));
	ck_assert(feed_is_aimed_at(&shared, &own));
}
END_TEST

START_TEST(who_joins_behind_it_or_another_feed_needs_it_not)
{
	begin();
	own.anchor = &pieces[1]; /* goes on with what comes after */
	own.anchor_feed = 7;
	ck_assert(!feed_is_aimed_at(&shared, &shared));
	own.anchor = &pieces[2];
	own.anchor_feed = 9;
	ck_assert(!feed_is_aimed_at(&shared, &shared));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_piece_is_kept_for_who_joins_before_it,
		who_joins_behind_it_or_another_feed_needs_it_not,
	};

	return suite_run("feed", tests, sizeof tests / sizeof *tests, 30);
}
