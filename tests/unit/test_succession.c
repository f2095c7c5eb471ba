/* Succession notes' text: five lines, one version, two keys of one server. */
#include "proto/succession.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/timestamp.h"
#include "tests/unit/suite.h"

#define A "example.com+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
#define B "example.com+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l"
#define TIME "2026-11-23T15:48:00.000000000Z"
#define HEAD "stele identity v1\n"
#define GOOD HEAD A "\n" B "\n2\n" TIME "\n"

START_TEST(a_succession_round_trips)
{
	struct succession s;
	struct buf b;

	buf_init(&b);
	ck_assert_int_eq(succession_parse(&s, slice_str(GOOD)), 0);
	ck_assert(slice_eq_str(s.from.name, "example.com"));
	ck_assert_uint_eq(s.from.key_id[3], 0x3a);
	ck_assert_uint_eq(s.to.key_id[3], 0x3b);
	ck_assert_uint_eq(s.number, 2);
	ck_assert_int_eq(s.time_ns, INT64_C(1795448880000000000));
	ck_assert_int_eq(succession_put(&b, &s), 0);
	ck_assert(slice_eq_str(buf_slice(&b), GOOD));
	buf_fini(&b);
}
END_TEST

START_TEST(other_texts_are_refused)
{
	static const char *const bad[] = {
		"",
		HEAD,
		HEAD A "\n" B "\n2\n" TIME,        /* no last newline */
		HEAD A "\n" B "\n2\n" TIME "\n\n", /* a line too many */
		HEAD A "\n" B "\n0\n" TIME "\n",   /* they count from 1 */
		HEAD A "\n" B "\n02\n" TIME "\n",  /* one spelling */
		HEAD A "\n" B "\n2\n2026-11-23\n", /* no instant */
		HEAD A "\n" A "\n2\n" TIME "\n",   /* nobody follows himself */
		HEAD A "\n" B "\n" TIME "\n2\n",   /* order */
		HEAD A
		"\nexample.org+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l\n2\n" TIME
		"\n", /* another server */
		HEAD "example.com/l+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n"
		     "example.com/l+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l\n2\n" TIME
		     "\n", /* a log's key */
		HEAD A
		"\nexample.com+530d903b+BOkyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2l\n2\n" TIME
		"\n", /* a witness's */
	};
	struct succession s = {.number = 77};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(succession_parse(&s, slice_str(bad[i])) == STELE_ESYNTAX, "%s",
			      bad[i]);
	ck_assert_int_eq(succession_parse(&s, slice_str("stele identity v2\nx\n")), STELE_EVERSION);
	ck_assert_uint_eq(s.number, 77);
}
END_TEST

START_TEST(what_is_out_of_range_is_not_written)
{
	struct succession s, good;
	struct buf b;

	buf_init(&b);
	ck_assert_int_eq(succession_parse(&good, slice_str(GOOD)), 0);
	s = good;
	s.number = 0;
	ck_assert_int_eq(succession_put(&b, &s), STELE_EINVAL);
	s.number = LIMIT_INTEGER + 1;
	ck_assert_int_eq(succession_put(&b, &s), STELE_EINVAL);
	s = good;
	s.time_ns = -1;
	ck_assert_int_eq(succession_put(&b, &s), STELE_EINVAL);
	s.time_ns = TIMESTAMP_MAX_NS;
	ck_assert_int_eq(succession_put(&b, &s), 0);
	buf_reset(&b);
	s = good;
	s.to.name = slice_str("example.org");
	ck_assert_int_eq(succession_put(&b, &s), STELE_EINVAL);
	s = good;
	memcpy(s.to.key_id, s.from.key_id, sizeof s.to.key_id); /* signatures could not be told */
	ck_assert_int_eq(succession_put(&b, &s), STELE_EINVAL);
	ck_assert_uint_eq(b.n, 0);
	buf_fini(&b);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_succession_round_trips,
		other_texts_are_refused,
		what_is_out_of_range_is_not_written,
	};

	return suite_run("succession", tests, sizeof tests / sizeof *tests, 10);
}
