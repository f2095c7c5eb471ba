/* Read in chunks; a .zst file passes through one streaming decompressor. */
#include "bench/lines.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "proto/err.h"

enum { CHUNK_BYTES = 1 << 18 };

static int
read_plain(struct buf *b, FILE *f)
{
	size_t n;

	do {
		if (buf_reserve(b, CHUNK_BYTES) != 0)
			return STELE_ENOMEM;
		n = fread(b->p + b->n, 1, CHUNK_BYTES, f);
		b->n += n;
	} while (n > 0);
	return ferror(f) ? STELE_EIO : 0;
}

/* Decompresses one chunk of input into b; *left as ZSTD_decompressStream returns it. */
static int
inflate(struct buf *b, ZSTD_DCtx *z, ZSTD_inBuffer *in, size_t *left)
{
	int full = 0;

	while (in->pos < in->size || (full && *left != 0)) {
		ZSTD_outBuffer out;
		if (buf_reserve(b, CHUNK_BYTES) != 0)
			return STELE_ENOMEM;
		out = (ZSTD_outBuffer){b->p + b->n, CHUNK_BYTES, 0};
		*left = ZSTD_decompressStream(z, &out, in);
		if (ZSTD_isError(*left))
			return STELE_ESYNTAX;
		b->n += out.pos;
		full = out.pos == out.size;
	}
	return 0;
}

static int
read_zstd(struct buf *b, FILE *f)
{
	static uint8_t chunk[CHUNK_BYTES];
	ZSTD_DCtx *z = ZSTD_createDCtx();
	size_t n, left = 1;
	int err = z ? 0 : STELE_ENOMEM;

	while (!err && (n = fread(chunk, 1, sizeof chunk, f)) > 0) {
		ZSTD_inBuffer in = {chunk, n, 0};
		err = inflate(b, z, &in, &left);
	}
	if (!err && ferror(f))
		err = STELE_EIO;
	if (!err && left != 0)
		err = STELE_ESYNTAX;
	ZSTD_freeDCtx(z);
	return err;
}

int
lines_read(struct buf *b, const char *path)
{
	size_t n = strlen(path);
	FILE *f = fopen(path, "rb");
	int err;

	if (!f)
		return stele_err_from_errno(errno);
	if (n > 4 && strcmp(path + n - 4, ".zst") == 0)
		err = read_zstd(b, f);
	else
		err = read_plain(b, f);
	fclose(f);
	if (!err && b->n && b->p[b->n - 1] != '\n')
		buf_put_u8(b, '\n');
	return err ? err : b->err;
}
