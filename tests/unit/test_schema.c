/* Schema documents: what is refused and how it is said, and the canonical JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/schema.h"
#include "tests/unit/suite.h"

static struct arena arena;

static int
read_schema(struct schema *s, const char *json, struct buf *why)
{
	buf_reset(why);
	return schema_read(s, &arena, slice_str(json), why);
}

#define DOCUMENT(fields) "{\"name\":\"x\",\"when\":\"a:*\",\"fields\":{" fields "}}"

START_TEST(what_is_no_schema_is_refused_with_a_reason)
{
	static const char *const bad[][2] = {
		{"", "A schema is a JSON object; line"},
		{"[]", "A schema is a JSON object"},
		{"{\"name\":\"x\",\"name\":\"x\",\"when\":\"\",\"fields\":{}}",
		 "A schema is a JSON object; line"},
		{"{\"name\":\"x\",\"when\":\"\",\"fields\":{},\"version\":1}",
		 "A schema has no \"version\""},
		{"{\"when\":\"\",\"fields\":{}}", "name must be"},
		{"{\"name\":\"X\",\"when\":\"\",\"fields\":{}}", "name must be"},
		{"{\"name\":\"-x\",\"when\":\"\",\"fields\":{}}", "name must be"},
		{"{\"name\":\"x\",\"fields\":{}}", "when must be"},
		{"{\"name\":\"x\",\"when\":\"a = \",\"fields\":{}}",
		 "when, column 5: expected a value"},
		{"{\"name\":\"x\",\"when\":\"actor:*\",\"fields\":{}}", "when is about paths"},
		{"{\"name\":\"x\",\"when\":\"a:* AND NOT (b:* OR any:*)\",\"fields\":{}}",
		 "when is about paths"},
		{"{\"name\":\"x\",\"when\":\"\"}", "fields must be"},
		{"{\"name\":\"x\",\"when\":\"\",\"fields\":[]}", "fields must be"},
		{"{\"name\":\"x\",\"when\":\"\",\"nothing\":\"-\",\"fields\":{}}",
		 "nothing must be"},
		{"{\"name\":\"x\",\"when\":\"\",\"nothing\":[1],\"fields\":{}}",
		 "nothing must hold texts"},
		{DOCUMENT("\"actress\":[\"a\"]"), "fields has no \"actress\""},
		{DOCUMENT("\"any\":[\"a\"]"), "fields has no \"any\""},
		{DOCUMENT("\"writer\":[\"a\"]"), "fields has no \"writer\""},
		{DOCUMENT("\"receive_time\":[\"a\"]"), "fields has no \"receive_time\""},
		{DOCUMENT("\"actor\":\"a\""), "fields.actor must be an array"},
		{DOCUMENT("\"actor\":[]"), "fields.actor must be an array"},
		{DOCUMENT("\"actor\":[[]]"), "fields.actor must be an array"},
		{DOCUMENT("\"actor\":[5]"), "fields.actor: a place is"},
		{DOCUMENT("\"actor\":[[[\"a\"]]]"), "fields.actor: a place is"},
		{DOCUMENT("\"actor\":[\"a..b\"]"), "fields.actor, path, column 3: expected a name"},
		{DOCUMENT("\"actor\":[\"a b\"]"), "fields.actor: a path is names"},
		{DOCUMENT("\"actor\":[{\"path\":\"a\",\"as\":1}]"), "fields.actor: a place is"},
		{DOCUMENT("\"actor\":[{}]"), "fields.actor: a place is"},
		{DOCUMENT("\"actor\":[{\"path\":\"a\",\"value\":\"b\"}]"),
		 "fields.actor: a place is"},
		{DOCUMENT("\"actor\":[{\"value\":\"\"}]"),
		 "fields.actor: path and value are texts"},
		{DOCUMENT("\"actor\":[{\"path\":5}]"), "fields.actor: path and value are texts"},
		{DOCUMENT("\"actor\":[{\"path\":\"a\",\"unit\":\"s\"}]"),
		 "fields.actor: unit is for time"},
		{DOCUMENT("\"actor\":[{\"path\":\"a\",\"map\":{}}]"), "fields.actor: map must be"},
		{DOCUMENT("\"actor\":[{\"path\":\"a\",\"map\":{\"x\":1}}]"),
		 "fields.actor: a map's values"},
		{DOCUMENT("\"time\":[{\"path\":\"a\",\"map\":{\"x\":\"y\"}}]"),
		 "fields.time: unit is for time"},
		{DOCUMENT("\"time\":[{\"path\":\"a\",\"unit\":\"h\"}]"),
		 "fields.time: unit must be"},
		{DOCUMENT("\"time\":[{\"path\":\"a\",\"unit\":1}]"), "fields.time: unit must be"},
		{DOCUMENT("\"time\":[{\"value\":\"2020-01-01\"}]"), "fields.time: a place is"},
	};
	struct schema s = {0};
	struct buf why;

	arena_init(&arena);
	buf_init(&why);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_msg(read_schema(&s, bad[i][0], &why) == STELE_ESYNTAX, "%s", bad[i][0]);
		buf_put_u8(&why, 0);
		ck_assert_msg(strncmp((const char *)why.p, bad[i][1], strlen(bad[i][1])) == 0,
			      "%s: %s", bad[i][0], (const char *)why.p);
		ck_assert_ptr_null(s.name.p); /* untouched */
	}
	buf_fini(&why);
	arena_fini(&arena);
}
END_TEST

