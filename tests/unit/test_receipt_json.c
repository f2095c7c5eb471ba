/* Receipts as JSON: what is read, and what is not taken for a receipt at all. */
#include "verify/receipt_json.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

#define HASH "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static struct receipt_json d;
static struct buf why;

static int
take(const char *text)
{
	buf_reset(&why);
	return receipt_json_read(&d, slice_str(text), &why);
}

/* It must be refused, and the reason name this. */
static void
refused(const char *text, const char *names)
{
	ck_assert_int_eq(take(text), STELE_ESYNTAX);
	buf_put_u8(&why, 0);
	ck_assert_msg(strstr((char *)why.p, names) != NULL, "%s: %s", text, (char *)why.p);
}

START_TEST(a_whole_receipt_is_read)
{
	ck_assert_int_eq(
		take("{\"line\":7,\"log\":\"p\",\"index\":3,\"time\":\"t\",\"entry\":\"{}\","
		     "\"salt\":\"AAECAwQFBgcICQoLDA0ODw==\",\"proof\":[\"" HASH "\"],"
		     "\"checkpoint\":\"note\\n\",\"payload\":\"a\\u0000b\",\"keys\":[\"k\"],"
		     "\"consistency\":{\"from\":1,\"to\":2,\"proof\":[\"" HASH "\"]},"
		     "\"notice\":\"unread\"}"),
		0);
	ck_assert(d.is_record && d.has_line && d.has_consistency);
	ck_assert_uint_eq(d.line, 7);
	ck_assert_uint_eq(d.receipt.proof.index, 3);
	ck_assert(d.receipt.has_index && d.receipt.has_salt && d.receipt.has_payload);
	ck_assert(slice_eq(d.receipt.payload, slice_of("a\0b", 3)));
	ck_assert_uint_eq(d.receipt.proof.salt[15], 15);
	ck_assert_uint_eq(d.receipt.proof.n_hashes, 1);
	ck_assert_uint_eq(d.receipt.proof.hashes[0][31], 31);
	ck_assert(slice_eq_str(d.receipt.proof.checkpoint, "note\n"));
	ck_assert_uint_eq(d.n_keys, 1);
	ck_assert_uint_eq(d.n_consistency, 1);
	receipt_json_fini(&d);
}
END_TEST

START_TEST(what_is_missing_stays_empty)
{
	ck_assert_int_eq(take("{}"), 0);
	ck_assert(!d.is_record && !d.has_line && !d.has_consistency);
	ck_assert(!d.receipt.has_index && !d.receipt.has_salt && !d.receipt.has_payload);
	ck_assert_uint_eq(d.receipt.proof.checkpoint.n, 0);
	receipt_json_fini(&d);
}
END_TEST

START_TEST(a_receipt_that_lost_its_entry_does_not_pass_as_a_checkpoint)
{
	static const char *const rests[] = {"\"index\":1", "\"proof\":[]", "\"payload\":\"\"",
					    "\"payload_b64\":\"\"",
					    "\"salt\":\"AAECAwQFBgcICQoLDA0ODw==\""};

	for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
		struct buf text;

		buf_init(&text);
		buf_printf(&text, "{\"checkpoint\":\"note\",%s}", rests[i]);
		ck_assert_int_eq(receipt_json_read(&d, buf_slice(&text), &why), 0);
		ck_assert_msg(d.is_record, "%s", rests[i]);
		ck_assert_uint_eq(d.receipt.proof.entry_n, 0);
		receipt_json_fini(&d);
		buf_fini(&text);
	}
	ck_assert_int_eq(take("{\"origin\":\"o\",\"size\":1,\"checkpoint\":\"note\"}"), 0);
	ck_assert(!d.is_record);
	receipt_json_fini(&d);
}
END_TEST

START_TEST(a_payload_may_come_as_base64_even_empty)
{
	ck_assert_int_eq(take("{\"payload_b64\":\"/wA=\"}"), 0);
	ck_assert(d.receipt.has_payload);
	ck_assert(slice_eq(d.receipt.payload, slice_of("\xff\0", 2)));
	receipt_json_fini(&d);
	ck_assert_int_eq(take("{\"payload_b64\":\"\"}"), 0);
	ck_assert(d.receipt.has_payload);
	ck_assert_uint_eq(d.receipt.payload.n, 0);
	receipt_json_fini(&d);
}
END_TEST

