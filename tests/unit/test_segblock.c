/* A block's salts and frames: what is read is what was gathered. */
#include "crypto/init.h"
#include "fence.h"
#include "segment_fixture.h"
#include "storage/segblock.h"
#include "suite.h"

static void
gather(struct fixture *f, struct segblock_writer *w, uint64_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct segment_record r;
		fixture_record(f, first + i, &r);
		segblock_add(w, &r);
	}
}

START_TEST(salts_and_payloads_come_back_record_by_record)
{
	const uint32_t counts[] = {1, 2, 60, 256}, frames[] = {1, 3000, 1u << 20};
	struct segblock_writer *w = calloc(1, sizeof *w);
	struct segblock b;
	struct fixture f;
	struct buf plain;

	fixture_init(&f, 1024);
	buf_init(&plain);
	for (int k = 0; k < 12; k++) {
		uint64_t first = (uint64_t)(k % 4) * 150;
		uint32_t n = counts[k / 3];
		buf_reset(&plain);
		gather(&f, w, first, n);
		ck_assert_int_eq(segblock_write(w, f.t->zip, NULL, frames[k % 3], &plain), 0);
		ck_assert_uint_eq(w->count, 0);
		ck_assert_int_eq(segblock_read(&b, n, buf_slice(&plain)), 0);
		for (uint32_t i = 0; i < n; i++) {
			const struct segblock_frame *fr = &b.frames[segblock_frame_of(&b, i)];
			struct segment_record want, got;
			size_t raw = 0, at = 0;
			uint8_t *bytes;
			for (uint32_t j = fr->first; j < fr->end; j++) {
				fixture_record(&f, first + j, &want);
				at = j == i ? raw : at;
				raw += want.payload.n;
			}
			bytes = malloc(raw + 1);
			ck_assert_int_eq(decompress_block(f.t->zip, NULL, fr->packed, bytes, raw),
					 0);
			fixture_record(&f, first + i, &want);
			ck_assert(slice_eq(want.payload, slice_of(bytes + at, want.payload.n)));
			segblock_salt(&b, i, &got);
			ck_assert_mem_eq(got.salt, want.salt, 16);
			free(bytes);
		}
	}
	segblock_writer_fini(w);
	free(w);
	buf_fini(&plain);
	fixture_fini(&f);
}
END_TEST

START_TEST(a_seed_takes_the_place_of_salts_that_follow_each_other_and_of_no_others)
{
	struct segblock_writer *w = calloc(1, sizeof *w);
	struct segment_record r = {0}, got;
	uint8_t seed[32], other[32], salts[30][16];
	struct segblock b;
	struct buf plain;
	struct toolbox *t = toolbox_new();

	memset(seed, 1, 32);
	memset(other, 2, 32);
	salt_expand(seed, 0, 30, salts);
	buf_init(&plain);
	/* 0..9 of one seed, a gap, 20..29 of it, two of another, eight without */
	for (uint32_t i = 0; i < 30; i++) {
		bool first_seed = i < 20;
		r.seed = first_seed ? seed : i < 22 ? other : NULL;
		r.seed_ordinal = i < 10 ? i : i + 10; /* the other's go on where these end */
		if (r.seed)
			salt_expand(r.seed, r.seed_ordinal, 1, &r.salt);
		else
			memset(r.salt, (int)i, 16);
		segblock_add(w, &r);
	}
	ck_assert_int_eq(segblock_write(w, t->zip, NULL, 8192, &plain), 0);
	ck_assert_int_eq(segblock_read(&b, 30, buf_slice(&plain)), 0);
	ck_assert_uint_eq(b.n_runs, 3);
	for (uint32_t i = 0; i < 30; i++) {
		segblock_salt(&b, i, &got);
		ck_assert((got.seed != NULL) == (i < 20));
		if (got.seed) {
			ck_assert_mem_eq(got.seed, seed, 32);
			ck_assert_uint_eq(got.seed_ordinal, i < 10 ? i : i + 10);
			ck_assert_mem_eq(got.salt, salts[got.seed_ordinal], 16);
		} else if (i >= 22) {
			ck_assert_uint_eq(got.salt[7], i);
		}
	}
	segblock_writer_fini(w);
	free(w);
	buf_fini(&plain);
	toolbox_free(t);
}
END_TEST

START_TEST(a_cut_or_changed_block_is_never_read_beyond)
{
	struct segblock_writer *w = calloc(1, sizeof *w);
	uint8_t *fence = fence_new();
	struct segblock b;
	struct fixture f;
	struct buf plain;

	fixture_init(&f, 200);
	buf_init(&plain);
	gather(&f, w, 90, 60);
	ck_assert_int_eq(segblock_write(w, f.t->zip, NULL, 1000, &plain), 0);
	for (size_t n = 0; n < plain.n; n++)
		ck_assert_int_eq(segblock_read(&b, 60, fence_put(fence, slice_of(plain.p, n))),
				 STELE_ESYNTAX);
	ck_assert_int_eq(segblock_read(&b, 59, buf_slice(&plain)), STELE_ESYNTAX);
	ck_assert_int_eq(segblock_read(&b, 61, buf_slice(&plain)), STELE_ESYNTAX);
	for (size_t bit = 0; bit < plain.n * 8; bit++) {
		plain.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (segblock_read(&b, 60, fence_put(fence, buf_slice(&plain))) == 0) {
			for (uint32_t i = 0; i < 60; i++) {
				struct segment_record r;
				segblock_salt(&b, i, &r);
				ck_assert_uint_lt(segblock_frame_of(&b, i), b.n_frames);
			}
		}
		plain.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	segblock_writer_fini(w);
	free(w);
	buf_fini(&plain);
	fixture_fini(&f);
	fence_free(fence);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		salts_and_payloads_come_back_record_by_record,
		a_seed_takes_the_place_of_salts_that_follow_each_other_and_of_no_others,
		a_cut_or_changed_block_is_never_read_beyond,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("segblock", tests, sizeof tests / sizeof *tests, 60);
}
