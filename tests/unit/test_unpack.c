/* What a deflated file unpacks to: the same as by zlib, whether it comes in parts or not, and
 * whatever somebody did to make a part of what is none. */
#include "verify/unpack.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "proto/buf.h"
#include "proto/err.h"
#include "suite.h"

enum { PART = UNPACK_PIECE_BYTES };

struct where {
	struct slice packed;
	int broken; /* reading fails behind so many bytes, where above 0 */
};

static int
take(void *ctx, uint64_t at, void *dst, size_t n)
{
	const struct where *w = ctx;

	if (w->broken && at + n > (uint64_t)w->broken)
		return STELE_EIO;
	ck_assert_uint_le(at, w->packed.n);
	ck_assert_uint_le(n, w->packed.n - at);
	memcpy(dst, w->packed.p + at, n);
	return 0;
}

/* Unpacks all of it; in_parts says how. */
static int
unpack_all(struct where *w, struct buf *out, bool *in_parts)
{
	struct unpack *u = unpack_open(take, w, 0, w->packed.n);
	static uint8_t piece[UNPACK_PIECE_BYTES + UNPACK_SPARE_BYTES];
	const char *why = NULL;
	bool over = false;
	size_t n;
	int err = 0;

	ck_assert_ptr_nonnull(u);
	buf_reset(out);
	while (err == 0 && !over) {
		err = unpack_piece(u, piece, &n, &over, &why);
		if (err == 0) {
			ck_assert(n || over);
			buf_put_slice(out, slice_of(piece, n));
		}
	}
	ck_assert(err != STELE_EVERIFY || why);
	*in_parts = unpack_in_parts(u);
	unpack_close(u);
	return err;
}

/* What zlib makes of it. */
static int
reference(struct slice packed, struct buf *out)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)packed.p, .avail_in = (uInt)packed.n};
	uint8_t piece[4096];
	int rc = Z_OK;

	buf_reset(out);
	ck_assert_int_eq(inflateInit2(&z, -MAX_WBITS), Z_OK);
	while (rc == Z_OK) {
		z.next_out = piece;
		z.avail_out = sizeof piece;
		rc = inflate(&z, Z_NO_FLUSH);
		buf_put_slice(out, slice_of(piece, sizeof piece - z.avail_out));
	}
	inflateEnd(&z);
	return rc == Z_STREAM_END && z.avail_in == 0 ? 0 : STELE_EVERIFY;
}

static void
unpacks_alike(struct slice packed, bool parts)
{
	struct where w = {.packed = packed};
	struct buf ours, theirs;
	bool in_parts;
	int err;

	buf_init(&ours);
	buf_init(&theirs);
	err = unpack_all(&w, &ours, &in_parts);
	ck_assert_int_eq(err, reference(packed, &theirs));
	if (err == 0)
		ck_assert(slice_eq(buf_slice(&ours), buf_slice(&theirs)));
	ck_assert_int_eq(in_parts, parts);
	buf_fini(&ours);
	buf_fini(&theirs);
}

/* Text of some sort, or what does not pack; each seed another. */
static void
make_plain(struct buf *b, size_t n, unsigned seed, bool random)
{
	uint32_t x = seed * 2654435761u + 1;
	char line[64];

	buf_reset(b);
	while (b->n < n) {
		x = x * 1664525u + 1013904223u;
		if (random)
			buf_put_u8(b, (uint8_t)(x >> 24));
		else
			buf_put_slice(b, slice_of(line, (size_t)snprintf(line, sizeof line,
									 "{\"n\":%u,\"who\":%u}\n",
									 x >> 20, x >> 28)));
	}
	b->n = n;
}

