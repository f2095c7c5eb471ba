/* Simple terms become one filter, and it means what they say. */
#include "proto/err.h"
#include "proto/filter.h"
#include "tests/unit/suite.h"

static struct arena arena;
static struct text_error err;

static int
build(struct buf *out, const struct filter_simple *simple)
{
	struct filter f;
	int code = filter_build(&f, &arena, simple, &err);

	buf_reset(out);
	if (code == 0)
		filter_print(out, &f);
	return code;
}

START_TEST(all_terms_hold_and_of_one_field_one)
{
	const struct filter_simple_term terms[] = {
		{FIELD_ACTOR, slice_str("alice")},    {FIELD_EVENT_ID, slice_str("4624")},
		{FIELD_ACTOR, slice_str("b \"o\"*")}, {FIELD_ANY, slice_str("true")},
		{FIELD_SOURCE_IP, slice_str("::/0")}, {FIELD_WRITER, slice_str("s-1")},
	};
	const struct filter_simple simple = {
		.has_from = true,
		.has_to = true,
		.from_ns = 1,
		.to_ns = INT64_C(86400000000000),
		.terms = terms,
		.n_terms = sizeof terms / sizeof *terms,
		.filter = slice_str("x = 1 OR y = 2"),
	};
	struct buf out;

	arena_init(&arena);
	buf_init(&out);
	ck_assert_int_eq(build(&out, &simple), 0);
	buf_put_u8(&out, 0);
	ck_assert_str_eq((const char *)out.p,
			 "time >= \"1970-01-01T00:00:00.000000001Z\" AND "
			 "time < \"1970-01-02T00:00:00.000000000Z\" AND writer = \"s-1\" AND "
			 "(actor = \"alice\" OR actor = \"b \\\"o\\\"*\") AND "
			 "source_ip = \"::/0\" AND event_id = 4624 AND any = \"true\" AND "
			 "(x = 1 OR y = 2)");
	buf_fini(&out);
	arena_fini(&arena);
}
END_TEST

static int
find(void *ctx, struct slice name, const struct slice **values, size_t *n)
{
	static const struct slice two[] = {{(const uint8_t *)"7", 1}, {(const uint8_t *)"a*", 2}};

	(void)ctx;
	*values = two;
	*n = 2;
	return slice_eq_str(name, "alice") ? 0 : STELE_ENOTFOUND;
}

START_TEST(an_alias_is_its_values_and_two_ats_are_one)
{
	static const struct filter_aliases aliases = {find, NULL};
	struct filter_simple_term terms[] = {{FIELD_ACTOR, slice_str("@alice")},
					     {FIELD_ACTOR, slice_str("@@alice*")}};
	struct filter_simple simple = {.terms = terms,
				       .n_terms = 2,
				       .filter = slice_str("x = @alice"),
				       .aliases = &aliases};
	struct buf out;

	arena_init(&arena);
	buf_init(&out);
	ck_assert_int_eq(build(&out, &simple), 0);
	buf_put_u8(&out, 0);
	ck_assert_str_eq((const char *)out.p,
			 "(actor = \"7\" OR actor = \"a\\*\" OR actor = \"@alice*\") AND "
			 "(x = \"7\" OR x = \"a\\*\")");
	terms[1].value = slice_str("@bob");
	ck_assert_int_eq(build(&out, &simple), STELE_ESYNTAX);
	ck_assert_uint_eq(err.column, 1);
	ck_assert_ptr_nonnull(strstr(err.message, "@bob"));
	/* where there are none it is a text, as it ever was */
	simple.aliases = NULL;
	ck_assert_int_eq(build(&out, &simple), 0);
	buf_put_u8(&out, 0);
	ck_assert_str_eq((const char *)out.p,
			 "(actor = \"@alice\" OR actor = \"@bob\") AND x = \"@alice\"");
	buf_fini(&out);
	arena_fini(&arena);
}
END_TEST

START_TEST(nothing_asked_for_is_everything)
{
	const struct filter_simple simple = {.filter = slice_str("  ")};
	struct buf out;

	arena_init(&arena);
	buf_init(&out);
	ck_assert_int_eq(build(&out, &simple), 0);
	ck_assert_uint_eq(out.n, 0);
	buf_fini(&out);
	arena_fini(&arena);
}
END_TEST

START_TEST(a_wrong_value_is_refused_where_it_is_wrong)
{
	static const struct {
		const char *value;
		size_t column;
	} bad[] = {{"", 1}, {"a*b", 2}, {"**", 1}, {"\xff", 1}};
	struct buf out;

	arena_init(&arena);
	buf_init(&out);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const struct filter_simple_term term = {FIELD_ACTOR, slice_str(bad[i].value)};
		const struct filter_simple simple = {.terms = &term, .n_terms = 1};
		ck_assert_int_eq(build(&out, &simple), STELE_ESYNTAX);
		ck_assert_uint_eq(err.column, bad[i].column);
	}
	ck_assert_int_eq(build(&out, &(struct filter_simple){.filter = slice_str("a = 1 b")}),
			 STELE_ESYNTAX);
	ck_assert_uint_eq(err.column, 7);
	buf_fini(&out);
	arena_fini(&arena);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		all_terms_hold_and_of_one_field_one, an_alias_is_its_values_and_two_ats_are_one,
		nothing_asked_for_is_everything, a_wrong_value_is_refused_where_it_is_wrong};

	return suite_run("filter_simple", tests, sizeof tests / sizeof *tests, 60);
}
