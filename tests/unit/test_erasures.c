/* What acts make of requests of erasure: who is restricted, the bounds, the snapshot. */
#include "server/erasures.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "act_case.h"
#include "suite.h"

#define ONE "e-aaaaaaaaaa"
#define TWO "e-bbbbbbbbbb"

static int
request(struct access *a, int64_t time_ns, const char *id, const char *log, const char *ranges)
{
	return act_fold(a, time_ns,
			json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:s}}", "type", "erasure.request",
				  "id", id, "log", log, "case", "c-1", "ranges",
				  json_loads(ranges, 0, NULL), "by", "principal", "p-1"));
}

static int
end(struct access *a, int64_t time_ns, const char *id, const char *log)
{
	return act_fold(a, time_ns,
			json_pack("{s:s, s:s, s:s}", "type", "erasure.end", "id", id, "log", log));
}

/* Whether the record is restricted, by that one. */
static bool
restricted(struct access *a, const char *log, uint64_t index, const char *by)
{
	char id[CONTROL_HOLD_ID_CHARS + 1] = "";
	bool is = access_restricts(a, log, index, id);

	ck_assert_str_eq(id, is ? by : "");
	return is;
}

static void
encode(struct access *a, struct buf *out)
{
	buf_init(out);
	access_encode(a, 7, out);
	ck_assert_int_eq(out->err, 0);
}

/* What the snapshot says is what there was. */
static struct access *
decoded(struct access *a)
{
	struct access *b = access_new();
	struct buf first, second;
	uint64_t applied;

	encode(a, &first);
	ck_assert_int_eq(access_decode(b, buf_slice(&first), &applied), 0);
	encode(b, &second);
	ck_assert_uint_eq(first.n, second.n);
	ck_assert_mem_eq(first.p, second.p, first.n);
	ck_assert_uint_eq(access_open_erasures(a), access_open_erasures(b));
	buf_fini(&first);
	buf_fini(&second);
	return b;
}

START_TEST(its_records_are_restricted_from_its_act_until_its_end)
{
	struct access *a = access_new();

	ck_assert(!restricted(a, "pay", 3, ""));
	ck_assert_int_eq(request(a, 10, ONE, "pay", "[[3,5],[9,9]]"), 0);
	for (uint64_t i = 0; i < 12; i++) {
		bool in = (i >= 3 && i <= 5) || i == 9;
		ck_assert_int_eq(restricted(a, "pay", i, ONE), in);
		ck_assert(!restricted(a, "pa", i, ""));
		ck_assert(!restricted(a, "payx", i, ""));
	}
	ck_assert_int_eq(end(a, 20, ONE, "pay"), 0);
	ck_assert(!restricted(a, "pay", 3, ""));
	ck_assert_uint_eq(access_open_erasures(a), 0);
	access_free(a);
}
END_TEST

START_TEST(a_record_under_two_stays_restricted_until_both_have_ended)
{
	struct access *a = access_new();

	ck_assert_int_eq(request(a, 10, TWO, "pay", "[[5,7]]"), 0);
	ck_assert_int_eq(request(a, 11, ONE, "pay", "[[3,5]]"), 0);
	ck_assert_int_eq(request(a, 11, "e-cccccccccc", "a", "[[1,1]]"), 0);
	ck_assert(restricted(a, "pay", 5, ONE));
	ck_assert(restricted(a, "pay", 7, TWO));
	ck_assert_int_eq(end(a, 20, ONE, "pay"), 0);
	ck_assert(!restricted(a, "pay", 3, ""));
	ck_assert(restricted(a, "pay", 5, TWO));
	ck_assert_int_eq(end(a, 21, TWO, "pay"), 0);
	ck_assert(!restricted(a, "pay", 5, ""));
	ck_assert(restricted(a, "a", 1, "e-cccccccccc"));
	access_free(a);
}
END_TEST

