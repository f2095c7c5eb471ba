/* crypto/tsp: which tokens hold. They come from authorities that tests/unit/authority.sh makes. */
#include "crypto/tsp.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "crypto/init.h"
#include "crypto/random.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/limits.h"

static char dir[64];
static uint8_t imprint[SHA256_BYTES], nonce[TSP_NONCE_BYTES];
static struct buf token;
static char why[TSP_WHY_BYTES];
static struct tsp_roots *root, *stranger;

static void
run(const char *command)
{
	CHECK(system(command) == 0);
}

static void
load(struct buf *out, const char *name)
{
	uint8_t piece[4096];
	char path[128];
	FILE *f;
	size_t n;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	f = fopen(path, "rb");
	CHECK(f != NULL);
	buf_reset(out);
	while ((n = fread(piece, 1, sizeof piece, f)) > 0)
		buf_put(out, piece, n);
	fclose(f);
	CHECK(out->err == 0);
}

static void
make_query(void)
{
	struct buf query;
	char path[128];
	FILE *f;

	snprintf(path, sizeof path, "%s/query", dir);
	buf_init(&query);
	CHECK(tsp_request(&query, imprint, nonce) == 0);
	f = fopen(path, "wb");
	CHECK(f && fwrite(query.p, 1, query.n, f) == query.n && fclose(f) == 0);
	buf_fini(&query);
}

static struct tsp_roots *
roots_in(const char *name)
{
	struct tsp_roots *r = NULL;
	struct buf pem;

	buf_init(&pem);
	load(&pem, name);
	CHECK(tsp_roots_new(&r, buf_slice(&pem)) == 0);
	buf_fini(&pem);
	return r;
}

static void
begin(void)
{
	struct sha256 *h = sha256_new();
	char command[512];

	CHECK(crypto_init() == 0);
	snprintf(dir, sizeof dir, "/tmp/stele-tsp-XXXXXX");
	CHECK(mkdtemp(dir) != NULL);
	random_bytes(nonce, sizeof nonce);
	nonce[0] |= 0x80; /* an integer must not come back negative */
	sha256_hash(h, imprint, slice_str("some checkpoint\n"));
	sha256_free(h);
	make_query();
	snprintf(command, sizeof command, "sh " STELE_SOURCE_ROOT "/tests/unit/authority.sh %s",
		 dir);
	run(command);
	buf_init(&token);
	root = roots_in("root.pem");
	stranger = roots_in("stranger.pem");
}

static void
end(void)
{
	char command[128];

	tsp_roots_free(root);
	tsp_roots_free(stranger);
	buf_fini(&token);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	run(command);
}

static int
check_as(struct tsp_token *t, const uint8_t *n, const struct tsp_roots *roots)
{
	why[0] = 0;
	return tsp_check(t, buf_slice(&token), imprint, n, roots, why);
}

static void
refuses(const char *name, const char *because)
{
	struct tsp_token t;

	load(&token, name);
	ck_assert_msg(check_as(&t, NULL, NULL) == STELE_EVERIFY, "%s was taken", name);
	ck_assert_msg(strstr(why, because) != NULL, "%s: %s", name, why);
}

/* A CMS message as a response that was granted. */
static void
load_cms(const char *name)
{
	static const uint8_t granted[] = {0x30, 0x03, 0x02, 0x01, 0x00};
	struct buf cms;
	size_t n;

	buf_init(&cms);
	load(&cms, name);
	n = cms.n + sizeof granted;
	ck_assert(n > 255 && n < 65536);
	buf_reset(&token);
	buf_put(&token, (const uint8_t[]){0x30, 0x82, (uint8_t)(n >> 8), (uint8_t)n}, 4);
	buf_put(&token, granted, sizeof granted);
	buf_put_slice(&token, buf_slice(&cms));
	buf_fini(&cms);
}

static void
refuses_cms(const char *name, const char *because)
{
	struct tsp_token t;

	load_cms(name);
	ck_assert_msg(check_as(&t, NULL, NULL) == STELE_EVERIFY, "%s was taken", name);
	ck_assert_msg(strstr(why, because) != NULL, "%s: %s", name, why);
}

