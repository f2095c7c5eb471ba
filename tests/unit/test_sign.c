/* crypto/sign: published vectors, and what a verifier must refuse. */
#include "crypto/sign.h"

#include <stdio.h>

#include <check.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "proto/le.h"

static struct sha256 *h;
static struct signer *log_key, *other_key, *identity;

/* The example of Go's golang.org/x/mod/sumdb/note. */
static const char neumann_vkey[] =
	"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char neumann_note[] =
	"If you think cryptography is the answer to your problem,\n"
	"then you don't know what your problem is.\n"
	"\n"
	"\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXg"
	"KvqfqdngotpRZb6KE6RyyBwJnAM=\n";

START_TEST(the_published_vkey_has_the_key_id_of_its_bytes)
{
	static const uint8_t id[] = {0x53, 0x0d, 0x90, 0x3a};
	const char *text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
	char bad[128];
	struct note_vkey key;
	uint8_t made[NOTE_KEY_ID_BYTES];

	ck_assert_int_eq(sign_vkey_parse(h, &key, slice_str(text)), 0);
	sign_keyid(h, made, slice_str("example.com/foo"), NOTE_ED25519, key.public_key);
	ck_assert_mem_eq(made, id, sizeof id);
	snprintf(bad, sizeof bad, "%s", text);
	bad[16] ^= 1;
	ck_assert_int_eq(sign_vkey_parse(h, &key, slice_str(bad)), STELE_EVERIFY);
}
END_TEST

START_TEST(a_note_signed_by_go_verifies)
{
	struct note_vkey key;
	struct note note;
	size_t which = 9;

	ck_assert_int_eq(sign_vkey_parse(h, &key, slice_str(neumann_vkey)), 0);
	ck_assert_int_eq(sign_verify_note(&key, 1, slice_str(neumann_note), &note, &which), 0);
	ck_assert_uint_eq(which, 0);
	ck_assert_uint_eq(note.text.n, strstr(neumann_note, "\n\n") + 1 - neumann_note);
}
END_TEST

