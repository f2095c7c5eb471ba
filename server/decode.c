/* One loop: room, decode into it, count, until the input ends where the coding ends. */
#include "server/decode.h"

#include <limits.h>
#include <strings.h>

#include <zlib.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "storage/compress.h"

enum { STEP_BYTES = 64 << 10, GZIP_WINDOW = 15 + 16 };

int
decode_coding(enum coding *coding, struct slice value)
{
	static const struct {
		const char *name;
		enum coding coding;
	} names[] = {
		{"identity", CODING_NONE},
		{"gzip", CODING_GZIP},
		{"x-gzip", CODING_GZIP},
		{"zstd", CODING_ZSTD},
	};
	size_t i;

	for (i = 0; i < sizeof names / sizeof *names; i++) {
		if (strlen(names[i].name) == value.n &&
		    strncasecmp(names[i].name, (const char *)value.p, value.n) == 0) {
			*coding = names[i].coding;
			return 0;
		}
	}
	return STELE_EUNSUPPORTED;
}

/* The most that may come out of n coded bytes. */
static uint64_t
allowance(size_t n, uint64_t max_bytes)
{
	uint64_t most = LIMIT_DECODE_RATIO_FREE_BYTES + (uint64_t)n * LIMIT_DECODE_RATIO;

	return most < max_bytes ? most : max_bytes;
}

static int
inflate_step(z_stream *z, struct slice *in, uint8_t *out, size_t cap, size_t *n, bool *end)
{
	size_t left = in->n;
	int rc;

	z->next_in = (z_const Bytef *)(uintptr_t)in->p;
	z->avail_in = in->n > UINT_MAX ? UINT_MAX : (uInt)in->n;
	left -= z->avail_in;
	z->next_out = out;
	z->avail_out = (uInt)cap;
	rc = inflate(z, Z_NO_FLUSH);
	left += z->avail_in;
	*in = slice_of(in->p + (in->n - left), left);
	*n = cap - z->avail_out;
	*end = rc == Z_STREAM_END;
	if (rc == Z_MEM_ERROR)
		return STELE_ENOMEM;
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return STELE_ESYNTAX;
	if (*end && in->n && inflateReset(z) != Z_OK) /* a further member */
		return STELE_ESYNTAX;
	return 0;
}

static int
run(z_stream *z, struct compress_stream *s, struct slice in, uint64_t most, struct buf *out)
{
	size_t start = out->n;
	bool end = false;

	for (;;) {
		size_t had = in.n, n = 0;
		int err;

		if (buf_reserve(out, STEP_BYTES) != 0)
			return STELE_ENOMEM;
		err = z ? inflate_step(z, &in, out->p + out->n, STEP_BYTES, &n, &end)
			: compress_stream_run(s, &in, out->p + out->n, STEP_BYTES, &n, &end);
		if (err)
			return err;
		out->n += n;
		if (out->n - start > most)
			return STELE_ELIMIT;
		if (in.n == 0 && end)
			return 0;
		if (in.n == had && n == 0)
			return STELE_ESYNTAX; /* it ends too early, or goes nowhere */
	}
}

static int
decode_gzip(struct slice in, uint64_t most, struct buf *out)
{
	z_stream z = {0};
	int err;

	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return STELE_ENOMEM;
	err = run(&z, NULL, in, most, out);
	inflateEnd(&z);
	return err;
}

static int
decode_zstd(struct slice in, uint64_t most, struct buf *out)
{
	struct compress_stream *s;
	int err = compress_stream_new(&s);

	if (err)
		return err;
	err = run(NULL, s, in, most, out);
	compress_stream_free(s);
	return err;
}

int
decode_body(enum coding coding, struct slice in, uint64_t max_bytes, struct buf *out)
{
	uint64_t most = allowance(in.n, max_bytes);

	switch (coding) {
	case CODING_GZIP:
		return decode_gzip(in, most, out);
	case CODING_ZSTD:
		return decode_zstd(in, most, out);
	case CODING_NONE:
		break;
	}
	if (in.n > most)
		return STELE_ELIMIT;
	buf_put_slice(out, in);
	return out->err;
}