START_TEST(a_token_says_when_and_who)
{
	struct tsp_token t;
	int64_t now_ns = (int64_t)time(NULL) * 1000000000;

	load(&token, "rsa.tsr");
	ck_assert_msg(check_as(&t, nonce, NULL) == 0, "%s", why);
	ck_assert_str_eq(t.name, "rsa");
	ck_assert_str_eq(t.serial, "02");
	ck_assert(!t.trusted);
	ck_assert_int_eq(t.accuracy_ns, 1500000000);
	ck_assert(t.time_ns <= now_ns && t.time_ns > now_ns - 600 * INT64_C(1000000000));
	ck_assert_int_eq(t.from_ns, INT64_C(1577836800) * 1000000000);
	ck_assert_int_eq(t.expires_ns, INT64_C(2366841600) * 1000000000);
	ck_assert_msg(check_as(&t, nonce, root) == 0, "%s", why);
	ck_assert(t.trusted);
}
END_TEST

START_TEST(kinds_of_signatures_are_taken)
{
	static const char *const names[] = {"rsa.tsr", "rsa512.tsr", "ec.tsr"};
	struct tsp_token t;

	for (size_t i = 0; i < 3; i++) {
		load(&token, names[i]);
		ck_assert_msg(check_as(&t, nonce, root) == 0, "%s: %s", names[i], why);
	}
	load_cms("rsa.cms"); /* so that the others below are refused for their reason alone */
	ck_assert_msg(check_as(&t, nonce, root) == 0, "%s", why);
}
END_TEST

START_TEST(roots_of_somebody_else_are_refused)
{
	struct tsp_token t;

	load(&token, "rsa.tsr");
	ck_assert_int_eq(check_as(&t, nonce, stranger), STELE_EVERIFY);
	ck_assert_ptr_nonnull(strstr(why, "leads to none of the roots"));
}
END_TEST

START_TEST(what_answers_something_else_is_refused)
{
	struct tsp_token t;
	uint8_t another[TSP_NONCE_BYTES];

	memcpy(another, nonce, sizeof another);
	another[7] ^= 1;
	load(&token, "rsa.tsr");
	ck_assert_int_eq(check_as(&t, another, NULL), STELE_EVERIFY);
	ck_assert_ptr_nonnull(strstr(why, "nonce"));
	refuses("other.tsr", "imprint differs");
	refuses("imprint384.tsr", "no SHA-256");
	refuses("rejected.tsr", "did not grant");
	refuses("bare.tsr", "not in it");
	refuses("query", "no TimeStampResp");
	refuses("data", "no TimeStampResp");
}
END_TEST

START_TEST(certificates_that_are_not_for_timestamps_are_refused)
{
	refuses_cms("mild.cms", "not one for timestamps alone");
	refuses_cms("both.cms", "not one for timestamps alone");
	refuses_cms("wrong.cms", "not one for timestamps alone");
	refuses_cms("none.cms", "not one for timestamps alone");
	refuses_cms("crypt.cms", "not one for timestamps alone");
	refuses_cms("past.cms", "not valid at that time");
	refuses_cms("future.cms", "not valid at that time");
}
END_TEST

START_TEST(signatures_that_say_less_are_refused)
{
	refuses_cms("weak.cms", "too short");
	refuses_cms("odd.cms", "not taken");
	refuses_cms("sha1.cms", "no SHA-256, SHA-384");
	refuses_cms("unnamed.cms", "names another certificate, or none");
	refuses_cms("data.cms", "no TimeStampResp");
	refuses_cms("nocerts.cms", "not in it");
	refuses_cms("two.cms", "another number of signatures");
}
END_TEST

static bool
same(const struct tsp_token *a, const struct tsp_token *b)
{
	return a->time_ns == b->time_ns && a->accuracy_ns == b->accuracy_ns &&
	       a->expires_ns == b->expires_ns && a->from_ns == b->from_ns &&
	       strcmp(a->name, b->name) == 0 && strcmp(a->serial, b->serial) == 0;
}

