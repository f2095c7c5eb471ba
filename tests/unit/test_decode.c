/* Content codings: round trips, damage at every byte, and bombs. */
#include "server/decode.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "storage/compress.h"

static uint8_t packed[1 << 20];

static struct slice
gzip(const void *p, size_t n)
{
	z_stream z = {0};

	ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (z_const Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = packed;
	z.avail_out = sizeof packed;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	n = sizeof packed - z.avail_out;
	deflateEnd(&z);
	return slice_of(packed, n);
}

static struct slice
zstd(const void *p, size_t n)
{
	struct compressor *c = compressor_new();
	size_t out;

	ck_assert_int_eq(compress_block(c, NULL, slice_of(p, n), packed, sizeof packed, &out), 0);
	compressor_free(c);
	return slice_of(packed, out);
}

static int
decode(enum coding coding, struct slice in, uint64_t max, struct buf *out)
{
	buf_reset(out);
	return decode_body(coding, in, max, out);
}

START_TEST(fields_name_one_coding)
{
	enum coding c = CODING_ZSTD;

	ck_assert_int_eq(decode_coding(&c, slice_str("GZip")), 0);
	ck_assert_int_eq(c, CODING_GZIP);
	ck_assert_int_eq(decode_coding(&c, slice_str("zstd")), 0);
	ck_assert_int_eq(c, CODING_ZSTD);
	ck_assert_int_eq(decode_coding(&c, slice_str("identity")), 0);
	ck_assert_int_eq(c, CODING_NONE);
	ck_assert_int_eq(decode_coding(&c, slice_str("gzip, zstd")), STELE_EUNSUPPORTED);
	ck_assert_int_eq(decode_coding(&c, slice_str("br")), STELE_EUNSUPPORTED);
	ck_assert_int_eq(decode_coding(&c, slice_str("")), STELE_EUNSUPPORTED);
}
END_TEST

START_TEST(what_was_packed_comes_out_again)
{
	static uint8_t plain[300000];
	struct slice (*pack[])(const void *, size_t) = {gzip, zstd};
	enum coding codings[] = {CODING_GZIP, CODING_ZSTD};
	size_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, sizeof plain};
	size_t i, k;
	struct buf out;

	buf_init(&out);
	srand(7);
	for (i = 0; i < sizeof plain; i++)
		plain[i] = (uint8_t)(rand() % 17);
	for (k = 0; k < 2; k++) {
		for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			struct slice in = pack[k](plain, sizes[i]);

			ck_assert_int_eq(decode(codings[k], in, sizeof plain, &out), 0);
			ck_assert(slice_eq(buf_slice(&out), slice_of(plain, sizes[i])));
		}
		ck_assert_int_eq(decode(codings[k], pack[k](plain, 1000), 999, &out), STELE_ELIMIT);
	}
	ck_assert_int_eq(decode(CODING_NONE, slice_str("abc"), 3, &out), 0);
	ck_assert(slice_eq_str(buf_slice(&out), "abc"));
	ck_assert_int_eq(decode(CODING_NONE, slice_str("abc"), 2, &out), STELE_ELIMIT);
	buf_fini(&out);
}
END_TEST

START_TEST(members_may_follow_each_other)
{
	static uint8_t two[200];
	struct slice one = gzip("hello", 5);
	struct buf out;

	buf_init(&out);
	memcpy(two, one.p, one.n);
	memcpy(two + one.n, one.p, one.n);
	ck_assert_int_eq(decode(CODING_GZIP, slice_of(two, 2 * one.n), 100, &out), 0);
	ck_assert(slice_eq_str(buf_slice(&out), "hellohello"));
	two[one.n] = 'x';
	ck_assert_int_eq(decode(CODING_GZIP, slice_of(two, 2 * one.n), 100, &out), STELE_ESYNTAX);
	buf_fini(&out);
}
END_TEST

START_TEST(damage_and_early_ends_are_seen)
{
	const char *text = "a text that is long enough to be packed, packed, packed, packed";
	struct slice (*pack[])(const void *, size_t) = {gzip, zstd};
	enum coding codings[] = {CODING_GZIP, CODING_ZSTD};
	struct buf out;
	size_t i, k;

	buf_init(&out);
	for (k = 0; k < 2; k++) {
		struct slice in = pack[k](text, strlen(text));

		for (i = 0; i < in.n; i++)
			ck_assert_int_eq(decode(codings[k], slice_of(in.p, i), 1000, &out),
					 STELE_ESYNTAX);
		ck_assert_int_eq(decode(codings[k], slice_str("no such thing"), 1000, &out),
				 STELE_ESYNTAX);
	}
	gzip(text, strlen(text));
	for (i = 10; i < 40; i++) { /* past gzip's header, of which most bits mean nothing */
		struct slice in = gzip(text, strlen(text));

		packed[i] ^= 0x10;
		ck_assert_int_ne(decode(CODING_GZIP, in, 1000, &out), 0);
	}
	buf_fini(&out);
}
END_TEST

START_TEST(bombs_stop_at_the_ratio)
{
	size_t n = 64 << 20;
	uint8_t *zeros = calloc(1, n);
	struct slice in = gzip(zeros, n);
	struct buf out;

	buf_init(&out);
	ck_assert_uint_lt(in.n, 100000);
	ck_assert_int_eq(decode(CODING_GZIP, in, UINT64_MAX, &out), STELE_ELIMIT);
	ck_assert_uint_lt(out.n, LIMIT_DECODE_RATIO * in.n + (1 << 18));
	in = zstd(zeros, 1 << 20);
	ck_assert_uint_lt(in.n, 1000);
	ck_assert_int_eq(decode(CODING_ZSTD, in, UINT64_MAX, &out), STELE_ELIMIT);
	ck_assert_uint_lt(out.n, LIMIT_DECODE_RATIO * in.n + (1 << 18));
	buf_fini(&out);
	free(zeros);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("decode");
	TCase *t = tcase_create("decode");
	SRunner *r;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, fields_name_one_coding);
	tcase_add_test(t, what_was_packed_comes_out_again);
	tcase_add_test(t, members_may_follow_each_other);
	tcase_add_test(t, damage_and_early_ends_are_seen);
	tcase_add_test(t, bombs_stop_at_the_ratio);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
