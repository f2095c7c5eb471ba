/* Runs of records, by hand and against the ordinals that they are made of. */
#include "storage/runs.h"

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

/* n ordinals below count, ascending; fewer when some are drawn twice. */
static size_t
draw(uint32_t *out, size_t n, uint32_t count)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t o = any(count);
		size_t at = 0;

		while (at < k && out[at] < o)
			at++;
		if (at < k && out[at] == o)
			continue;
		memmove(out + at + 1, out + at, (k - at) * sizeof *out);
		out[at] = o;
		k++;
	}
	return k;
}

static size_t
put(struct buf *b, const struct runs *r)
{
	struct bitwriter w;
	size_t bits;

	buf_reset(b);
	bitwriter_init(&w, b);
	runs_put(&w, r);
	bits = b->n * 8 + w.n;
	bitwriter_end(&w);
	return bits;
}

/* Reads what was put, whole and cut short. */
static void
check_read(const struct buf *b, size_t bits, const struct runs *want)
{
	struct bitreader in;
	struct runs got;

	bitreader_init(&in, buf_slice(b));
	ck_assert_int_eq(runs_take(&in, want->n > 1, want->count, &got), 0);
	ck_assert_uint_eq(in.at, bits);
	ck_assert_uint_eq(got.n, want->n);
	ck_assert_uint_eq(got.digits, want->digits);
	ck_assert_mem_eq(got.number, want->number, want->n * sizeof *want->number);
	if (bits == 0)
		return;
	bitreader_init(&in, slice_of(b->p, b->n - 1));
	ck_assert_int_eq(runs_take(&in, want->n > 1, want->count, &got), STELE_ESYNTAX);
}

/* All ordinals are in them, and no more than 64 records. */
static void
check_holds(const struct runs *r, const uint32_t *ordinals, size_t n)
{
	uint32_t from, end = 0, all = 0;
	size_t at = 0;

	for (size_t i = 0; i < r->n; i++) {
		uint32_t before = end, had = 0;

		runs_range(r, i, &from, &end);
		ck_assert(from >= before && from < end && end <= r->count);
		ck_assert_uint_eq(from % (1u << r->digits), 0);
		for (; at < n && ordinals[at] < end; at++, had++)
			ck_assert_uint_ge(ordinals[at], from);
		ck_assert_uint_ge(had, 1);
		all += end - from;
	}
	ck_assert_uint_eq(at, n);
	ck_assert_uint_le(all, RUNS_RECORDS);
}

START_TEST(every_record_is_in_a_run_and_few_others)
{
	static const uint32_t counts[] = {1, 2, 63, 64, 65, 300, 7000, 100000, 1u << 28};
	uint32_t ordinals[RUNS_RECORDS];
	unsigned taken = 0, passed = 0;
	struct runs r;
	struct buf b;

	buf_init(&b);
	for (int round = 0; round < 4000; round++) {
		uint32_t count = counts[any(sizeof counts / sizeof *counts)];
		size_t n = draw(ordinals, 1 + any(RUNS_RECORDS), count), bits;

		if (!runs_of(&r, ordinals, n, count)) {
			passed++;
			continue;
		}
		taken++;
		check_holds(&r, ordinals, n);
		bits = put(&b, &r);
		ck_assert(r.n == 1 || bits < posting_bits(ordinals, n, count));
		check_read(&b, bits, &r);
	}
	ck_assert_uint_gt(taken, 1000);
	ck_assert_uint_gt(passed, 100); /* so many of so few that a posting is shorter */
	buf_fini(&b);
}
END_TEST