/* What is left whole is what is not signed: other certificates, and how things are wrapped. */
START_TEST(a_changed_byte_is_refused_or_means_nothing)
{
	static const uint8_t bits[] = {0x01, 0x80, 0xff};
	struct tsp_token good, t;
	size_t refused = 0;

	load(&token, "ec.tsr");
	ck_assert_int_eq(check_as(&good, nonce, NULL), 0);
	for (size_t i = 0; i < token.n; i++)
		for (size_t k = 0; k < sizeof bits; k++) {
			token.p[i] ^= bits[k];
			memset(&t, 0, sizeof t);
			if (check_as(&t, nonce, NULL) != 0)
				refused++;
			else
				ck_assert_msg(same(&t, &good), "byte %zu", i);
			token.p[i] ^= bits[k];
		}
	ck_assert_msg(refused > token.n * sizeof bits * 98 / 100, "%zu of %zu", refused,
		      3 * token.n);
}
END_TEST

START_TEST(a_part_of_a_token_and_more_than_one_is_refused)
{
	struct tsp_token t;

	load(&token, "ec.tsr");
	for (size_t n = token.n; token.n > 0; token.n--) {
		ck_assert_int_eq(check_as(&t, nonce, NULL), token.n == n ? 0 : STELE_EVERIFY);
	}
	load(&token, "ec.tsr");
	buf_put_u8(&token, 0);
	ck_assert_int_eq(check_as(&t, nonce, NULL), STELE_EVERIFY);
	while (token.n <= LIMIT_TIMESTAMP_BYTES)
		buf_put_u8(&token, 0);
	ck_assert_int_eq(check_as(&t, nonce, NULL), STELE_EVERIFY);
	ck_assert_ptr_nonnull(strstr(why, "larger than"));
}
END_TEST

/* Puts n bytes in the place of `old` bytes at `at`. */
static void
splice(struct buf *b, size_t at, size_t old, const void *bytes, size_t n)
{
	struct buf rest;

	buf_init(&rest);
	buf_put(&rest, b->p + at + old, b->n - at - old);
	b->n = at;
	buf_put(b, bytes, n);
	buf_put_slice(b, buf_slice(&rest));
	buf_fini(&rest);
	CHECK(b->err == 0);
}

/* Where these bytes are, the first time. */
static size_t
find(const struct buf *b, const void *bytes, size_t n)
{
	const uint8_t *at = memmem(b->p, b->n, bytes, n);

	ck_assert_ptr_nonnull(at);
	return (size_t)(at - b->p);
}

/* Adds to the length of each value that others are in, and that goes over `at` or ends there. */
static void
grow(struct buf *b, size_t from, size_t to, size_t at, size_t by)
{
	while (from < at && from < to) {
		size_t digits = b->p[from + 1] < 0x80 ? 0 : b->p[from + 1] - 0x80u;
		size_t last = from + 1 + digits, n = 0, end;

		for (size_t i = digits ? from + 2 : last; i <= last; i++)
			n = n << 8 | b->p[i];
		end = last + 1 + n;
		if ((b->p[from] & 0x20) && end >= at) {
			grow(b, last + 1, end, at, by);
			n += by;
			ck_assert_uint_lt(n, digits == 0 ? 0x80 : digits == 1 ? 0x100 : 0x10000);
			b->p[last] = (uint8_t)n;
			if (digits == 2)
				b->p[last - 1] = (uint8_t)(n >> 8);
		}
		from = end;
	}
}

static void
refuses_token(const char *what, const char *because)
{
	struct tsp_token t;

	ck_assert_msg(check_as(&t, NULL, NULL) == STELE_EVERIFY, "%s was taken", what);
	ck_assert_msg(strstr(why, because) != NULL, "%s: %s", what, why);
}

/* rsa.tsr begins 30 82 hh ll, 30 03 02 01 00, 30 82 hh ll. */
static void
load_rsa(void)
{
	load(&token, "rsa.tsr");
	ck_assert_mem_eq(token.p, "\x30\x82", 2);
	ck_assert_mem_eq(token.p + 4, "\x30\x03\x02\x01\x00\x30\x82", 7);
}

