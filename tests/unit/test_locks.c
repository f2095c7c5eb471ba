/* The predicate: each rule alone and together, at the nanosecond before, at and after. */
#include "storage/locks.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "proto/err.h"
#include "storage/ranges.h"
#include "tests/unit/suite.h"

#define T(ns) "1970-01-01T00:00:00.0000000" #ns "Z"

static void
fold(struct locks *l, uint64_t index, enum entry_kind kind, const char *json)
{
	struct control *c;
	struct buf why;

	buf_init(&why);
	ck_assert_msg(control_read(&c, kind, index, slice_str(json), &why) == 0, "%s: %.*s", json,
		      (int)why.n, (char *)why.p);
	buf_fini(&why);
	locks_fold(l, c);
}

/* The state of the record at index whose entry says retain_until, at now. */
static struct lock_state
look(struct locks *l, uint64_t index, int64_t retain_until_ns, int64_t now_ns)
{
	const struct entry e = {.kind = ENTRY_RECORD,
				.mode = retain_until_ns ? ENTRY_MODE_GOVERNANCE : ENTRY_MODE_NONE,
				.retain_until_ns = retain_until_ns};
	struct lock_state s;

	locks_look(l, index, &e, now_ns, &s);
	return s;
}

static enum lock_by
by(struct locks *l, uint64_t index, int64_t retain_until_ns, int64_t now_ns)
{
	return look(l, index, retain_until_ns, now_ns).by;
}

#define HOLD(id, ranges) "{\"type\":\"hold\",\"hold\":\"h-" id "\",\"ranges\":" ranges "}"
#define OPEN(id, from)                                                                             \
	"{\"type\":\"hold\",\"hold\":\"h-" id "\",\"ranges\":[],\"open_from\":" #from "}"
#define RELEASE(id) "{\"type\":\"release\",\"hold\":\"h-" id "\"}"

START_TEST(retention_1_ns_before_at_and_after_its_end)
{
	struct locks *l = locks_new();

	ck_assert_int_eq(by(l, 5, 20, 19), LOCK_BY_RETENTION);
	ck_assert_int_eq(by(l, 5, 20, 20), LOCK_BY_NOTHING);
	ck_assert_int_eq(by(l, 5, 20, 21), LOCK_BY_NOTHING);
	ck_assert_int_eq(by(l, 5, 0, 0), LOCK_BY_NOTHING);
	locks_free(l);
}
END_TEST

START_TEST(an_extension_only_ends_later)
{
	struct locks *l = locks_new();

	fold(l, 9, ENTRY_EXTEND,
	     "{\"type\":\"extend\",\"ranges\":[[5,6]],\"until\":\"" T(30) "\"}");
	ck_assert_int_eq(by(l, 4, 20, 29), LOCK_BY_NOTHING);
	ck_assert_int_eq(by(l, 5, 20, 29), LOCK_BY_RETENTION);
	ck_assert_int_eq(by(l, 5, 20, 30), LOCK_BY_NOTHING);
	ck_assert_int_eq(by(l, 6, 0, 29), LOCK_BY_RETENTION); /* also what had no lock */
	ck_assert_int_eq(by(l, 7, 20, 29), LOCK_BY_NOTHING);
	fold(l, 10, ENTRY_EXTEND,
	     "{\"type\":\"extend\",\"ranges\":[[5,5]],\"until\":\"" T(25) "\"}");
	ck_assert_int_eq(by(l, 5, 20, 29), LOCK_BY_RETENTION);
	ck_assert_int_eq(look(l, 5, 40, 29).until_ns, 40);
	locks_free(l);
}
END_TEST

START_TEST(what_was_shortened_can_be_extended_again)
{
	struct locks *l = locks_new();

	fold(l, 9, ENTRY_EXTEND,
	     "{\"type\":\"extend\",\"ranges\":[[5,5]],\"until\":\"" T(10) "\",\"shorten\":true}");
	ck_assert_int_eq(by(l, 5, 20, 9), LOCK_BY_RETENTION);
	ck_assert_int_eq(by(l, 5, 20, 10), LOCK_BY_NOTHING);
	fold(l, 10, ENTRY_EXTEND,
	     "{\"type\":\"extend\",\"ranges\":[[5,5]],\"until\":\"" T(15) "\"}");
	ck_assert_int_eq(by(l, 5, 20, 14), LOCK_BY_RETENTION);
	ck_assert_int_eq(by(l, 5, 20, 15), LOCK_BY_NOTHING);
	locks_free(l);
}
END_TEST

