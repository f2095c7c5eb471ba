/* Signed notes and verifier keys: shape, limits, and every rule of C2SP signed-note. */
#include "proto/note.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"

#define DASH "\xe2\x80\x94 "
#define SIG                                                                                        \
	"NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3Z"      \
	"ekRwNtIc="
#define TEXT                                                                                       \
	"Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\n\xc3\xa9 "        \
	"subito\n"
#define LINE DASH "quasimodo.example/salvatore " SIG "\n"
#define VKEY "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"

START_TEST(the_specifications_example_comes_apart)
{
	struct note note;
	uint8_t blob[64], id[4] = {0x36, 0x7b, 0xa0, 0x4b};
	size_t n;

	ck_assert_int_eq(note_parse(&note, slice_str(TEXT "\n" LINE)), 0);
	ck_assert(slice_eq_str(note.text, TEXT));
	ck_assert_uint_eq(note.n_signatures, 1);
	ck_assert(slice_eq_str(note.signatures[0].name, "quasimodo.example/salvatore"));
	ck_assert_mem_eq(note.signatures[0].key_id, id, 4);
	ck_assert_int_eq(note_signature_blob(blob, sizeof blob, &n, &note.signatures[0]), 0);
	ck_assert_uint_eq(n, 64);
	ck_assert_uint_eq(blob[0], 0x34);
	ck_assert_uint_eq(blob[63], 0x87);
	ck_assert_int_eq(note_signature_blob(blob, 63, &n, &note.signatures[0]), STELE_ELIMIT);
}
END_TEST

START_TEST(a_line_written_reads_back)
{
	struct note note;
	struct buf b;
	uint8_t id[4] = {1, 2, 3, 4}, blob[LIMIT_NOTE_BLOB_BYTES], got[LIMIT_NOTE_BLOB_BYTES];
	size_t sizes[] = {1, 2, 64, 72, 2428, sizeof blob}, n;

	memset(blob, 0x5a, sizeof blob);
	buf_init(&b);
	buf_put_str(&b, "text\n\n");
	for (size_t i = 0; i < 6; i++)
		ck_assert_int_eq(note_put_signature(&b, slice_str("n\xc3\xa4me/x"), id,
						    slice_of(blob, sizes[i])),
				 0);
	ck_assert_int_eq(note_parse(&note, buf_slice(&b)), 0);
	ck_assert_uint_eq(note.n_signatures, 6);
	for (size_t i = 0; i < 6; i++) {
		ck_assert_mem_eq(note.signatures[i].key_id, id, 4);
		ck_assert_int_eq(note_signature_blob(got, sizeof got, &n, &note.signatures[i]), 0);
		ck_assert_uint_eq(n, sizes[i]);
		ck_assert_mem_eq(got, blob, n);
	}
	ck_assert_int_eq(note_put_signature(&b, slice_str("a b"), id, slice_of(blob, 64)),
			 STELE_EINVAL);
	ck_assert_int_eq(note_put_signature(&b, slice_str("a"), id, slice_of(blob, 0)),
			 STELE_EINVAL);
	buf_fini(&b);
}
END_TEST

START_TEST(what_is_no_note_is_refused)
{
	static const char *const bad[] = {
		"",
		"\n",
		"\n\n",
		"text\n",
		"text\n\n",
		"text\n\n\n",
		"text\n" LINE,
		"text\n\n" LINE "\n",
		"text\n\n" LINE "\n" LINE "\n",
		"text\n\n" LINE "tail",
		"text\n\n" LINE "tail\n",
		"text\n\n" DASH "name " SIG,
		"text\n\n" DASH "name " SIG " \n",
		"text\n\n" DASH "name  " SIG "\n",
		"text\n\n" DASH " " SIG "\n",
		"text\n\n" DASH "name\n",
		"text\n\n" DASH "name \n",
		"text\n\n" DASH "na+me " SIG "\n",
		"text\n\n" DASH "na\xc2\xa0me " SIG "\n",
		"text\n\n" DASH "na\xe2\x80\x83me " SIG "\n",
		"text\n\n- name " SIG "\n",
		"text\n\n\xe2\x80\x93 name " SIG "\n",
		"text\n\n\xe2\x80\x94name " SIG "\n",
		"text\n\n" DASH "name AAAA\n",
		"text\n\n" DASH "name AAAAAA==\n",
		"text\n\n" DASH "name AAAAAAA\n",
		"text\n\n" DASH "name AAAAAAB=\n",
		"text\n\n" DASH "name AAAA_AA=\n",
		"te\txt\n\n" LINE,
		"te\rxt\n\n" LINE,
		"te\x1fxt\n\n" LINE,
		"te\xffxt\n\n" LINE,
		"te\xed\xa0\x80xt\n\n" LINE,
		"text\n\n" LINE DASH "n\xffm " SIG "\n",
	};
	struct note note = {.n_signatures = 77};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(note_parse(&note, slice_str(bad[i])) == STELE_ESYNTAX, "%zu: %s", i,
			      bad[i]);
	ck_assert_int_eq(note_parse(&note, slice_of("te\0t\n\n" LINE, 6 + sizeof LINE - 1)),
			 STELE_ESYNTAX);
	ck_assert_int_eq(note_parse(&note, slice_of(NULL, 0)), STELE_ESYNTAX);
	ck_assert_uint_eq(note.n_signatures, 77);
	ck_assert_int_eq(note_parse(&note, slice_str("\n\n" DASH "n AAAAAAA=\n")), 0);
	ck_assert(slice_eq_str(note.text, "\n"));
}
END_TEST

