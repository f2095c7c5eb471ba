/* Columns of a tile: what is read is what was written, and nothing is believed that does not add
 * up. */
#include "crypto/init.h"
#include "fence.h"
#include "segment_fixture.h"
#include "storage/segtile.h"
#include "suite.h"

static struct fixture f;

static void
begin(void)
{
	fixture_init(&f, 1024);
}

static void
end(void)
{
	fixture_fini(&f);
}

static void
make(struct segtile *t, uint64_t first, uint32_t n, struct buf *out)
{
	memset(t, 0, sizeof *t);
	segtile_reset(t);
	for (uint32_t i = 0; i < n; i++) {
		struct segment_record r;
		fixture_record(&f, first + i, &r);
		ck_assert_int_eq(segtile_add(t, &r), 0);
	}
	for (uint32_t i = 0; i < n; i += 50)
		segtile_add_block(t, n - i < 50 ? n - i : 50, 1000 + i);
	ck_assert_int_eq(segtile_write(t, f.t->zip, out), 0);
}

START_TEST(columns_give_back_every_field)
{
	const uint32_t counts[] = {1, 2, 50, 255, 256};
	struct segtile made, read = {0};
	struct buf b;

	buf_init(&b);
	for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
		uint32_t n = counts[k];
		buf_reset(&b);
		make(&made, 256 * (k % 4), n, &b);
		ck_assert_int_eq(segtile_read(&read, n, f.t->zip, buf_slice(&b)), 0);
		ck_assert_uint_eq(read.n_blocks, (n + 49) / 50);
		ck_assert_uint_eq(read.blocks[0].box_bytes, 1000);
		for (uint32_t i = 0; i < n; i++) {
			struct segment_record want, got;
			fixture_record(&f, 256 * (k % 4) + i, &want);
			segtile_get(&read, i, &got);
			ck_assert(got.kind == want.kind && got.mode == want.mode &&
				  got.ctl == want.ctl && got.size == want.size &&
				  got.time_ns == want.time_ns &&
				  got.retain_until_ns == want.retain_until_ns &&
				  got.object == want.object);
			ck_assert(slice_eq(got.media_type, want.media_type) &&
				  slice_eq(got.writer, want.writer) &&
				  slice_eq(got.event, want.event));
			ck_assert_uint_eq(read.inline_bytes[i], want.payload.n);
			if (segtile_stores(want.object, want.gone, want.size))
				ck_assert_mem_eq(got.commitment, want.commitment, 32);
		}
		segtile_fini(&made);
	}
	segtile_fini(&read);
	buf_fini(&b);
}
END_TEST

START_TEST(alternating_writers_are_packed_and_a_quiet_tile_is_a_few_bytes)
{
	struct segment_record r = {.media_type = slice_str("a/b"),
				   .writer = slice_str("w"),
				   .size = 300,
				   .payload = slice_of(f.seed, 300)};
	struct segtile t = {0}, read = {0};
	struct buf b;

	buf_init(&b);
	segtile_reset(&t);
	for (int i = 0; i < 256; i++)
		ck_assert_int_eq(segtile_add(&t, &r), 0);
	segtile_add_block(&t, 256, 5);
	ck_assert_int_eq(segtile_write(&t, f.t->zip, &b), 0);
	ck_assert_uint_lt(b.n, 64);
	buf_reset(&b);
	segtile_reset(&t);
	for (int i = 0; i < 256; i++) {
		r.writer = slice_str(i % 2 ? "w" : "v");
		ck_assert_int_eq(segtile_add(&t, &r), 0);
	}
	segtile_add_block(&t, 256, 5);
	ck_assert_int_eq(segtile_write(&t, f.t->zip, &b), 0);
	ck_assert_uint_lt(b.n, 200);
	ck_assert_int_eq(segtile_read(&read, 256, f.t->zip, buf_slice(&b)), 0);
	for (uint32_t i = 0; i < 256; i++) {
		segtile_get(&read, i, &r);
		ck_assert(slice_eq_str(r.writer, i % 2 ? "w" : "v"));
	}
	segtile_fini(&t);
	segtile_fini(&read);
	buf_fini(&b);
}
END_TEST

/* As it is from now on. */
static void
go(struct segment_record *r, uint64_t purge)
{
	r->gone = true;
	r->purge = purge;
	r->object = r->has_key = false;
	r->payload = slice_of(NULL, 0);
	r->seed = NULL;
}