START_TEST(two_holds_and_one_released)
{
	struct locks *l = locks_new();
	struct lock_hold h;

	fold(l, 9, ENTRY_HOLD, HOLD("aaaaaaaaaa", "[[1,5]]"));
	fold(l, 10, ENTRY_HOLD, HOLD("bbbbbbbbbb", "[[3,7]]"));
	ck_assert_uint_eq(look(l, 4, 0, 0).holds, 2);
	fold(l, 11, ENTRY_RELEASE, RELEASE("aaaaaaaaaa"));
	ck_assert_int_eq(by(l, 2, 0, 0), LOCK_BY_NOTHING);
	ck_assert_int_eq(by(l, 4, 0, 0), LOCK_BY_HOLD);
	ck_assert_int_eq(by(l, 7, 0, 0), LOCK_BY_HOLD);
	ck_assert_int_eq(by(l, 8, 0, 0), LOCK_BY_NOTHING);
	fold(l, 12, ENTRY_RELEASE, RELEASE("bbbbbbbbbb"));
	ck_assert_int_eq(by(l, 4, 0, 0), LOCK_BY_NOTHING);
	ck_assert(locks_hold(l, slice_str("h-aaaaaaaaaa"), &h));
	ck_assert_uint_eq(h.released, 11);
	ck_assert(!locks_hold(l, slice_str("h-cccccccccc"), &h));
	fold(l, 13, ENTRY_HOLD, HOLD("aaaaaaaaaa", "[[1,5]]")); /* what is released stays so */
	ck_assert_int_eq(by(l, 2, 0, 0), LOCK_BY_NOTHING);
	fold(l, 14, ENTRY_RELEASE, RELEASE("aaaaaaaaaa"));
	ck_assert(locks_hold(l, slice_str("h-aaaaaaaaaa"), &h));
	ck_assert_uint_eq(h.released, 11);
	locks_free(l);
}
END_TEST

START_TEST(a_hold_and_expired_retention)
{
	struct locks *l = locks_new();

	fold(l, 9, ENTRY_HOLD, HOLD("aaaaaaaaaa", "[[1,5]]"));
	ck_assert_int_eq(by(l, 3, 20, 30), LOCK_BY_HOLD);
	fold(l, 10, ENTRY_RELEASE, RELEASE("aaaaaaaaaa"));
	ck_assert_int_eq(by(l, 3, 20, 30), LOCK_BY_NOTHING);
	ck_assert_int_eq(by(l, 3, 20, 19), LOCK_BY_RETENTION);
	locks_free(l);
}
END_TEST

START_TEST(a_hold_that_grows_counts_once)
{
	struct locks *l = locks_new();
	struct lock_hold h;

	fold(l, 9, ENTRY_HOLD, OPEN("aaaaaaaaaa", 4));
	ck_assert_int_eq(by(l, 3, 0, 0), LOCK_BY_NOTHING);
	ck_assert_int_eq(by(l, 4, 0, 0), LOCK_BY_HOLD);
	ck_assert_int_eq(by(l, 1u << 30, 0, 0), LOCK_BY_HOLD);
	/* looked through up to 100: of what there was, 7 to 8 is what it wants */
	fold(l, 10, ENTRY_HOLD,
	     "{\"type\":\"hold\",\"hold\":\"h-aaaaaaaaaa\",\"ranges\":[[7,8]],\"open_from\":100}");
	ck_assert_int_eq(by(l, 6, 0, 0), LOCK_BY_NOTHING);
	ck_assert_uint_eq(look(l, 7, 0, 0).holds, 1);
	ck_assert_int_eq(by(l, 99, 0, 0), LOCK_BY_NOTHING);
	ck_assert_uint_eq(look(l, 100, 0, 0).holds, 1);
	ck_assert(locks_hold(l, slice_str("h-aaaaaaaaaa"), &h));
	ck_assert_uint_eq(h.records, 2);
	ck_assert_uint_eq(h.open_from, 100);
	fold(l, 11, ENTRY_RELEASE, RELEASE("aaaaaaaaaa"));
	ck_assert_uint_eq(look(l, 7, 0, 0).holds, 0);
	ck_assert_uint_eq(look(l, 100, 0, 0).holds, 0);
	locks_free(l);
}
END_TEST

