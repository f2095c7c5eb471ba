/*
 * A part is what lies between two full flushes: zlib ends it with an empty stored block, whose
 * length and its complement are the bytes 00 00 ff ff, and what follows refers to nothing before
 * it. libdeflate takes whole streams only, so these four bytes and what is behind them give way,
 * while the part is unpacked, to the length of a canary, a canary and an empty last block.
 *
 * The four bytes may also stand where no block is empty, within symbols or within stored bytes, and
 * a decoder that came upon ours there and found some end in them would have unpacked what nobody
 * else does: unzip would show a file that we did not check. So a part counts only when the canary
 * is the last that comes out, without the four bytes of its length before it. It is 32 random bytes
 * of this very run. Only who read that length as a length gives them out: of who was within stored
 * bytes, the length comes out as well, or he takes a part of it for a length of his own, which is
 * too much for what is left; of who was within symbols, no code spells bytes as themselves. And
 * who read it there as a length would have read 00 00 ff ff as one, and be between two blocks.
 * References to what is before the part libdeflate refuses, which then is no part.
 *
 * Two things that zlib refuses libdeflate takes: symbols that RFC 1951 has no use for, and a
 * distance where no code for one is given. What comes out of these others do not read at all.
 */
#define ZLIB_CONST
#include "verify/unpack.h"

#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>
#include <zlib.h>

#include "crypto/random.h"
#include "proto/check.h"
#include "proto/err.h"

enum {
	WINDOW_BYTES = 32 << 10, /* how far back a stream may refer */
	/* a part that hardly packs is stored, with five bytes for each 16 KiB or more */
	PACKED_BYTES = UNPACK_PIECE_BYTES + (4 << 10),
	MARK_BYTES = 4,
	CANARY_BYTES = UNPACK_SPARE_BYTES,
	END_BYTES = MARK_BYTES + CANARY_BYTES + 2,
};

struct unpack {
	zip_read_fn *read;
	void *ctx;
	uint64_t at, left; /* packed bytes that were not read yet */
	uint8_t *packed;   /* those that were, [from, to), and room for an end */
	size_t cap, from, to;
	struct libdeflate_decompressor *parts; /* NULL: by zlib from here on */
	uint8_t end[END_BYTES];
	uint8_t window[WINDOW_BYTES]; /* the last bytes of the parts, for zlib */
	size_t in_window;
	z_stream z;
	bool z_ready;
};

/* What takes the place of a mark: the rest of a stored block, and a last one without symbols. */
static void
make_end(uint8_t end[END_BYTES])
{
	static const uint8_t length[MARK_BYTES] = {CANARY_BYTES, 0, 0xff ^ CANARY_BYTES, 0xff};
	static const uint8_t last[2] = {3, 0};

	memcpy(end, length, sizeof length);
	random_bytes(end + sizeof length, CANARY_BYTES);
	memcpy(end + sizeof length + CANARY_BYTES, last, sizeof last);
}

struct unpack *
unpack_open(zip_read_fn *read, void *ctx, uint64_t at, uint64_t packed)
{
	struct unpack *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	u->read = read;
	u->ctx = ctx;
	u->at = at;
	u->left = packed;
	u->cap = packed < PACKED_BYTES ? (size_t)packed : PACKED_BYTES;
	u->packed = malloc(u->cap + END_BYTES);
	u->parts = libdeflate_alloc_decompressor();
	if (u->packed && u->parts) {
		make_end(u->end);
		return u;
	}
	unpack_close(u);
	return NULL;
}

void
unpack_close(struct unpack *u)
{
	if (!u)
		return;
	if (u->z_ready)
		inflateEnd(&u->z);
	libdeflate_free_decompressor(u->parts);
	free(u->packed);
	free(u);
}

bool
unpack_in_parts(const struct unpack *u)
{
	return u->parts != NULL;
}

/* Reads behind what is there, as much as fits. */
static int
fill(struct unpack *u)
{
	size_t n;
	int err;

	memmove(u->packed, u->packed + u->from, u->to - u->from);
	u->to -= u->from;
	u->from = 0;
	n = u->cap - u->to < u->left ? u->cap - u->to : (size_t)u->left;
	err = n ? u->read(u->ctx, u->at, u->packed + u->to, n) : 0;
	if (err)
		return err;
	u->at += n;
	u->left -= n;
	u->to += n;
	return 0;
}

/* --- in parts ------------------------------------------------------------------------------ */

/* How many bytes come up to the next mark, with it, as far as they were read; 0: none. */
static size_t
marked(const struct unpack *u)
{
	static const uint8_t mark[MARK_BYTES] = {0, 0, 0xff, 0xff};
	const uint8_t *p = u->packed + u->from;
	const uint8_t *m = memmem(p, u->to - u->from, mark, sizeof mark);

	return m ? (size_t)(m - p) + sizeof mark : 0;
}

