/* Tile paths and widths. */
#include "proto/tilepath.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/limits.h"

START_TEST(paths_round_trip)
{
	static const struct {
		const char *text;
		struct tilepath t;
	} rows[] = {
		{"0/000", {false, 0, 0, 256}},
		{"0/x001/x234/067", {false, 0, 1234067, 256}},
		{"1/x001/000.p/5", {false, 1, 1000, 5}},
		{"63/999.p/255", {false, 63, 999, 255}},
		{"entries/000.p/1", {true, 0, 0, 1}},
		{"entries/x009/x007/x199/x254/x740/991.p/255", {true, 0, LIMIT_INTEGER, 255}},
		{"7/x123/x456/x789/012", {false, 7, UINT64_C(123456789012), 256}},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		char out[TILEPATH_BYTES + 1] = {0};
		struct tilepath t;

		ck_assert_msg(tilepath_parse(&t, slice_str(rows[i].text)) == 0, "%s", rows[i].text);
		ck_assert(t.entries == rows[i].t.entries && t.level == rows[i].t.level);
		ck_assert(t.n == rows[i].t.n && t.width == rows[i].t.width);
		ck_assert_uint_eq(tilepath_format(out, &t), strlen(rows[i].text));
		ck_assert_str_eq(out, rows[i].text);
	}
}
END_TEST

START_TEST(another_spelling_is_refused)
{
	static const char *const bad[] = {
		"",
		"/",
		"0",
		"0/",
		"/000",
		"0/0",
		"0/00",
		"0/0000",
		"0/1000",
		"00/000",
		"64/000",
		"-1/000",
		"+0/000",
		"0/x000/001",
		"0/001/000",
		"0/x001/x000",
		"0/x001",
		"0/x001/",
		"0/x1/000",
		"0/X001/000",
		"0/000.p/0",
		"0/000.p/00",
		"0/000.p/256",
		"0/000.p/01",
		"0/000.p/",
		"0/000.p",
		"0/000.p/1/",
		"0/000/",
		"0//000",
		" 0/000",
		"0/000 ",
		"0/x009/x007/x199/x254/x740/992",
		"0/x999/x999/x999/x999/x999/x999/x999/999",
		"entries",
		"entries/",
		"entries000",
		"Entries/000",
		"entries/0/000",
		"data/000",
		"18446744073709551616/000",
		"0/000.p/18446744073709551617",
	};
	struct tilepath t = {.n = 77};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(tilepath_parse(&t, slice_str(bad[i])) == STELE_ESYNTAX, "%s", bad[i]);
	ck_assert_int_eq(tilepath_parse(&t, slice_of("0/000\0", 6)), STELE_ESYNTAX);
	ck_assert_uint_eq(t.n, 77);
}
END_TEST

/* The specification's words, by counting: floor(size / 256^level) hashes in rows of 256. */
START_TEST(widths_agree_with_counting)
{
	for (uint64_t size = 0; size < 200000; size = size * 9 / 8 + 1) {
		uint64_t hashes = size;
		for (unsigned level = 0; level < 10; level++, hashes /= 256) {
			for (uint64_t n = 0; n < hashes / 256 + 3; n++) {
				uint64_t left = n * 256 < hashes ? hashes - n * 256 : 0;
				unsigned want = left > 256 ? 256 : (unsigned)left;
				if (tilepath_width(size, level, n) != want)
					ck_abort_msg("size %u level %u tile %u", (unsigned)size,
						     level, (unsigned)n);
			}
		}
	}
	ck_assert_uint_eq(tilepath_width(UINT64_MAX, 8, 0), 0);
	ck_assert_uint_eq(tilepath_width(UINT64_MAX, 7, 0), 255);
	ck_assert_uint_eq(tilepath_width(UINT64_MAX, 0, UINT64_MAX), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tilepath");
	TCase *t = tcase_create("tilepath");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, paths_round_trip);
	tcase_add_test(t, another_spelling_is_refused);
	tcase_add_test(t, widths_agree_with_counting);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
