/* The comparison table of docs/queries.md, row by row. */
#include "tests/unit/query_case.h"
#include "tests/unit/suite.h"

static struct query_case q;

START_TEST(texts_compare_byte_by_byte)
{
	query_case_init(&q);
	ASSERT_VERDICT(&q, 'y', "v = alice", "{\"v\":\"alice\"}");
	ASSERT_VERDICT(&q, 'y', "v = alice", "{\"v\":\"\\u0061l\\u0069ce\"}");
	ASSERT_VERDICT(&q, 'y', "v = alice", "{\"\\u0076\":\"alice\"}");
	ASSERT_VERDICT(&q, 'n', "v = alice", "{\"v\":\"Alice\"}");
	ASSERT_VERDICT(&q, 'n', "v = alice", "{\"v\":\"alice \"}");
	ASSERT_VERDICT(&q, 'y', "v = \"\"", "{\"v\":\"\"}");
	ASSERT_VERDICT(&q, 'y', "v = \"a\\u0000b\"", "{\"v\":\"a\\u0000b\"}");
	ASSERT_VERDICT(&q, 'y', "v > a", "{\"v\":\"b\"}");
	ASSERT_VERDICT(&q, 'y', "v > a", "{\"v\":\"aa\"}");
	ASSERT_VERDICT(&q, 'n', "v > a", "{\"v\":\"a\"}");
	ASSERT_VERDICT(&q, 'y', "v >= a", "{\"v\":\"a\"}");
	ASSERT_VERDICT(&q, 'y', "v < \xef\xbf\xbd", "{\"v\":\"\xee\x80\x80\"}");
	ASSERT_VERDICT(&q, 'y', "v > \xef\xbf\xbd", "{\"v\":\"\\ud83d\\ude00\"}"); /* not UTF-16 */
	query_case_fini(&q);
}
END_TEST

START_TEST(numbers_compare_exactly)
{
	query_case_init(&q);
	ASSERT_VERDICT(&q, 'y', "v = 9007199254740993", "{\"v\":9007199254740993}");
	ASSERT_VERDICT(&q, 'n', "v = 9007199254740993", "{\"v\":9007199254740992}");
	ASSERT_VERDICT(&q, 'y', "v > 9007199254740992", "{\"v\":9007199254740993}");
	ASSERT_VERDICT(&q, 'y', "v = 100", "{\"v\":1e2}");
	ASSERT_VERDICT(&q, 'y', "v = \"100\"", "{\"v\":1E+2}");
	ASSERT_VERDICT(&q, 'y', "v = 100", "{\"v\":\"1e2\"}");
	ASSERT_VERDICT(&q, 'n', "v = \"100\"", "{\"v\":\"1e2\"}");
	ASSERT_VERDICT(&q, 'n', "v = 42", "{\"v\":\"042\"}");
	ASSERT_VERDICT(&q, 'y', "v > 1e400", "{\"v\":1e401}");
	ASSERT_VERDICT(&q, 'y', "v > 1e400", "{\"v\":1e99999999999999999999}");
	ASSERT_VERDICT(&q, 'n', "v > 5", "{\"v\":\"abc\"}");
	ASSERT_VERDICT(&q, 'n', "v > abc", "{\"v\":5}");
	ASSERT_VERDICT(&q, 'n', "v <= 5", "{\"v\":null}");
	ASSERT_VERDICT(&q, 'y', "v <= 5 AND v >= 5", "{\"v\":5.0}");
	ASSERT_VERDICT(&q, 'n', "v < 5 OR v > 5", "{\"v\":5.0}");
	ASSERT_VERDICT(&q, 'n', "v = NaN", "{\"v\":0}");
	ASSERT_VERDICT(&q, 'y', "v = 0", "{\"v\":-0.0}");
	query_case_fini(&q);
}
END_TEST

START_TEST(times_compare_as_instants)
{
	query_case_init(&q);
	ASSERT_VERDICT(&q, 'y', "v = 2026-01-01", "{\"v\":\"2026-01-01T01:00:00+01:00\"}");
	ASSERT_VERDICT(&q, 'y', "v = \"2026-01-01\"", "{\"v\":\"2026-01-01 00:00:00.000\"}");
	ASSERT_VERDICT(&q, 'y', "v < 2026-01-01T00:00:00Z",
		       "{\"v\":\"2026-01-01T00:30:00+01:00\"}");
	ASSERT_VERDICT(&q, 'n', "v > 2026-01-01T00:00:00Z",
		       "{\"v\":\"2026-01-01T00:30:00+01:00\"}");
	ASSERT_VERDICT(&q, 'n', "v < 2026-01-01", "{\"v\":\"1600000000\"}");
	ASSERT_VERDICT(&q, 'n', "v < 2026-01-01", "{\"v\":1600000000}");
	ASSERT_VERDICT(&q, 'n', "v < 2026-01-01", "{\"v\":\"2025\"}");
	query_case_fini(&q);
}
END_TEST

