/* Scopes by name, patterns against names. */
#include "server/scope.h"

#include <check.h>
#include <stdlib.h>

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
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
