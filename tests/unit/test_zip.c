/* Headers of archives, byte for byte, also where numbers do not fit. */
#include <check.h>
#include <string.h>

#include "proto/le.h"
#include "proto/zip.h"
#include "suite.h"

static const uint64_t most = 0xffffffff;

START_TEST(a_header_says_what_the_format_says)
{
	static const uint8_t want[] =
		"PK\3\4\24\0\0\0\10\0\0\0\41\0\x78\x56\x34\x12\5\0\0\0\11\0\0\0\1\0\0\0a";
	static const uint8_t central[] =
		"PK\1\2\24\3\24\0\0\0\10\0\0\0\41\0\x78\x56\x34\x12\5\0\0\0\11\0\0\0\1\0\0\0\0\0"
		"\0\0\0\0\0\0\x24\x81\7\0\0\0a";
	const struct zip_file f = {slice_str("a"), ZIP_DEFLATED, 0x12345678, 9, 5, 7};
	uint8_t out[ZIP_CENTRAL_BYTES];

	ck_assert_uint_eq(zip_local(out, &f), sizeof want - 1);
	ck_assert_mem_eq(out, want, sizeof want - 1);
	ck_assert_uint_eq(zip_local_bytes(&f), sizeof want - 1);
	ck_assert_uint_eq(zip_central(out, &f), sizeof central - 1);
	ck_assert_mem_eq(out, central, sizeof central - 1);
	ck_assert_uint_eq(zip_central_bytes(&f), sizeof central - 1);
}
END_TEST

/* What needs 64 bits makes both headers say so, with all numbers that they have. */
static void
check_wide(const struct zip_file *f)
{
	uint8_t out[ZIP_CENTRAL_BYTES];

	ck_assert_uint_eq(zip_local(out, f), 30 + 1 + 20);
	ck_assert_uint_eq(zip_local_bytes(f), 51);
	ck_assert_uint_eq(le_get16(out + 4), 45);
	ck_assert(le_get32(out + 18) == most && le_get32(out + 22) == most);
	ck_assert_uint_eq(le_get16(out + 28), 20);
	ck_assert(le_get16(out + 31) == 1 && le_get16(out + 33) == 16);
	ck_assert(le_get64(out + 35) == f->size && le_get64(out + 43) == f->packed);
	ck_assert_uint_eq(zip_central(out, f), 46 + 1 + 28);
	ck_assert_uint_eq(zip_central_bytes(f), 75);
	ck_assert(le_get16(out + 4) == 0x0314 && le_get16(out + 6) == 45);
	ck_assert(le_get32(out + 20) == most && le_get32(out + 24) == most);
	ck_assert_uint_eq(le_get32(out + 42), most);
	ck_assert(le_get16(out + 47) == 1 && le_get16(out + 49) == 24);
	ck_assert(le_get64(out + 51) == f->size && le_get64(out + 59) == f->packed);
	ck_assert_uint_eq(le_get64(out + 67), f->offset);
}

START_TEST(zip64_is_there_exactly_when_a_number_needs_it)
{
	struct zip_file f = {slice_str("a"), ZIP_STORED, 1, most - 1, most - 1, most - 1};

	ck_assert_uint_eq(zip_local_bytes(&f), 31);
	ck_assert_uint_eq(zip_central_bytes(&f), 47);
	f.size = most;
	check_wide(&f);
	f.size = 3;
	f.packed = most;
	check_wide(&f);
	f.packed = 3;
	f.offset = most;
	check_wide(&f);
	f.offset = 1ull << 40;
	check_wide(&f);
}
END_TEST

START_TEST(the_end_is_wide_when_the_directory_needs_it)
{
	const struct zip_end narrow = {0xfffe, most - 1, most - 1};
	const struct zip_end wide[] = {{0xffff, 5, 6}, {3, most, 6}, {3, 5, most}};
	uint8_t out[ZIP_END_BYTES];

	ck_assert_uint_eq(zip_end(out, &narrow), 22);
	ck_assert(le_get16(out + 8) == 0xfffe && le_get16(out + 10) == 0xfffe);
	ck_assert(le_get32(out + 12) == most - 1 && le_get32(out + 16) == most - 1);
	for (size_t i = 0; i < 3; i++) {
		const struct zip_end *e = &wide[i];
		const uint8_t *end = out + 76;

		ck_assert_uint_eq(zip_end(out, e), 98);
		ck_assert(le_get32(out) == 0x06064b50 && le_get64(out + 4) == 44);
		ck_assert(le_get16(out + 12) == 0x032d && le_get16(out + 14) == 45);
		ck_assert(le_get64(out + 24) == e->files && le_get64(out + 32) == e->files);
		ck_assert(le_get64(out + 40) == e->bytes && le_get64(out + 48) == e->offset);
		ck_assert(le_get32(out + 56) == 0x07064b50 && le_get32(out + 72) == 1);
		ck_assert_uint_eq(le_get64(out + 64), e->bytes + e->offset);
		ck_assert_uint_eq(le_get16(end + 10), e->files);
		ck_assert(le_get32(end + 12) == e->bytes && le_get32(end + 16) == e->offset);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_header_says_what_the_format_says,
		zip64_is_there_exactly_when_a_number_needs_it,
		the_end_is_wide_when_the_directory_needs_it,
	};

	return suite_run("zip", tests, sizeof tests / sizeof *tests, 30);
}