START_TEST(words_and_what_is_there)
{
	query_case_init(&q);
	ASSERT_VERDICT(&q, 'y', "v = true", "{\"v\":true}");
	ASSERT_VERDICT(&q, 'y', "v = \"true\"", "{\"v\":true}");
	ASSERT_VERDICT(&q, 'y', "v = true", "{\"v\":\"true\"}");
	ASSERT_VERDICT(&q, 'n', "v = true", "{\"v\":false}");
	ASSERT_VERDICT(&q, 'n', "v <= \"true\"", "{\"v\":true}");
	ASSERT_VERDICT(&q, 'y', "v = null", "{\"v\":null}");
	ASSERT_VERDICT(&q, 'n', "v = null", "{\"v\":\"null\"}");
	ASSERT_VERDICT(&q, 'n', "v = null", "{}");
	ASSERT_VERDICT(&q, 'n', "v = \"null\"", "{\"v\":null}");
	ASSERT_VERDICT(&q, 'y', "v:*", "{\"v\":null}");
	ASSERT_VERDICT(&q, 'y', "v:*", "{\"v\":[]}");
	ASSERT_VERDICT(&q, 'y', "v:*", "{\"v\":{}}");
	ASSERT_VERDICT(&q, 'n', "v:*", "{\"w\":1}");
	ASSERT_VERDICT(&q, 'n', "v = *", "{\"v\":null}");
	ASSERT_VERDICT(&q, 'y', "v = *", "{\"v\":1}");
	ASSERT_VERDICT(&q, 'y', "v:k", "{\"v\":{\"k\":null}}");
	ASSERT_VERDICT(&q, 'y', "v:k*", "{\"v\":[{\"x\":1},{\"\\u006bey\":2}]}");
	ASSERT_VERDICT(&q, 'n', "v = k", "{\"v\":{\"k\":1}}");
	ASSERT_VERDICT(&q, 'n', "v:k", "{\"v\":{\"x\":{\"k\":1}}}");
	ASSERT_VERDICT(&q, 'y', "v:k", "{\"v\":\"k\"}");
	query_case_fini(&q);
}
END_TEST

START_TEST(a_star_asks_for_the_beginning)
{
	query_case_init(&q);
	ASSERT_VERDICT(&q, 'y', "v = al*", "{\"v\":\"alice\"}");
	ASSERT_VERDICT(&q, 'y', "v = al*", "{\"v\":\"al\"}");
	ASSERT_VERDICT(&q, 'n', "v = al*", "{\"v\":\"a\"}");
	ASSERT_VERDICT(&q, 'y', "v = 46*", "{\"v\":4624}");
	ASSERT_VERDICT(&q, 'y', "v = t*", "{\"v\":true}");
	ASSERT_VERDICT(&q, 'n', "v = \"al\\*\"", "{\"v\":\"alice\"}");
	ASSERT_VERDICT(&q, 'y', "v = \"al\\*\"", "{\"v\":\"al*\"}");
	ASSERT_VERDICT(&q, 'n', "v != al*", "{\"v\":\"alice\"}");
	query_case_fini(&q);
}
END_TEST

START_TEST(any_value_is_enough_and_none_is_unequal)
{
	query_case_init(&q);
	ASSERT_VERDICT(&q, 'y', "v = b", "{\"v\":[\"a\",[[\"b\"]],{}]}");
	ASSERT_VERDICT(&q, 'y', "v.x.y = 2", "{\"v\":[{\"x\":[{\"y\":1},{\"y\":2}]},3]}");
	ASSERT_VERDICT(&q, 'y', "v.x = 1", "[[{\"v\":{\"x\":1}}]]");
	ASSERT_VERDICT(&q, 'y', "v = b", "{\"v\":\"a\",\"v\":\"b\"}");
	ASSERT_VERDICT(&q, 'y', "v = a", "{\"v\":\"a\",\"v\":\"b\"}");
	ASSERT_VERDICT(&q, 'n', "v != a", "{\"v\":[\"a\",\"b\"]}");
	ASSERT_VERDICT(&q, 'y', "v != a", "{\"v\":[\"b\"]}");
	ASSERT_VERDICT(&q, 'y', "v != a", "{}");
	ASSERT_VERDICT(&q, 'n', "v.x = 1", "{\"v.x\":1,\"v\":\"x\"}");
	ASSERT_VERDICT(&q, 'y', "\"v.x\" = 1", "{\"v.x\":1}");
	query_case_fini(&q);
}
END_TEST

START_TEST(addresses_are_numbers_for_source_ip_only)
{
	query_case_init(&q);
	ASSERT_VERDICT(&q, 'y', "source_ip = 10.0.0.0/8", "{\"v\":1,\"ip\":\"10.1.2.3\"}");
	ASSERT_VERDICT(&q, 'y', "source_ip = 10.1.2.3",
		       "{\"v\":1,\"ip\":[\"x\",\"::ffff:10.1.2.3\"]}");
	ASSERT_VERDICT(&q, 'n', "source_ip = 10.0.0.0/8", "{\"v\":1,\"ip\":\"11.1.2.3\"}");
	ASSERT_VERDICT(&q, 'y', "source_ip = \"AWS Internal\"",
		       "{\"v\":1,\"ip\":\"AWS Internal\"}");
	ASSERT_VERDICT(&q, 'y', "source_ip:10.0.0.0/8", "{\"v\":1,\"ip\":\"10.0.0.0/8\"}");
	ASSERT_VERDICT(&q, 'y', "any = 10.0.0.0/8", "{\"v\":1,\"ip\":\"10.1.2.3\"}");
	ASSERT_VERDICT(&q, 'n', "any = 10.0.0.0/8", "{\"v\":1,\"user\":\"10.1.2.3\"}");
	ASSERT_VERDICT(&q, 'n', "ip = 10.0.0.0/8", "{\"v\":1,\"ip\":\"10.1.2.3\"}");
	query_case_fini(&q);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		texts_compare_byte_by_byte,
		numbers_compare_exactly,
		times_compare_as_instants,
		words_and_what_is_there,
		a_star_asks_for_the_beginning,
		any_value_is_enough_and_none_is_unequal,
		addresses_are_numbers_for_source_ip_only,
	};

	return suite_run("filter_fits", tests, sizeof tests / sizeof *tests, 60);
}