/* Deflates it with a flush at every `every` bytes. */
static void
pack(struct buf *out, struct slice plain, size_t every, int flush)
{
	z_stream z = {0};
	uint8_t piece[4096];
	int rc, how;

	buf_reset(out);
	ck_assert_int_eq(deflateInit2(&z, 5, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
	for (size_t at = 0; at < plain.n || at == 0; at += every) {
		size_t n = plain.n - at < every ? plain.n - at : every;

		z.next_in = (Bytef *)(uintptr_t)(plain.p + at);
		z.avail_in = (uInt)n;
		how = at + every >= plain.n && n < every ? Z_FINISH : flush;
		do {
			z.next_out = piece;
			z.avail_out = sizeof piece;
			rc = deflate(&z, how);
			buf_put_slice(out, slice_of(piece, sizeof piece - z.avail_out));
		} while (z.avail_out == 0);
		if (how != Z_FINISH && at + every >= plain.n) {
			z.next_out = piece;
			z.avail_out = sizeof piece;
			rc = deflate(&z, Z_FINISH);
			buf_put_slice(out, slice_of(piece, sizeof piece - z.avail_out));
		}
	}
	ck_assert_int_eq(rc, Z_STREAM_END);
	deflateEnd(&z);
	ck_assert_int_eq(out->err, 0);
}

START_TEST(parts_are_unpacked_by_themselves)
{
	static const size_t sizes[] = {0,    1,        1000,          PART - 1,
				       PART, PART + 1, 3 * PART + 77, 4 * PART};
	struct buf plain, packed;

	buf_init(&plain);
	buf_init(&packed);
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (int random = 0; random < 2; random++) {
			make_plain(&plain, sizes[i], i, random);
			pack(&packed, buf_slice(&plain), PART, Z_FULL_FLUSH);
			unpacks_alike(buf_slice(&packed), true);
		}
	make_plain(&plain, 20000, 9, false);
	pack(&packed, buf_slice(&plain), 1, Z_FULL_FLUSH);
	unpacks_alike(buf_slice(&packed), true);
	packed.n -= 2; /* an empty stored block is the last one, in place of one without symbols */
	buf_put_slice(&packed, slice_of("\1\0\0\xff\xff", 5));
	unpacks_alike(buf_slice(&packed), false);
	buf_fini(&plain);
	buf_fini(&packed);
}
END_TEST

START_TEST(other_streams_are_unpacked_as_well)
{
	static const size_t every[] = {100, 5000, PART, PART + 1, 3 * PART, 9 * PART};
	struct buf plain, packed;

	buf_init(&plain);
	buf_init(&packed);
	make_plain(&plain, 4 * PART + 5, 3, false);
	for (size_t i = 0; i < sizeof every / sizeof *every; i++) {
		pack(&packed, buf_slice(&plain), every[i], Z_SYNC_FLUSH);
		unpacks_alike(buf_slice(&packed), false);
	}
	pack(&packed, buf_slice(&plain), PART + 1, Z_FULL_FLUSH);
	unpacks_alike(buf_slice(&packed), false);
	buf_fini(&plain);
	buf_fini(&packed);
}
END_TEST

/* Full flushes, and from some point on others: zlib must know what was before. */
START_TEST(a_stream_may_change_its_way)
{
	struct buf plain, packed;
	z_stream z = {0};
	uint8_t *p;

	buf_init(&plain);
	buf_init(&packed);
	make_plain(&plain, 100 * 1000, 4, false);
	for (size_t parts = 1; parts < 100; parts += parts < 10 ? 1 : 30) {
		size_t n = deflateBound(NULL, plain.n) + 100 * 20;

		p = malloc(n);
		ck_assert_ptr_nonnull(p);
		memset(&z, 0, sizeof z);
		ck_assert_int_eq(deflateInit2(&z, 5, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY),
				 Z_OK);
		z.next_out = p;
		z.avail_out = (uInt)n;
		z.next_in = plain.p;
		for (size_t i = 0; i < 100; i++) {
			z.avail_in = 1000;
			ck_assert_int_eq(deflate(&z, i < parts ? Z_FULL_FLUSH : Z_SYNC_FLUSH),
					 Z_OK);
		}
		ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
		/* refers back from the second part on that may */
		unpacks_alike(slice_of(p, n - z.avail_out), false);
		deflateEnd(&z);
		free(p);
	}
	buf_fini(&plain);
	buf_fini(&packed);
}
END_TEST

/* A stored block that is not the last. */
static void
put_stored(struct buf *b, const uint8_t *p, size_t n)
{
	uint8_t head[5] = {0, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)~n, (uint8_t)(~n >> 8)};

	buf_put_slice(b, slice_of(head, sizeof head));
	buf_put_slice(b, slice_of(p, n));
}

/* The four bytes within stored bytes, with any number of others before and behind them: where these
 * are as many as a canary, what is put in the place of the mark ends well. */
START_TEST(a_mark_within_stored_bytes_ends_nothing)
{
	static const uint8_t last[] = {3, 0};
	uint8_t stored[128];
	struct buf packed;

	buf_init(&packed);
	for (size_t before = 0; before < 40; before++)
		for (size_t behind = 0; behind < 40; behind++) {
			memset(stored, 'x', sizeof stored);
			memcpy(stored + before, "\0\0\xff\xff", 4);
			buf_reset(&packed);
			put_stored(&packed, stored, before + 4 + behind);
			buf_put_slice(&packed, slice_of(last, sizeof last));
			unpacks_alike(buf_slice(&packed), false);
			buf_reset(&packed);
			put_stored(&packed, stored, before + 4 + behind);
			put_stored(&packed, stored, 0);
			buf_put_slice(&packed, slice_of(last, sizeof last));
			unpacks_alike(buf_slice(&packed), false);
		}
	buf_fini(&packed);
}
END_TEST

/* Bits, the lowest of each byte first; of a Huffman code the highest comes first. */
struct bits {
	uint8_t p[512];
	size_t n;
};

static void
put_bits(struct bits *b, unsigned v, unsigned n)
{
	for (unsigned i = 0; i < n; i++, b->n++)
		b->p[b->n / 8] |= (uint8_t)((v >> i & 1) << b->n % 8);
}

static void
put_code(struct bits *b, unsigned code, unsigned n)
{
	while (n-- > 0)
		put_bits(b, code >> n, 1);
}

/* The head of a block whose codes are 0 (an `a`), 10 (a `b`), 110 (its end) and 111 with 0 or 1
 * behind it (three bytes again from the last, or from the one before). */
static void
put_head(struct bits *b)
{
	/* lengths of the codes of lengths, in RFC 1951's order: of 18, 3, 2 and 1 they are 2 */
	static const uint8_t orders[18] = {[2] = 2, [13] = 2, [15] = 2, [17] = 2};
	enum { ONE, TWO, THREE, ZEROS };

	put_bits(b, 2 << 1, 3);
	put_bits(b, 258 - 257, 5);
	put_bits(b, 2 - 1, 5);
	put_bits(b, sizeof orders - 4, 4);
	for (size_t i = 0; i < sizeof orders; i++)
		put_bits(b, orders[i], 3);
	put_code(b, ZEROS, 2);
	put_bits(b, 'a' - 11, 7);
	put_code(b, ONE, 2);
	put_code(b, TWO, 2);
	put_code(b, ZEROS, 2);
	put_bits(b, 138 - 11, 7);
	put_code(b, ZEROS, 2);
	put_bits(b, 256 - 'c' - 138 - 11, 7);
	put_code(b, THREE, 2);
	put_code(b, THREE, 2);
	put_code(b, ONE, 2);
	put_code(b, ONE, 2);
}

/* The four bytes as sixteen `a` and four repetitions, and anything behind them. */
START_TEST(a_mark_within_symbols_ends_nothing)
{
	for (unsigned behind = 0; behind < 400; behind++) {
		struct bits b = {.n = 0};

		put_head(&b);
		put_code(&b, 2, 2);
		b.n = (b.n + 7) / 8 * 8;
		put_bits(&b, 0, 16);
		put_bits(&b, 0xffff, 16);
		for (unsigned i = 0; i < behind; i++)
			put_code(&b, 2 * (i * behind % 3 == 0), 1 + (i * behind % 3 == 0));
		put_code(&b, 6, 3);
		put_bits(&b, 3, 10);
		unpacks_alike(slice_of(b.p, (b.n + 7) / 8), false);
	}
}
END_TEST

START_TEST(what_is_damaged_gives_no_other_bytes)
{
	struct buf plain, packed, ours, theirs;
	struct where w = {.broken = 0};
	bool in_parts;
	int err;

	buf_init(&plain);
	buf_init(&packed);
	buf_init(&ours);
	buf_init(&theirs);
	make_plain(&plain, 600, 5, false);
	pack(&packed, buf_slice(&plain), 200, Z_FULL_FLUSH);
	for (size_t n = 0; n < packed.n; n++) {
		w.packed = slice_of(packed.p, n);
		ck_assert_int_eq(unpack_all(&w, &ours, &in_parts), STELE_EVERIFY);
	}
	for (size_t k = 0; k < 8 * packed.n; k++) {
		packed.p[k / 8] ^= (uint8_t)(1 << k % 8);
		w.packed = buf_slice(&packed);
		err = unpack_all(&w, &ours, &in_parts);
		if (reference(w.packed, &theirs) == 0)
			ck_assert_int_eq(err, 0);
		/* what zlib refuses for its codes, it has given no other bytes of */
		ck_assert(err || (theirs.n <= ours.n &&
				  (theirs.n == 0 || memcmp(ours.p, theirs.p, theirs.n) == 0)));
		packed.p[k / 8] ^= (uint8_t)(1 << k % 8);
	}
	buf_put_u8(&packed, 0);
	w.packed = buf_slice(&packed);
	ck_assert_int_eq(unpack_all(&w, &ours, &in_parts), STELE_EVERIFY);
	buf_fini(&plain);
	buf_fini(&packed);
	buf_fini(&ours);
	buf_fini(&theirs);
}
END_TEST

START_TEST(what_cannot_be_read_is_not_damaged)
{
	struct buf plain, packed, out;
	struct where w;
	bool in_parts;

	buf_init(&plain);
	buf_init(&packed);
	buf_init(&out);
	make_plain(&plain, 4 * PART, 6, true);
	for (int parts = 0; parts < 2; parts++) {
		pack(&packed, buf_slice(&plain), parts ? PART : 5 * PART, Z_FULL_FLUSH);
		w = (struct where){.packed = buf_slice(&packed), .broken = 3 * PART};
		ck_assert_int_eq(unpack_all(&w, &out, &in_parts), STELE_EIO);
		ck_assert_int_eq(in_parts, parts);
	}
	buf_fini(&plain);
	buf_fini(&packed);
	buf_fini(&out);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		parts_are_unpacked_by_themselves,   other_streams_are_unpacked_as_well,
		a_stream_may_change_its_way,        a_mark_within_stored_bytes_ends_nothing,
		a_mark_within_symbols_ends_nothing, what_is_damaged_gives_no_other_bytes,
		what_cannot_be_read_is_not_damaged,
	};

	return suite_run("unpack", tests, sizeof tests / sizeof *tests, 120);
}
