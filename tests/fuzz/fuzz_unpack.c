/* Deflated files: what unpack.h makes of one, in parts or not, zlib makes of it, too. Of what it
 * takes zlib may refuse some for its codes; then it gets no other bytes before. */
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "proto/buf.h"
#include "proto/check.h"
#include "proto/err.h"
#include "verify/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MOST = 1 << 20 }; /* of unpacked bytes */

static int
take(void *ctx, uint64_t at, void *dst, size_t n)
{
	const struct slice *all = ctx;

	CHECK(at <= all->n && n <= all->n - at);
	memcpy(dst, all->p + at, n);
	return 0;
}

static int
ours(struct slice packed, struct buf *out)
{
	struct unpack *u = unpack_open(take, &packed, 0, packed.n);
	static uint8_t piece[UNPACK_PIECE_BYTES + UNPACK_SPARE_BYTES];
	const char *why = NULL;
	bool over = false;
	int err = 0;

	CHECK(u);
	while (err == 0 && !over && out->n < MOST) {
		size_t made = 0;

		err = unpack_piece(u, piece, &made, &over, &why);
		CHECK(err == 0 || (err == STELE_EVERIFY && why));
		if (err == 0)
			buf_put_slice(out, slice_of(piece, made));
	}
	unpack_close(u);
	return err;
}

static int
theirs(struct slice packed, struct buf *out)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)packed.p, .avail_in = (uInt)packed.n};
	uint8_t piece[4096];
	int rc = Z_OK;

	CHECK(inflateInit2(&z, -MAX_WBITS) == Z_OK);
	while (rc == Z_OK && out->n < MOST) {
		z.next_out = piece;
		z.avail_out = sizeof piece;
		rc = inflate(&z, Z_NO_FLUSH);
		buf_put_slice(out, slice_of(piece, sizeof piece - z.avail_out));
	}
	inflateEnd(&z);
	return rc == Z_OK || (rc == Z_STREAM_END && z.avail_in == 0) ? 0 : STELE_EVERIFY;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice packed = slice_of(data, n);
	struct buf a, b;
	size_t both;
	int err_a, err_b;

	buf_init(&a);
	buf_init(&b);
	err_a = ours(packed, &a);
	err_b = theirs(packed, &b);
	CHECK(a.err == 0 && b.err == 0);
	both = a.n < b.n ? a.n : b.n;
	if (err_b == 0)
		CHECK(err_a == 0);
	if (err_a == 0)
		CHECK(b.n <= a.n || both >= MOST);
	if (err_a == 0)
		CHECK(both == 0 || memcmp(a.p, b.p, both) == 0);
	if (err_a == 0)
		CHECK(err_b != 0 || a.n == b.n || both >= MOST);
	buf_fini(&a);
	buf_fini(&b);
	return 0;
}
