/* Schemas as acts make them: added, retired, chosen; and every mapping known for ever. */
#include "server/schemas.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "crypto/init.h"
#include "crypto/sha256.h"
#include "proto/err.h"
#include "server/access_state.h"
#include "act_case.h"
#include "suite.h"

#define GATEWAY "{\"name\":\"gateway\",\"when\":\"gw:*\",\"fields\":{\"actor\":[\"user\"]}}"
#define GATEWAY_2 "{\"name\":\"gateway\",\"when\":\"gw:*\",\"fields\":{\"actor\":[\"login\"]}}"
#define OTHER "{\"name\":\"other\",\"when\":\"o:*\",\"fields\":{\"actor\":[\"user\"]}}"

/* What a first start records. */
static struct access *
begin(void)
{
	struct access *a = access_new();
	json_t *act;

	ck_assert_ptr_nonnull(a);
	ck_assert_uint_eq(mapping_now(a)->set.n, 0);
	ck_assert_int_eq(schemas_builtin_act(a, &act), 0);
	ck_assert_int_eq(act_fold(a, 1, act), 0);
	ck_assert_int_eq(schemas_builtin_act(a, &act), 0);
	ck_assert_ptr_null(act);
	return a;
}

/* A schema.add of the text, when the version in force is `was`. */
static json_t *
adding(struct access *a, const char *text)
{
	struct schema_version *v;
	struct buf why;
	char hex[65] = "", was[65] = "";
	json_t *act;

	buf_init(&why);
	ck_assert_int_eq(schema_version_new(&v, slice_str(text), &why), 0);
	for (size_t i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", v->digest[i]);
	(void)access_schema_version(a, v->schema.name, was);
	act = json_pack("{s:s, s:{s:s}, s:s%, s:s%, s:s, s:s}", "type", "schema.add", "by",
			"principal", "p-1", "name", v->schema.name.p, v->schema.name.n, "schema",
			v->text.p, v->text.n, "digest", hex, "was", was);
	schema_version_free(v);
	buf_fini(&why);
	return act;
}

static json_t *
retiring(struct access *a, const char *name)
{
	char was[65] = "";

	(void)access_schema_version(a, slice_str(name), was);
	return json_pack("{s:s, s:s, s:s}", "type", "schema.retire", "name", name, "was", was);
}

static int
choose(struct access *a, const char *log, const char *was, const char *schema)
{
	return act_fold(a, 9,
			json_pack("{s:s, s:s, s:s, s:s}", "type", "log.schema", "log", log, "was",
				  was, "schema", schema));
}

static int
place(const struct mapping *m, const char *name)
{
	return schema_find(&m->set, slice_str(name));
}

START_TEST(what_is_added_is_tried_first_and_its_newest_version_is_in_force)
{
	struct access *a = begin();
	const struct mapping *m = mapping_now(a);
	size_t n = m->set.n;

	ck_assert_int_eq(act_fold(a, 2, adding(a, GATEWAY)), 0);
	ck_assert_int_eq(act_fold(a, 3, adding(a, OTHER)), 0);
	m = mapping_now(a);
	ck_assert_uint_eq(m->set.n, n + 2);
	ck_assert_int_eq(place(m, "gateway"), 0);
	ck_assert_int_eq(place(m, "other"), 1);
	ck_assert_int_eq(act_fold(a, 4, adding(a, GATEWAY_2)), 0);
	m = mapping_now(a);
	ck_assert_uint_eq(m->set.n, n + 2);
	ck_assert_int_eq(place(m, "gateway"), 0);
	ck_assert(slice_eq_str(m->set.items[0].fields[FIELD_ACTOR].places->path.steps[0], "login"));
	access_free(a);
}
END_TEST

START_TEST(a_mapping_is_known_by_its_digest_whatever_came_later)
{
	struct access *a = begin();
	const struct mapping *first = mapping_now(a), *second, *chosen;
	uint8_t digest[32], of_second[32], of_chosen[32];

	memcpy(digest, first->digest, 32);
	ck_assert_int_eq(act_fold(a, 2, adding(a, GATEWAY)), 0);
	second = mapping_now(a);
	chosen = mapping_of_schema(a, slice_str("gateway"));
	memcpy(of_second, second->digest, 32);
	memcpy(of_chosen, chosen->digest, 32);
	ck_assert_int_eq(act_fold(a, 3, adding(a, GATEWAY_2)), 0);
	ck_assert_int_eq(act_fold(a, 4, retiring(a, "gateway")), 0);
	ck_assert_int_eq(act_fold(a, 5, retiring(a, "syslog")), 0);
	ck_assert_ptr_eq(mapping_of_digest(a, digest), first);
	ck_assert_ptr_eq(mapping_of_digest(a, of_second), second);
	ck_assert_ptr_eq(mapping_of_digest(a, of_chosen), chosen);
	ck_assert_int_eq(place(first, "gateway"), -1);
	ck_assert_int_eq(place(second, "gateway"), 0);
	ck_assert_int_eq(place(mapping_now(a), "gateway"), -1);
	ck_assert_int_eq(place(mapping_now(a), "syslog"), -1);
	digest[0] ^= 1;
	ck_assert_ptr_null(mapping_of_digest(a, digest));
	access_free(a);
}
END_TEST

START_TEST(the_same_schemas_again_are_the_same_mapping)
{
	struct access *a = begin();
	const struct mapping *first = mapping_now(a), *second;

	ck_assert_int_eq(act_fold(a, 2, adding(a, GATEWAY)), 0);
	second = mapping_now(a);
	ck_assert_ptr_ne(first, second);
	ck_assert_int_eq(act_fold(a, 3, retiring(a, "gateway")), 0);
	ck_assert_ptr_eq(mapping_now(a), first);
	ck_assert_int_eq(act_fold(a, 4, adding(a, GATEWAY)), 0);
	ck_assert_ptr_eq(mapping_now(a), second);
	access_free(a);
}
END_TEST

START_TEST(one_with_the_name_of_one_that_comes_with_stele_is_in_its_stead)
{
	static const char mine[] =
		"{\"name\":\"syslog\",\"when\":\"x:*\",\"fields\":{\"actor\":[\"user\"]}}";
	struct access *a = begin();
	size_t n = mapping_now(a)->set.n;
	json_t *act;

	ck_assert_int_eq(act_fold(a, 2, adding(a, mine)), 0);
	ck_assert_uint_eq(mapping_now(a)->set.n, n);
	ck_assert_int_eq(place(mapping_now(a), "syslog"), 0);
	/* and the next start does not bring it back */
	ck_assert_int_eq(schemas_builtin_act(a, &act), 0);
	ck_assert_ptr_null(act);
	ck_assert_int_eq(act_fold(a, 3, retiring(a, "syslog")), 0);
	ck_assert_int_eq(schemas_builtin_act(a, &act), 0);
	ck_assert_ptr_null(act);
	access_free(a);
}
END_TEST

START_TEST(those_of_another_version_of_the_program_are_recorded_anew)
{
	struct access *a = begin();
	const struct mapping *first = mapping_now(a);
	json_t *act;

	ck_assert_int_eq(
		act_fold(a, 2,
			 json_pack("{s:s, s:[s]}", "type", "schema.builtin", "schemas", OTHER)),
		0);
	ck_assert_uint_eq(mapping_now(a)->set.n, 1);
	ck_assert_int_eq(schemas_builtin_act(a, &act), 0);
	ck_assert_ptr_nonnull(act);
	ck_assert_int_eq(act_fold(a, 3, act), 0);
	ck_assert_ptr_eq(mapping_now(a), first);
	access_free(a);
}
END_TEST

START_TEST(what_nobody_may_say_is_refused)
{
	struct access *a = begin();
	json_t *act = adding(a, GATEWAY), *stale = adding(a, GATEWAY_2);

	json_object_set_new(act, "digest", json_string("00"));
	ck_assert_int_eq(act_fold(a, 2, act), STELE_ESYNTAX);
	act = adding(a, GATEWAY);
	json_object_set_new(act, "name", json_string("other"));
	ck_assert_int_eq(act_fold(a, 2, act), STELE_ESYNTAX);
	act = adding(a, GATEWAY);
	json_object_set_new(act, "schema", json_string("{\"name\":1}"));
	ck_assert_int_eq(act_fold(a, 2, act), STELE_ESYNTAX);
	ck_assert_int_eq(act_fold(a, 2, adding(a, GATEWAY)), 0);
	ck_assert_int_eq(act_fold(a, 3, stale), STELE_ECONFLICT);
	ck_assert_int_eq(act_fold(a, 3, retiring(a, "nobody")), STELE_ENOTFOUND);
	ck_assert_int_eq(
		act_at(a, 3, "{\"type\":\"schema.retire\",\"name\":\"gateway\",\"was\":\"00\"}"),
		STELE_ECONFLICT);
	ck_assert_int_eq(act_at(a, 3,
				"{\"type\":\"schema.builtin\",\"schemas\":[],\"by\":{\"principal\":"
				"\"p-1\"}}"),
			 STELE_ESYNTAX);
	access_free(a);
}
END_TEST

START_TEST(a_log_is_read_by_the_schema_that_was_chosen_in_its_newest_version)
{
	struct access *a = begin();
	const struct mapping *m;
	char name[LIMIT_LOG_NAME_BYTES + 1];

	ck_assert_int_eq(choose(a, "pay", "", "gateway"), STELE_ENOTFOUND);
	ck_assert_int_eq(act_fold(a, 2, adding(a, GATEWAY)), 0);
	ck_assert_int_eq(choose(a, "pay", "", "gateway"), 0);
	ck_assert_int_eq(choose(a, "pay", "", "syslog"), STELE_ECONFLICT);
	ck_assert_int_eq(
		act_at(a, 3, "{\"type\":\"log.create\",\"log\":\"born\",\"schema\":\"syslog\"}"),
		0);
	m = mapping_of_log(a, slice_str("pay"));
	ck_assert_int_eq(m->chosen, 0);
	ck_assert_uint_eq(m->set.n, 1);
	ck_assert_ptr_eq(m, mapping_of_digest(a, m->digest));
	ck_assert(access_log_schema(a, slice_str("born"), name));
	ck_assert_str_eq(name, "syslog");
	ck_assert_ptr_eq(mapping_of_log(a, slice_str("nobody")), mapping_now(a));
	ck_assert_int_eq(act_fold(a, 4, retiring(a, "gateway")), STELE_ECONFLICT);
	ck_assert_int_eq(act_fold(a, 4, adding(a, GATEWAY_2)), 0);
	ck_assert_ptr_ne(mapping_of_log(a, slice_str("pay")), m);
	ck_assert_int_eq(choose(a, "pay", "gateway", ""), 0);
	ck_assert_ptr_eq(mapping_of_log(a, slice_str("pay")), mapping_now(a));
	ck_assert(!access_log_schema(a, slice_str("pay"), name));
	ck_assert_int_eq(act_fold(a, 5, retiring(a, "gateway")), 0);
	access_free(a);
}
END_TEST

/* One schema detected is another mapping than the same one chosen: the records decide otherwise. */
START_TEST(a_schema_chosen_is_another_mapping_than_a_set_of_it_alone)
{
	struct sha256 *h = sha256_new();
	struct mapping m;
	uint8_t set[32], chosen[32];
	struct access *a = begin();

	m = *mapping_of_schema(a, slice_str("ecs"));
	ck_assert_int_eq(mapping_digest(set, &m.set, -1, h), 0);
	ck_assert_int_eq(mapping_digest(chosen, &m.set, 0, h), 0);
	sha256_free(h);
	ck_assert_mem_ne(set, chosen, 32);
	ck_assert_mem_eq(chosen, m.digest, 32);
	access_free(a);
}
END_TEST

START_TEST(a_snapshot_has_all_of_it_with_its_numbers)
{
	struct access *a = begin(), *b = access_new();
	struct buf first, second, shown[2];
	uint64_t applied;

	ck_assert_int_eq(act_fold(a, 2, adding(a, GATEWAY)), 0);
	ck_assert_int_eq(act_fold(a, 3, adding(a, OTHER)), 0);
	ck_assert_int_eq(choose(a, "pay", "", "gateway"), 0);
	ck_assert_int_eq(choose(a, "alpha", "", "other"), 0);
	ck_assert_int_eq(act_fold(a, 4, adding(a, GATEWAY_2)), 0);
	ck_assert_int_eq(act_fold(a, 5, retiring(a, "syslog")), 0);
	buf_init(&first);
	buf_init(&second);
	access_encode(a, 7, &first);
	ck_assert_int_eq(access_decode(b, buf_slice(&first), &applied), 0);
	access_encode(b, 7, &second);
	ck_assert_uint_eq(first.n, second.n);
	ck_assert_mem_eq(first.p, second.p, first.n);
	ck_assert_uint_eq(a->schemas.n_m, b->schemas.n_m);
	for (uint64_t i = 0; i < a->schemas.n_m; i++) {
		const struct mapping *x = mapping_of_number(a, i), *y = mapping_of_number(b, i);
		ck_assert_mem_eq(x->digest, y->digest, 32);
		ck_assert_int_eq(x->chosen, y->chosen);
		ck_assert_uint_eq(y->number, i);
	}
	ck_assert_ptr_null(mapping_of_number(b, a->schemas.n_m));
	ck_assert_mem_eq(mapping_now(a)->digest, mapping_now(b)->digest, 32);
	for (int i = 0; i < 2; i++) {
		buf_init(&shown[i]);
		access_put_schemas(i ? b : a, &shown[i]);
		ck_assert_int_eq(access_put_schema(i ? b : a, slice_str("gateway"), slice_of("", 0),
						   &shown[i]),
				 0);
	}
	ck_assert(slice_eq(buf_slice(&shown[0]), buf_slice(&shown[1])));
	for (int i = 0; i < 2; i++)
		buf_fini(&shown[i]);
	buf_fini(&first);
	buf_fini(&second);
	access_free(a);
	access_free(b);
}
END_TEST

START_TEST(what_a_damaged_snapshot_says_is_refused)
{
	static const char *const wrong[] = {
		"{\"versions\":[{\"text\":\"{}\"}],\"names\":[],\"mappings\":[0],\"logs\":[]}",
		"{\"versions\":[],\"names\":[],\"mappings\":[0],\"logs\":[]}",
		"{\"versions\":[],\"names\":[],\"mappings\":[[3]],\"logs\":[]}",
		"{\"versions\":[],\"names\":[],\"mappings\":[[],[]],\"logs\":[]}",
		"{\"versions\":[],\"names\":[{\"version\":0}],\"mappings\":[],\"logs\":[]}",
		"{\"versions\":[],\"names\":[],\"mappings\":[],\"logs\":[[\"a\"]]}",
	};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		json_t *root = json_pack("{s:o}", "schemas", json_loads(wrong[i], 0, NULL));
		struct access *a = access_new();

		ck_assert_ptr_nonnull(root);
		ck_assert_int_eq(access_decode_schemas(a, root), STELE_EDAMAGED);
		json_decref(root);
		access_free(a);
	}
}
END_TEST

