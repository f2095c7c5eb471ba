/* Frame headers and sections: whatever is accepted is written back byte for byte. */
#include <stdint.h>
#include <string.h>

#include "tests/unit/frame_rewrite.h"
#include "proto/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
header(struct slice in)
{
	uint8_t again[FRAME_HEADER_BYTES];
	struct frame_header h;

	if (frame_header_read(&h, in, UINT32_MAX) != 0)
		return;
	CHECK(h.body_bytes <= UINT32_MAX);
	frame_header_write(again, &h);
	CHECK(memcmp(again, in.p, FRAME_HASHED_BYTES) == 0);
}

/* The sections of a body, one after the other. */
static void
body(struct slice in)
{
	struct frame_section s, meta;
	struct buf b;

	while (in.n) {
		if (frame_section_read(&s, in) != 0)
			return;
		CHECK(s.bytes <= in.n && s.bytes >= SECTION_HEADER_BYTES);
		CHECK(frame_section_read_meta(&meta, slice_of(in.p, s.meta_bytes)) == 0);
		CHECK(frame_leaves_at(&meta) == (uint64_t)(s.leaves.p - in.p) || s.count == 0);
		buf_init(&b);
		frame_rewrite(&b, &s);
		CHECK(b.err == 0 && slice_eq(buf_slice(&b), slice_of(in.p, s.bytes)));
		buf_fini(&b);
		in = slice_of(in.p + s.bytes, in.n - s.bytes);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = slice_of(data, n);

	header(in);
	body(in);
	if (n > FRAME_HEADER_BYTES)
		body(slice_of(data + FRAME_HEADER_BYTES, n - FRAME_HEADER_BYTES));
	return 0;
}
