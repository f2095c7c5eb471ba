/* Routes: the right one, its parameters, and what a wrong method is told. */
#include "server/router.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct slice param[2];

static const char *
pattern(enum method m, const char *path)
{
	bool known;
	const struct route *r = router_match(m, slice_str(path), param, &known);

	return r ? r->pattern : known ? "405" : "404";
}

START_TEST(a_path_finds_its_route_and_parameters)
{
	ck_assert_str_eq(pattern(METHOD_POST, "/api/v1/logs/payments/records"),
			 "/api/v1/logs/{log}/records");
	ck_assert(slice_eq_str(param[0], "payments"));
	ck_assert_str_eq(pattern(METHOD_GET, "/api/v1/logs/payments/records/17"),
			 "/api/v1/logs/{log}/records/{index}");
	ck_assert(slice_eq_str(param[0], "payments") && slice_eq_str(param[1], "17"));
	ck_assert_str_eq(pattern(METHOD_GET, "/logs/a/tile/entries/x001/000.p/3"),
			 "/logs/{log}/tile/{path*}");
	ck_assert(slice_eq_str(param[1], "entries/x001/000.p/3"));
	ck_assert_str_eq(pattern(METHOD_HEAD, "/livez"), "/livez");
	ck_assert_str_eq(pattern(METHOD_GET, "/api/v1/logs"), "/api/v1/logs");
}
END_TEST

START_TEST(another_path_is_no_route)
{
	ck_assert_str_eq(pattern(METHOD_GET, "/"), "404");
	ck_assert_str_eq(pattern(METHOD_GET, "/livez/"), "404");
	ck_assert_str_eq(pattern(METHOD_GET, "//livez"), "404");
	ck_assert_str_eq(pattern(METHOD_GET, "/livezz"), "404");
	ck_assert_str_eq(pattern(METHOD_GET, "/LIVEZ"), "404");
	ck_assert_str_eq(pattern(METHOD_GET, "/api/v1/logs/"), "404");
	ck_assert_str_eq(pattern(METHOD_GET, "/api/v1/logs//records/1"), "404");
	ck_assert_str_eq(pattern(METHOD_GET, "/api/v1/logs/a/records/1/2"), "404");
	ck_assert_str_eq(pattern(METHOD_GET, "/api/v1/../v1/logs"), "404");
}
END_TEST

START_TEST(a_wrong_method_learns_the_right_ones)
{
	ck_assert_str_eq(pattern(METHOD_DELETE, "/api/v1/logs/a/records"), "405");
	ck_assert_str_eq(pattern(METHOD_OTHER, "/livez"), "405");
	ck_assert_str_eq(pattern(METHOD_PUT, "/logs/a/tile/0/000"), "405");
	ck_assert_str_eq(router_allow(slice_str("/livez")), "GET, HEAD");
	ck_assert_str_eq(router_allow(slice_str("/api/v1/logs/a")), "GET, HEAD, PUT");
	ck_assert_str_eq(router_allow(slice_str("/api/v1/logs/a/records")), "GET, HEAD, POST");
	ck_assert_str_eq(router_allow(slice_str("/api/v1/logs/a/uploads/1")),
			 "GET, HEAD, DELETE, PATCH");
	ck_assert_str_eq(router_allow(slice_str("/api/v1/tokens")), "GET, HEAD, POST");
	ck_assert_str_eq(router_allow(slice_str("/api/v1/tokens/x")), "DELETE");
}
END_TEST

START_TEST(every_row_of_the_table_is_sound)
{
	size_t i, n;

	for (i = 0; i < router_routes; i++) {
		const struct route *r = &router_table[i];

		ck_assert_ptr_nonnull(r->handle);
		ck_assert_int_eq(r->pattern[0], '/');
		ck_assert(!r->public_able || r->scopes == SCOPE_VERIFY ||
			  r->scopes == (SCOPE_READ | SCOPE_VERIFY));
		n = r->query ? strlen(r->query) : 0;
		ck_assert_msg(n == 0 || r->query[n - 1] == ' ', "%s", r->pattern);
		ck_assert(r->method != METHOD_GET || r->max_body == 0);
	}
}
END_TEST

/* Whom one deals with is everybody's to know. */
static const char everybodys[] = "/api/v1/identity";

START_TEST(every_log_route_needs_a_scope)
{
	size_t i;

	for (i = 0; i < router_routes; i++) {
		if ((strncmp(router_table[i].pattern, "/api", 4) == 0 ||
		     strncmp(router_table[i].pattern, "/logs", 5) == 0) &&
		    strcmp(router_table[i].pattern, everybodys) != 0)
			ck_assert_uint_ne(router_table[i].scopes, 0);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("router");
	TCase *t = tcase_create("router");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_path_finds_its_route_and_parameters);
	tcase_add_test(t, another_path_is_no_route);
	tcase_add_test(t, a_wrong_method_learns_the_right_ones);
	tcase_add_test(t, every_row_of_the_table_is_sound);
	tcase_add_test(t, every_log_route_needs_a_scope);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
