/* What acts make of exports: their states, what a purge takes with it, the snapshot. */
#include "server/exports.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "act_case.h"
#include "suite.h"

#define ONE "x-aaaaaaaaaa"
#define TWO "x-bbbbbbbbbb"

static int
fold(struct access *a, int64_t time_ns, const char *act)
{
	json_t *o = json_loads(act, 0, NULL);

	ck_assert_ptr_nonnull(o);
	return act_fold(a, time_ns, o);
}

static int
begin_of(struct access *a, int64_t time_ns, const char *id, const char *more, const char *who)
{
	char text[512];

	snprintf(text, sizeof text,
		 "{\"type\":\"export.begin\",\"export\":\"%s\",\"request\":{\"kind\":\"range\","
		 "\"logs\":[\"l\",\"m\"]%s},\"logs\":[{\"log\":\"l\",\"size\":9,\"read\":true},"
		 "{\"log\":\"m\",\"size\":3}],\"by\":{\"principal\":\"%s\",\"token\":\"t\"}}",
		 id, more, who);
	return fold(a, time_ns, text);
}

static int
begin(struct access *a, int64_t time_ns, const char *id, const char *more)
{
	return begin_of(a, time_ns, id, more, "p-1");
}

#define COUNTS(payloads)                                                                           \
	",\"entries\":3,\"payloads\":" #payloads                                                   \
	",\"purged\":0,\"withheld\":0,\"controls\":1,\"bytes\":7}"

/* l with payloads of 2 to 5 and 8, m without any. */
static int
finish(struct access *a, int64_t time_ns, const char *id)
{
	char text[1024];

	snprintf(text, sizeof text,
		 "{\"type\":\"export.finish\",\"export\":\"%s\",\"sha256\":\"%064d\",\"manifest\":"
		 "\"%064d\",\"bytes\":1000,\"logs\":[{\"log\":\"l\",\"size\":10,\"ranges\":[[2,5],"
		 "[8,8]]" COUNTS(5) ",{\"log\":\"m\",\"size\":3,\"ranges\":[[1,2]]" COUNTS(0) "]}",
		 id, 7, 8);
	return fold(a, time_ns, text);
}

static int
purge(struct access *a, int64_t time_ns, const char *log, const char *ranges)
{
	char text[256];

	snprintf(text, sizeof text, "{\"type\":\"purge\",\"log\":\"%s\",\"ranges\":%s}", log,
		 ranges);
	return fold(a, time_ns, text);
}

static int
happen(struct access *a, int64_t time_ns, const char *type, const char *id, const char *more)
{
	char text[256];

	snprintf(text, sizeof text, "{\"type\":\"export.%s\",\"export\":\"%s\"%s}", type, id, more);
	return fold(a, time_ns, text);
}

static enum export_state
state_of(struct access *a, const char *id)
{
	enum export_state state;
	struct export *e;

	ck_assert_int_eq(access_export(a, slice_str(id), &e), 0);
	state = e->state;
	export_unref(e);
	return state;
}

static size_t
live(struct access *a, uint64_t bytes)
{
	uint64_t found;
	size_t n = access_live_exports(a, &found);

	ck_assert_uint_eq(found, bytes);
	return n;
}

START_TEST(an_export_is_begun_finished_and_removed)
{
	struct access *a = access_new();
	struct export *e;

	ck_assert_int_eq(begin(a, 5, ONE, ""), 0);
	ck_assert_int_eq(begin(a, 6, ONE, ""), STELE_EEXIST);
	ck_assert_uint_eq(live(a, 0), 1);
	ck_assert_int_eq(finish(a, 7, ONE), 0);
	ck_assert_int_eq(finish(a, 8, ONE), STELE_ECONFLICT);
	ck_assert_int_eq(finish(a, 8, TWO), STELE_ENOTFOUND);
	ck_assert_uint_eq(live(a, 1000), 1);
	ck_assert_int_eq(access_export(a, slice_str(ONE), &e), 0);
	ck_assert_int_eq(e->begun_ns, 5);
	ck_assert_int_eq(e->ended_ns, 7);
	ck_assert_uint_eq(e->logs[0].set.n, 2);
	ck_assert_uint_eq(e->logs[0].size, 10);
	ck_assert(e->logs[0].read && !e->logs[1].read);
	export_unref(e);
	ck_assert_int_eq(happen(a, 9, "remove", ONE, ",\"why\":\"deleted\""), 0);
	ck_assert_int_eq(happen(a, 9, "remove", ONE, ",\"why\":\"deleted\""), STELE_ECONFLICT);
	ck_assert_int_eq(state_of(a, ONE), EXPORT_REMOVED);
	ck_assert_uint_eq(live(a, 0), 0);
	access_free(a);
}
END_TEST

START_TEST(one_that_failed_says_why_and_never_finishes)
{
	struct access *a = access_new();

	ck_assert_int_eq(begin(a, 5, ONE, ""), 0);
	ck_assert_int_eq(happen(a, 6, "fail", ONE, ""), STELE_ESYNTAX);
	ck_assert_int_eq(happen(a, 6, "fail", ONE, ",\"reason\":\"r\""), 0);
	ck_assert_int_eq(finish(a, 7, ONE), STELE_ECONFLICT);
	ck_assert_int_eq(state_of(a, ONE), EXPORT_FAILED);
	access_free(a);
}
END_TEST