START_TEST(what_is_gone_keeps_its_columns_and_its_commitment_and_lies_in_no_block)
{
	struct segtile t = {0}, read = {0};
	struct segment_record r, got;
	uint32_t kept = 0;
	struct buf b;

	buf_init(&b);
	segtile_reset(&t);
	for (uint32_t i = 0; i < 256; i++) {
		fixture_record(&f, 256 + i, &r);
		if (r.kind == ENTRY_RECORD && (i % 3 == 0 || i > 200))
			go(&r, i > 200 ? 900 : 800);
		kept += !r.gone;
		ck_assert_int_eq(segtile_add(&t, &r), 0);
	}
	segtile_add_block(&t, 10, 100);
	segtile_add_block(&t, kept - 10, 200);
	ck_assert_int_eq(segtile_write(&t, f.t->zip, &b), 0);
	ck_assert_int_eq(segtile_read(&read, 256, f.t->zip, buf_slice(&b)), 0);
	ck_assert_uint_eq(read.n_kept, kept);
	kept = 0;
	for (uint32_t i = 0; i < 256; i++) {
		fixture_record(&f, 256 + i, &r);
		segtile_get(&read, i, &got);
		ck_assert_uint_eq(got.size, r.size);
		ck_assert(got.time_ns == r.time_ns && slice_eq(got.writer, r.writer));
		ck_assert_uint_eq(read.rank[i], kept);
		if (!got.gone) {
			ck_assert_uint_eq(read.kept[kept++], i);
			continue;
		}
		ck_assert_uint_eq(got.purge, i > 200 ? 900 : 800);
		ck_assert_mem_eq(got.commitment, r.commitment, 32);
		ck_assert_uint_eq(read.inline_bytes[i], 0);
		ck_assert(!got.object);
	}
	ck_assert_uint_eq(kept, read.n_kept);
	segtile_fini(&t);
	segtile_fini(&read);
	buf_fini(&b);
}
END_TEST

START_TEST(what_is_gone_has_nothing_left_and_is_no_control_entry)
{
	struct segtile t = {0};

	for (int i = 0; i < 7; i++) {
		struct segment_record r;
		static uint8_t seed[32];
		segtile_reset(&t);
		fixture_record(&f, 1, &r);
		go(&r, 5);
		switch (i) {
		case 0:
			r.payload = slice_str("x");
			break;
		case 1:
			r.kind = ENTRY_HOLD;
			r.mode = ENTRY_MODE_NONE;
			r.retain_until_ns = 0;
			break;
		case 2:
			r.object = true;
			break;
		case 3:
			r.seed = seed;
			break;
		case 4:
			r.has_key = true;
			break;
		case 5:
			r.purge = 0;
			break;
		}
		ck_assert_int_eq(segtile_add(&t, &r), i == 6 ? 0 : STELE_EINVAL);
	}
	segtile_fini(&t);
}
END_TEST

START_TEST(a_record_that_no_entry_can_have_is_refused)
{
	struct segtile t = {0};

	for (int i = 0; i < 16; i++) {
		struct segment_record r;
		segtile_reset(&t);
		fixture_record(&f, 1, &r);
		ck_assert_int_eq(segtile_add(&t, &r), 0);
		fixture_record(&f, 1, &r);
		switch (i) {
		case 0:
			r.time_ns--;
			break;
		case 1:
			r.size++;
			break;
		case 2:
			r.ctl = LIMIT_INTEGER + 1;
			break;
		case 3:
			r.media_type.n = 0;
			break;
		case 4:
			r.writer.n = 0;
			break;
		case 5:
			r.media_type.n = LIMIT_MEDIA_TYPE_BYTES + 1;
			break;
		case 6:
			r.writer.n = LIMIT_WRITER_BYTES + 1;
			break;
		case 7:
			r.event = slice_of(f.seed, LIMIT_EVENT_BYTES + 1);
			r.retain_until_ns = 0;
			break;
		case 8:
			r.retain_until_ns = -1;
			break;
		case 9:
			r.event = slice_str("both");
			break;
		case 10:
			r.mode = ENTRY_MODE_NONE;
			break;
		case 11:
			r.kind = (enum entry_kind)(ENTRY_RESTORE + 1);
			break;
		case 12:
			r.object = true;
			r.payload.n = 0;
			break;
		case 13:
			r.object = true;
			r.payload.n = LIMIT_DESCRIPTOR_BYTES + 1;
			break;
		case 14:
			r.size = r.payload.n = LIMIT_RECORD_BYTES + 1;
			break;
		default:
			r.mode = (enum entry_mode)(ENTRY_MODE_COMPLIANCE + 1);
		}
		ck_assert_msg(segtile_add(&t, &r) == STELE_EINVAL, "%d", i);
		ck_assert_uint_eq(t.count, 1);
	}
	segtile_fini(&t);
}
END_TEST