/* Whether the canary came out last, without its length before it. */
static bool
canary_came(const struct unpack *u, const uint8_t *out, size_t made)
{
	size_t at = made - CANARY_BYTES;

	if (made < CANARY_BYTES || memcmp(out + at, u->end + MARK_BYTES, CANARY_BYTES) != 0)
		return false;
	return at < MARK_BYTES || memcmp(out + at - MARK_BYTES, u->end, MARK_BYTES) != 0;
}

/* Unpacks bytes of which the last four are a mark: whether they are a part. */
static bool
ended(struct unpack *u, size_t bytes, uint8_t *out, size_t *n)
{
	uint8_t *p = u->packed + u->from, *mark = p + bytes - MARK_BYTES, saved[END_BYTES];
	size_t n_in = bytes - MARK_BYTES + END_BYTES, used = 0, made = 0;
	enum libdeflate_result rc;

	memcpy(saved, mark, END_BYTES);
	memcpy(mark, u->end, END_BYTES);
	rc = libdeflate_deflate_decompress_ex(u->parts, p, n_in, out,
					      UNPACK_PIECE_BYTES + CANARY_BYTES, &used, &made);
	memcpy(mark, saved, END_BYTES);
	if (rc != LIBDEFLATE_SUCCESS || !canary_came(u, out, made))
		return false;
	if (used != n_in) /* the empty block is the last one */
		return false;
	*n = made - CANARY_BYTES;
	return true;
}

/* Unpacks all that is left, which has an end of its own: whether that is where it ends. */
static bool
finished(struct unpack *u, uint8_t *out, size_t *n)
{
	size_t bytes = u->to - u->from, used = 0;

	return libdeflate_deflate_decompress_ex(u->parts, u->packed + u->from, bytes, out,
						UNPACK_PIECE_BYTES, &used,
						n) == LIBDEFLATE_SUCCESS &&
	       used == bytes;
}

static void
remember(struct unpack *u, const uint8_t *out, size_t n)
{
	size_t keep = n < WINDOW_BYTES ? WINDOW_BYTES - n : 0;

	if (keep > u->in_window)
		keep = u->in_window;
	memmove(u->window, u->window + u->in_window - keep, keep);
	u->in_window = keep + (n < WINDOW_BYTES ? n : WINDOW_BYTES);
	memcpy(u->window + keep, out + n - (u->in_window - keep), u->in_window - keep);
}

/* The next part: *whole says whether there was one. */
static int
part(struct unpack *u, uint8_t *out, size_t *n, bool *over, bool *whole)
{
	size_t bytes = marked(u);
	int err;

	if (bytes == 0 && u->left) {
		err = fill(u);
		if (err)
			return err;
		bytes = marked(u);
	}
	if (bytes) {
		*whole = ended(u, bytes, out, n);
	} else {
		*whole = u->left == 0 && finished(u, out, n);
		*over = *whole;
		bytes = u->to - u->from;
	}
	if (!*whole)
		return 0;
	u->from += bytes;
	remember(u, out, *n);
	return 0;
}

/* --- by zlib ------------------------------------------------------------------------------- */

static int
begin_zlib(struct unpack *u)
{
	libdeflate_free_decompressor(u->parts);
	u->parts = NULL;
	u->z_ready = inflateInit2(&u->z, -MAX_WBITS) == Z_OK;
	if (!u->z_ready)
		return STELE_ENOMEM;
	CHECK(inflateSetDictionary(&u->z, u->window, (uInt)u->in_window) == Z_OK);
	return 0;
}

static int
by_zlib(struct unpack *u, uint8_t *out, size_t *n, bool *over, const char **why)
{
	int err, z = Z_OK;

	u->z.next_out = out;
	u->z.avail_out = UNPACK_PIECE_BYTES;
	while (u->z.avail_out && z != Z_STREAM_END) {
		if (u->from == u->to) {
			err = fill(u);
			if (err)
				return err;
		}
		if (u->from == u->to) {
			*why = "its packed data ends too early";
			return STELE_EVERIFY;
		}
		u->z.next_in = u->packed + u->from;
		u->z.avail_in = (uInt)(u->to - u->from);
		z = inflate(&u->z, Z_NO_FLUSH);
		u->from = u->to - u->z.avail_in;
		if (z == Z_MEM_ERROR)
			return STELE_ENOMEM;
		if (z != Z_OK && z != Z_STREAM_END) {
			*why = "its packed data is damaged";
			return STELE_EVERIFY;
		}
	}
	*n = UNPACK_PIECE_BYTES - u->z.avail_out;
	*over = z == Z_STREAM_END;
	if (*over && (u->from != u->to || u->left)) {
		*why = "something follows its packed data";
		return STELE_EVERIFY;
	}
	return 0;
}

int
unpack_piece(struct unpack *u, uint8_t *out, size_t *n, bool *over, const char **why)
{
	bool whole = true;
	int err = 0;

	*n = 0;
	*over = false;
	while (err == 0 && u->parts && whole && *n == 0 && !*over)
		err = part(u, out, n, over, &whole);
	if (err == 0 && !whole)
		err = begin_zlib(u);
	if (err == 0 && !u->parts)
		err = by_zlib(u, out, n, over, why);
	return err;
}
