/* The comparison table of docs/queries.md, row by row. */
#include "tests/unit/query_case.h"
#include "tests/unit/suite.h"

START_TEST(texts_compare_byte_by_byte)
{
	static const struct query_verdict rows[] = {
		{'y', "v = alice", "{\"v\":\"alice\"}"},
		{'y', "v = alice", "{\"v\":\"\\u0061l\\u0069ce\"}"},
		{'y', "v = alice", "{\"\\u0076\":\"alice\"}"},
		{'n', "v = alice", "{\"v\":\"Alice\"}"},
		{'n', "v = alice", "{\"v\":\"alice \"}"},
		{'y', "v = \"\"", "{\"v\":\"\"}"},
		{'y', "v = \"a\\u0000b\"", "{\"v\":\"a\\u0000b\"}"},
		{'y', "v > a", "{\"v\":\"b\"}"},
		{'y', "v > a", "{\"v\":\"aa\"}"},
		{'n', "v > a", "{\"v\":\"a\"}"},
		{'y', "v >= a", "{\"v\":\"a\"}"},
		{'y', "v < \xef\xbf\xbd", "{\"v\":\"\xee\x80\x80\"}"},
		{'y', "v > \xef\xbf\xbd", "{\"v\":\"\\ud83d\\ude00\"}"}, /* not UTF-16 */
	};

	query_case_verdicts(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(numbers_compare_exactly)
{
	static const struct query_verdict rows[] = {
		{'y', "v = 9007199254740993", "{\"v\":9007199254740993}"},
		{'n', "v = 9007199254740993", "{\"v\":9007199254740992}"},
		{'y', "v > 9007199254740992", "{\"v\":9007199254740993}"},
		{'y', "v = 100", "{\"v\":1e2}"},
		{'y', "v = \"100\"", "{\"v\":1E+2}"},
		{'y', "v = 100", "{\"v\":\"1e2\"}"},
		{'n', "v = \"100\"", "{\"v\":\"1e2\"}"},
		{'n', "v = 42", "{\"v\":\"042\"}"},
		{'y', "v > 1e400", "{\"v\":1e401}"},
		{'y', "v > 1e400", "{\"v\":1e99999999999999999999}"},
		{'n', "v > 5", "{\"v\":\"abc\"}"},
		{'n', "v > abc", "{\"v\":5}"},
		{'n', "v <= 5", "{\"v\":null}"},
		{'y', "v <= 5 AND v >= 5", "{\"v\":5.0}"},
		{'n', "v < 5 OR v > 5", "{\"v\":5.0}"},
		{'n', "v = NaN", "{\"v\":0}"},
		{'y', "v = 0", "{\"v\":-0.0}"},
	};

	query_case_verdicts(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(times_compare_as_instants)
{
	static const struct query_verdict rows[] = {
		{'y', "v = 2026-01-01", "{\"v\":\"2026-01-01T01:00:00+01:00\"}"},
		{'y', "v = \"2026-01-01\"", "{\"v\":\"2026-01-01 00:00:00.000\"}"},
		{'y', "v < 2026-01-01T00:00:00Z", "{\"v\":\"2026-01-01T00:30:00+01:00\"}"},
		{'n', "v > 2026-01-01T00:00:00Z", "{\"v\":\"2026-01-01T00:30:00+01:00\"}"},
		{'n', "v < 2026-01-01", "{\"v\":\"1600000000\"}"},
		{'n', "v < 2026-01-01", "{\"v\":1600000000}"},
		{'n', "v < 2026-01-01", "{\"v\":\"2025\"}"},
	};

	query_case_verdicts(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(words_and_what_is_there)
{
	static const struct query_verdict rows[] = {
		{'y', "v = true", "{\"v\":true}"},
		{'y', "v = \"true\"", "{\"v\":true}"},
		{'y', "v = true", "{\"v\":\"true\"}"},
		{'n', "v = true", "{\"v\":false}"},
		{'n', "v <= \"true\"", "{\"v\":true}"},
		{'y', "v = null", "{\"v\":null}"},
		{'n', "v = null", "{\"v\":\"null\"}"},
		{'n', "v = null", "{}"},
		{'n', "v = \"null\"", "{\"v\":null}"},
		{'y', "v:*", "{\"v\":null}"},
		{'y', "v:*", "{\"v\":[]}"},
		{'y', "v:*", "{\"v\":{}}"},
		{'n', "v:*", "{\"w\":1}"},
		{'n', "v = *", "{\"v\":null}"},
		{'y', "v = *", "{\"v\":1}"},
		{'y', "v:k", "{\"v\":{\"k\":null}}"},
		{'y', "v:k*", "{\"v\":[{\"x\":1},{\"\\u006bey\":2}]}"},
		{'n', "v = k", "{\"v\":{\"k\":1}}"},
		{'n', "v:k", "{\"v\":{\"x\":{\"k\":1}}}"},
		{'y', "v:k", "{\"v\":\"k\"}"},
	};

	query_case_verdicts(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(a_star_asks_for_the_beginning)
{
	static const struct query_verdict rows[] = {
		{'y', "v = al*", "{\"v\":\"alice\"}"},
		{'y', "v = al*", "{\"v\":\"al\"}"},
		{'n', "v = al*", "{\"v\":\"a\"}"},
		{'y', "v = 46*", "{\"v\":4624}"},
		{'y', "v = t*", "{\"v\":true}"},
		{'n', "v = \"al\\*\"", "{\"v\":\"alice\"}"},
		{'y', "v = \"al\\*\"", "{\"v\":\"al*\"}"},
		{'n', "v != al*", "{\"v\":\"alice\"}"},
	};

	query_case_verdicts(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(any_value_is_enough_and_none_is_unequal)
{
	static const struct query_verdict rows[] = {
		{'y', "v = b", "{\"v\":[\"a\",[[\"b\"]],{}]}"},
		{'y', "v.x.y = 2", "{\"v\":[{\"x\":[{\"y\":1},{\"y\":2}]},3]}"},
		{'y', "v.x = 1", "[[{\"v\":{\"x\":1}}]]"},
		{'y', "v = b", "{\"v\":\"a\",\"v\":\"b\"}"},
		{'y', "v = a", "{\"v\":\"a\",\"v\":\"b\"}"},
		{'n', "v != a", "{\"v\":[\"a\",\"b\"]}"},
		{'y', "v != a", "{\"v\":[\"b\"]}"},
		{'y', "v != a", "{}"},
		{'n', "v.x = 1", "{\"v.x\":1,\"v\":\"x\"}"},
		{'y', "\"v.x\" = 1", "{\"v.x\":1}"},
	};

	query_case_verdicts(rows, sizeof rows / sizeof *rows);
}
END_TEST

START_TEST(addresses_are_numbers_for_source_ip_only)
{
	static const struct query_verdict rows[] = {
		{'y', "source_ip = 10.0.0.0/8", "{\"v\":1,\"ip\":\"10.1.2.3\"}"},
		{'y', "source_ip = 10.1.2.3", "{\"v\":1,\"ip\":[\"x\",\"::ffff:10.1.2.3\"]}"},
		{'n', "source_ip = 10.0.0.0/8", "{\"v\":1,\"ip\":\"11.1.2.3\"}"},
		{'y', "source_ip = \"AWS Internal\"", "{\"v\":1,\"ip\":\"AWS Internal\"}"},
		{'y', "source_ip:10.0.0.0/8", "{\"v\":1,\"ip\":\"10.0.0.0/8\"}"},
		{'y', "any = 10.0.0.0/8", "{\"v\":1,\"ip\":\"10.1.2.3\"}"},
		{'n', "any = 10.0.0.0/8", "{\"v\":1,\"user\":\"10.1.2.3\"}"},
		{'n', "ip = 10.0.0.0/8", "{\"v\":1,\"ip\":\"10.1.2.3\"}"},
	};

	query_case_verdicts(rows, sizeof rows / sizeof *rows);
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
