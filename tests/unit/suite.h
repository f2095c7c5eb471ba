/*
 * A test program's main in one call.
 */
#ifndef STELE_TESTS_UNIT_SUITE_H
#define STELE_TESTS_UNIT_SUITE_H

#include <check.h>
#include <stddef.h>

/* Runs the n tests, each with a time limit; the program's exit status. */
static inline int
suite_run(const char *name, const TTest *const *tests, size_t n, double seconds)
{
	Suite *suite = suite_create(name);
	TCase *c = tcase_create(name);
	SRunner *r;
	int failed;

	tcase_set_timeout(c, seconds);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(suite, c);
	r = srunner_create(suite);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}

#endif
