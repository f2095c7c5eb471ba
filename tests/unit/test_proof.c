/* Proof texts: round trip, limits, strictness; and the JSON array of hashes. */
#include "proto/proof.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

#define HASH "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define MAGIC "c2sp.org/tlog-proof@v1\n"
#define EXTRA "extra e30KQUFFQ0F3UUZCZ2NJQ1FvTERBME9Edz09\n" /* {} LF AAECAwQFBgcICQoLDA0ODw== */
#define NOTE "o/l\n3\n" HASH "\n\n\xe2\x80\x94 o/l AAAAAAA=\n"
#define WHOLE MAGIC EXTRA "index 2\n" HASH "\n" HASH "\n\n" NOTE

START_TEST(a_proof_round_trips)
{
	struct proof_text p;
	struct buf b;

	buf_init(&b);
	ck_assert_int_eq(proof_text_parse(&p, slice_str(WHOLE)), 0);
	ck_assert(slice_eq_str(slice_of(p.entry, p.entry_n), "{}"));
	ck_assert_uint_eq(p.salt[15], 15);
	ck_assert_uint_eq(p.index, 2);
	ck_assert_uint_eq(p.n_hashes, 2);
	ck_assert_uint_eq(p.hashes[1][31], 31);
	ck_assert(slice_eq_str(p.checkpoint, NOTE));
	ck_assert_int_eq(proof_text_put(&b, &p), 0);
	ck_assert(slice_eq_str(buf_slice(&b), WHOLE));
	buf_reset(&b);
	p.n_hashes = 0;
	ck_assert_int_eq(proof_text_put(&b, &p), 0);
	ck_assert(slice_eq_str(buf_slice(&b), MAGIC EXTRA "index 2\n\n" NOTE));
	ck_assert_int_eq(proof_text_parse(&p, buf_slice(&b)), 0);
	ck_assert_uint_eq(p.n_hashes, 0);
	buf_fini(&b);
}
END_TEST

START_TEST(the_longest_proof_fits_and_one_more_is_refused)
{
	struct proof_text p = {.entry_n = LIMIT_ENTRY_BYTES,
			       .index = LIMIT_INTEGER,
			       .n_hashes = LIMIT_PROOF_HASHES,
			       .checkpoint = slice_str(NOTE)},
			  got;
	struct buf b;

	memset(p.entry, 'x', sizeof p.entry);
	buf_init(&b);
	ck_assert_int_eq(proof_text_put(&b, &p), 0);
	ck_assert_int_eq(proof_text_parse(&got, buf_slice(&b)), 0);
	ck_assert_uint_eq(got.entry_n, LIMIT_ENTRY_BYTES);
	ck_assert_mem_eq(got.entry, p.entry, LIMIT_ENTRY_BYTES);
	ck_assert_uint_eq(got.n_hashes, LIMIT_PROOF_HASHES);
	buf_reset(&b);
	buf_put_str(&b, MAGIC EXTRA "index 2\n");
	for (unsigned i = 0; i <= LIMIT_PROOF_HASHES; i++)
		buf_put_str(&b, HASH "\n");
	buf_put_str(&b, "\n" NOTE);
	ck_assert_int_eq(proof_text_parse(&got, buf_slice(&b)), STELE_ELIMIT);
	buf_reset(&b);
	buf_put_str(&b, WHOLE);
	while (b.n < LIMIT_PROOF_TEXT_BYTES)
		buf_put_u8(&b, 'x');
	ck_assert_int_eq(proof_text_parse(&got, buf_slice(&b)), 0);
	buf_put_u8(&b, 'x');
	ck_assert_int_eq(proof_text_parse(&got, buf_slice(&b)), STELE_ELIMIT);
	buf_fini(&b);
}
END_TEST

START_TEST(an_overlong_entry_is_a_limit)
{
	uint8_t extra[LIMIT_ENTRY_BYTES + 26];
	struct proof_text got;
	struct buf b;

	buf_init(&b);
	memset(extra, 'x', sizeof extra);
	for (size_t cut = 0; cut < 2; cut++) { /* beyond the room, and within it but late */
		buf_reset(&b);
		extra[LIMIT_ENTRY_BYTES + 1] = '\n';
		buf_put_str(&b, MAGIC "extra ");
		buf_put_base64(&b, extra, sizeof extra - cut * 2);
		buf_put_str(&b, "\nindex 2\n\n" NOTE);
		ck_assert_int_eq(proof_text_parse(&got, buf_slice(&b)), STELE_ELIMIT);
	}
	buf_fini(&b);
}
END_TEST

