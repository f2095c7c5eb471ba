/* CloudEvents: what an event must have, and one spelling for binary ones. */
#include "server/cloudevents.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

static struct json_scanner *js;
static struct http h;

static int
check_event(const char *json)
{
	struct cloudevents_identity id = {{NULL, 0}, {NULL, 0}};
	const char *why = NULL;
	struct arena a;
	int err;

	arena_init(&a);
	err = cloudevents_check(js, slice_str(json), &a, &id, &why);
	if (err == 0)
		ck_assert(slice_eq_str(id.id, "1") && slice_eq_str(id.source, "/s"));
	else
		ck_assert_msg(why != NULL, "%s", json);
	arena_fini(&a);
	return err;
}

#define EVENT "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\""

START_TEST(an_event_has_version_id_source_and_type)
{
	ck_assert_int_eq(check_event("{" EVENT "}"), 0);
	ck_assert_int_eq(check_event(" {\"data\":[1,{}]," EVENT "} "), 0);
	ck_assert_int_eq(check_event("{}"), STELE_ESYNTAX);
	ck_assert_int_eq(check_event("[]"), STELE_ESYNTAX);
	ck_assert_int_eq(check_event("{\"id\":\"2\"," EVENT "}"), STELE_ESYNTAX);
	ck_assert_int_eq(check_event("{\"specversion\":\"0.3\",\"id\":\"1\",\"source\":\"/s\","
				     "\"type\":\"t\"}"),
			 STELE_ESYNTAX);
	ck_assert_int_eq(check_event("{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/s\","
				     "\"type\":\"t\"}"),
			 STELE_ESYNTAX);
	ck_assert_int_eq(check_event("{\"specversion\":\"1.0\",\"id\":1,\"source\":\"/s\","
				     "\"type\":\"t\"}"),
			 STELE_ESYNTAX);
	ck_assert_int_eq(check_event("{\"specversion\":\"1.0\",\"id\":\"1\",\"type\":\"t\"}"),
			 STELE_ESYNTAX);
}
END_TEST

/* Fields as "name: value\n" lines. */
static void
set_fields(const char *text)
{
	h.n_fields = 0;
	while (*text) {
		const char *colon = strchr(text, ':'), *nl = strchr(text, '\n');

		h.fields[h.n_fields].name = slice_of(text, (size_t)(colon - text));
		h.fields[h.n_fields++].value = slice_of(colon + 2, (size_t)(nl - colon) - 2);
		text = nl + 1;
	}
}

static void
assert_structured(const char *fields, const char *type, bool json, const char *data,
		  const char *want)
{
	struct cloudevents_identity id;
	const char *why = "";
	struct arena a;
	struct buf out;
	int err;

	arena_init(&a);
	buf_init(&out);
	set_fields(fields);
	ck_assert(cloudevents_is_binary(&h));
	err = cloudevents_from_binary(&h, slice_str(type), json, slice_str(data), &a, &out, &id,
				      &why);
	if (want) {
		ck_assert_msg(err == 0, "%s", why);
		ck_assert_msg(slice_eq_str(buf_slice(&out), want), "%.*s", (int)out.n, out.p);
		ck_assert_int_eq(json_validate(js, buf_slice(&out), NULL), 0);
	} else {
		ck_assert_int_eq(err, STELE_ESYNTAX);
		ck_assert_uint_gt(strlen(why), 0);
	}
	buf_fini(&out);
	arena_fini(&a);
}

#define FIELDS "ce-type: t\nCE-Source: /s\nce-specversion: 1.0\nce-id: 1\n"
#define SORTED "\"id\":\"1\",\"source\":\"/s\",\"specversion\":\"1.0\",\"type\":\"t\""

START_TEST(a_binary_event_gets_one_structured_spelling)
{
	assert_structured(FIELDS "x: y\n", "application/json", true, "{\"a\":1}",
			  "{" SORTED ",\"datacontenttype\":\"application/json\","
			  "\"data\":{\"a\":1}}");
	assert_structured("ce-id: 1\nce-specversion: 1.0\nce-source: /s\nce-type: t\n", "", false,
			  "", "{" SORTED "}");
	assert_structured(FIELDS, "text/plain", false, "a \"b\"",
			  "{" SORTED
			  ",\"datacontenttype\":\"text/plain\",\"data\":\"a \\\"b\\\"\"}");
	assert_structured(FIELDS, "text/plain", false, "\xff",
			  "{" SORTED
			  ",\"datacontenttype\":\"text/plain\",\"data_base64\":\"/w==\"}");
	assert_structured(FIELDS, "image/png", false, "abc",
			  "{" SORTED
			  ",\"datacontenttype\":\"image/png\",\"data_base64\":\"YWJj\"}");
	assert_structured("ce-zext: Euro%20%E2%82%AC\n" FIELDS, "", false, "",
			  "{" SORTED ",\"zext\":\"Euro \xe2\x82\xac\"}");
	assert_structured("ce-subject: \"a%22b\"\n" FIELDS, "", false, "",
			  "{\"id\":\"1\",\"source\":\"/s\",\"specversion\":\"1.0\","
			  "\"subject\":\"a\\\"b\",\"type\":\"t\"}");
}
END_TEST

START_TEST(a_binary_event_that_lacks_something_is_refused)
{
	assert_structured("ce-specversion: 1.0\nce-id: 1\nce-source: /s\n", "", false, "", NULL);
	assert_structured("ce-specversion: 1.0\nce-id: \nce-source: /s\nce-type: t\n", "", false,
			  "", NULL);
	assert_structured("ce-specversion: 0.3\nce-id: 1\nce-source: /s\nce-type: t\n", "", false,
			  "", NULL);
	assert_structured(FIELDS "ce-id: 2\n", "", false, "", NULL);
	assert_structured(FIELDS "ce-a_b: 2\n", "", false, "", NULL);
	assert_structured(FIELDS "ce-data: 2\n", "", false, "", NULL);
	assert_structured(FIELDS "ce-a: %zz\n", "", false, "", NULL);
	assert_structured(FIELDS "ce-a: %2\n", "", false, "", NULL);
	assert_structured(FIELDS "ce-a: %ff\n", "", false, "", NULL);
	assert_structured(FIELDS "ce-a: %00\n", "", false, "", NULL);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("cloudevents");
	TCase *t = tcase_create("cloudevents");
	SRunner *r;
	int failed;

	js = json_scanner_new();
	tcase_set_timeout(t, 60);
	tcase_add_test(t, an_event_has_version_id_source_and_type);
	tcase_add_test(t, a_binary_event_gets_one_structured_spelling);
	tcase_add_test(t, a_binary_event_that_lacks_something_is_refused);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
