/* Blocks, dictionaries and the streaming decoder with its limits. */
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "proto/err.h"
#include "storage/compress.h"
#include "suite.h"

static uint8_t *
text(size_t n)
{
	uint8_t *p = malloc(n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)("{\"user\":\"alice\",\"n\":123}"[i % 24] ^ (random() % 40 == 0));
	return p;
}

START_TEST(a_block_comes_back_only_whole_and_with_its_dictionary)
{
	struct compressor *c = compressor_new();
	uint8_t *plain = text(70000), *back = malloc(70001), *packed;
	size_t sizes[200], n_dict, n;
	uint8_t bytes[8192];
	struct compress_dict *dict, *other;

	for (int i = 0; i < 200; i++)
		sizes[i] = 350;
	ck_assert_int_eq(compress_train(bytes, sizeof bytes, &n_dict, plain, sizes, 200), 0);
	dict = compress_dict_new(3, slice_of(bytes, n_dict));
	ck_assert_uint_eq(compress_dict_id(dict), 3);
	other = compress_dict_new(4, slice_of(plain, 3000));
	packed = malloc(compress_bound(70000));
	for (size_t len = 0; len <= 70000; len = len ? len * 7 : 1) {
		for (int with = 0; with < 2; with++) {
			struct compress_dict *d = with ? dict : NULL;
			ck_assert_int_eq(compress_block(c, d, slice_of(plain, len), packed,
							compress_bound(len), &n),
					 0);
			ck_assert_int_eq(decompress_block(c, d, slice_of(packed, n), back, len), 0);
			ck_assert_mem_eq(back, plain, len);
			ck_assert_int_eq(decompress_block(c, d, slice_of(packed, n), back, len + 1),
					 STELE_EDAMAGED);
			if (len)
				ck_assert_int_eq(
					decompress_block(c, d, slice_of(packed, n), back, len - 1),
					STELE_EDAMAGED);
			for (size_t cut = 0; cut < n; cut += 1 + n / 50)
				ck_assert_int_eq(
					decompress_block(c, d, slice_of(packed, cut), back, len),
					len || cut ? STELE_EDAMAGED : 0);
			if (with && len > 300)
				ck_assert_int_eq(
					decompress_block(c, other, slice_of(packed, n), back, len),
					STELE_EDAMAGED);
		}
	}
	ck_assert_int_eq(compress_block(c, NULL, slice_of(plain, 70000), packed, 100, &n),
			 STELE_ELIMIT);
	compress_dict_unref(compress_dict_ref(dict));
	compress_dict_unref(dict);
	compress_dict_unref(other);
	compressor_free(c);
	free(plain);
	free(back);
	free(packed);
}
END_TEST

START_TEST(training_on_too_little_is_declined)
{
	uint8_t out[1024], sample[16] = "same";
	size_t sizes[] = {16}, n = 77;

	ck_assert_int_eq(compress_train(out, sizeof out, &n, sample, sizes, 1), STELE_EUNSUPPORTED);
	ck_assert_int_eq(compress_train(out, sizeof out, &n, sample, sizes, 0), STELE_EINVAL);
	ck_assert_int_eq(compress_train(out, 10, &n, sample, sizes, 1), STELE_EINVAL);
	ck_assert_uint_eq(n, 77);
}
END_TEST

/* Decodes all of in by steps of `in_step` and `out_step` bytes; the last error, *n bytes, *end. */
static int
stream(struct slice in, size_t in_step, size_t out_step, uint8_t *out, size_t *n, bool *end)
{
	struct compress_stream *s;
	int err = 0;
	size_t got = 0;

	ck_assert_int_eq(compress_stream_new(&s), 0);
	*n = 0;
	*end = false;
	while (err == 0 && (in.n || (got == out_step && !*end))) {
		struct slice part = slice_of(in.p, in.n < in_step ? in.n : in_step);
		size_t before = part.n;
		err = compress_stream_run(s, &part, out + *n, out_step, &got, end);
		if (err != 0)
			break;
		*n += got;
		in = slice_of(in.p + (before - part.n), in.n - (before - part.n));
		if (before == part.n && got == 0 && !in.n)
			break;
	}
	compress_stream_free(s);
	return err;
}

START_TEST(a_stream_decodes_in_any_steps_and_says_when_a_frame_ended)
{
	const size_t steps[] = {1, 7, 1000, 100000};
	uint8_t *plain = text(50000), *packed = malloc(120000), *out = malloc(200000);
	size_t n = ZSTD_compress(packed, 60000, plain, 50000, 3), got;
	bool end;

	memcpy(packed + n, packed, n); /* two frames */
	for (int i = 0; i < 16; i++) {
		ck_assert_int_eq(stream(slice_of(packed, 2 * n), steps[i % 4], steps[i / 4], out,
					&got, &end),
				 0);
		ck_assert(end);
		ck_assert_uint_eq(got, 100000);
		ck_assert_mem_eq(out, plain, 50000);
		ck_assert_mem_eq(out + 50000, plain, 50000);
	}
	ck_assert_int_eq(stream(slice_of(packed, n - 1), 1000, 1000, out, &got, &end), 0);
	ck_assert(!end); /* cut: the caller must refuse it */
	packed[0] ^= 1;
	ck_assert_int_eq(stream(slice_of(packed, n), 1000, 1000, out, &got, &end), STELE_ESYNTAX);
	free(plain);
	free(packed);
	free(out);
}
END_TEST

START_TEST(a_frame_that_wants_a_larger_window_is_refused)
{
	uint8_t *packed = malloc(1 << 20), *out = malloc(200000), *plain = calloc(1, 9 << 20);
	const int logs[] = {23, 24, 27};
	bool end;

	for (int i = 0; i < 3; i++) {
		ZSTD_CCtx *c = ZSTD_createCCtx();
		ZSTD_inBuffer in = {plain, 9 << 20, 0};
		ZSTD_outBuffer o = {packed, 1 << 20, 0};
		size_t got;
		int err;
		ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, logs[i]);
		ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
		ck_assert(!ZSTD_isError(ZSTD_compressStream2(c, &o, &in, ZSTD_e_flush)));
		while (ZSTD_compressStream2(c, &o, &in, ZSTD_e_end) != 0)
			continue;
		ZSTD_freeCCtx(c);
		struct compress_stream *s;
		struct slice part = slice_of(packed, o.pos);
		ck_assert_int_eq(compress_stream_new(&s), 0);
		err = compress_stream_run(s, &part, out, 1000, &got, &end);
		ck_assert_int_eq(err, i ? STELE_ELIMIT : 0);
		compress_stream_free(s);
	}
	free(packed);
	free(out);
	free(plain);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_block_comes_back_only_whole_and_with_its_dictionary,
		training_on_too_little_is_declined,
		a_stream_decodes_in_any_steps_and_says_when_a_frame_ended,
		a_frame_that_wants_a_larger_window_is_refused,
	};

	return suite_run("compress", tests, sizeof tests / sizeof *tests, 120);
}
