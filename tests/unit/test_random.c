/* crypto/random: distinct output, wiped state, reseeding, and its price. */
#include "crypto/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <check.h>

#include "crypto/init.h"
#include "proto/slice.h"

static bool
all_zero(const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		if (b[i])
			return false;
	}
	return true;
}

static int
compare_salts(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

START_TEST(salts_never_repeat_across_refills_and_reseeds)
{
	enum { N = 200000 }; /* 3.2 MB: hundreds of refills, several reseeds */
	uint8_t(*salts)[16] = malloc(N * sizeof *salts);
	struct random_stream s;

	random_stream_init(&s);
	for (size_t i = 0; i < N; i++)
		random_stream_take(&s, salts[i], 16);
	random_stream_fini(&s);
	qsort(salts, N, 16, compare_salts);
	for (size_t i = 1; i < N; i++)
		ck_assert_int_ne(memcmp(salts[i - 1], salts[i], 16), 0);
	free(salts);
}
END_TEST

START_TEST(requests_of_every_length_are_filled)
{
	uint8_t out[3 * RANDOM_BUFFER_BYTES];
	struct random_stream s;

	random_stream_init(&s);
	for (size_t n = 0; n < sizeof out; n += 97) {
		memset(out, 0, sizeof out);
		random_stream_take(&s, out, n);
		ck_assert(all_zero(out + n, sizeof out - n));
		for (size_t i = 0; i + 16 <= n; i += 16)
			ck_assert(!all_zero(out + i, 16));
	}
	random_stream_fini(&s);
}
END_TEST

START_TEST(bytes_handed_out_are_wiped_from_the_buffer)
{
	struct random_stream s;
	uint8_t out[1000];

	random_stream_init(&s);
	random_stream_take(&s, out, sizeof out);
	ck_assert(all_zero(s.buf, sizeof s.buf - s.left));
	ck_assert_uint_eq(s.left, RANDOM_BUFFER_BYTES - RANDOM_KEY_BYTES - sizeof out);
	random_stream_fini(&s);
	ck_assert(all_zero(&s, sizeof s));
}
END_TEST

START_TEST(the_key_changes_with_every_refill_and_two_streams_differ)
{
	struct random_stream a, b;
	uint8_t before[RANDOM_KEY_BYTES], x[64], y[64];

	random_stream_init(&a);
	random_stream_init(&b);
	memcpy(before, a.key, sizeof before);
	random_stream_take(&a, x, sizeof x);
	random_stream_take(&b, y, sizeof y);
	ck_assert_int_ne(memcmp(before, a.key, sizeof before), 0);
	ck_assert_int_ne(memcmp(x, y, sizeof x), 0);
	random_stream_fini(&a);
	random_stream_fini(&b);
}
END_TEST

START_TEST(two_streams_with_one_state_part_at_the_next_reseed)
{
	struct random_stream a, b;
	uint8_t x[RANDOM_BUFFER_BYTES], y[RANDOM_BUFFER_BYTES];
	size_t taken = 0;

	random_stream_init(&a);
	b = a;
	do {
		random_stream_take(&a, x, sizeof x);
		random_stream_take(&b, y, sizeof y);
		taken += sizeof x;
	} while (memcmp(x, y, sizeof x) == 0 && taken <= 2 * RANDOM_RESEED_BYTES);
	ck_assert_uint_le(taken, RANDOM_RESEED_BYTES + RANDOM_BUFFER_BYTES);
	random_stream_fini(&a);
	random_stream_fini(&b);
}
END_TEST

START_TEST(a_salt_is_cheap)
{
	enum { N = 2000000 };
	struct random_stream s;
	struct timespec t0, t1;
	uint8_t salt[16];
	double ns;

	random_stream_init(&s);
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (size_t i = 0; i < N; i++)
		random_stream_take(&s, salt, sizeof salt);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	random_stream_fini(&s);
	ns = ((double)(t1.tv_sec - t0.tv_sec) * 1e9 + (double)(t1.tv_nsec - t0.tv_nsec)) / N;
	printf("16 random bytes: %.1f ns\n", ns);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("random");
	TCase *t = tcase_create("random");
	SRunner *r = srunner_create(s);
	int failed;

	if (crypto_init() != 0)
		return 1;
	suite_add_tcase(s, t);
	tcase_add_test(t, salts_never_repeat_across_refills_and_reseeds);
	tcase_add_test(t, requests_of_every_length_are_filled);
	tcase_add_test(t, bytes_handed_out_are_wiped_from_the_buffer);
	tcase_add_test(t, the_key_changes_with_every_refill_and_two_streams_differ);
	tcase_add_test(t, two_streams_with_one_state_part_at_the_next_reseed);
	tcase_add_test(t, a_salt_is_cheap);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