/* RFC 8032 section 7.1, test 1. */
START_TEST(the_signature_is_that_of_rfc_8032)
{
	static const uint8_t seed[SIGN_SEED_BYTES] = {
		0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
		0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
		0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
	static const uint8_t public_head[] = {0xd7, 0x5a, 0x98, 0x01};
	static const uint8_t head[] = {0xe5, 0x56, 0x43, 0x00};
	uint8_t signature[SIGN_BYTES];
	struct signer *s;

	ck_assert_int_eq(signer_new(&s, h, slice_str("rfc"), seed), 0);
	ck_assert_mem_eq(signer_vkey(s)->public_key, public_head, 4);
	signer_sign(s, signature, slice_of("", 0));
	ck_assert_mem_eq(signature, head, 4);
	signer_free(s);
}
END_TEST

static struct buf
make_note(const char *text, const struct signer *a, const struct signer *b)
{
	const struct signer *both[] = {a, b};
	struct buf out;

	buf_init(&out);
	sign_note(&out, slice_str(text), both, b ? 2 : 1);
	ck_assert_int_eq(out.err, 0);
	return out;
}

START_TEST(unknown_keys_are_ignored_but_one_known_must_have_signed)
{
	struct buf b = make_note("text\n", other_key, log_key);
	struct note_vkey keys[2] = {*signer_vkey(identity), *signer_vkey(log_key)};
	struct note note = {.n_signatures = 99};
	size_t which = 9;

	ck_assert_int_eq(sign_verify_note(keys, 2, buf_slice(&b), &note, &which), 0);
	ck_assert_uint_eq(which, 1);
	ck_assert(slice_eq_str(note.text, "text\n"));
	note.n_signatures = 99;
	which = 9;
	ck_assert_int_eq(sign_verify_note(keys, 1, buf_slice(&b), &note, &which), STELE_EVERIFY);
	ck_assert_int_eq(sign_verify_note(NULL, 0, buf_slice(&b), &note, &which), STELE_EVERIFY);
	ck_assert_uint_eq(note.n_signatures, 99);
	ck_assert_uint_eq(which, 9);
	buf_fini(&b);
}
END_TEST

START_TEST(one_bad_signature_by_a_known_key_refuses_the_note)
{
	struct note_vkey keys[2] = {*signer_vkey(log_key), *signer_vkey(other_key)};
	struct buf b;
	struct note note;

	buf_init(&b);
	buf_put_str(&b, "text\n\n");
	sign_note_line(&b, slice_str("text\n"), log_key);
	ck_assert_int_eq(sign_verify_note(keys, 2, buf_slice(&b), &note, NULL), 0);
	sign_note_line(&b, slice_str("another text\n"), other_key);
	ck_assert_int_eq(sign_verify_note(keys, 2, buf_slice(&b), &note, NULL), STELE_EVERIFY);
	ck_assert_int_eq(sign_verify_note(keys, 1, buf_slice(&b), &note, NULL), 0);
	buf_fini(&b);
}
END_TEST

START_TEST(no_flipped_bit_of_a_note_verifies)
{
	struct buf b = make_note("ledger.example.com/payments\n3\nAAAA\n", log_key, NULL);
	struct note note;

	for (size_t bit = 0; bit < 8 * b.n; bit++) {
		b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ck_assert_int_ne(
			sign_verify_note(signer_vkey(log_key), 1, buf_slice(&b), &note, NULL), 0);
		b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ck_assert_int_eq(sign_verify_note(signer_vkey(log_key), 1, buf_slice(&b), &note, NULL), 0);
	buf_fini(&b);
}
END_TEST

START_TEST(a_key_of_the_same_id_but_another_name_is_not_the_key)
{
	struct buf b = make_note("text\n", log_key, NULL);
	struct note_vkey key = *signer_vkey(log_key);
	struct note note;

	key.name = slice_str("ledger.example.com/other");
	ck_assert_int_eq(sign_verify_note(&key, 1, buf_slice(&b), &note, NULL), STELE_EVERIFY);
	key = *signer_vkey(log_key);
	key.key_id[0] ^= 1;
	ck_assert_int_eq(sign_verify_note(&key, 1, buf_slice(&b), &note, NULL), STELE_EVERIFY);
	buf_fini(&b);
}
END_TEST

START_TEST(signers_with_impossible_names_are_refused)
{
	const uint8_t seed[SIGN_SEED_BYTES] = {0};
	char long_name[LIMIT_ORIGIN_BYTES + 2];
	struct signer *s = NULL;

	memset(long_name, 'a', sizeof long_name);
	ck_assert_int_eq(signer_new(&s, h, slice_str(""), seed), STELE_EINVAL);
	ck_assert_int_eq(signer_new(&s, h, slice_str("a b"), seed), STELE_EINVAL);
	ck_assert_int_eq(signer_new(&s, h, slice_str("a+b"), seed), STELE_EINVAL);
	ck_assert_int_eq(signer_new(&s, h, slice_of(long_name, LIMIT_ORIGIN_BYTES + 1), seed),
			 STELE_EINVAL);
	ck_assert_ptr_null(s);
	ck_assert_int_eq(signer_new(&s, h, slice_of(long_name, LIMIT_ORIGIN_BYTES), seed), 0);
	signer_free(s);
	signer_free(NULL);
}
END_TEST

START_TEST(a_key_statement_verifies_under_the_identity_only)
{
	struct buf b;
	struct keystatement k;

	buf_init(&b);
	ck_assert_int_eq(sign_key_statement(&b, identity, signer_vkey(log_key), 2, 70), 0);
	ck_assert_int_eq(sign_verify_key_statement(h, signer_vkey(identity), buf_slice(&b), &k), 0);
	ck_assert_uint_eq(k.epoch, 2);
	ck_assert_uint_eq(k.first_size, 70);
	ck_assert(slice_eq(k.key.name, signer_vkey(log_key)->name));
	ck_assert_mem_eq(k.key.public_key, signer_vkey(log_key)->public_key, 32);
	ck_assert_int_eq(sign_verify_key_statement(h, signer_vkey(log_key), buf_slice(&b), &k),
			 STELE_EVERIFY);
	buf_reset(&b);
	ck_assert_int_eq(
		sign_key_statement(&b, identity, signer_vkey(log_key), 2, LIMIT_INTEGER + 1),
		STELE_EINVAL);
	ck_assert_uint_eq(b.n, 0);
	buf_fini(&b);
}
END_TEST

START_TEST(a_key_statement_whose_key_id_is_not_the_keys_is_refused)
{
	struct keystatement k = {*signer_vkey(log_key), 0, 1};
	const struct signer *by[] = {identity};
	struct buf text, b;

	k.key.key_id[3] ^= 0x80;
	buf_init(&text);
	buf_init(&b);
	ck_assert_int_eq(keystatement_put(&text, &k), 0);
	sign_note(&b, buf_slice(&text), by, 1);
	ck_assert_int_eq(sign_verify_key_statement(h, signer_vkey(identity), buf_slice(&b), &k),
			 STELE_EVERIFY);
	buf_fini(&text);
	buf_fini(&b);
}
END_TEST

/* Appends a cosignature line as a witness would make it, for the time said; signed for `at`. */
static void
cosign(struct buf *note, const struct signer *s, const struct note_vkey *witness, const char *text,
       uint64_t said, uint64_t at)
{
	uint8_t blob[8 + SIGN_BYTES];
	char message[256];

	snprintf(message, sizeof message, "cosignature/v1\ntime %llu\n%s", (unsigned long long)at,
		 text);
	be_put64(blob, said);
	signer_sign(s, blob + 8, slice_str(message));
	ck_assert_int_eq(note_put_signature(note, witness->name, witness->key_id,
					    slice_of(blob, sizeof blob)),
			 0);
}

START_TEST(a_cosignature_says_when_the_witness_saw_the_note)
{
	const char *text = "ledger.example.com/payments\n3\nAAAA\n";
	struct buf b = make_note(text, log_key, NULL);
	struct note_vkey witness = *signer_vkey(other_key);
	uint64_t time = 77;
	struct note note;

	witness.type = NOTE_ED25519_COSIGNATURE;
	sign_keyid(h, witness.key_id, witness.name, witness.type, witness.public_key);
	ck_assert_int_eq(note_parse(&note, buf_slice(&b)), 0);
	ck_assert_int_eq(sign_verify_cosignature(&witness, &note, &time), STELE_ENOTFOUND);
	cosign(&b, other_key, &witness, text, 1700000000, 1700000000);
	cosign(&b, other_key, &witness, text, 1700000009, 1700000009);
	cosign(&b, other_key, &witness, text, 1700000005, 1700000005);
	ck_assert_int_eq(sign_verify_note(signer_vkey(log_key), 1, buf_slice(&b), &note, NULL), 0);
	ck_assert_int_eq(sign_verify_cosignature(signer_vkey(log_key), &note, &time), STELE_EINVAL);
	ck_assert_uint_eq(time, 77);
	ck_assert_int_eq(sign_verify_cosignature(&witness, &note, &time), 0);
	ck_assert_uint_eq(time, 1700000009);
	cosign(&b, other_key, &witness, text, 1800000000, 1700000000);
	ck_assert_int_eq(note_parse(&note, buf_slice(&b)), 0);
	ck_assert_int_eq(sign_verify_cosignature(&witness, &note, &time), STELE_EVERIFY);
	ck_assert_int_eq(sign_verify_note(&witness, 1, buf_slice(&b), &note, NULL), STELE_EINVAL);
	buf_fini(&b);
}
END_TEST

/* Whether the answer has a line for the text by the witness; that is appended to line. */
static int
takes(struct buf *line, const struct signer *witness, const char *text, const struct buf *answer)
{
	buf_reset(line);
	return sign_take_cosignature(line, signer_vkey(witness), slice_str(text),
				     buf_slice(answer));
}

START_TEST(the_line_of_a_witness_is_taken_out_of_its_answer)
{
	static const uint8_t seeds[2][SIGN_SEED_BYTES] = {{7}, {8}};
	static const char text[] = "ledger.example.com/payments\n6\nx\n";
	struct signer *one, *two;
	struct buf answer, line, newest;
	size_t n;

	buf_init(&answer);
	buf_init(&line);
	buf_init(&newest);
	ck_assert_int_eq(signer_new_witness(&one, h, slice_str("w.example.org"), seeds[0]), 0);
	ck_assert_int_eq(signer_new_witness(&two, h, slice_str("w.example.org"), seeds[1]), 0);
	ck_assert_int_eq(signer_vkey(one)->type, NOTE_ED25519_COSIGNATURE);
	sign_cosignature(&answer, slice_str(text), two, 90);
	ck_assert_int_eq(takes(&line, one, text, &answer), STELE_ENOTFOUND);
	sign_cosignature(&answer, slice_str(text), one, 80);
	n = answer.n;
	sign_cosignature(&answer, slice_str(text), one, 100);
	buf_put(&newest, answer.p + n, answer.n - n);
	sign_cosignature(&answer, slice_str(text), one, 70);
	ck_assert_int_eq(takes(&line, one, text, &answer), 0);
	ck_assert(slice_eq(buf_slice(&line), buf_slice(&newest)));
	ck_assert_int_eq(takes(&line, one, "another\n", &answer), STELE_EVERIFY);
	ck_assert_uint_eq(line.n, 0);
	buf_put_str(&answer, "\n\xe2\x80\x94 x AAAAAAAA\n"); /* another text altogether */
	ck_assert_int_eq(takes(&line, one, text, &answer), STELE_ESYNTAX);
	buf_reset(&answer);
	ck_assert_int_eq(takes(&line, one, text, &answer), STELE_ESYNTAX);
	signer_free(one);
	signer_free(two);
	buf_fini(&answer);
	buf_fini(&line);
	buf_fini(&newest);
}
END_TEST

static TCase *
cases(void)
{
	TCase *t = tcase_create("sign");

	tcase_add_test(t, the_published_vkey_has_the_key_id_of_its_bytes);
	tcase_add_test(t, a_note_signed_by_go_verifies);
	tcase_add_test(t, the_signature_is_that_of_rfc_8032);
	tcase_add_test(t, unknown_keys_are_ignored_but_one_known_must_have_signed);
	tcase_add_test(t, one_bad_signature_by_a_known_key_refuses_the_note);
	tcase_add_test(t, no_flipped_bit_of_a_note_verifies);
	tcase_add_test(t, a_key_of_the_same_id_but_another_name_is_not_the_key);
	tcase_add_test(t, signers_with_impossible_names_are_refused);
	tcase_add_test(t, a_key_statement_verifies_under_the_identity_only);
	tcase_add_test(t, a_key_statement_whose_key_id_is_not_the_keys_is_refused);
	tcase_add_test(t, a_cosignature_says_when_the_witness_saw_the_note);
	tcase_add_test(t, the_line_of_a_witness_is_taken_out_of_its_answer);
	return t;
}

int
main(void)
{
	static const uint8_t seeds[3][SIGN_SEED_BYTES] = {{1}, {2}, {3}};
	Suite *s = suite_create("sign");
	SRunner *r = srunner_create(s);
	int failed;

	h = sha256_new();
	if (crypto_init() != 0 || !h ||
	    signer_new(&log_key, h, slice_str("ledger.example.com/payments"), seeds[0]) != 0 ||
	    signer_new(&other_key, h, slice_str("witness.example.org"), seeds[1]) != 0 ||
	    signer_new(&identity, h, slice_str("ledger.example.com"), seeds[2]) != 0)
		return 1;
	suite_add_tcase(s, cases());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	signer_free(log_key);
	signer_free(other_key);
	signer_free(identity);
	sha256_free(h);
	return failed != 0;
}