START_TEST(the_fewer_there_are_the_longer_they_are)
{
	static const struct {
		unsigned n, digits;
	} cases[] = {{1, 6}, {2, 5},  {3, 4},  {4, 4},  {5, 3},  {8, 3},
		     {9, 2}, {16, 2}, {17, 1}, {32, 1}, {33, 0}, {64, 0}};
	uint32_t ordinals[RUNS_RECORDS + 1];
	struct runs r;

	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
		bool found = false;

		for (int i = 0; i < 100 && !found; i++) {
			size_t n = draw(ordinals, cases[c].n, 1u << 28);

			found = runs_of(&r, ordinals, n, 1u << 28) && r.n == cases[c].n;
		}
		ck_assert(found);
		ck_assert_uint_eq(r.digits, cases[c].digits);
	}
	for (uint32_t i = 0; i <= RUNS_RECORDS; i++)
		ordinals[i] = i * 100000;
	ck_assert(!runs_of(&r, ordinals, RUNS_RECORDS + 1, 1u << 28));
	ck_assert(!runs_of(&r, ordinals, 0, 1u << 28));
	/* what lies in one run is one, and in two of it is the posting's */
	for (uint32_t i = 0; i < RUNS_RECORDS; i++)
		ordinals[i] = 640 + i;
	ck_assert(runs_of(&r, ordinals, RUNS_RECORDS, 7000));
	ck_assert_uint_eq(r.n, 1);
	ck_assert_uint_eq(r.number[0], 10);
	for (uint32_t i = 0; i < RUNS_RECORDS; i++)
		ordinals[i]++;
	ck_assert(!runs_of(&r, ordinals, RUNS_RECORDS, 7000));
}
END_TEST

START_TEST(bits_are_those_of_the_format)
{
	/* 300 records: 5 runs of 64, whose last number has 3 digits; 10 of 32, of which 2 are a
	 * code of order floor(10 / 3) = 3, 2 digits, less 1 */
	static const uint32_t one[] = {299}, two[] = {40, 299};
	struct runs r;
	struct buf b;
	uint32_t from, end;

	buf_init(&b);
	ck_assert(runs_of(&r, one, 1, 300));
	ck_assert_uint_eq(put(&b, &r), 3);
	ck_assert_uint_eq(b.p[0], 4);
	runs_range(&r, 0, &from, &end);
	ck_assert(from == 256 && end == 300);
	ck_assert(runs_of(&r, two, 2, 300));
	/* 1 for two of them; 1 of order 1: 1 1; 9 - 2 = 7 of order 1: 00 1 00 1 */
	ck_assert_uint_eq(put(&b, &r), 9);
	ck_assert_uint_eq(b.p[0], 0x27);
	ck_assert_uint_eq(b.p[1], 1);
	runs_range(&r, 1, &from, &end);
	ck_assert(from == 288 && end == 300);
	buf_fini(&b);
}
END_TEST

static int
take(uint64_t bits, bool several, uint32_t count)
{
	uint8_t bytes[8];
	struct bitreader in;
	struct runs r;

	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(bits >> 8 * i);
	bitreader_init(&in, slice_of(bytes, sizeof bytes));
	return runs_take(&in, several, count, &r);
}

START_TEST(what_lies_beyond_the_records_is_refused)
{
	struct bitreader in;
	struct bitwriter w;
	struct runs r;
	struct buf b;

	for (uint64_t number = 0; number < 8; number++)
		ck_assert_int_eq(take(number, false, 300), number < 5 ? 0 : STELE_ESYNTAX);
	ck_assert_int_eq(take(0x127, true, 300), 0);
	ck_assert_int_eq(take(0x67, true, 300), STELE_ESYNTAX); /* the tenth after 0 to 9 */
	ck_assert_int_eq(take(0x7, false, 1), 0);               /* one record, no bits */
	/* 64 of them are the most */
	buf_init(&b);
	for (uint32_t n = 64; n <= 65; n++) {
		buf_reset(&b);
		bitwriter_init(&w, &b);
		bitwriter_put_code(&w, n - 2, 0);
		for (uint32_t i = 0; i < n; i++)
			bitwriter_put_code(&w, 0, 0);
		bitwriter_end(&w);
		bitreader_init(&in, buf_slice(&b));
		ck_assert_int_eq(runs_take(&in, true, 100, &r), n == 64 ? 0 : STELE_ESYNTAX);
	}
	buf_fini(&b);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_record_is_in_a_run_and_few_others,
		the_fewer_there_are_the_longer_they_are,
		bits_are_those_of_the_format,
		what_lies_beyond_the_records_is_refused,
	};

	return suite_run("runs", tests, sizeof tests / sizeof *tests, 60);
}