START_TEST(what_is_wrong_is_refused_and_changes_nothing)
{
	static const char *const ranges[] = {
		"[]",
		"{}",
		"[[1]]",
		"[[2,1]]",
		"[[1,2],[5,4]]",
		"[[-1,1]]",
		"[[1,2],[2,3]]",
		"[[5,6],[1,2]]",
		"[[1,\"2\"]]",
		"[[1,9007199254740991]]",
		"[7]",
	};
	struct access *a = access_new();

	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
		ck_assert_int_eq(request(a, 10, ONE, "pay", ranges[i]), STELE_ESYNTAX);
	ck_assert_int_eq(request(a, 10, "e-short", "pay", "[[1,2]]"), STELE_ESYNTAX);
	ck_assert_int_eq(request(a, 10, "h-aaaaaaaaaa", "pay", "[[1,2]]"), STELE_ESYNTAX);
	ck_assert_int_eq(request(a, 10, ONE, "", "[[1,2]]"), STELE_ESYNTAX);
	ck_assert_uint_eq(access_open_erasures(a), 0);
	ck_assert_int_eq(request(a, 10, ONE, "pay", "[[1,2]]"), 0);
	ck_assert_int_eq(request(a, 10, ONE, "pay", "[[5,6]]"), STELE_EEXIST);
	ck_assert_int_eq(end(a, 11, TWO, "pay"), STELE_ENOTFOUND);
	ck_assert_int_eq(end(a, 11, ONE, "other"), STELE_ENOTFOUND);
	ck_assert_int_eq(end(a, 11, ONE, "pay"), 0);
	ck_assert_int_eq(end(a, 12, ONE, "pay"), STELE_ECONFLICT);
	access_free(a);
}
END_TEST

/* n single records, each a range. */
static char *
singles(unsigned n)
{
	char *text = malloc(32 * (size_t)n + 3), *at = text;

	*at++ = '[';
	for (unsigned i = 0; i < n; i++)
		at += sprintf(at, "%s[%u,%u]", i ? "," : "", 2 * i, 2 * i);
	strcpy(at, "]");
	return text;
}

START_TEST(the_bounds_are_where_they_are_said_to_be)
{
	struct access *a = access_new();
	char id[CONTROL_HOLD_ID_CHARS + 1], *full = singles(LIMIT_ERASURE_RANGES),
					    *over = singles(LIMIT_ERASURE_RANGES + 1), *rest;
	unsigned n = 0;

	ck_assert_int_eq(request(a, 1, ONE, "pay", over), STELE_ESYNTAX);
	for (; (n + 1) * LIMIT_ERASURE_RANGES <= LIMIT_ERASURE_ALL_RANGES; n++) {
		snprintf(id, sizeof id, "e-%010u", n);
		ck_assert_int_eq(request(a, 1, id, "pay", full), 0);
	}
	ck_assert_int_eq(request(a, 1, ONE, "pay", full), STELE_ELIMIT);
	rest = singles(LIMIT_ERASURE_ALL_RANGES % LIMIT_ERASURE_RANGES);
	ck_assert_int_eq(request(a, 1, TWO, "pay", rest), 0); /* to the last one */
	ck_assert_int_eq(request(a, 1, ONE, "pay", "[[1,1]]"), STELE_ELIMIT);
	ck_assert_int_eq(end(a, 2, id, "pay"), 0);
	ck_assert_int_eq(request(a, 1, ONE, "pay", full), 0);
	free(full);
	free(over);
	free(rest);
	access_free(a);
}
END_TEST

START_TEST(only_so_many_are_open_and_only_so_many_ended_ones_are_shown)
{
	struct access *a = access_new();
	char id[CONTROL_HOLD_ID_CHARS + 1];
	struct erasure *e;

	for (unsigned i = 0; i < LIMIT_ERASURES; i++) {
		snprintf(id, sizeof id, "e-%010u", i);
		ck_assert_int_eq(request(a, 1, id, "pay", "[[1,1]]"), 0);
	}
	ck_assert_int_eq(request(a, 1, ONE, "pay", "[[1,1]]"), STELE_ELIMIT);
	for (unsigned i = 0; i < LIMIT_ERASURES_KEPT; i++) {
		snprintf(id, sizeof id, "e-%010u", i);
		ck_assert_int_eq(end(a, 2 + i, id, "pay"), 0);
	}
	ck_assert_int_eq(access_erasure(a, slice_str("pay"), slice_str("e-0000000000"), &e), 0);
	erasure_free(e);
	ck_assert_int_eq(request(a, 1, ONE, "pay", "[[1,1]]"), 0);
	ck_assert_int_eq(end(a, 99999, ONE, "pay"), 0);
	ck_assert_int_eq(access_erasure(a, slice_str("pay"), slice_str("e-0000000000"), &e),
			 STELE_ENOTFOUND);
	access_free(a);
}
END_TEST