START_TEST(what_a_hold_covers_is_counted_below_the_logs_end)
{
	struct locks *l = locks_new();
	struct lock_hold_counts n;

	fold(l, 9, ENTRY_HOLD,
	     "{\"type\":\"hold\",\"hold\":\"h-aaaaaaaaaa\",\"ranges\":[[2,3],[8,20]],"
	     "\"open_from\":12}");
	locks_hold_count(l, slice_str("h-aaaaaaaaaa"), 10, &n);
	ck_assert_uint_eq(n.set, 4);
	ck_assert_uint_eq(n.open, 0);
	locks_hold_count(l, slice_str("h-aaaaaaaaaa"), 30, &n);
	ck_assert_uint_eq(n.set, 15);
	ck_assert_uint_eq(n.open, 9);
	ck_assert_uint_eq(n.purged, 0);
	fold(l, 10, ENTRY_PURGE, "{\"type\":\"purge\",\"ranges\":[[1,2],[9,9]]}");
	locks_hold_count(l, slice_str("h-aaaaaaaaaa"), 30, &n);
	ck_assert_uint_eq(n.purged, 2);
	fold(l, 11, ENTRY_RELEASE, RELEASE("aaaaaaaaaa"));
	for (int i = 0; i < 2; i++) { /* a released one, and one that never was */
		locks_hold_count(l, slice_str(i ? "h-bbbbbbbbbb" : "h-aaaaaaaaaa"), 30, &n);
		ck_assert_uint_eq(n.set, 0);
		ck_assert_uint_eq(n.open, 0);
		ck_assert_uint_eq(n.purged, 0);
	}
	locks_free(l);
}
END_TEST

START_TEST(an_event_is_waited_for_and_only_moves_later)
{
	const struct entry e = {
		.kind = ENTRY_RECORD, .mode = ENTRY_MODE_GOVERNANCE, .event = slice_str("closed")};
	struct locks *l = locks_new();
	struct lock_state s;

	locks_look(l, 5, &e, 99, &s);
	ck_assert_int_eq(s.by, LOCK_BY_EVENT);
	fold(l, 9, ENTRY_EVENT,
	     "{\"type\":\"event\",\"event\":\"opened\",\"at\":\"" T(10) "\",\"until\":\"" T(
		     12) "\"}");
	locks_look(l, 5, &e, 99, &s);
	ck_assert_int_eq(s.by, LOCK_BY_EVENT);
	fold(l, 10, ENTRY_EVENT,
	     "{\"type\":\"event\",\"event\":\"closed\",\"at\":\"" T(10) "\",\"until\":\"" T(
		     20) "\"}");
	locks_look(l, 5, &e, 19, &s);
	ck_assert_int_eq(s.by, LOCK_BY_RETENTION);
	locks_look(l, 5, &e, 20, &s);
	ck_assert_int_eq(s.by, LOCK_BY_NOTHING);
	fold(l, 12, ENTRY_EVENT,
	     "{\"type\":\"event\",\"event\":\"closed\",\"at\":\"" T(10) "\",\"until\":\"" T(
		     15) "\"}");
	locks_look(l, 5, &e, 19, &s);
	ck_assert_int_eq(s.by, LOCK_BY_RETENTION);
	locks_look(l, 13, &e, 99, &s); /* came after it: waits for the next one */
	ck_assert_int_eq(s.by, LOCK_BY_EVENT);
	locks_free(l);
}
END_TEST

