/* The table of problems: complete, unique, and every status known wherever one is looked up. */
#include "server/problem.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/json.h"
#include "server/metrics.h"
#include "server/router.h"

START_TEST(every_problem_has_a_name_of_its_own_a_title_and_an_error_status)
{
	int p, q;

	for (p = PROBLEM_NONE + 1; p < PROBLEM_COUNT; p++) {
		const char *name = problem_name(p);

		ck_assert_msg(name && *name, "%d", p);
		ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
		ck_assert(problem_title(p) && *problem_title(p));
		ck_assert(problem_status(p) >= 400 && problem_status(p) <= 599);
		for (q = PROBLEM_NONE + 1; q < p; q++)
			ck_assert_str_ne(name, problem_name(q));
	}
}
END_TEST

START_TEST(what_waiting_cures_says_how_long)
{
	int p;

	for (p = PROBLEM_NONE + 1; p < PROBLEM_COUNT; p++) {
		bool wait = problem_status(p) == 503 || problem_status(p) == 507 ||
			    problem_status(p) == 429 || p == PROBLEM_UPLOAD_BUSY ||
			    p == PROBLEM_PURGE_RUNNING;

		ck_assert_int_eq(problem_retry_after_s(p) > 0, wait);
	}
}
END_TEST

START_TEST(every_status_has_its_line_and_its_counter)
{
	static struct metrics m;
	static const int fine[] = {200, 201, 204, 206, 304};
	int p;
	size_t i;

	ck_assert_uint_lt(router_routes, METRICS_ROUTES);
	for (p = PROBLEM_NONE + 1; p < PROBLEM_COUNT; p++) {
		struct slice line = problem_status_line(problem_status(p));

		ck_assert_int_eq(memcmp(line.p, "HTTP/1.1 ", 9), 0);
		ck_assert_int_eq(atoi((const char *)line.p + 9), problem_status(p));
		for (i = 1; i <= PROBLEM_LENGTH_DIGITS; i++)
			ck_assert_int_eq(line.p[line.n - i], ' ');
		ck_assert_int_eq(line.p[line.n - i], ':');
		metrics_count(&m, router_routes, problem_status(p), 1);
	}
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(atoi((const char *)problem_status_line(fine[i]).p + 9), fine[i]);
		metrics_count(&m, 0, fine[i], UINT64_MAX);
	}
}
END_TEST

START_TEST(every_error_of_storage_comes_to_a_problem)
{
	int err;

	for (err = STELE_EUNSUPPORTED; err < 0; err++)
		ck_assert_int_ne(problem_of_err(err), PROBLEM_NONE);
	ck_assert_int_eq(problem_of_err(STELE_EBUSY), PROBLEM_OVERLOADED);
	ck_assert_int_eq(problem_of_err(STELE_EREADONLY), PROBLEM_READ_ONLY);
	ck_assert_int_eq(problem_of_err(STELE_ENOSPACE), PROBLEM_LOW_SPACE);
	ck_assert_int_eq(problem_of_err(STELE_EDAMAGED), PROBLEM_DAMAGED);
	ck_assert_int_eq(problem_of_err(STELE_ECLOSED), PROBLEM_SHUTTING_DOWN);
}
END_TEST

START_TEST(the_tables_are_printed_as_json)
{
	struct json_scanner *js = json_scanner_new();
	struct buf out;

	buf_init(&out);
	problem_dump(&out);
	ck_assert_int_eq(json_validate(js, buf_slice(&out), NULL), 0);
	buf_reset(&out);
	router_dump(&out);
	ck_assert_int_eq(json_validate(js, buf_slice(&out), NULL), 0);
	buf_reset(&out);
	problem_begin(&out, PROBLEM_INVALID_JSON, "a \"quoted\" detail");
	buf_put_u8(&out, '}');
	ck_assert_int_eq(json_validate(js, buf_slice(&out), NULL), 0);
	buf_fini(&out);
	json_scanner_free(js);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("problem");
	TCase *t = tcase_create("problem");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, every_problem_has_a_name_of_its_own_a_title_and_an_error_status);
	tcase_add_test(t, what_waiting_cures_says_how_long);
	tcase_add_test(t, every_status_has_its_line_and_its_counter);
	tcase_add_test(t, every_error_of_storage_comes_to_a_problem);
	tcase_add_test(t, the_tables_are_printed_as_json);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
