/* A request's head as handlers ask about it: Accept, and the query. */
#include "server/request.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/server.h"

static struct server server;
static struct request r;

static void
take(struct request *req)
{
	(void)req;
}

static int
query(const char *text, const char *name, struct slice *value)
{
	request_reset(&r);
	r.http.query = slice_str(text);
	return request_query(&r, name, value);
}

START_TEST(a_type_is_accepted_when_it_is_named)
{
	static const struct {
		const char *accept;
		bool want;
	} rows[] = {
		{"text/plain", true},
		{"TEXT/Plain", true},
		{"application/json, text/plain;q=0.5", true},
		{" text/plain ; charset=utf-8 ", true},
		{",,text/plain", true},
		{"*/*", false},
		{"text/*", false},
		{"text/plainer", false},
		{"", false},
	};
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		r.http.known[HEADER_ACCEPT] = slice_str(rows[i].accept);
		ck_assert_msg(request_accepts(&r, "text/plain") == rows[i].want, "%s",
			      rows[i].accept);
	}
	r.http.known[HEADER_ACCEPT] = slice_of(NULL, 0);
	ck_assert(!request_accepts(&r, "text/plain"));
}
END_TEST

START_TEST(a_parameter_is_found_and_decoded_once)
{
	struct slice v;

	ck_assert_int_eq(query("a=1&bc=x%20y%2541+z&d", "bc", &v), 1);
	ck_assert(slice_eq_str(v, "x y%41 z"));
	ck_assert_int_eq(query("a=1&bc=2&d", "d", &v), 1);
	ck_assert_uint_eq(v.n, 0);
	ck_assert_int_eq(query("a=1&bc=2&d", "b", &v), 0);
	ck_assert_int_eq(query("", "b", &v), 0);
	ck_assert_int_eq(query("&&", "b", &v), 0);
}
END_TEST

START_TEST(a_parameter_that_is_not_valid_is_answered)
{
	struct slice v;

	ck_assert_int_eq(query("a=%4", "a", &v), -1);
	ck_assert_int_eq(r.status, 400);
	ck_assert_int_eq(query("a=%zz", "a", &v), -1);
	ck_assert_int_eq(query("a=1&a=1", "a", &v), -1);
	ck_assert_int_eq(query("a&a", "a", &v), -1);
	ck_assert_int_eq(r.status, 400);
}
END_TEST

START_TEST(a_part_of_the_path_is_decoded_and_a_plus_stays)
{
	struct slice v;

	request_reset(&r);
	r.param[1] = slice_str("a%2Fb+c%25");
	ck_assert(request_param(&r, 1, &v));
	ck_assert(slice_eq_str(v, "a/b+c%"));
	r.param[1] = slice_str("a%2");
	ck_assert(!request_param(&r, 1, &v));
	r.param[1] = slice_str("%g0");
	ck_assert(!request_param(&r, 1, &v));
}
END_TEST

static int
number(const char *text, uint64_t *v)
{
	request_reset(&r);
	r.http.query = slice_str(text);
	return request_query_number(&r, "n", v);
}

START_TEST(a_number_has_digits_only_and_is_exact_everywhere)
{
	static const char *const bad[] = {"n=",   "n=-1",  "n=+1",  "n=01",
					  "n=1x", "n=0x1", "n=1.0", "n=9007199254740992"};
	uint64_t v = 7;
	size_t i;

	ck_assert_int_eq(number("m=3", &v), 0);
	ck_assert_uint_eq(v, 7);
	ck_assert_int_eq(number("n=0", &v), 1);
	ck_assert_uint_eq(v, 0);
	ck_assert_int_eq(number("n=9007199254740991", &v), 1);
	ck_assert_uint_eq(v, LIMIT_INTEGER);
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_msg(number(bad[i], &v) == -1, "%s", bad[i]);
		ck_assert_int_eq(r.status, 400);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("request");
	TCase *t = tcase_create("request");
	SRunner *runner;
	int failed;

	r.server = &server;
	r.send = take;
	http_init(&r.http, &r.arena, &server.bodies);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_type_is_accepted_when_it_is_named);
	tcase_add_test(t, a_parameter_is_found_and_decoded_once);
	tcase_add_test(t, a_parameter_that_is_not_valid_is_answered);
	tcase_add_test(t, a_part_of_the_path_is_decoded_and_a_plus_stays);
	tcase_add_test(t, a_number_has_digits_only_and_is_exact_everywhere);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	http_fini(&r.http);
	arena_fini(&r.arena);
	buf_fini(&r.out);
	return failed ? 1 : 0;
}
