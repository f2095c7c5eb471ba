/* Aliases as acts make them: set, set anew, removed, bounded, and back from a snapshot. */
#include "server/aliases.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "server/access_state.h"
#include "act_case.h"
#include "suite.h"

static int
set(struct access *a, const char *matter, const char *name, const char *value)
{
	return act_fold(a, 5,
			json_pack("{s:s, s:{s:s}, s:s, s:s, s:[s,s]}", "type", "alias.set", "by",
				  "principal", "p-1", "matter", matter, "name", name, "values",
				  value, "other"));
}

static int
remove_one(struct access *a, const char *matter, const char *name)
{
	return act_fold(a, 6,
			json_pack("{s:s, s:s, s:s}", "type", "alias.remove", "matter", matter,
				  "name", name));
}

/* What a filter becomes by the aliases of a matter, or its error. */
static int
expand(struct access *a, const char *matter, const char *text, struct buf *out)
{
	struct text_error e;
	struct alias_use use;
	struct filter f;
	struct arena arena;
	int err;

	arena_init(&arena);
	alias_use_init(&use, a, &arena, slice_str(matter), !*matter);
	err = filter_parse_with(&f, &arena, slice_str(text), &use.aliases, &e);
	if (err == 0)
		filter_print(out, &f);
	arena_fini(&arena);
	return err;
}

static void
expands_to(struct access *a, const char *matter, const char *text, const char *to)
{
	struct buf b;

	buf_init(&b);
	ck_assert_int_eq(expand(a, matter, text, &b), 0);
	buf_put_u8(&b, 0);
	ck_assert_str_eq((const char *)b.p, to);
	buf_fini(&b);
}

START_TEST(an_alias_stands_for_its_values_of_that_matter_as_they_are_now)
{
	struct access *a = access_new();

	ck_assert_int_eq(set(a, "m", "alice", "one"), 0);
	ck_assert_int_eq(set(a, "n", "alice", "two"), 0);
	expands_to(a, "m", "actor = @alice", "actor = \"one\" OR actor = \"other\"");
	expands_to(a, "n", "actor = @alice", "actor = \"two\" OR actor = \"other\"");
	ck_assert_int_eq(set(a, "m", "alice", "three"), 0);
	expands_to(a, "m", "actor = @alice", "actor = \"three\" OR actor = \"other\"");
	expands_to(a, "m", "actor = \"@alice\"", "actor = \"@alice\"");
	expands_to(a, "m", "x.y != @alice AND z = 1",
		   "x.y != \"three\" AND x.y != \"other\" AND z = 1");
	expands_to(a, "m", "a = 1 OR b:@alice", "a = 1 OR b:\"three\" OR b:\"other\"");
	expands_to(a, "m", "NOT actor = @alice", "NOT (actor = \"three\" OR actor = \"other\")");
	ck_assert_int_eq(remove_one(a, "m", "alice"), 0);
	ck_assert_int_eq(remove_one(a, "m", "alice"), STELE_ENOTFOUND);
	ck_assert_int_eq(expand(a, "m", "actor = @alice", NULL), STELE_ESYNTAX);
	ck_assert_int_eq(expand(a, "", "actor = @alice", NULL), STELE_ESYNTAX);
	expands_to(a, "n", "actor = @alice", "actor = \"two\" OR actor = \"other\"");
	access_free(a);
}
END_TEST

/* What is kept was never about aliases: holds of before must mean what they meant. */
START_TEST(a_filter_that_is_kept_has_no_aliases)
{
	struct text_error e;
	struct arena arena;
	struct filter f;
	struct buf b;

	arena_init(&arena);
	buf_init(&b);
	ck_assert_int_eq(filter_parse(&f, &arena, slice_str("actor = @alice"), &e), 0);
	filter_print(&b, &f);
	ck_assert(slice_eq_str(buf_slice(&b), "actor = \"@alice\""));
	buf_fini(&b);
	arena_fini(&arena);
}
END_TEST

