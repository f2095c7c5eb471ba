/* Records on the command line: what is a range, and what is none. */
#include <stdlib.h>

#include "suite.h"
#include "tools/range_args.h"

static void
expect(json_t *got, const char *want)
{
	char *text = got ? json_dumps(got, JSON_COMPACT) : NULL;

	if (want)
		ck_assert_str_eq(text, want);
	else
		ck_assert_ptr_eq(text, NULL);
	free(text);
	json_decref(got);
}

START_TEST(a_pair_has_both_its_ends)
{
	static const char *const bad[] = {"",
					  "-",
					  "-5",
					  "5-x",
					  "5--7",
					  "5- 7",
					  " 5-7",
					  "+5-7",
					  "05",
					  "9007199254740992",
					  "1-18446744073709551617"};

	expect(range_args_pair("17", true), NULL);
	expect(range_args_pair("17-20", false), "[17,20]");
	expect(range_args_pair("0-9007199254740991", true), "[0,9007199254740991]");
	expect(range_args_pair("17-", true), "[17,null]");
	expect(range_args_pair("17-", false), NULL);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect(range_args_pair(bad[i], true), NULL);
}
END_TEST

START_TEST(a_list_is_of_such_without_open_ones)
{
	static const char *const bad[] = {"", "3,", ",3", "3,,4", "3,7-", "3;4", "3,x"};

	expect(range_args_list("3"), "[[3,3]]");
	expect(range_args_list("3,7-9,12"), "[[3,3],[7,9],[12,12]]");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		expect(range_args_list(bad[i]), NULL);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {a_pair_has_both_its_ends,
				      a_list_is_of_such_without_open_ones};

	return suite_run("range_args", tests, 2, 10);
}