START_TEST(control_entries_are_never_free)
{
	const struct entry e = {.kind = ENTRY_HOLD};
	struct locks *l = locks_new();
	struct lock_state s;

	locks_look(l, 5, &e, 99, &s);
	ck_assert_int_eq(s.by, LOCK_BY_KIND);
	locks_free(l);
}
END_TEST

START_TEST(a_purge_is_remembered_by_its_entry)
{
	struct locks *l = locks_new();

	fold(l, 9, ENTRY_PURGE, "{\"type\":\"purge\",\"ranges\":[[2,3]]}");
	ck_assert_uint_eq(locks_purged(l, 1), 0);
	ck_assert_uint_eq(locks_purged(l, 2), 9);
	ck_assert_uint_eq(look(l, 3, 0, 0).purged, 9);
	ck_assert_uint_eq(locks_purged(l, 4), 0);
	locks_free(l);
}
END_TEST

static void
count_control(void *ctx, const struct control *c)
{
	*(uint64_t *)ctx += c->index;
}

static int
list_hold(void *ctx, const struct lock_hold *h)
{
	strcat(ctx, h->id);
	return 0;
}

START_TEST(entries_are_kept_and_listed_once)
{
	struct locks *l = locks_new();
	uint64_t sum = 0, generation = locks_generation(l);
	char ids[64] = "";

	fold(l, 9, ENTRY_HOLD, HOLD("bbbbbbbbbb", "[[1,5]]"));
	ck_assert_uint_gt(locks_generation(l), generation);
	generation = locks_generation(l);
	fold(l, 9, ENTRY_HOLD, HOLD("bbbbbbbbbb", "[[1,5]]")); /* replayed */
	ck_assert_uint_eq(locks_generation(l), generation);
	fold(l, 11, ENTRY_HOLD, HOLD("aaaaaaaaaa", "[[3,9]]"));
	ck_assert_uint_eq(locks_each_control(l, 0, count_control, &sum), 2);
	ck_assert_uint_eq(sum, 20);
	ck_assert_int_eq(locks_each_hold(l, 4, list_hold, ids), 0);
	ck_assert_str_eq(ids, "h-aaaaaaaaaah-bbbbbbbbbb");
	ids[0] = '\0';
	ck_assert_int_eq(locks_each_hold(l, 9, list_hold, ids), 0);
	ck_assert_str_eq(ids, "h-aaaaaaaaaa");
	locks_free(l);
}
END_TEST

START_TEST(the_holds_on_some_records_are_those_that_cover_one_of_them)
{
	struct control_range some[] = {{0, 0}, {6, 7}, {20, 30}};
	const struct ranges where = {some, 3, 3};
	struct locks *l = locks_new();
	char ids[64] = "";

	fold(l, 40, ENTRY_HOLD, HOLD("bbbbbbbbbb", "[[1,5],[8,19]]"));
	fold(l, 41, ENTRY_HOLD, HOLD("aaaaaaaaaa", "[[3,6]]"));
	fold(l, 42, ENTRY_HOLD, HOLD("cccccccccc", "[[30,31]]"));
	ck_assert_int_eq(locks_each_hold_on(l, &where, list_hold, ids), 0);
	ck_assert_str_eq(ids, "h-aaaaaaaaaah-cccccccccc");
	locks_free(l);
}
END_TEST

START_TEST(the_latest_end_is_known_whatever_came_after_it)
{
	struct locks *l = locks_new();

	fold(l, 8, ENTRY_HOLD, HOLD("bbbbbbbbbb", "[[1,5]]"));
	ck_assert_int_eq(locks_latest(l), 0);
	fold(l, 9, ENTRY_EXTEND,
	     "{\"type\":\"extend\",\"ranges\":[[1,2]],\"until\":\"" T(20) "\"}");
	ck_assert_int_eq(locks_latest(l), 20);
	fold(l, 10, ENTRY_EVENT,
	     "{\"type\":\"event\",\"event\":\"e\",\"at\":\"" T(10) "\",\"until\":\"" T(30) "\"}");
	fold(l, 11, ENTRY_EXTEND,
	     "{\"type\":\"extend\",\"ranges\":[[1,2]],\"until\":\"" T(40) "\",\"shorten\":true}");
	fold(l, 12, ENTRY_EXTEND,
	     "{\"type\":\"extend\",\"ranges\":[[1,2]],\"until\":\"" T(25) "\"}");
	ck_assert_int_eq(locks_latest(l), 30);
	ck_assert(!locks_wait(l));
	fold(l, 13, ENTRY_POLICY,
	     "{\"policy\":{\"retain\":{\"default\":\"1d\"},\"event_based\":true}}");
	fold(l, 14, ENTRY_POLICY, "{\"policy\":{}}");
	ck_assert(locks_wait(l)); /* what was stored in between may wait still */
	locks_free(l);
}
END_TEST

