/* The growing buffer and the arena. */
#include "proto/buf.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/err.h"

START_TEST(appends_add_up)
{
	struct buf b;

	buf_init(&b);
	buf_put_str(&b, "n=");
	buf_put_dec(&b, 0);
	buf_put_u8(&b, ' ');
	buf_put_dec(&b, UINT64_MAX);
	buf_printf(&b, " %s %d", "x", 7);
	buf_put_base64(&b, "foob", 4);
	buf_put_slice(&b, slice_str("!"));
	ck_assert(slice_eq_str(buf_slice(&b), "n=0 18446744073709551615 x 7Zm9vYg==!"));
	buf_reset(&b);
	ck_assert_uint_eq(b.n, 0);
	buf_fini(&b);
}
END_TEST

START_TEST(growth_keeps_every_byte)
{
	struct buf b;

	buf_init(&b);
	for (unsigned i = 0; i < 100000; i++)
		buf_put_u8(&b, (uint8_t)(i * 7));
	ck_assert_uint_eq(b.n, 100000);
	for (unsigned i = 0; i < 100000; i++)
		if (b.p[i] != (uint8_t)(i * 7))
			ck_abort_msg("byte %u", i);
	buf_fini(&b);
}
END_TEST

START_TEST(an_error_sticks_until_reset)
{
	struct buf b;

	buf_init(&b);
	buf_put_str(&b, "kept");
	ck_assert_int_eq(buf_reserve(&b, SIZE_MAX / 2), STELE_ENOMEM);
	buf_put_str(&b, "lost");
	ck_assert_int_eq(b.err, STELE_ENOMEM);
	ck_assert(slice_eq_str(buf_slice(&b), "kept"));
	buf_reset(&b);
	buf_put_str(&b, "again");
	ck_assert_int_eq(b.err, 0);
	ck_assert(slice_eq_str(buf_slice(&b), "again"));
	buf_fini(&b);
}
END_TEST

/* One byte that is escaped, at every place of strings that are read by words of eight. */
START_TEST(json_escapes_are_found_at_every_place)
{
	static const uint8_t bytes[] = {'"', '\\', 0, 0x1f};
	static const char *const want[] = {"\\\"", "\\\\", "\\u0000", "\\u001f"};
	uint8_t text[40];
	struct buf b;

	buf_init(&b);
	for (size_t n = 1; n <= sizeof text; n++) {
		for (size_t at = 0; at < n; at++) {
			for (size_t k = 0; k < 4; k++) {
				size_t e = strlen(want[k]);

				memset(text, at % 2 ? 0xff : 0x20, n);
				text[at] = bytes[k];
				buf_reset(&b);
				buf_put_json_str(&b, slice_of(text, n));
				ck_assert_uint_eq(b.n, n + 1 + e);
				ck_assert_int_eq(memcmp(b.p + 1, text, at), 0);
				ck_assert_int_eq(memcmp(b.p + 1 + at, want[k], e), 0);
				ck_assert_int_eq(
					memcmp(b.p + 1 + at + e, text + at + 1, n - at - 1), 0);
				ck_assert_int_eq(b.p[b.n - 1], '"');
			}
		}
	}
	buf_fini(&b);
}
END_TEST

START_TEST(json_strings_are_escaped)
{
	struct buf b;

	buf_init(&b);
	buf_put_json_str(&b, slice_of("a\"b\\c\n\0\x1f\x7f\xc3\xa9", 11));
	ck_assert(slice_eq_str(buf_slice(&b), "\"a\\\"b\\\\c\\u000a\\u0000\\u001f\x7f\xc3\xa9\""));
	buf_reset(&b);
	buf_put_json_str(&b, slice_of(NULL, 0));
	ck_assert(slice_eq_str(buf_slice(&b), "\"\""));
	buf_fini(&b);
}
END_TEST

START_TEST(an_arena_gives_aligned_separate_memory)
{
	struct arena a;
	uint8_t *p[500];

	arena_init(&a);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 500; i++) {
			size_t n = i % 7 == 0 ? 20000 : i;
			p[i] = arena_alloc(&a, n);
			ck_assert_ptr_nonnull(p[i]);
			ck_assert_uint_eq((uintptr_t)p[i] % 16, 0);
			memset(p[i], (int)(i % 251), n);
		}
		for (size_t i = 1; i < 500; i++)
			if (p[i][0] != i % 251)
				ck_abort_msg("allocation %zu was written over", i);
		ck_assert_str_eq(arena_dup(&a, "text and more", 4), "text");
		arena_reset(&a);
		ck_assert_uint_eq(a.used_bytes, 0);
	}
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
	arena_fini(&a);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("buf");
	TCase *t = tcase_create("buf");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, appends_add_up);
	tcase_add_test(t, growth_keeps_every_byte);
	tcase_add_test(t, an_error_sticks_until_reset);
	tcase_add_test(t, json_strings_are_escaped);
	tcase_add_test(t, json_escapes_are_found_at_every_place);
	tcase_add_test(t, an_arena_gives_aligned_separate_memory);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