START_TEST(what_is_no_receipt_is_refused_by_name)
{
	refused("", "not JSON");
	refused("{\"index\":1", "not JSON");
	refused("[]", "object");
	refused("{\"index\":1,\"index\":2}", "not JSON"); /* which of the two counts? neither */
	refused("{\"index\":-1}", "index");
	refused("{\"index\":1.0}", "index");
	refused("{\"index\":\"1\"}", "index");
	refused("{\"entry\":1}", "entry");
	refused("{\"salt\":\"AAEC\"}", "salt");
	refused("{\"proof\":\"" HASH "\"}", "proof");
	refused("{\"proof\":[\"AAEC\"]}", "proof");
	refused("{\"proof\":[1]}", "proof");
	refused("{\"checkpoint\":[]}", "checkpoint");
	refused("{\"payload\":{}}", "payload");
	refused("{\"payload\":\"a\",\"payload_b64\":\"YQ==\"}", "payload");
	refused("{\"payload_b64\":\"YQ\"}", "payload_b64");
	refused("{\"keys\":\"k\"}", "keys");
	refused("{\"keys\":[1]}", "keys");
	refused("{\"consistency\":[]}", "consistency");
	refused("{\"consistency\":{\"from\":1,\"proof\":[]}}", "consistency");
}
END_TEST

START_TEST(too_much_of_anything_is_refused)
{
	struct buf text;

	buf_init(&text);
	buf_put_str(&text, "{\"proof\":[\"" HASH "\"");
	for (size_t i = 0; i < LIMIT_PROOF_HASHES; i++)
		buf_put_str(&text, ",\"" HASH "\"");
	buf_put(&text, "]}", 3);
	refused((char *)text.p, "proof");
	buf_reset(&text);
	buf_put_str(&text, "{\"entry\":\"");
	for (size_t i = 0; i < LIMIT_ENTRY_BYTES + 1; i++)
		buf_put_u8(&text, 'x');
	buf_put(&text, "\"}", 3);
	refused((char *)text.p, "entry");
	buf_reset(&text);
	buf_put_str(&text, "{\"keys\":[\"\"");
	for (size_t i = 0; i < LIMIT_STATEMENTS; i++)
		buf_put_str(&text, ",\"\"");
	buf_put(&text, "]}", 3);
	refused((char *)text.p, "keys");
	buf_fini(&text);
}
END_TEST

/* Reads a receipt with the notes PREFIX0 to PREFIXn under that name. */
static void
take_notes(const char *name, char prefix, unsigned n)
{
	struct buf text;

	buf_init(&text);
	buf_printf(&text, "{\"%s\":[\"%c0\"", name, prefix);
	for (unsigned i = 1; i <= n; i++)
		buf_printf(&text, ",\"%c%u\"", prefix, i);
	buf_put(&text, "]}", 3);
	ck_assert_int_eq(take((char *)text.p), 0);
	buf_fini(&text);
}

START_TEST(notes_that_came_along_add_up_to_a_limit_and_count_once)
{
	static const char *const names[] = {"keys", "identities"};
	static const unsigned limits[] = {LIMIT_STATEMENTS, LIMIT_SUCCESSIONS};

	for (size_t i = 0; i < 2; i++) {
		struct receipt_trust trust = {.n_statements = 0};
		struct receipt_json whole;

		take_notes(names[i], 'a', limits[i] - 1);
		whole = d;
		ck_assert_int_eq(receipt_json_trust(&whole, true, &trust, &why), 0);
		ck_assert_int_eq(receipt_json_trust(&whole, true, &trust, &why), 0);
		ck_assert_uint_eq(i ? trust.n_successions : trust.n_statements, limits[i]);
		take_notes(names[i], 'b', 0);
		ck_assert_int_eq(receipt_json_trust(&d, true, &trust, &why), STELE_ELIMIT);
		ck_assert_uint_gt(why.n, 0);
		ck_assert_int_eq(receipt_json_trust(&d, false, &trust, &why), i ? 0 : STELE_ELIMIT);
		receipt_json_fini(&d);
		receipt_json_fini(&whole);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("receipt_json");
	TCase *t = tcase_create("receipt_json");
	SRunner *r = srunner_create(s);
	int failed;

	suite_add_tcase(s, t);
	tcase_add_test(t, a_whole_receipt_is_read);
	tcase_add_test(t, what_is_missing_stays_empty);
	tcase_add_test(t, a_receipt_that_lost_its_entry_does_not_pass_as_a_checkpoint);
	tcase_add_test(t, a_payload_may_come_as_base64_even_empty);
	tcase_add_test(t, what_is_no_receipt_is_refused_by_name);
	tcase_add_test(t, too_much_of_anything_is_refused);
	tcase_add_test(t, notes_that_came_along_add_up_to_a_limit_and_count_once);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	buf_fini(&why);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
