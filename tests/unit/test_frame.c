/* Commit frames: written and read back, and nothing believed that does not add up. */
#include <string.h>

#include "crypto/init.h"
#include "fence.h"
#include "frame_rewrite.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/limits.h"
#include "suite.h"

/* A section of 7 records, two of them objects, in 2 groups and 3 blocks, one a dictionary's. */
static void
make_section(struct buf *out, bool founding)
{
	const struct frame_group groups[] = {
		{.count = 1,
		 .kind = founding ? ENTRY_POLICY : ENTRY_RECORD,
		 .media_type = slice_str("a/b"),
		 .writer = slice_str("w")},
		{.count = 6,
		 .mode = ENTRY_MODE_GOVERNANCE,
		 .ctl = 3,
		 .retain_until_ns = 99,
		 .media_type = slice_str("application/json"),
		 .writer = slice_str("p-1"),
		 .event = slice_str("ev")},
	};
	const struct frame_block blocks[] = {
		{0, 5, 0, 60, 0}, {3, 5, 60, 90, 1}, {4, 0, 400, 200, 0}};
	struct frame_section s = {.log_id = 4,
				  .first = founding ? 0 : 1000,
				  .count = 7,
				  .n_groups = 2,
				  .n_blocks = 3,
				  .n_keys = 2,
				  .n_dicts = 1,
				  .n_objects = 2,
				  .epoch = 1,
				  .time_ns = 1795000000000000000,
				  .data_key_id = 9,
				  .boxes_bytes = 350};
	const uint32_t sizes[] = {10, 20, 30, 100, 100, 100, 100};
	uint8_t head[SECTION_HEADER_BYTES], filler[400];
	struct buf rest;

	buf_init(&rest);
	for (int i = 0; i < 400; i++)
		filler[i] = (uint8_t)(i * 7);
	memcpy(s.root, filler, 32);
	s.name = founding ? slice_str("payments") : slice_of(NULL, 0);
	buf_put_slice(&rest, s.name);
	for (int i = 0; i < 2; i++)
		frame_group_write(&rest, &groups[i]);
	for (int i = 0; i < 3; i++)
		frame_block_write(&rest, &blocks[i]);
	buf_put(&rest, sizes, sizeof sizes);
	frame_object_write(&rest, &(struct frame_object){.ordinal = 3, .size = 1ull << 36});
	frame_object_write(&rest, &(struct frame_object){.ordinal = 5, .size = 7});
	s.meta_bytes = (uint32_t)(SECTION_HEADER_BYTES + rest.n);
	buf_put(&rest, filler, 350);
	buf_put(&rest, filler, 7 * 32);
	for (uint32_t i = 0; i < 2; i++) {
		uint32_t ordinal = i * 3;
		buf_put(&rest, &ordinal, 4);
		buf_put(&rest, filler, 16);
	}
	s.bytes = (uint32_t)(SECTION_HEADER_BYTES + rest.n);
	frame_section_header_write(head, &s);
	buf_put(out, head, sizeof head);
	buf_put_slice(out, buf_slice(&rest));
	buf_fini(&rest);
}

START_TEST(a_section_reads_back_as_it_was_written)
{
	for (int founding = 0; founding < 2; founding++) {
		struct frame_section s, meta;
		struct buf b, again;
		uint64_t at;
		buf_init(&b);
		buf_init(&again);
		make_section(&b, founding);
		ck_assert_int_eq(frame_section_read(&s, buf_slice(&b)), 0);
		ck_assert_uint_eq(s.bytes, b.n);
		ck_assert_uint_eq(s.first, founding ? 0 : 1000);
		ck_assert(slice_eq_str(s.name, founding ? "payments" : ""));
		ck_assert_uint_eq(frame_block_at(&s, 2).raw_bytes, 400);
		ck_assert_uint_eq(frame_size_at(&s, 3), 100);
		ck_assert_uint_eq(frame_box_at(&s, 2, &at).n, 200);
		ck_assert_uint_eq(at, 150);
		ck_assert_ptr_eq(s.leaves.p, b.p + frame_leaves_at(&s));
		frame_rewrite(&again, &s);
		ck_assert(slice_eq(buf_slice(&again), buf_slice(&b)));
		ck_assert_int_eq(frame_section_read_meta(&meta, slice_of(b.p, s.meta_bytes)), 0);
		ck_assert_uint_eq(meta.boxes.n, 0);
		ck_assert_uint_eq(frame_leaves_at(&meta), frame_leaves_at(&s));
		buf_fini(&b);
		buf_fini(&again);
	}
}
END_TEST