START_TEST(schemas_are_bounded)
{
	struct buf json, why;
	struct schema s;

	arena_init(&arena);
	buf_init(&json);
	buf_init(&why);
	for (size_t n = LIMIT_SCHEMA_PLACES; n <= LIMIT_SCHEMA_PLACES + 1; n++) {
		buf_reset(&json);
		buf_put_str(&json, "{\"name\":\"x\",\"when\":\"\",\"fields\":{\"actor\":[");
		for (size_t i = 0; i < n; i++)
			buf_put_str(&json, i ? ",\"a\"" : "\"a\"");
		buf_put_str(&json, "]}}");
		buf_put_u8(&json, 0);
		ck_assert_int_eq(read_schema(&s, (const char *)json.p, &why),
				 n > LIMIT_SCHEMA_PLACES ? STELE_ELIMIT : 0);
	}
	buf_reset(&json);
	for (size_t i = 0; i <= LIMIT_SCHEMA_BYTES; i++)
		buf_put_u8(&json, ' ');
	buf_put_u8(&json, 0);
	ck_assert_int_eq(read_schema(&s, (const char *)json.p, &why), STELE_ELIMIT);

	buf_reset(&json); /* quotes get a backslash, which in JSON are four bytes for two */
	buf_put_str(&json, "{\"name\":\"x\",\"when\":\"a='");
	for (size_t i = 0; i < 20000; i++)
		buf_put_str(&json, "\\\"");
	buf_put_str(&json, "'\",\"fields\":{}}");
	buf_put_u8(&json, 0);
	ck_assert_int_eq(read_schema(&s, (const char *)json.p, &why), STELE_ELIMIT);
	buf_fini(&json);
	buf_fini(&why);
	arena_fini(&arena);
}
END_TEST

START_TEST(the_canonical_json_is_in_one_order_and_reads_back)
{
	static const char written[] =
		"{ \"fields\": {\"outcome\": [{\"map\": {\"2*\": \"a\", \"*\": \"b\\\"\"}, \"path\": "
		"\"x.'y z'\"}, {\"value\": \"c\"}],\n \"time\": [{\"unit\": \"us\", \"path\": \"t\"}, "
		"[\"u\", {\"path\": \"w\"}]], \"actor\": [[\"a\"], \"b\"]},"
		" \"nothing\": [\"-\", \"n/a\"], \"when\": \"a=1 AND b:* OR -c='d'\", \"name\": \"x.y-z\"}";
	static const char canonical[] =
		"{\"name\":\"x.y-z\",\"when\":\"a = 1 AND (b:* OR NOT c = \\\"d\\\")\",\"nothing\":[\"-\","
		"\"n/a\"],\"fields\":{\"time\":[{\"path\":\"t\",\"unit\":\"us\"},[\"u\",\"w\"]],"
		"\"actor\":[\"a\",\"b\"],\"outcome\":[{\"path\":\"x.\\\"y z\\\"\",\"map\":{\"2*\":\"a\","
		"\"*\":\"b\\\"\"}},{\"value\":\"c\"}]}}";
	struct buf out, why;
	struct schema s;

	arena_init(&arena);
	buf_init(&out);
	buf_init(&why);
	ck_assert_int_eq(read_schema(&s, written, &why), 0);
	schema_write(&out, &s);
	buf_put_u8(&out, 0);
	ck_assert_str_eq((const char *)out.p, canonical);
	ck_assert_int_eq(read_schema(&s, canonical, &why), 0);
	buf_reset(&out);
	schema_write(&out, &s);
	ck_assert(slice_eq_str(buf_slice(&out), canonical));
	buf_fini(&out);
	buf_fini(&why);
	arena_fini(&arena);
}
END_TEST

START_TEST(schemas_are_found_by_name)
{
	struct schema items[2] = {{.name = slice_str("a")}, {.name = slice_str("b")}};
	struct schema_set set = {items, 2};

	ck_assert_int_eq(schema_find(&set, slice_str("b")), 1);
	ck_assert_int_eq(schema_find(&set, slice_str("c")), -1);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_no_schema_is_refused_with_a_reason, schemas_are_bounded,
		the_canonical_json_is_in_one_order_and_reads_back, schemas_are_found_by_name};

	return suite_run("schema", tests, sizeof tests / sizeof *tests, 60);
}