START_TEST(a_response_in_ber_is_refused)
{
	static const char end_of_contents[2];
	uint8_t length[2];

	load_rsa();
	splice(&token, 1, 1, "\x83\0", 2);
	refuses_token("a length with a leading zero", "BER and not DER");

	load_rsa();
	splice(&token, 1, 1, "\x85\0\0\0", 4);
	refuses_token("a length of five digits", "BER and not DER");

	load_rsa();
	grow(&token, 0, token.n, 6, 1);
	token.p[5] = 0x03;
	splice(&token, 5, 0, "\x81", 1);
	refuses_token("a small length in the long form", "BER and not DER");

	load_rsa();
	splice(&token, 1, 3, "\x80", 1);
	buf_put(&token, end_of_contents, 2);
	refuses_token("no length", "BER and not DER");

	load_rsa();
	memcpy(length, token.p + 2, 2);
	splice(&token, 10, 3, "\x80", 1); /* two bytes less here, two more at the end */
	buf_put(&token, end_of_contents, 2);
	ck_assert_mem_eq(token.p + 2, length, 2);
	refuses_token("no length further inside", "BER and not DER");

	load_rsa(); /* [0], behind the type of the content */
	ck_assert_mem_eq(token.p + 24, "\xa0\x82", 2);
	grow(&token, 0, token.n, 24, 1);
	splice(&token, 24, 1, "\xbf\0", 2);
	refuses_token("a low tag spelled as a high one", "BER and not DER");
}
END_TEST

START_TEST(a_string_in_pieces_is_refused)
{
	struct buf info;
	uint8_t head[4];
	size_t at;

	buf_init(&info);
	load(&info, "info");
	load_rsa();
	at = find(&token, info.p, info.n) - 2;
	ck_assert_uint_eq(token.p[at], 0x04);
	grow(&token, 0, token.n, at, 2);
	memcpy(head, (const uint8_t[]){0x24, (uint8_t)(info.n + 2), 0x04, (uint8_t)info.n}, 4);
	splice(&token, at, 2, head, 4);
	refuses_token("an octet string in pieces", "BER and not DER");
	buf_fini(&info);
}
END_TEST

/* Appends an unsigned attribute, of sequences in sequences. */
static void
nest(uint8_t depth)
{
	static const uint8_t oid[] = {0x06, 0x03, 0x2a, 0x03, 0x04};
	uint8_t n = (uint8_t)(2 * depth), all = (uint8_t)(n + 11);

	load_rsa();
	grow(&token, 0, token.n, token.n, all);
	buf_put(&token, (const uint8_t[]){0xa1, (uint8_t)(n + 9), 0x30, (uint8_t)(n + 7)}, 4);
	buf_put(&token, oid, sizeof oid);
	buf_put(&token, (const uint8_t[]){0x31, n}, 2);
	for (; depth > 0; depth--)
		buf_put(&token, (const uint8_t[]){0x30, (uint8_t)(2 * depth - 2)}, 2);
}

START_TEST(what_is_nested_too_deep_is_refused)
{
	struct tsp_token t;

	nest(22); /* ten values are around it */
	ck_assert_msg(check_as(&t, nonce, NULL) == 0, "%s", why);
	nest(23);
	refuses_token("nested", "nested too deep");
}
END_TEST

/* Has rsa sign another TSTInfo than it would: tokens as good as any but for that. */
static void
sign_info(const struct buf *info)
{
	char command[1024];
	FILE *f;

	snprintf(command, sizeof command, "%s/odd.info", dir);
	f = fopen(command, "wb");
	CHECK(f && fwrite(info->p, 1, info->n, f) == info->n && fclose(f) == 0);
	snprintf(command, sizeof command,
		 "cd %s && openssl cms -sign -binary -in odd.info -nodetach -outform DER "
		 "-signer rsa.pem -inkey rsa.key -econtent_type 1.2.840.113549.1.9.16.1.4 -cades "
		 "-md sha256 -out odd.info.cms",
		 dir);
	run(command);
	load_cms("odd.info.cms");
}