START_TEST(base64_longer_than_a_block_is_still_checked)
{
	struct buf b;
	struct note note;

	for (int bad = 0; bad < 2; bad++) {
		buf_init(&b);
		buf_put_str(&b, "text\n\n" DASH "name ");
		for (int i = 0; i < 255; i++)
			buf_put_str(&b, "AAAA");
		buf_put_str(&b, bad ? "AAA=" : "AAAA"); /* ends the first block of 1024 */
		buf_put_str(&b, "AAAA\n");
		ck_assert_int_eq(note_parse(&note, buf_slice(&b)), bad ? STELE_ESYNTAX : 0);
		buf_fini(&b);
	}
}
END_TEST

START_TEST(counts_and_bytes_have_limits)
{
	struct note note;
	struct buf b;

	buf_init(&b);
	buf_put_str(&b, "text\n\n");
	for (unsigned i = 0; i < LIMIT_NOTE_SIGNATURES; i++)
		buf_put_str(&b, LINE);
	ck_assert_int_eq(note_parse(&note, buf_slice(&b)), 0);
	ck_assert_uint_eq(note.n_signatures, LIMIT_NOTE_SIGNATURES);
	buf_put_str(&b, LINE);
	ck_assert_int_eq(note_parse(&note, buf_slice(&b)), STELE_ELIMIT);
	buf_reset(&b);
	while (b.n < LIMIT_NOTE_BYTES - strlen(LINE) - 2)
		buf_put_u8(&b, 'x');
	buf_put_str(&b, "\n\n" LINE);
	ck_assert_int_eq(note_parse(&note, buf_slice(&b)), 0);
	b.p[0] = '\n';
	buf_put_u8(&b, '\n');
	ck_assert_int_eq(note_parse(&note, buf_slice(&b)), STELE_ELIMIT);
	buf_fini(&b);
}
END_TEST

START_TEST(a_verifier_key_round_trips)
{
	static const uint8_t id[4] = {0x53, 0x0d, 0x90, 0x3a};
	struct note_vkey key;
	struct buf b;

	buf_init(&b);
	ck_assert_int_eq(note_vkey_parse(&key, slice_str(VKEY)), 0);
	ck_assert(slice_eq_str(key.name, "example.com/foo"));
	ck_assert_mem_eq(key.key_id, id, 4);
	ck_assert_int_eq(key.type, NOTE_ED25519);
	ck_assert_uint_eq(key.public_key[0], 0xe9);
	ck_assert_int_eq(note_put_vkey(&b, &key), 0);
	ck_assert(slice_eq_str(buf_slice(&b), VKEY));
	buf_reset(&b);
	note_put_key_id_input(&b, &key);
	ck_assert_uint_eq(b.n, 15 + 2 + 32);
	ck_assert_mem_eq(b.p, "example.com/foo\n\x01\xe9", 18);
	key.type = NOTE_MLDSA44_COSIGNATURE;
	ck_assert_int_eq(note_put_vkey(&b, &key), STELE_EINVAL);
	buf_fini(&b);
}
END_TEST

START_TEST(another_spelling_of_a_key_is_refused)
{
	static const char *const bad[] = {
		"",
		"+",
		"example.com/foo",
		"example.com/foo+530d903a",
		"example.com/foo+530d903a+",
		"example.com/foo+530d903+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+530d903g+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"exam ple+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		"example.com/foo+530d903a-AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
		VKEY "\n",
		VKEY "AAAA",
		"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv",
		"example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2",
	};
	struct note_vkey key = {.type = NOTE_ED25519_COSIGNATURE};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(note_vkey_parse(&key, slice_str(bad[i])) == STELE_ESYNTAX, "%s",
			      bad[i]);
	ck_assert_int_eq(note_vkey_parse(&key, slice_str("a+530d903a+BgAA")), STELE_EUNSUPPORTED);
	ck_assert_int_eq(key.type, NOTE_ED25519_COSIGNATURE);
	ck_assert_int_eq(note_vkey_parse(&key, slice_str("w+530d903a+BOkyeRrm56hApGFkyQR4ZCbV54Id"
							 "2LKaANYcrnKv3U2k")),
			 0);
	ck_assert_int_eq(key.type, NOTE_ED25519_COSIGNATURE);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("note");
	TCase *t = tcase_create("note");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, the_specifications_example_comes_apart);
	tcase_add_test(t, a_line_written_reads_back);
	tcase_add_test(t, what_is_no_note_is_refused);
	tcase_add_test(t, base64_longer_than_a_block_is_still_checked);
	tcase_add_test(t, counts_and_bytes_have_limits);
	tcase_add_test(t, a_verifier_key_round_trips);
	tcase_add_test(t, another_spelling_of_a_key_is_refused);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