START_TEST(objects_are_found_by_their_record)
{
	struct frame_section s;
	struct frame_object o;
	struct buf b;

	buf_init(&b);
	make_section(&b, false);
	ck_assert_int_eq(frame_section_read(&s, buf_slice(&b)), 0);
	for (uint32_t i = 0; i < 7; i++)
		ck_assert(frame_object_find(&s, i, &o) == (i == 3 || i == 5));
	ck_assert(frame_object_find(&s, 3, &o));
	ck_assert_uint_eq(o.size, 1ull << 36);
	ck_assert_uint_eq(frame_payload_bytes(&s, 0), 10 + 20 + 30 + 100 + 100 + (1ull << 36) + 7);
	buf_fini(&b);
}
END_TEST

START_TEST(a_cut_section_is_refused_and_not_read_beyond)
{
	uint8_t *fence = fence_new();
	struct frame_section s;
	struct buf b;

	buf_init(&b);
	make_section(&b, true);
	for (size_t n = 0; n < b.n; n++)
		ck_assert_int_eq(frame_section_read(&s, fence_put(fence, slice_of(b.p, n))),
				 STELE_ESYNTAX);
	ck_assert_int_eq(frame_section_read(&s, fence_put(fence, buf_slice(&b))), 0);
	for (size_t n = 0; n < s.meta_bytes; n++)
		ck_assert_int_eq(frame_section_read_meta(&s, fence_put(fence, slice_of(b.p, n))),
				 STELE_ESYNTAX);
	fence_free(fence);
	buf_fini(&b);
}
END_TEST

START_TEST(a_changed_section_is_refused_or_read_as_what_it_now_says)
{
	uint8_t *fence = fence_new();
	unsigned refused = 0;
	struct buf b, again;

	buf_init(&b);
	buf_init(&again);
	make_section(&b, true);
	for (size_t at = 0; at < b.n; at++) {
		for (int change = 0; change < 11; change++) {
			uint8_t was = b.p[at];
			struct frame_section s;
			struct slice bytes;
			b.p[at] = change < 8 ? (uint8_t)(was ^ 1u << change)
					     : (uint8_t)(was + (change - 9) * 127);
			bytes = fence_put(fence, buf_slice(&b));
			buf_reset(&again);
			if (frame_section_read(&s, bytes) == 0) {
				frame_rewrite(&again, &s);
				ck_assert_msg(slice_eq(buf_slice(&again), bytes), "byte %zu", at);
			} else {
				refused++;
			}
			b.p[at] = was;
		}
	}
	ck_assert_uint_gt(refused, 1000);
	fence_free(fence);
	buf_fini(&b);
	buf_fini(&again);
}
END_TEST

/* What a hash-valid but hostile frame could claim; offsets as frame.h states them. */
START_TEST(counts_that_do_not_add_up_are_refused)
{
	const struct {
		size_t at;
		uint32_t v;
	} lies[] = {
		{0, 0},           {0, UINT32_MAX},   {4, 64},           {4, 0},   {24, 0},
		{24, UINT32_MAX}, {28, 0},           {28, UINT32_MAX},  {32, 0},  {32, UINT32_MAX},
		{36, UINT32_MAX}, {40, 0},           {40, 2},           {96, 0},  {96, UINT32_MAX},
		{100, 0},         {100, UINT32_MAX}, {104, UINT32_MAX}, {108, 1},
	};
	struct frame_section s;
	struct buf b;

	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		buf_init(&b);
		make_section(&b, true);
		le_put32(b.p + lies[i].at, lies[i].v);
		ck_assert_msg(frame_section_read(&s, buf_slice(&b)) == STELE_ESYNTAX, "%zu = %u",
			      lies[i].at, lies[i].v);
		buf_fini(&b);
	}
	buf_init(&b);
	make_section(&b, false);
	le_put64(b.p + 16, LIMIT_TREE_SIZE + 1);
	ck_assert_int_eq(frame_section_read(&s, buf_slice(&b)), STELE_ESYNTAX);
	le_put64(b.p + 16, 0); /* a founding section has a name */
	ck_assert_int_eq(frame_section_read(&s, buf_slice(&b)), STELE_ESYNTAX);
	buf_fini(&b);
	/* blocks whose parts do not add up, and a meta part that is longer than its contents */
	for (size_t i = 0; i < 3 * SECTION_BLOCK_BYTES; i += 4) {
		buf_init(&b);
		make_section(&b, true);
		ck_assert_int_eq(frame_section_read(&s, buf_slice(&b)), 0);
		uint8_t *field = b.p + (s.blocks.p - b.p) + i;
		le_put32(field, le_get32(field) + 1);
		/* another dictionary, or other salts, adds up as well; what is no form of salts
		 * does not, nor does a dictionary that has salts */
		bool fits = i % SECTION_BLOCK_BYTES == 4 || i == 2 * SECTION_BLOCK_BYTES + 16;
		ck_assert_int_eq(frame_section_read(&s, buf_slice(&b)), fits ? 0 : STELE_ESYNTAX);
		buf_fini(&b);
	}
	buf_init(&b);
	make_section(&b, true);
	le_put32(b.p, le_get32(b.p) + 8);
	le_put32(b.p + 96, le_get32(b.p + 96) + 8);
	buf_put(&b, "12345678", 8);
	ck_assert_int_eq(frame_section_read_meta(&s, buf_slice(&b)), STELE_ESYNTAX);
	buf_fini(&b);
	buf_init(&b);
	make_section(&b, true);
	le_put32(b.p + b.n - 20, 7); /* a key of a record that is not there */
	ck_assert_int_eq(frame_section_read(&s, buf_slice(&b)), STELE_ESYNTAX);
	buf_fini(&b);
}
END_TEST