START_TEST(the_snapshot_has_all_of_it)
{
	struct access *a = access_new(), *b;
	struct erasure *e;

	ck_assert_int_eq(request(a, 10, ONE, "pay", "[[3,5],[9,9]]"), 0);
	ck_assert_int_eq(request(a, 11, TWO, "pay", "[[20,29]]"), 0);
	ck_assert_int_eq(end(a, 12, ONE, "pay"), 0);
	b = decoded(a);
	ck_assert(restricted(b, "pay", 25, TWO));
	ck_assert(!restricted(b, "pay", 9, ""));
	ck_assert_int_eq(access_erasure(b, slice_str("pay"), slice_str(ONE), &e), 0);
	ck_assert_int_eq(e->ended_ns, 12);
	ck_assert_int_eq(e->requested_ns, 10);
	ck_assert_uint_eq(e->records, 4);
	ck_assert_str_eq(e->by, "p-1");
	ck_assert_str_eq(e->matter, "c-1");
	erasure_free(e);
	ck_assert_int_eq(end(b, 13, TWO, "pay"), 0);
	access_free(a);
	access_free(b);
}
END_TEST

START_TEST(a_snapshot_that_contradicts_itself_is_damaged)
{
	static const struct {
		const char *what, *by;
	} damage[] = {
		{"\"records\":3", "\"records\":4"},
		{"[[3,5]]", "[[3,4]]"},
		{"[[3,5]]", "[]"},
		{"\"records\":3", "\"ended\":\"1970-01-01T00:00:00.000000012Z\",\"records\":3"},
		{"\"records\":3,\"ranges\":[[3,5]]",
		 "\"ended\":\"1970-01-01T00:00:00.000000012Z\",\"records\":0,\"ranges\":[]"},
		{"\"requested\":\"1970", "\"requested\":\"x970"},
		{"\"id\":\"e-", "\"id\":\"f-"},
	};
	struct access *a = access_new();
	struct buf b;

	ck_assert_int_eq(request(a, 10, ONE, "pay", "[[3,5]]"), 0);
	encode(a, &b);
	buf_put_u8(&b, 0);
	for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
		struct access *back = access_new();
		const char *text = (const char *)b.p, *at = strstr(text, damage[i].what);
		struct buf bad;
		uint64_t applied;

		ck_assert_ptr_nonnull(at);
		buf_init(&bad);
		buf_put(&bad, text, (size_t)(at - text));
		buf_put_str(&bad, damage[i].by);
		buf_put_str(&bad, at + strlen(damage[i].what));
		ck_assert_int_eq(access_decode(back, buf_slice(&bad), &applied), STELE_EDAMAGED);
		buf_fini(&bad);
		access_free(back);
	}
	buf_fini(&b);
	access_free(a);
}
END_TEST

START_TEST(they_are_gone_through_log_by_log)
{
	static const char *const want[] = {"a/" TWO, "b/" ONE, "b/" TWO, "ba/" ONE};
	struct access *a = access_new();
	struct erasure *e = NULL, *next;
	char id[CONTROL_HOLD_ID_CHARS + 1], at[80];
	size_t n = 0;

	ck_assert_int_eq(request(a, 1, ONE, "ba", "[[1,1]]"), 0);
	ck_assert_int_eq(request(a, 1, TWO, "b", "[[1,1]]"), 0);
	ck_assert_int_eq(request(a, 1, TWO, "a", "[[1,1]]"), 0);
	ck_assert_int_eq(request(a, 1, ONE, "b", "[[1,1]]"), 0);
	while (access_next_erasure(a, slice_str(e ? e->log : ""), slice_str(e ? e->id : ""),
				   &next) == 0) {
		erasure_free(e);
		e = next;
		snprintf(at, sizeof at, "%s/%s", e->log, e->id);
		ck_assert_str_eq(at, want[n++]);
	}
	erasure_free(e);
	ck_assert_uint_eq(n, 4);
	access_new_erasure_id(a, id);
	ck_assert(strncmp(id, "e-", 2) == 0 && strlen(id) == CONTROL_HOLD_ID_CHARS);
	access_free(a);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		its_records_are_restricted_from_its_act_until_its_end,
		a_record_under_two_stays_restricted_until_both_have_ended,
		what_is_wrong_is_refused_and_changes_nothing,
		the_bounds_are_where_they_are_said_to_be,
		only_so_many_are_open_and_only_so_many_ended_ones_are_shown,
		the_snapshot_has_all_of_it,
		a_snapshot_that_contradicts_itself_is_damaged,
		they_are_gone_through_log_by_log,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("erasures", tests, sizeof tests / sizeof *tests, 60);
}