START_TEST(what_no_alias_is_is_refused)
{
	struct access *a = access_new();
	char name[16];

	ck_assert_int_eq(set(a, "", "alice", "x"), STELE_ESYNTAX);
	ck_assert_int_eq(set(a, "a\nb", "alice", "x"), STELE_ESYNTAX);
	ck_assert_int_eq(set(a, "m", "", "x"), STELE_ESYNTAX);
	ck_assert_int_eq(set(a, "m", "@alice", "x"), STELE_ESYNTAX);
	ck_assert_int_eq(set(a, "m", "alice", ""), STELE_ESYNTAX);
	ck_assert_int_eq(
		act_at(a, 5,
		       "{\"type\":\"alias.set\",\"matter\":\"m\",\"name\":\"a\",\"values\":[]}"),
		STELE_ESYNTAX);
	for (unsigned i = 0; i < LIMIT_ALIASES_OF_MATTER; i++) {
		snprintf(name, sizeof name, "a%u", i);
		ck_assert_int_eq(set(a, "m", name, "x"), 0);
	}
	ck_assert_int_eq(set(a, "m", "more", "x"), STELE_ELIMIT);
	ck_assert_int_eq(set(a, "m", "a7", "y"), 0);
	ck_assert_int_eq(set(a, "n", "more", "x"), 0);
	access_free(a);
}
END_TEST

START_TEST(a_snapshot_has_all_of_them)
{
	struct access *a = access_new(), *b = access_new();
	struct buf first, second;
	uint64_t applied;

	ck_assert_int_eq(set(a, "n", "zoe", "z \" \\ \u00e4"), 0);
	ck_assert_int_eq(set(a, "m", "bob", "x"), 0);
	ck_assert_int_eq(set(a, "m", "alice", "x"), 0);
	buf_init(&first);
	buf_init(&second);
	access_encode(a, 7, &first);
	ck_assert_int_eq(access_decode(b, buf_slice(&first), &applied), 0);
	access_encode(b, 7, &second);
	ck_assert_uint_eq(first.n, second.n);
	ck_assert_mem_eq(first.p, second.p, first.n);
	ck_assert_uint_eq(a->aliases.bytes, b->aliases.bytes);
	ck_assert_int_eq(access_decode(a, slice_of("{", 1), &applied), STELE_EDAMAGED);
	expands_to(b, "m", "actor = @bob", "actor = \"x\" OR actor = \"other\"");
	buf_fini(&first);
	buf_fini(&second);
	access_free(a);
	access_free(b);
}
END_TEST

START_TEST(a_damaged_snapshot_is_refused)
{
	static const char *const wrong[] = {
		"[{\"matter\":\"m\",\"name\":\"a\",\"values\":[],\"set\":"
		"\"2027-01-31T00:00:00.000000000Z\",\"by\":\"p\"}]",
		"[{\"matter\":\"m\",\"name\":\"a\",\"values\":[\"x\"],\"by\":\"p\"}]",
		"[{\"matter\":\"m\",\"name\":\"a\",\"values\":[\"x\"],\"set\":"
		"\"2027-01-31T00:00:00.000000000Z\",\"by\":\"p\"},"
		"{\"matter\":\"m\",\"name\":\"a\",\"values\":[\"x\"],\"set\":"
		"\"2027-01-31T00:00:00.000000000Z\",\"by\":\"p\"}]",
	};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		json_t *root = json_pack("{s:o}", "aliases", json_loads(wrong[i], 0, NULL));
		struct access *a = access_new();

		ck_assert_ptr_nonnull(root);
		ck_assert_int_eq(access_decode_aliases(a, root), STELE_EDAMAGED);
		json_decref(root);
		access_free(a);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		an_alias_stands_for_its_values_of_that_matter_as_they_are_now,
		a_filter_that_is_kept_has_no_aliases,
		what_no_alias_is_is_refused,
		a_snapshot_has_all_of_them,
		a_damaged_snapshot_is_refused,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("aliases", tests, sizeof tests / sizeof(tests[0]), 20.0);
}