START_TEST(a_tstinfo_in_ber_or_with_more_behind_it_is_refused)
{
	struct tsp_token t;
	struct buf info;

	buf_init(&info);
	load(&info, "info");
	ck_assert_uint_lt(info.p[1], 0x80);
	sign_info(&info);
	ck_assert_msg(check_as(&t, nonce, NULL) == 0, "%s", why);

	splice(&info, 1, 0, "\x81", 1);
	sign_info(&info);
	refuses_token("a TSTInfo with a long length", "TSTInfo is not DER");

	load(&info, "info");
	ck_assert_mem_eq(info.p + 2, "\x02\x01\x01", 3);
	grow(&info, 0, info.n, 3, 1);
	splice(&info, 3, 0, "\x81", 1);
	sign_info(&info);
	refuses_token("a TSTInfo with a long length inside", "TSTInfo is not DER");

	load(&info, "info");
	info.p[1] = 0x80;
	buf_put(&info, "\0\0", 2);
	sign_info(&info);
	refuses_token("a TSTInfo without a length", "TSTInfo is not DER");

	load(&info, "info");
	buf_put(&info, "\x05\0", 2);
	sign_info(&info);
	refuses_token("a TSTInfo and a NULL", "TSTInfo is not DER, or something follows");
	buf_fini(&info);
}
END_TEST

START_TEST(a_time_with_more_behind_it_is_refused)
{
	static const char *const more[] = {"\0", "\0Z", " ", "Z"};
	struct buf info;
	size_t at;

	buf_init(&info);
	for (size_t i = 0; i < 4; i++) {
		size_t n = i == 1 ? 2 : 1;

		load(&info, "info");
		at = find(&info, "\x18\x0f", 2);
		grow(&info, 0, info.n, at + 2, n);
		info.p[at + 1] = (uint8_t)(15 + n);
		splice(&info, at + 17, 0, more[i], n);
		sign_info(&info);
		refuses_token("a time with more behind it", "genTime is no instant");
	}
	buf_fini(&info);
}
END_TEST

/* Nobody signed these: the reason shows that it is looked at before OpenSSL does anything with it.
 */
START_TEST(a_message_digest_of_another_type_is_refused)
{
	static const uint8_t oid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
				      0x0d, 0x01, 0x09, 0x04, 0x31, 0x22};
	size_t at;

	load_cms("rsa.cms");
	at = find(&token, oid, sizeof oid) + sizeof oid;
	ck_assert_mem_eq(token.p + at, "\x04\x20", 2);
	token.p[at + 2] ^= 1;
	refuses_token("another digest", "does not hold");
	token.p[at + 2] ^= 1;
	token.p[at] = 0x0c; /* UTF8String */
	refuses_token("a digest as text", "over what a timestamp signs");
	token.p[at - sizeof oid + 10] ^= 0x40; /* another attribute */
	refuses_token("no digest", "over what a timestamp signs");
}
END_TEST

START_TEST(roots_are_certificates_and_nothing_broken)
{
	struct tsp_roots *r;
	struct buf pem;

	buf_init(&pem);
	load(&pem, "data");
	ck_assert_int_eq(tsp_roots_new(&r, buf_slice(&pem)), STELE_ESYNTAX);
	ck_assert_int_eq(tsp_roots_new(&r, slice_str("")), STELE_ESYNTAX);
	load(&pem, "root.pem");
	buf_put_str(&pem, "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
	ck_assert_int_eq(tsp_roots_new(&r, buf_slice(&pem)), STELE_ESYNTAX);
	buf_fini(&pem);
	tsp_roots_free(NULL);
}
END_TEST

#include "suite.h"

int
main(void)
{
	const TTest *const tests[] = {
		a_token_says_when_and_who,
		kinds_of_signatures_are_taken,
		roots_of_somebody_else_are_refused,
		what_answers_something_else_is_refused,
		certificates_that_are_not_for_timestamps_are_refused,
		signatures_that_say_less_are_refused,
		a_changed_byte_is_refused_or_means_nothing,
		a_part_of_a_token_and_more_than_one_is_refused,
		a_response_in_ber_is_refused,
		a_string_in_pieces_is_refused,
		what_is_nested_too_deep_is_refused,
		a_tstinfo_in_ber_or_with_more_behind_it_is_refused,
		a_time_with_more_behind_it_is_refused,
		a_message_digest_of_another_type_is_refused,
		roots_are_certificates_and_nothing_broken,
	};
	int failed;

	begin();
	failed = suite_run("tsp", tests, sizeof tests / sizeof *tests, 280);
	end();
	return failed;
}
