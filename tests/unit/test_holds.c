/* Holds as acts make them: placed once, released once, bounded, and back from a snapshot. */
#include "server/holds.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "server/access_state.h"
#include "act_case.h"
#include "suite.h"

static int
place(struct access *a, int64_t time_ns, unsigned n)
{
	char json[512];

	snprintf(
		json, sizeof json,
		"{\"type\":\"hold.place\",\"by\":{\"principal\":\"p-1\"},\"hold\":{\"id\":"
		"\"h-%010u\",\"matter\":\"m\",\"name\":\"n %u\",\"logs\":[\"*\"],\"reason\":\"r\"},"
		"\"covers\":[]}",
		n, n);
	return act_at(a, time_ns, json);
}

static int
release(struct access *a, int64_t time_ns, unsigned n, const char *reason)
{
	char json[256];

	snprintf(json, sizeof json,
		 "{\"type\":\"hold.release\",\"by\":{\"principal\":\"p-2\"},\"id\":\"h-%010u\","
		 "\"reason\":\"%s\",\"covers\":[]}",
		 n, reason);
	return act_at(a, time_ns, json);
}

/* How many there are, and whether they are in order of their ids. */
static int
count(void *ctx, const struct hold *h)
{
	char(*last)[CONTROL_HOLD_ID_CHARS + 1] = ctx;

	ck_assert_int_lt(strcmp(*last, h->id), 0);
	memcpy(*last, h->id, sizeof *last);
	return 0;
}

static int
stop(void *ctx, const struct hold *h)
{
	snprintf(ctx, CONTROL_HOLD_ID_CHARS + 1, "%s", h->id);
	return 7;
}

START_TEST(a_hold_is_placed_once_and_released_once)
{
	struct access *a = access_new();
	const struct hold *h;

	ck_assert_int_eq(release(a, 1, 3, "r"), STELE_ENOTFOUND);
	ck_assert_int_eq(place(a, 2, 3), 0);
	ck_assert_int_eq(place(a, 3, 3), STELE_EEXIST);
	h = access_find_hold(a, slice_str("h-0000000003"));
	ck_assert_int_eq(h->placed_ns, 2);
	ck_assert_str_eq(h->by, "p-1");
	ck_assert_int_eq(release(a, 4, 3, ""), STELE_ESYNTAX);
	ck_assert_int_eq(h->released_ns, 0);
	ck_assert_int_eq(release(a, 5, 3, "over"), 0);
	ck_assert_int_eq(h->released_ns, 5);
	ck_assert_str_eq(h->released_by, "p-2");
	ck_assert_str_eq(h->release_reason, "over");
	ck_assert_int_eq(release(a, 6, 3, "over"), STELE_ECONFLICT);
	ck_assert_int_eq(place(a, 7, 3), STELE_EEXIST);
	ck_assert_int_eq(act_at(a, 8, "{\"type\":\"hold.place\",\"hold\":{},\"covers\":[]}"),
			 STELE_ESYNTAX);
	access_free(a);
}
END_TEST

START_TEST(they_are_listed_in_order_from_any_one_on)
{
	char last[CONTROL_HOLD_ID_CHARS + 1] = "";
	struct access *a = access_new();
	uint64_t placed, released;

	for (unsigned i = 0; i < 40; i++)
		ck_assert_int_eq(place(a, 1, i * 7 % 40), 0);
	ck_assert_int_eq(release(a, 2, 11, "r"), 0);
	ck_assert_int_eq(access_each_hold(a, slice_of("", 0), count, &last), 0);
	ck_assert_str_eq(last, "h-0000000039");
	access_count_holds(a, &placed, &released);
	ck_assert_uint_eq(placed, 39);
	ck_assert_uint_eq(released, 1);
	ck_assert_int_eq(access_each_hold(a, slice_str("h-0000000010"), stop, last), 7);
	ck_assert_str_eq(last, "h-0000000011");
	ck_assert_int_eq(access_each_hold(a, slice_str("h-00000000105"), stop, last), 7);
	ck_assert_str_eq(last, "h-0000000011");
	ck_assert_int_eq(access_each_hold(a, slice_str("h-0000000039"), stop, last), 0);
	ck_assert_int_eq(access_hold(a, slice_str("h-0000000010"), stop, last), 7);
	ck_assert_int_eq(access_hold(a, slice_str("h-1000000010"), stop, last), STELE_ENOTFOUND);
	ck_assert_ptr_null(access_find_hold(a, slice_str("h-000000001")));
	access_free(a);
}
END_TEST

