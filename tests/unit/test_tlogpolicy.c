/* Policies of witnesses: what is one, and whose cosignatures are enough. */
#include "crypto/tlogpolicy.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/init.h"
#include "crypto/sign.h"
#include "proto/err.h"
#include "suite.h"

enum { WITNESSES = 4 };

static struct sha256 *h;
static struct buf keys[WITNESSES], log_key;

static void
make_key(struct buf *out, const char *name, enum note_type type, uint8_t fill)
{
	struct note_vkey key = {.name = slice_str(name), .type = type};

	memset(key.public_key, fill, sizeof key.public_key);
	sign_keyid(h, key.key_id, key.name, type, key.public_key);
	buf_init(out);
	if (note_put_vkey(out, &key) != 0)
		abort();
}

/* Puts keys for %0 to %3, and the log's for %L. */
static void
fill_in(struct buf *out, const char *text)
{
	buf_init(out);
	for (; *text; text++) {
		if (*text != '%')
			buf_put_u8(out, (uint8_t)*text);
		else if (*++text == 'L')
			buf_put_slice(out, buf_slice(&log_key));
		else
			buf_put_slice(out, buf_slice(&keys[*text - '0']));
	}
}

static int
reads(struct tlogpolicy *p, const char *text, struct buf *filled, size_t *line)
{
	const char *what = NULL;
	int err;

	fill_in(filled, text);
	err = tlogpolicy_read(p, h, buf_slice(filled), line, &what);
	ck_assert(err == 0 || what);
	return err;
}

START_TEST(what_is_no_policy_is_refused_by_its_line)
{
	static const struct {
		const char *text;
		size_t line;
	} bad[] = {
		{"", 0},
		{"witness a %0\n", 1},
		{"quorum none\nquorum none\n", 2},
		{"quorum a\nwitness a %0\n", 1},
		{"witness a %L\nquorum a\n", 1},
		{"witness a nokey\nquorum a\n", 1},
		{"witness none %0\nquorum none\n", 1},
		{"witness a %0\nwitness a %1\nquorum a\n", 2},
		{"witness a %0\nwitness b %0\nquorum a\n", 2},
		{"witness a %0\ngroup g any\nquorum g\n", 2},
		{"witness a %0\ngroup g 2 a\nquorum g\n", 2},
		{"witness a %0\ngroup g 0 a\nquorum g\n", 2},
		{"witness a %0\ngroup g many a\nquorum g\n", 2},
		{"witness a %0\ngroup g any a a\nquorum g\n", 2},
		{"witness a %0\ngroup g any b\nquorum g\n", 2},
		{"witness a %0\ngroup g any g\nquorum g\n", 2},
		{"witness a %0 http://a more\nquorum a\n", 1},
		{"log nokey\nquorum none\n", 1},
		{"# a comment\n\nlogs %L\nquorum none\n", 3},
		{"quorum none more\n", 1},
	};
	struct tlogpolicy *p = calloc(1, sizeof *p);
	struct buf b;
	size_t line;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_msg(reads(p, bad[i].text, &b, &line) == STELE_ESYNTAX, "%s", bad[i].text);
		ck_assert_msg(line == bad[i].line, "%s: line %zu", bad[i].text, line);
		buf_fini(&b);
	}
	free(p);
}
END_TEST

static struct note note;
static uint8_t blobs[WITNESSES][4 + 72];
static struct buf base64[WITNESSES];

START_TEST(a_witness_has_the_address_behind_its_key)
{
	struct tlogpolicy *p = calloc(1, sizeof *p);
	struct buf b;
	size_t line;

	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(
		reads(p, "witness a %0 https://a.example/w\nwitness b %1\nquorum a\n", &b, &line),
		0);
	ck_assert(slice_eq_str(p->nodes[0].url, "https://a.example/w"));
	ck_assert_uint_eq(p->nodes[1].url.n, 0);
	buf_fini(&b);
	free(p);
}
END_TEST

/* A note whose text has signatures under these witnesses' keys; they are no keys, so all are bad.
 */
static void
sign_by(const char *who)
{
	memset(&note, 0, sizeof note);
	note.text = slice_str("origin\n1\nroot\n");
	for (; *who; who++) {
		struct note_signature *s = &note.signatures[note.n_signatures++];
		struct note_vkey key;
		size_t i = (size_t)(*who - '0');

		ck_assert_int_eq(note_vkey_parse(&key, buf_slice(&keys[i])), 0);
		s->name = key.name;
		memcpy(s->key_id, key.key_id, sizeof s->key_id);
		buf_reset(&base64[i]);
		memcpy(blobs[i], key.key_id, 4);
		buf_put_base64(&base64[i], blobs[i], sizeof blobs[i]);
		s->base64 = buf_slice(&base64[i]);
	}
}

START_TEST(a_bad_cosignature_of_a_witness_is_no_missing_one)
{
	struct tlogpolicy *p = calloc(1, sizeof *p);
	struct buf b;
	size_t line, n;

	ck_assert_int_eq(reads(p, "witness a %0\nquorum none\n", &b, &line), 0);
	sign_by("");
	ck_assert_int_eq(tlogpolicy_check(p, &note, &n), 0);
	sign_by("1");
	ck_assert_int_eq(tlogpolicy_check(p, &note, &n), 0);
	sign_by("0");
	ck_assert_int_eq(tlogpolicy_check(p, &note, &n), STELE_EVERIFY);
	buf_fini(&b);
	ck_assert_int_eq(reads(p, "witness a %0\nquorum a\n", &b, &line), 0);
	sign_by("");
	ck_assert_int_eq(tlogpolicy_check(p, &note, &n), STELE_ENOTFOUND);
	buf_fini(&b);
	free(p);
}
END_TEST

START_TEST(a_log_that_is_named_has_the_keys_that_are_named)
{
	struct tlogpolicy *p = calloc(1, sizeof *p);
	struct note_vkey key;
	struct buf b;
	size_t line;

	ck_assert_int_eq(reads(p, "log %L https://example.com/\nquorum none\n", &b, &line), 0);
	ck_assert_int_eq(note_vkey_parse(&key, buf_slice(&log_key)), 0);
	ck_assert(tlogpolicy_knows(p, &key));
	key.public_key[0] ^= 1;
	ck_assert(!tlogpolicy_knows(p, &key));
	key.name = slice_str("another");
	ck_assert(tlogpolicy_knows(p, &key));
	buf_fini(&b);
	free(p);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_no_policy_is_refused_by_its_line,
		a_witness_has_the_address_behind_its_key,
		a_bad_cosignature_of_a_witness_is_no_missing_one,
		a_log_that_is_named_has_the_keys_that_are_named,
	};
	char name[16];
	int failed;

	if (crypto_init() != 0)
		return 1;
	h = sha256_new();
	for (size_t i = 0; i < WITNESSES; i++) {
		snprintf(name, sizeof name, "witness%zu", i);
		make_key(&keys[i], name, NOTE_ED25519_COSIGNATURE, (uint8_t)(i + 1));
		buf_init(&base64[i]);
	}
	make_key(&log_key, "example.com/log", NOTE_ED25519, 9);
	failed = suite_run("tlogpolicy", tests, sizeof tests / sizeof *tests, 60);
	for (size_t i = 0; i < WITNESSES; i++) {
		buf_fini(&keys[i]);
		buf_fini(&base64[i]);
	}
	buf_fini(&log_key);
	sha256_free(h);
	return failed;
}