START_TEST(a_purge_removes_those_that_have_payloads_of_it)
{
	static const struct {
		const char *log, *ranges, *more;
		bool goes;
	} rows[] = {
		{"l", "[[5,6]]", "", true},
		{"l", "[[1,1],[8,8]]", "", true},
		{"l", "[[6,7]]", "", false},
		{"m", "[[1,2]]", "", false},
		{"other", "[[2,5]]", "", false},
		{"l", "[[6,7]]", ",\"certify\":true", true},
		{"l", "[[10,12]]", ",\"certify\":true", false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct access *a = access_new();
		ck_assert_int_eq(begin(a, 5, ONE, rows[i].more), 0);
		ck_assert_int_eq(begin(a, 5, TWO, ""),
				 0); /* not finished: the maker's to do again */
		ck_assert_int_eq(finish(a, 6, ONE), 0);
		ck_assert_int_eq(purge(a, 7, rows[i].log, rows[i].ranges), 0);
		ck_assert_int_eq(state_of(a, ONE), rows[i].goes ? EXPORT_REMOVED : EXPORT_FINISHED);
		ck_assert_int_eq(state_of(a, TWO), EXPORT_BEGUN);
		access_free(a);
	}
}
END_TEST

START_TEST(what_the_snapshot_says_is_what_there_was)
{
	struct access *a = access_new(), *b = access_new();
	struct buf first, second;
	uint64_t applied;

	ck_assert_int_eq(begin(a, 5, ONE, ""), 0);
	ck_assert_int_eq(finish(a, 6, ONE), 0);
	ck_assert_int_eq(begin(a, 7, TWO, ",\"certify\":true"), 0);
	ck_assert_int_eq(purge(a, 8, "l", "[[2,2]]"), 0);
	buf_init(&first);
	buf_init(&second);
	access_encode(a, 7, &first);
	ck_assert_int_eq(access_decode(b, buf_slice(&first), &applied), 0);
	access_encode(b, 7, &second);
	ck_assert(slice_eq(buf_slice(&first), buf_slice(&second)));
	ck_assert_int_eq(state_of(b, ONE), EXPORT_REMOVED);
	ck_assert_int_eq(state_of(b, TWO), EXPORT_BEGUN);
	ck_assert_uint_eq(live(b, 0), 1);
	buf_fini(&first);
	buf_fini(&second);
	access_free(a);
	access_free(b);
}
END_TEST

START_TEST(the_oldest_that_is_over_is_forgotten_first)
{
	struct access *a = access_new();
	struct export *e;
	char id[EXPORT_ID_CHARS + 1];

	ck_assert_int_eq(begin(a, 1, ONE, ""), 0);
	for (int64_t i = 0; i <= LIMIT_EXPORTS_KEPT; i++) {
		access_new_export_id(a, id);
		ck_assert_int_eq(begin(a, 10 + i, id, ""), 0);
		ck_assert_int_eq(happen(a, 10 + i, "fail", id, ",\"reason\":\"r\""), 0);
		if (i == 0)
			memcpy(id, ONE, sizeof id);
	}
	ck_assert_uint_eq(live(a, 0), 1);
	ck_assert_int_eq(access_next_export(a, slice_of("", 0), &e), 0);
	export_unref(e);
	ck_assert_int_eq(state_of(a, ONE), EXPORT_BEGUN);
	access_free(a);
}
END_TEST

START_TEST(nobody_takes_all_places_nor_the_whole_queue)
{
	struct access *a = access_new();
	char id[EXPORT_ID_CHARS + 1], more[EXPORT_ID_CHARS + 1];

	access_new_export_id(a, more);
	for (unsigned i = 0; i < LIMIT_EXPORTS_OF_ONE; i++) {
		access_new_export_id(a, id);
		ck_assert_int_eq(begin(a, i + 1, id, ""), 0);
		if (i + 1 >= LIMIT_EXPORTS_WAITING) {
			ck_assert_int_eq(begin(a, i + 1, more, ""), STELE_ELIMIT);
			ck_assert_int_eq(finish(a, i + 1, id), 0);
		}
	}
	ck_assert_int_eq(begin(a, 1000, more, ""), STELE_ELIMIT);
	ck_assert_int_eq(begin_of(a, 1000, more, "", "p-2"), 0);
	ck_assert_int_eq(happen(a, 1001, "remove", id, ",\"why\":\"deleted\""), 0);
	access_new_export_id(a, more);
	ck_assert_int_eq(begin(a, 1002, more, ""), 0);
	access_free(a);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		an_export_is_begun_finished_and_removed,
		one_that_failed_says_why_and_never_finishes,
		a_purge_removes_those_that_have_payloads_of_it,
		what_the_snapshot_says_is_what_there_was,
		the_oldest_that_is_over_is_forgotten_first,
		nobody_takes_all_places_nor_the_whole_queue,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("exports", tests, sizeof tests / sizeof *tests, 60);
}