START_TEST(the_last_policy_is_in_force)
{
	struct locks *l = locks_new();

	ck_assert_ptr_null(locks_policy(l));
	fold(l, 9, ENTRY_POLICY, "{\"policy\":{\"public\":true}}");
	ck_assert_uint_eq(locks_policy_index(l), 9);
	fold(l, 10, ENTRY_POLICY, "{\"policy\":{\"retain\":{\"default\":\"1y\"}}}");
	ck_assert(!locks_policy(l)->public);
	ck_assert_str_eq(locks_policy(l)->retain_default, "1y");
	ck_assert_uint_eq(locks_policy_index(l), 10);
	fold(l, 11, ENTRY_HOLD, HOLD("aaaaaaaaaa", "[[1,5]]"));
	ck_assert_uint_eq(locks_policy_index(l), 10);
	locks_free(l);
}
END_TEST

/* With more ranges than memory has room for; sanitizers need allocator_may_return_null for it. */
START_TEST(what_could_not_be_taken_in_locks_everything)
{
	struct locks *l = locks_new();
	struct control *c;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(by(l, 9, 20, 30), LOCK_BY_NOTHING);
	ck_assert_int_eq(control_read(&c, ENTRY_PURGE, 10,
				      slice_str("{\"type\":\"purge\",\"ranges\":[[2,3]]}"), &why),
			 0);
	c->n_ranges = (size_t)1 << 50;
	locks_fold(l, c);
	ck_assert_int_eq(by(l, 9, 20, 30), LOCK_BY_DOUBT);
	ck_assert_int_eq(by(l, 9, 20, 10), LOCK_BY_DOUBT);
	buf_fini(&why);
	locks_free(l);
}
END_TEST

START_TEST(ten_thousand_holds)
{
	struct locks *l = locks_new();
	char json[128], ids[32] = "";

	for (unsigned i = 0; i < 10000; i++) {
		snprintf(json, sizeof json,
			 "{\"type\":\"hold\",\"hold\":\"h-%010u\",\"ranges\":[[%u,%u]]}",
			 i * 7919 % 10000, i * 10, i * 10 + 14);
		fold(l, 1000000 + i, ENTRY_HOLD, json);
	}
	ck_assert_uint_eq(look(l, 50003, 0, 0).holds, 2);
	ck_assert_uint_eq(look(l, 50007, 0, 0).holds, 1);
	ck_assert_int_eq(locks_each_hold(l, 3, list_hold, ids), 0);
	ck_assert_str_eq(ids, "h-0000000000");
	locks_free(l);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_a_hold_covers_is_counted_below_the_logs_end,
		retention_1_ns_before_at_and_after_its_end,
		an_extension_only_ends_later,
		what_was_shortened_can_be_extended_again,
		two_holds_and_one_released,
		a_hold_and_expired_retention,
		a_hold_that_grows_counts_once,
		an_event_is_waited_for_and_only_moves_later,
		control_entries_are_never_free,
		a_purge_is_remembered_by_its_entry,
		entries_are_kept_and_listed_once,
		the_holds_on_some_records_are_those_that_cover_one_of_them,
		the_latest_end_is_known_whatever_came_after_it,
		the_last_policy_is_in_force,
		what_could_not_be_taken_in_locks_everything,
		ten_thousand_holds,
	};

	return suite_run("locks", tests, sizeof tests / sizeof(tests[0]), 20.0);
}
