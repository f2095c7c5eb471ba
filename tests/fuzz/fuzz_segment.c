/*
 * What a segment's streams hold: the columns of a tile and the inside of a block. The
 * first byte says how many records there should be. What is accepted is written again
 * and read as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/init.h"
#include "proto/check.h"
#include "storage/read.h"
#include "storage/toolbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct toolbox *t;

static void
tile(uint32_t count, struct slice in)
{
	struct segtile *read = calloc(2, sizeof *read), *again = read + 1;
	struct buf b;

	CHECK(read != NULL);
	buf_init(&b);
	if (segtile_read(read, count, t->zip, in) == 0) {
		CHECK(segtile_write(read, t->zip, &b) == 0);
		CHECK(segtile_read(again, count, t->zip, buf_slice(&b)) == 0);
		for (uint32_t i = 0; i < count; i++) {
			struct segment_record x, y;
			segtile_get(read, i, &x);
			segtile_get(again, i, &y);
			CHECK(x.kind == y.kind && x.mode == y.mode && x.ctl == y.ctl &&
			      x.size == y.size && x.time_ns == y.time_ns &&
			      x.retain_until_ns == y.retain_until_ns && x.object == y.object);
			CHECK(slice_eq(x.media_type, y.media_type) &&
			      slice_eq(x.writer, y.writer) && slice_eq(x.event, y.event));
			CHECK(memcmp(x.commitment, y.commitment, 32) == 0);
			CHECK(read->inline_bytes[i] == again->inline_bytes[i]);
		}
	}
	segtile_fini(read);
	segtile_fini(again);
	buf_fini(&b);
	free(read);
}

static void
block(uint32_t count, struct slice in)
{
	struct segblock *b = calloc(1, sizeof *b);

	CHECK(b != NULL);
	if (segblock_read(b, count, in) == 0) {
		for (uint32_t i = 0; i < count; i++) {
			struct segment_record r;
			const struct segblock_frame *f = &b->frames[segblock_frame_of(b, i)];
			CHECK(i >= f->first && i < f->end);
			CHECK(f->packed.p >= in.p && f->packed.n <= in.n);
			segblock_salt(b, i, &r);
			CHECK(!r.seed || (r.seed >= in.p && r.seed + 32 <= in.p + in.n));
		}
	}
	free(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (!t) {
		CHECK(crypto_init() == 0);
		t = toolbox_new();
		CHECK(t != NULL);
	}
	if (n < 1)
		return 0;
	tile((uint32_t)data[0] + 1, slice_of(data + 1, n - 1));
	block((uint32_t)data[0] + 1, slice_of(data + 1, n - 1));
	return 0;
}