START_TEST(there_are_so_many_at_once_and_the_oldest_released_ones_go)
{
	struct access *a = access_new();

	for (unsigned i = 0; i < LIMIT_HOLDS; i++)
		ck_assert_int_eq(place(a, 1, i), 0);
	ck_assert_int_eq(place(a, 1, LIMIT_HOLDS), STELE_ELIMIT);
	for (unsigned i = 0; i < LIMIT_HOLDS; i++)
		ck_assert_int_eq(release(a, 10 + i, i, "r"), 0);
	ck_assert_int_eq(place(a, 50000, LIMIT_HOLDS), 0);
	ck_assert_ptr_nonnull(access_find_hold(a, slice_str("h-0000000000")));
	ck_assert_int_eq(release(a, 50001, LIMIT_HOLDS, "r"), 0);
	ck_assert_ptr_null(access_find_hold(a, slice_str("h-0000000000")));
	ck_assert_ptr_nonnull(access_find_hold(a, slice_str("h-0000000001")));
	access_free(a);
}
END_TEST

START_TEST(a_snapshot_brings_them_back)
{
	struct access *a = access_new(), *b = access_new();
	struct buf first, second;
	uint64_t applied;
	char *text, *at;

	buf_init(&first);
	buf_init(&second);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_eq(place(a, (int64_t)i + 1, i), 0);
	ck_assert_int_eq(release(a, 99, 5, "r"), 0);
	access_encode(a, 7, &first);
	ck_assert_int_eq(access_decode(b, buf_slice(&first), &applied), 0);
	ck_assert_uint_eq(applied, 7);
	access_encode(b, 7, &second);
	ck_assert(slice_eq(buf_slice(&first), buf_slice(&second)));
	ck_assert_uint_eq(b->holds.placed, 19);
	access_forget(b);
	ck_assert_uint_eq(b->holds.n, 0);
	text = strndup((const char *)first.p, first.n);
	at = strstr(text, "h-0000000001");
	memcpy(at, "h-0000000000", CONTROL_HOLD_ID_CHARS); /* two of one id */
	ck_assert_int_eq(access_decode(b, slice_str(text), &applied), STELE_EDAMAGED);
	free(text);
	buf_fini(&first);
	buf_fini(&second);
	access_free(a);
	access_free(b);
}
END_TEST

START_TEST(a_digest_tells_one_filter_from_another_to_this_server_alone)
{
	struct access *a = access_new(), *b = access_new();
	uint8_t one[KDIGEST_BYTES], two[KDIGEST_BYTES];
	char id[CONTROL_HOLD_ID_CHARS + 1];

	access_filter_digest(a, slice_str("actor = x"), one);
	access_filter_digest(a, slice_str("actor = x"), two);
	ck_assert_mem_eq(one, two, sizeof one);
	access_filter_digest(a, slice_str("actor = y"), two);
	ck_assert_mem_ne(one, two, sizeof one);
	access_filter_digest(b, slice_str("actor = x"), two);
	ck_assert_mem_ne(one, two, sizeof one);
	access_new_hold_id(a, id);
	ck_assert_uint_eq(strlen(id), CONTROL_HOLD_ID_CHARS);
	ck_assert_mem_eq(id, "h-", 2);
	access_free(a);
	access_free(b);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_hold_is_placed_once_and_released_once,
		they_are_listed_in_order_from_any_one_on,
		there_are_so_many_at_once_and_the_oldest_released_ones_go,
		a_snapshot_brings_them_back,
		a_digest_tells_one_filter_from_another_to_this_server_alone,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("holds", tests, sizeof tests / sizeof(tests[0]), 60.0);
}
