/* Numbers as bits, and what is cut off or altered. */
#include "proto/err.h"
#include "storage/bitcode.h"
#include "suite.h"

static const uint64_t numbers[] = {
	0, 1, 2, 3, 7, 8, 100, 255, 256, 65535, 65536, 1u << 28, UINT32_MAX, (1ull << 40) + 12345};

enum { N = sizeof numbers / sizeof *numbers };

START_TEST(every_number_comes_out_as_it_went_in_and_as_long_as_was_said)
{
	for (unsigned k = 0; k < 28; k++) {
		struct buf b;
		struct bitwriter w;
		struct bitreader r;
		uint64_t bits = 0;

		buf_init(&b);
		bitwriter_init(&w, &b);
		for (size_t i = 0; i < N; i++) {
			bitwriter_put_code(&w, numbers[i], k);
			bitwriter_put(&w, i & 7, 3);
			bits += bitcode_bits(numbers[i], k) + 3;
		}
		bitwriter_end(&w);
		ck_assert_uint_eq(b.n, (bits + 7) / 8);
		bitreader_init(&r, buf_slice(&b));
		for (size_t i = 0; i < N; i++) {
			ck_assert_uint_eq(bitreader_take_code(&r, k), numbers[i]);
			ck_assert_uint_eq(bitreader_take(&r, 3), i & 7);
		}
		ck_assert_uint_eq(r.at, bits);
		ck_assert_int_eq(bitreader_end(&r), 0);
		buf_fini(&b);
	}
}
END_TEST

START_TEST(what_is_cut_off_or_goes_on_is_an_error)
{
	static const uint8_t zeros[16];
	struct buf b;
	struct bitwriter w;
	struct bitreader r;

	buf_init(&b);
	bitwriter_init(&w, &b);
	bitwriter_put_code(&w, 1000000, 4);
	bitwriter_end(&w);
	for (size_t n = 0; n < b.n; n++) {
		bitreader_init(&r, slice_of(b.p, n));
		ck_assert_uint_eq(bitreader_take_code(&r, 4), 0);
		ck_assert(r.bad);
		ck_assert_uint_eq(bitreader_take(&r, 1), 0);
		ck_assert_int_eq(bitreader_end(&r), STELE_ESYNTAX);
	}
	buf_put_u8(&b, 0);
	bitreader_init(&r, buf_slice(&b));
	ck_assert_uint_eq(bitreader_take_code(&r, 4), 1000000);
	ck_assert_int_eq(bitreader_end(&r), STELE_ESYNTAX); /* a byte more */
	b.p[b.n - 2] |= 0x80;
	bitreader_init(&r, slice_of(b.p, b.n - 1));
	ck_assert_uint_eq(bitreader_take_code(&r, 4), 1000000);
	ck_assert_int_eq(bitreader_end(&r), STELE_ESYNTAX); /* a bit that is not 0 */
	bitreader_init(&r, slice_of(zeros, sizeof zeros));  /* a number without end */
	ck_assert_uint_eq(bitreader_take_code(&r, 0), 0);
	ck_assert(r.bad);
	buf_fini(&b);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_number_comes_out_as_it_went_in_and_as_long_as_was_said,
		what_is_cut_off_or_goes_on_is_an_error,
	};

	return suite_run("bitcode", tests, sizeof tests / sizeof *tests, 60);
}