START_TEST(objects_out_of_order_or_of_no_record_are_refused)
{
	struct frame_section s;
	struct buf b;

	/* the second one before the first, the same twice, no record's; larger than entries say */
	for (int i = 0; i < 4; i++) {
		buf_init(&b);
		make_section(&b, true);
		ck_assert_int_eq(frame_section_read(&s, buf_slice(&b)), 0);
		uint8_t *rows = b.p + (s.objects.p - b.p);
		if (i < 3)
			le_put32(rows + SECTION_OBJECT_BYTES, (uint32_t[]){2, 3, 7}[i]);
		else
			le_put64(rows + 4, LIMIT_INTEGER + 1);
		ck_assert_int_eq(frame_section_read(&s, buf_slice(&b)), STELE_ESYNTAX);
		buf_fini(&b);
	}
}
END_TEST

START_TEST(a_header_reads_back_and_every_other_one_is_refused)
{
	struct frame_header h = {.incarnation = 1,
				 .sequence = 2,
				 .body_bytes = 3000,
				 .n_sections = 4,
				 .wall_ns = 5},
			    got;
	uint8_t bytes[FRAME_HEADER_BYTES], again[FRAME_HEADER_BYTES];

	memset(h.prev, 7, 32);
	frame_header_write(bytes, &h);
	ck_assert_int_eq(frame_header_read(&got, slice_of(bytes, sizeof bytes), 3000), 0);
	ck_assert_uint_eq(got.sequence, 2);
	ck_assert_int_eq(frame_header_read(&got, slice_of(bytes, sizeof bytes), 2999),
			 STELE_ELIMIT);
	for (size_t n = 0; n < sizeof bytes; n++)
		ck_assert_int_eq(frame_header_read(&got, slice_of(bytes, n), 3000), STELE_ESYNTAX);
	for (size_t bit = 0; bit < FRAME_HASHED_BYTES * 8; bit++) {
		int err;
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		err = frame_header_read(&got, slice_of(bytes, sizeof bytes), UINT64_MAX);
		if (bit / 8 < 8)
			ck_assert_int_eq(err, STELE_ESYNTAX);
		else if (bit / 8 < 16)
			ck_assert_int_eq(err, STELE_EVERSION);
		if (err == 0) {
			frame_header_write(again, &got);
			ck_assert_mem_eq(again, bytes, FRAME_HASHED_BYTES);
		}
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}
END_TEST

START_TEST(a_box_is_tied_to_its_log_its_place_and_its_block)
{
	struct frame_block blk = {3, 5, 60, 90, 0};
	uint8_t one[FRAME_AD_BYTES], other[FRAME_AD_BYTES];

	frame_box_ad(one, 4, 1000, &blk);
	for (int i = 0; i < 6; i++) {
		struct frame_block b = blk;
		b.count += i == 0;
		b.dict += i == 1;
		b.raw_bytes += i == 2;
		b.salts = i == 5 ? FRAME_SALTS_SEED : FRAME_SALTS_EXPLICIT;
		frame_box_ad(other, 4 + (i == 3), 1000 + (i == 4), &b);
		ck_assert_int_ne(memcmp(one, other, sizeof one), 0);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_section_reads_back_as_it_was_written,
		objects_are_found_by_their_record,
		a_cut_section_is_refused_and_not_read_beyond,
		a_changed_section_is_refused_or_read_as_what_it_now_says,
		counts_that_do_not_add_up_are_refused,
		objects_out_of_order_or_of_no_record_are_refused,
		a_header_reads_back_and_every_other_one_is_refused,
		a_box_is_tied_to_its_log_its_place_and_its_block,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("frame", tests, sizeof tests / sizeof *tests, 60);
}