START_TEST(blocks_that_hold_more_or_fewer_records_than_the_tile_are_refused)
{
	struct segtile t = {0}, read = {0};
	struct segment_record r;
	struct buf b;

	buf_init(&b);
	for (uint32_t n = 0; n < 4; n++) {
		buf_reset(&b);
		segtile_reset(&t);
		for (uint64_t i = 0; i < 2; i++) {
			fixture_record(&f, i, &r);
			ck_assert_int_eq(segtile_add(&t, &r), 0);
		}
		if (n)
			segtile_add_block(&t, n, 99);
		ck_assert_int_eq(segtile_write(&t, f.t->zip, &b), 0);
		ck_assert_int_eq(segtile_read(&read, 2, f.t->zip, buf_slice(&b)),
				 n == 2 ? 0 : STELE_ESYNTAX);
	}
	segtile_fini(&t);
	segtile_fini(&read);
	buf_fini(&b);
}
END_TEST

START_TEST(cut_or_changed_columns_are_refused_or_read_as_what_they_now_say)
{
	uint8_t *fence = fence_new();
	struct segtile made, read = {0}, again = {0};
	unsigned refused = 0;
	struct buf b, c;

	buf_init(&b);
	buf_init(&c);
	make(&made, 0, 60, &b);
	for (size_t n = 0; n < b.n; n++)
		ck_assert_int_eq(
			segtile_read(&read, 60, f.t->zip, fence_put(fence, slice_of(b.p, n))),
			STELE_ESYNTAX);
	ck_assert_int_eq(segtile_read(&read, 59, f.t->zip, buf_slice(&b)), STELE_ESYNTAX);
	ck_assert_int_eq(segtile_read(&read, 61, f.t->zip, buf_slice(&b)), STELE_ESYNTAX);
	for (size_t bit = 0; bit < b.n * 8; bit++) {
		b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (segtile_read(&read, 60, f.t->zip, fence_put(fence, buf_slice(&b))) != 0) {
			refused++;
		} else {
			buf_reset(&c);
			ck_assert_int_eq(segtile_write(&read, f.t->zip, &c), 0);
			ck_assert_int_eq(segtile_read(&again, 60, f.t->zip, buf_slice(&c)), 0);
			ck_assert_mem_eq(again.time_ns, read.time_ns, sizeof(int64_t) * 60);
			ck_assert_mem_eq(again.size, read.size, sizeof(uint64_t) * 60);
		}
		b.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert_uint_gt(refused, 300);
	segtile_fini(&made);
	segtile_fini(&read);
	segtile_fini(&again);
	buf_fini(&b);
	buf_fini(&c);
	fence_free(fence);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("segtile");
	TCase *c = tcase_create("segtile");
	SRunner *r = srunner_create(s);
	int failed;

	if (crypto_init() != 0)
		return 1;
	suite_add_tcase(s, c);
	tcase_add_checked_fixture(c, begin, end);
	tcase_add_test(c, columns_give_back_every_field);
	tcase_add_test(c, alternating_writers_are_packed_and_a_quiet_tile_is_a_few_bytes);
	tcase_add_test(c, what_is_gone_keeps_its_columns_and_its_commitment_and_lies_in_no_block);
	tcase_add_test(c, what_is_gone_has_nothing_left_and_is_no_control_entry);
	tcase_add_test(c, a_record_that_no_entry_can_have_is_refused);
	tcase_add_test(c, blocks_that_hold_more_or_fewer_records_than_the_tile_are_refused);
	tcase_add_test(c, cut_or_changed_columns_are_refused_or_read_as_what_they_now_say);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
