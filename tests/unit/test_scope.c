/* Scopes by name, patterns against names. */
#include "server/scope.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(names_and_bits_are_each_others_reverse)
{
	unsigned s, n = 0;

	for (s = 1; s < SCOPE_ALL; s <<= 1, n++)
		ck_assert_uint_eq(scope_parse(slice_str(scope_name(s))), s);
	ck_assert_uint_eq(n, 11);
	ck_assert_uint_eq(scope_parse(slice_str("admin")), 0);
	ck_assert_uint_eq(scope_parse(slice_str("")), 0);
	ck_assert_ptr_null(scope_name(3));
	ck_assert_ptr_null(scope_name(SCOPE_ALL + 1));
}
END_TEST

START_TEST(a_star_stands_for_any_characters)
{
	static const struct {
		const char *pattern, *name;
		bool match;
	} rows[] = {
		{"*", "payments", true},
		{"payments", "payments", true},
		{"payments", "payments2", false},
		{"payments2", "payments", false},
		{"k8s-*", "k8s-prod", true},
		{"k8s-*", "k8s-", true},
		{"k8s-*", "k8s", false},
		{"*-prod", "k8s-prod", true},
		{"*-prod", "k8s-prod-2", false},
		{"a*b*c", "abbbc", true},
		{"a*b*c", "axxbxxc", true},
		{"a*b*c", "axxcxxb", false},
		{"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa", false},
		{"**", "x", true},
		{"a", "", false},
		{"*", "", true},
	};
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_msg(scope_pattern_match(slice_str(rows[i].pattern),
						  slice_str(rows[i].name)) == rows[i].match,
			      "%s %s", rows[i].pattern, rows[i].name);
}
END_TEST

START_TEST(a_pattern_has_a_names_characters_and_stars)
{
	ck_assert(scope_pattern_valid(slice_str("*")));
	ck_assert(scope_pattern_valid(slice_str("_system")));
	ck_assert(scope_pattern_valid(slice_str("a.b-c_9*")));
	ck_assert(!scope_pattern_valid(slice_str("")));
	ck_assert(!scope_pattern_valid(slice_str("A")));
	ck_assert(!scope_pattern_valid(slice_str("a/b")));
	ck_assert(!scope_pattern_valid(slice_str("a?")));
	ck_assert(!scope_pattern_valid(
		slice_str("0123456789012345678901234567890123456789012345678901234567890123")));
}
END_TEST

/* Every name of up to three letters, and a mark in front of some. */
static const char *
name_of(unsigned i, char out[8])
{
	static const char letters[] = "ab-";
	size_t n = 0;

	if (i % 2)
		out[n++] = '_';
	for (i /= 2; i; i /= 4)
		if (i % 4)
			out[n++] = letters[i % 4 - 1];
	out[n] = '\0';
	return out;
}

static bool
some_name_matches_both(const char *a, const char *b)
{
	char name[8];

	for (unsigned i = 0; i < 2 * 4096; i++) {
		if (!*name_of(i, name))
			continue;
		if (scope_list_match(a, slice_str(name)) && scope_list_match(b, slice_str(name)))
			return true;
	}
	return false;
}

static bool
every_name_matches(const char *list, const char *pattern)
{
	char name[8];

	for (unsigned i = 0; i < 2 * 4096; i++)
		if (*name_of(i, name) && scope_list_match(pattern, slice_str(name)) &&
		    !scope_list_match(list, slice_str(name)))
			return false;
	return true;
}

START_TEST(lists_meet_where_a_name_matches_both)
{
	static const char *const lists[] = {"*",    "a",     "ab",   "a*",    "*b",   "*a*",
					    "b-*",  "_*",    "_a",   "_*b",   "a b",  "a* _b",
					    "*b*a", "ab* -", "a*b*", "_a*b*", "-*-a", "**"};
	enum { N = sizeof lists / sizeof *lists };

	for (size_t i = 0; i < N; i++)
		for (size_t k = 0; k < N; k++)
			ck_assert_msg(scope_lists_meet(lists[i], lists[k]) ==
					      some_name_matches_both(lists[i], lists[k]),
				      "%s %s", lists[i], lists[k]);
}
END_TEST

START_TEST(what_is_within_a_list_is_so_for_every_name)
{
	static const char *const lists[] = {"*", "a", "a*", "*b", "_*", "a b", "a* _b", "_a"};
	enum { N = sizeof lists / sizeof *lists };

	for (size_t i = 0; i < N; i++)
		for (size_t k = 0; k < N; k++)
			if (!strchr(lists[k], ' ') &&
			    scope_list_within(lists[i], slice_str(lists[k])))
				ck_assert_msg(every_name_matches(lists[i], lists[k]), "%s %s",
					      lists[i], lists[k]);
	ck_assert(scope_list_within("*", slice_str("a*")));
	ck_assert(scope_list_within("b a*", slice_str("a*")));
	ck_assert(scope_list_within("a*", slice_str("ab")));
	ck_assert(!scope_list_within("a*", slice_str("*")));
	ck_assert(!scope_list_within("*", slice_str("_*")));
	ck_assert(!scope_list_within("*", slice_str("_a")));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("scope");
	TCase *t = tcase_create("scope");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, names_and_bits_are_each_others_reverse);
	tcase_add_test(t, a_star_stands_for_any_characters);
	tcase_add_test(t, a_pattern_has_a_names_characters_and_stars);
	tcase_add_test(t, lists_meet_where_a_name_matches_both);
	tcase_add_test(t, what_is_within_a_list_is_so_for_every_name);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
