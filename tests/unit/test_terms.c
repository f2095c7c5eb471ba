/* What an index keeps of a record, and that equalities find it there. */
#include "proto/terms.h"

#include "proto/limits.h"
#include "tests/unit/query_case.h"
#include "tests/unit/suite.h"

static struct query_case q;

/* The terms of a payload as text: field=term, one a line. */
static struct terms
list(struct buf *out, struct slice payload)
{
	struct match_record r = {.payload = fence_put(q.fence, payload),
				 .received_ns = QUERY_CASE_RECEIVED_NS,
				 .writer = slice_str("w")};
	struct term_lister *l = term_lister_new(&q.set, -1);
	struct terms terms;

	ck_assert_ptr_nonnull(l);
	ck_assert_int_eq(term_lister_run(l, &r, &q.arena, &terms), 0);
	term_lister_free(l);
	buf_reset(out);
	for (size_t i = 0; i < terms.n; i++) {
		buf_printf(out, "%s=", field_name(terms.items[i].field));
		buf_put_slice(out, terms.items[i].text);
		buf_put_u8(out, '\n');
	}
	buf_put_u8(out, 0);
	return terms;
}

START_TEST(every_value_is_listed_once_in_order)
{
	struct terms terms;
	struct buf out;

	query_case_init(&q);
	buf_init(&out);
	terms = list(
		&out,
		slice_str(
			"{\"v\":1,\"as\":[\"b\",\"a\",[\"b\"]],\"user\":\"\\u0063\",\"uid\":\"u\",\"ip\":["
			"\"::ffff:10.0.0.1\",\"AWS\"],\"id\":42.0,\"code\":200,\"do\":[true,\"1e2\"],"
			"\"at\":[\"2020-01-02\",\"2020-01-01\",\"2020-01-03\"]}"));
	ck_assert_str_eq(
		(const char *)out.p,
		"writer=w\nactor=a\nactor=b\nactor=c\naction=100\naction=1e2\naction=true\n"
		"outcome=success\nsource_ip=10.0.0.1\nsource_ip=::ffff:10.0.0.1\nsource_ip=AWS\n"
		"event_id=42\nevent_id=42.0\n");
	ck_assert(terms.has_time && terms.schema == 0 && terms.flags == 0);
	ck_assert_int_eq(terms.time_ns, INT64_C(1577923200000000000));
	ck_assert_int_eq(terms.earliest_ns, INT64_C(1577836800000000000));
	ck_assert_int_eq(terms.latest_ns, INT64_C(1578009600000000000));
	buf_fini(&out);
	query_case_fini(&q);
}
END_TEST

START_TEST(what_is_unparsed_has_its_writer_and_receive_time)
{
	struct terms terms;
	struct buf out;

	query_case_init(&q);
	buf_init(&out);
	terms = list(&out, slice_str("{\"user\":\"a\",\"user\":\"b\"}"));
	ck_assert_str_eq((const char *)out.p, "writer=w\n");
	ck_assert(!terms.has_time && terms.schema == -1);
	ck_assert_uint_eq(terms.flags, MATCH_NO_SCHEMA | MATCH_DUPLICATE_NAMES);
	ck_assert_int_eq(terms.time_ns, QUERY_CASE_RECEIVED_NS);
	terms = list(&out, slice_str("\x1f\x8b"));
	ck_assert_uint_eq(terms.flags, MATCH_NOT_JSON);
	ck_assert_int_eq(terms.latest_ns, QUERY_CASE_RECEIVED_NS);
	buf_fini(&out);
	query_case_fini(&q);
}
END_TEST

START_TEST(long_values_are_cut)
{
	struct terms terms;
	struct buf out, payload;

	query_case_init(&q);
	buf_init(&out);
	buf_init(&payload);
	buf_put_str(&payload, "{\"v\":1,\"user\":\"");
	for (int i = 0; i < 1000; i++)
		buf_put_u8(&payload, 'x');
	buf_put_str(&payload, "\"}");
	terms = list(&out, buf_slice(&payload));
	ck_assert_uint_eq(terms.items[1].text.n, LIMIT_TERM_BYTES);
	buf_fini(&out);
	buf_fini(&payload);
	query_case_fini(&q);
}
END_TEST

/* True when one of the terms that the filter's literal asks for is among the record's. */
static int
found(const char *filter, const char *payload)
{
	struct filter f = query_case_filter(&q, filter);
	struct slice texts[2];
	struct terms terms;
	struct buf out;
	int n = terms_of_literal(texts, &q.arena, &f.root->term.literal);

	buf_init(&out);
	terms = list(&out, slice_str(payload));
	buf_fini(&out);
	for (int i = 0; i < n; i++) {
		for (size_t j = 0; j < terms.n; j++) {
			if ((int)terms.items[j].field == f.root->term.field &&
			    slice_eq(terms.items[j].text, texts[i]))
				return 1;
		}
	}
	return n ? 0 : -1;
}

START_TEST(what_an_equality_finds_the_index_finds)
{
	query_case_init(&q);
	ck_assert_int_eq(found("actor = alice", "{\"v\":1,\"user\":\"\\u0061lice\"}"), 1);
	ck_assert_int_eq(found("actor = alice", "{\"v\":1,\"user\":\"bob\"}"), 0);
	ck_assert_int_eq(found("event_id = 42", "{\"v\":1,\"id\":42.00}"), 1);
	ck_assert_int_eq(found("event_id = 42.0", "{\"v\":1,\"id\":\"4.2e1\"}"), 1);
	ck_assert_int_eq(found("event_id = \"42.0\"", "{\"v\":1,\"id\":420e-1}"), 1);
	ck_assert_int_eq(found("event_id = \"42\"", "{\"v\":1,\"id\":\"42\"}"), 1);
	ck_assert_int_eq(found("source_ip = 10.0.0.1", "{\"v\":1,\"ip\":\"::ffff:a00:1\"}"), 1);
	ck_assert_int_eq(found("source_ip = FE80:0::1", "{\"v\":1,\"ip\":\"fe80::1\"}"), 1);
	ck_assert_int_eq(found("source_ip = 10.0.0.1/32", "{\"v\":1,\"ip\":\"10.0.0.1\"}"), 1);
	ck_assert_int_eq(found("source_ip = 10.0.0.1/32", "{\"v\":1,\"ip\":\"10.0.0.1/32\"}"), 1);
	ck_assert_int_eq(
		found("source_ip = \"::ffff:10.0.0.1/128\"", "{\"v\":1,\"ip\":\"10.0.0.1\"}"), 1);
	ck_assert_int_eq(found("source_ip = FE80:0::1/128", "{\"v\":1,\"ip\":\"fe80::1\"}"), 1);
	ck_assert_int_eq(found("outcome = success", "{\"v\":1,\"code\":204}"), 1);
	ck_assert_int_eq(found("actor = true", "{\"v\":1,\"user\":true}"), 1);
	ck_assert_int_eq(found("actor = al*", "{\"v\":1}"), -1);
	ck_assert_int_eq(found("actor = 2020-01-01", "{\"v\":1}"), -1);
	ck_assert_int_eq(found("actor = null", "{\"v\":1}"), -1);
	ck_assert_int_eq(found("source_ip = 10.0.0.0/8", "{\"v\":1}"), -1);
	query_case_fini(&q);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_value_is_listed_once_in_order,
		what_is_unparsed_has_its_writer_and_receive_time,
		long_values_are_cut,
		what_an_equality_finds_the_index_finds,
	};

	return suite_run("terms", tests, sizeof tests / sizeof *tests, 60);
}
