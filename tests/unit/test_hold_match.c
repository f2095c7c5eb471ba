/* Which records a hold by filter keeps: those that match, and those of which that is not known. */
#include "server/hold_match.h"

#include <check.h>
#include <string.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "storage/read.h"
#include "mapping_case.h"
#include "suite.h"

static struct mapping_case known;

static struct hold
by_filter(const char *filter, const char *from, const char *to)
{
	struct hold h = {.kind = HOLD_FILTER, .filter = filter};

	memcpy(h.mapping, known.mapping.digest, sizeof h.mapping);
	if (from)
		ck_assert_int_eq(timestamp_parse(&h.from_ns, slice_str(from)), 0);
	if (to)
		ck_assert_int_eq(timestamp_parse(&h.to_ns, slice_str(to)), 0);
	return h;
}

static enum hold_verdict
verdict(const struct hold *h, const char *payload, const char *received, bool object)
{
	struct record r = {.payload = slice_str(payload), .object = object};
	enum hold_verdict v = 77;
	struct hold_matcher *m;

	r.entry.writer = slice_str("s-1");
	ck_assert_int_eq(timestamp_parse(&r.entry.time_ns, slice_str(received)), 0);
	ck_assert_int_eq(hold_matcher_new(&m, &known.mapping, h), 0);
	ck_assert_int_eq(hold_matcher_run(m, &r, &v), 0);
	hold_matcher_free(m);
	return v;
}

#define MARCH "2026-03-01T00:00:00.000000000Z"
#define APRIL "2026-04-01T00:00:00.000000000Z"
#define MAY "2026-05-01T00:00:00.000000000Z"
#define EVENT(time)                                                                                \
	"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"time\":\"" time   \
	"\"}"

START_TEST(what_matches_is_held_and_what_does_not_is_not)
{
	const struct hold h = by_filter("user = alice", NULL, NULL),
			  writer = by_filter("writer = \"s-1\"", NULL, NULL);

	ck_assert_int_eq(verdict(&writer, "{}", APRIL, false), HOLD_MATCHED);
	ck_assert_int_eq(verdict(&h, "{\"user\":\"alice\"}", APRIL, false), HOLD_MATCHED);
	ck_assert_int_eq(verdict(&h, "{\"user\":\"bob\"}", APRIL, false), HOLD_NOT);
	ck_assert_int_eq(verdict(&h, "{}", APRIL, false), HOLD_NOT);
}
END_TEST

START_TEST(what_cannot_be_told_is_held)
{
	const struct hold h = by_filter("user = alice", NULL, NULL),
			  actor = by_filter("actor = alice", NULL, NULL);

	ck_assert_int_eq(verdict(&h, "alice was here", APRIL, false), HOLD_UNPARSED);
	ck_assert_int_eq(verdict(&h, "", APRIL, false), HOLD_UNPARSED);
	ck_assert_int_eq(verdict(&h, "{\"user\":\"bob\"}", APRIL, true), HOLD_UNPARSED);
	ck_assert_int_eq(verdict(&actor, "{\"nobody's\":\"schema\"}", APRIL, false), HOLD_UNPARSED);
}
END_TEST

START_TEST(what_cannot_be_told_is_held_within_the_span_of_time_alone)
{
	const struct hold h = by_filter("user = alice", APRIL, MAY);

	ck_assert_int_eq(verdict(&h, "unparsed", MARCH, false), HOLD_NOT);
	ck_assert_int_eq(verdict(&h, "unparsed", APRIL, false), HOLD_UNPARSED);
	ck_assert_int_eq(verdict(&h, "unparsed", "2026-04-30T23:59:59.999999999Z", false),
			 HOLD_UNPARSED);
	ck_assert_int_eq(verdict(&h, "unparsed", MAY, false), HOLD_NOT);
}
END_TEST

START_TEST(a_span_alone_is_of_event_time)
{
	const struct hold h = by_filter("", APRIL, MAY);

	ck_assert_int_eq(verdict(&h, EVENT("2026-04-02T00:00:00Z"), MAY, false), HOLD_MATCHED);
	ck_assert_int_eq(verdict(&h, EVENT("2026-03-02T00:00:00Z"), APRIL, false), HOLD_NOT);
	ck_assert_int_eq(verdict(&h, "unparsed", APRIL, false), HOLD_MATCHED);
	ck_assert_int_eq(verdict(&h, "unparsed", MARCH, false), HOLD_NOT);
}
END_TEST

START_TEST(a_filter_that_is_none_is_refused_with_its_place)
{
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(hold_filter_check(slice_str("user = alice"), NULL, NULL, &why), 0);
	ck_assert_uint_eq(why.n, 0);
	ck_assert_int_eq(hold_filter_check(slice_str("user = = alice"), NULL, NULL, &why),
			 STELE_ESYNTAX);
	buf_put_u8(&why, 0);
	ck_assert_ptr_nonnull(strstr((char *)why.p, "character 8"));
	buf_fini(&why);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_matches_is_held_and_what_does_not_is_not,
		what_cannot_be_told_is_held,
		what_cannot_be_told_is_held_within_the_span_of_time_alone,
		a_span_alone_is_of_event_time,
		a_filter_that_is_none_is_refused_with_its_place,
	};
	int rc;

	if (crypto_init() != 0)
		return 1;
	mapping_case_init(&known);
	rc = suite_run("hold_match", tests, sizeof tests / sizeof(tests[0]), 20.0);
	mapping_case_fini(&known);
	return rc;
}