START_TEST(what_is_no_proof_is_refused)
{
	static const char *const bad[] = {
		"",
		"c2sp.org/tlog-proof@v1",
		MAGIC,
		MAGIC EXTRA,
		MAGIC EXTRA "index 2\n",
		MAGIC EXTRA "index 2\n\n",
		MAGIC EXTRA "index 2\n" HASH "\n",
		MAGIC EXTRA "index 2\n" NOTE,
		MAGIC EXTRA "index 02\n\n" NOTE,
		MAGIC EXTRA "index 9007199254740992\n\n" NOTE,
		MAGIC EXTRA "index  2\n\n" NOTE,
		MAGIC EXTRA "index\n\n" NOTE,
		MAGIC EXTRA "\n\n" NOTE,
		MAGIC "index 2\n" EXTRA "\n" NOTE,
		MAGIC "index 2\n\n" NOTE,
		MAGIC EXTRA EXTRA "index 2\n\n" NOTE,
		MAGIC "extra \nindex 2\n\n" NOTE,
		MAGIC "extra e30=\nindex 2\n\n" NOTE, /* no LF, no salt */
		MAGIC "extra e30K\nindex 2\n\n" NOTE, /* no salt */
		MAGIC "extra CkFBRUNBd1FGQmdjSUNRb0xEQTBPRHc9PQ==\nindex 2\n\n" NOTE, /* no entry */
		MAGIC "extra e30KQUFFQ0F3UUZCZ2NJQ1FvTERBME9Edz0=\nindex 2\n\n" NOTE,
		MAGIC EXTRA "index 2\n" HASH " \n\n" NOTE,
		MAGIC EXTRA "index 2\nAAAA\n\n" NOTE,
		MAGIC EXTRA "index 2\r\n\n" NOTE,
		"c2sp.org/tlog-proof\n" EXTRA "index 2\n\n" NOTE,
		"\n" WHOLE,
	};
	struct proof_text p = {.index = 77};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(proof_text_parse(&p, slice_str(bad[i])) == STELE_ESYNTAX, "%zu: %s",
			      i, bad[i]);
	ck_assert_int_eq(proof_text_parse(&p, slice_of(NULL, 0)), STELE_ESYNTAX);
	ck_assert_int_eq(proof_text_parse(&p, slice_str("c2sp.org/tlog-proof@v2\nx\n")),
			 STELE_EVERSION);
	ck_assert_uint_eq(p.index, 77);
}
END_TEST

START_TEST(the_writer_refuses_what_the_reader_would)
{
	struct proof_text good, p;
	struct buf b;

	buf_init(&b);
	ck_assert_int_eq(proof_text_parse(&good, slice_str(WHOLE)), 0);
	p = good, p.entry_n = 0;
	ck_assert_int_eq(proof_text_put(&b, &p), STELE_EINVAL);
	p = good, p.entry_n = LIMIT_ENTRY_BYTES + 1;
	ck_assert_int_eq(proof_text_put(&b, &p), STELE_EINVAL);
	p = good, p.entry[1] = '\n';
	ck_assert_int_eq(proof_text_put(&b, &p), STELE_EINVAL);
	p = good, p.n_hashes = LIMIT_PROOF_HASHES + 1;
	ck_assert_int_eq(proof_text_put(&b, &p), STELE_EINVAL);
	p = good, p.index = LIMIT_INTEGER + 1;
	ck_assert_int_eq(proof_text_put(&b, &p), STELE_EINVAL);
	p = good, p.checkpoint.n = 0;
	ck_assert_int_eq(proof_text_put(&b, &p), STELE_EINVAL);
	ck_assert_uint_eq(b.n, 0);
	buf_fini(&b);
}
END_TEST

START_TEST(hashes_become_a_json_array)
{
	uint8_t hashes[LIMIT_PROOF_HASHES][PROOF_HASH_BYTES];
	struct buf b;

	for (size_t i = 0; i < sizeof hashes; i++)
		hashes[i / 32][i % 32] = (uint8_t)(i % 32);
	buf_init(&b);
	proof_put_json(&b, hashes, 0);
	proof_put_json(&b, hashes, 1);
	proof_put_json(&b, hashes, 2);
	ck_assert(slice_eq_str(buf_slice(&b), "[][\"" HASH "\"][\"" HASH "\",\"" HASH "\"]"));
	buf_reset(&b);
	proof_put_json(&b, hashes, LIMIT_PROOF_HASHES);
	ck_assert_uint_eq(b.n, 1 + LIMIT_PROOF_HASHES * 47);
	buf_fini(&b);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("proof");
	TCase *t = tcase_create("proof");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, a_proof_round_trips);
	tcase_add_test(t, the_longest_proof_fits_and_one_more_is_refused);
	tcase_add_test(t, an_overlong_entry_is_a_limit);
	tcase_add_test(t, what_is_no_proof_is_refused);
	tcase_add_test(t, the_writer_refuses_what_the_reader_would);
	tcase_add_test(t, hashes_become_a_json_array);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