START_TEST(there_are_no_more_than_are_tried_for_a_record)
{
	struct access *a = begin();
	char text[128];
	int err = 0;

	for (unsigned i = 0; err == 0 && i < 2 * LIMIT_SCHEMAS; i++) {
		snprintf(text, sizeof text, "{\"name\":\"s%u\",\"when\":\"s%u:*\",\"fields\":{}}",
			 i, i);
		err = act_fold(a, 2, adding(a, text));
	}
	ck_assert_int_eq(err, STELE_ELIMIT);
	ck_assert_uint_eq(mapping_now(a)->set.n, LIMIT_SCHEMAS);
	ck_assert_int_eq(act_fold(a, 3, retiring(a, "s0")), 0);
	ck_assert_int_eq(act_fold(a, 3, adding(a, OTHER)), 0);
	access_free(a);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_added_is_tried_first_and_its_newest_version_is_in_force,
		a_mapping_is_known_by_its_digest_whatever_came_later,
		the_same_schemas_again_are_the_same_mapping,
		one_with_the_name_of_one_that_comes_with_stele_is_in_its_stead,
		those_of_another_version_of_the_program_are_recorded_anew,
		what_nobody_may_say_is_refused,
		a_log_is_read_by_the_schema_that_was_chosen_in_its_newest_version,
		a_schema_chosen_is_another_mapping_than_a_set_of_it_alone,
		a_snapshot_has_all_of_it_with_its_numbers,
		what_a_damaged_snapshot_says_is_refused,
		there_are_no_more_than_are_tried_for_a_record,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("schemas", tests, sizeof tests / sizeof(tests[0]), 20.0);
}
