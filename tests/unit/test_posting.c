/* Sets of records as bits on disk, against arrays of bools; and as words in memory. */
#include <stdlib.h>

#include "proto/err.h"
#include "storage/posting.h"
#include "suite.h"

static uint64_t state = 88172645463325252u;

static uint32_t
any(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state % below);
}

/* Of count records those that come up once in `rare`, in rows of `row`. */
static size_t
some(uint32_t *out, uint32_t count, uint32_t rare, uint32_t row)
{
	size_t n = 0;
	bool in = false;

	for (uint32_t i = 0; i < count; i++) {
		if (i % row == 0)
			in = any(rare) == 0;
		if (in)
			out[n++] = i;
	}
	return n;
}

static void
check_set(const uint32_t *ordinals, size_t n, uint32_t count)
{
	struct buf b;
	struct bitwriter w;
	struct bitreader r;
	struct ordset set;
	size_t at = 0;

	buf_init(&b);
	bitwriter_init(&w, &b);
	posting_put(&w, ordinals, n, count);
	bitwriter_end(&w);
	ck_assert(ordset_init(&set, count));
	bitreader_init(&r, buf_slice(&b));
	ck_assert_int_eq(posting_take(&r, count, &set), 0);
	ck_assert_int_eq(bitreader_end(&r), 0);
	for (uint32_t i = 0; i < count; i++) {
		bool in = at < n && ordinals[at] == i;

		ck_assert(ordset_has(&set, i) == in);
		at += in;
	}
	ck_assert_uint_eq(ordset_count(&set, 0, count), n);
	/* passed over, it ends at the same place; cut off, it is an error; of fewer records, too */
	bitreader_init(&r, buf_slice(&b));
	ck_assert_int_eq(posting_take(&r, count, NULL), 0);
	ck_assert_int_eq(bitreader_end(&r), 0);
	bitreader_init(&r, slice_of(b.p, b.n - 1));
	ck_assert(posting_take(&r, count, NULL) != 0 || bitreader_end(&r) != 0 ||
		  r.at <= 8 * (b.n - 1));
	if (n && n <= count / 2) {
		bitreader_init(&r, buf_slice(&b));
		ck_assert_int_eq(posting_take(&r, ordinals[n - 1], NULL), STELE_ESYNTAX);
	}
	/* as short as is said: rare ones cost their logarithm, nearly all cost nearly nothing */
	if (n == count || n == 0)
		ck_assert_uint_le(b.n, 2);
	ordset_fini(&set);
	buf_fini(&b);
}

START_TEST(what_goes_in_comes_out_for_every_share_and_shape)
{
	static const uint32_t counts[] = {1, 2, 63, 64, 65, 256, 1000, 70000},
			      rares[] = {1, 2, 3, 20, 1000}, rows[] = {1, 7, 300};
	uint32_t *ordinals = malloc(70000 * sizeof *ordinals);

	for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
		for (size_t k = 0; k < 5; k++)
			for (size_t m = 0; m < 3; m++)
				check_set(ordinals, some(ordinals, counts[c], rares[k], rows[m]),
					  counts[c]);
	check_set(ordinals, 0, 5);
	free(ordinals);
}
END_TEST

START_TEST(rare_ones_cost_their_logarithm)
{
	uint32_t *ordinals = malloc(100000 * sizeof *ordinals);
	struct buf b;

	buf_init(&b);
	for (uint32_t rare = 2; rare < 5000; rare *= 7) {
		size_t n = some(ordinals, 100000, rare, 1);
		struct bitwriter w;

		buf_reset(&b);
		bitwriter_init(&w, &b);
		posting_put(&w, ordinals, n, 100000);
		bitwriter_end(&w);
		ck_assert_uint_le(b.n * 8, n * (bitcode_digits(rare) + 2) + 64);
	}
	buf_fini(&b);
	free(ordinals);
}
END_TEST

START_TEST(words_are_as_if_they_were_bools)
{
	enum { COUNT = 333 };
	struct ordset a, b;
	bool in[2][COUNT] = {{false}};

	ck_assert(ordset_init(&a, COUNT) && ordset_init(&b, COUNT));
	ck_assert(ordset_empty(&a));
	for (int round = 0; round < 40; round++) {
		uint32_t from = any(COUNT), to = from + any(COUNT - from + 1), one = any(COUNT);
		uint32_t n = 0, next = COUNT, hole = COUNT;

		ordset_add(&a, one);
		in[0][one] = true;
		ordset_add_range(&b, from, from + (to - from) / 9);
		for (uint32_t i = from; i < from + (to - from) / 9; i++)
			in[1][i] = true;
		if (round % 2)
			ordset_or(&a, &b);
		else
			ordset_and(&a, &b);
		for (uint32_t i = 0; i < COUNT; i++)
			in[0][i] = round % 2 ? in[0][i] || in[1][i] : in[0][i] && in[1][i];
		for (uint32_t i = 0; i < COUNT; i++)
			ck_assert(ordset_has(&a, i) == in[0][i]);
		for (uint32_t i = to; i-- > from;) {
			n += in[0][i];
			next = in[0][i] ? i : next;
			hole = in[0][i] ? hole : i;
		}
		ck_assert_uint_eq(ordset_count(&a, from, to), n);
		ck_assert_uint_eq(ordset_next(&a, from, to, true), next < to ? next : to);
		ck_assert_uint_eq(ordset_next(&a, from, to, false), hole < to ? hole : to);
	}
	ordset_fini(&a);
	ordset_fini(&b);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_goes_in_comes_out_for_every_share_and_shape,
		rare_ones_cost_their_logarithm,
		words_are_as_if_they_were_bools,
	};

	return suite_run("posting", tests, sizeof tests / sizeof *tests, 60);
}
