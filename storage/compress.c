/* zstd contexts are reused; dictionaries are digested once for both directions. */
#include "storage/compress.h"

#include <stdlib.h>
#include <string.h>

#include <zdict.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "proto/err.h"

enum { STREAM_WINDOW_LOG_MAX = 23 };

struct compress_dict {
	atomic_uint refs;
	uint32_t id;
	ZSTD_CDict *c;
	ZSTD_DDict *d;
	size_t n;
	uint8_t bytes[];
};

struct compressor {
	ZSTD_CCtx *c;
	ZSTD_CCtx *seal; /* made by the first compress_seal */
	ZSTD_DCtx *d;
};

struct compress_stream {
	ZSTD_DCtx *d;
};

/* Level 0: for decompression alone. */
static struct compress_dict *
dict_new(uint32_t id, struct slice bytes, int level)
{
	size_t kept = level ? bytes.n : 0;
	struct compress_dict *d = calloc(1, sizeof *d + kept);

	if (!d)
		return NULL;
	atomic_init(&d->refs, 1);
	d->id = id;
	d->n = kept;
	if (kept)
		memcpy(d->bytes, bytes.p, kept);
	d->c = level ? ZSTD_createCDict(bytes.p, bytes.n, level) : NULL;
	d->d = ZSTD_createDDict(bytes.p, bytes.n);
	if ((level && !d->c) || !d->d) {
		compress_dict_unref(d);
		return NULL;
	}
	return d;
}

struct compress_dict *
compress_dict_new(uint32_t id, struct slice bytes)
{
	return dict_new(id, bytes, COMPRESS_LEVEL);
}

struct compress_dict *
compress_dict_new_seal(struct slice bytes)
{
	return dict_new(0, bytes, COMPRESS_SEAL_LEVEL);
}

struct compress_dict *
compress_dict_new_reading(struct slice bytes)
{
	return dict_new(0, bytes, 0);
}

struct compress_dict *
compress_dict_ref(struct compress_dict *d)
{
	if (d)
		atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
	return d;
}

void
compress_dict_unref(struct compress_dict *d)
{
	if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
		return;
	ZSTD_freeCDict(d->c);
	ZSTD_freeDDict(d->d);
	explicit_bzero(d->bytes, d->n);
	free(d);
}

uint32_t
compress_dict_id(const struct compress_dict *d)
{
	return d->id;
}

size_t
compress_dict_memory(const struct compress_dict *d)
{
	return sizeof *d + ZSTD_sizeof_DDict(d->d);
}

struct slice
compress_dict_bytes(const struct compress_dict *d)
{
	return slice_of(d->bytes, d->n);
}

int
compress_train(uint8_t *out, size_t cap, size_t *out_n, const uint8_t *samples, const size_t *sizes,
	       unsigned n)
{
	size_t r;

	if (n == 0 || cap < 256)
		return STELE_EINVAL;
	r = ZDICT_trainFromBuffer(out, cap, samples, sizes, n);
	if (ZDICT_isError(r))
		return STELE_EUNSUPPORTED;
	*out_n = r;
	return 0;
}

struct compressor *
compressor_new(void)
{
	struct compressor *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->c = ZSTD_createCCtx();
	c->d = ZSTD_createDCtx();
	if (!c->c || !c->d) {
		compressor_free(c);
		return NULL;
	}
	return c;
}

void
compressor_free(struct compressor *c)
{
	if (!c)
		return;
	ZSTD_freeCCtx(c->c);
	ZSTD_freeCCtx(c->seal);
	ZSTD_freeDCtx(c->d);
	free(c);
}

size_t
compress_bound(size_t n)
{
	return ZSTD_compressBound(n);
}

int
compress_block(struct compressor *c, const struct compress_dict *dict, struct slice plain,
	       uint8_t *out, size_t cap, size_t *n)
{
	size_t r;

	if (dict)
		r = ZSTD_compress_usingCDict(c->c, out, cap, plain.p, plain.n, dict->c);
	else
		r = ZSTD_compressCCtx(c->c, out, cap, plain.p, plain.n, COMPRESS_LEVEL);
	if (ZSTD_isError(r)) {
		return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation ? STELE_ENOMEM
									    : STELE_ELIMIT;
	}
	*n = r;
	return 0;
}

static int
seal_context(struct compressor *c)
{
	if (c->seal)
		return 0;
	c->seal = ZSTD_createCCtx();
	if (!c->seal)
		return STELE_ENOMEM;
	if (ZSTD_isError(ZSTD_CCtx_setParameter(c->seal, ZSTD_c_dictIDFlag, 0)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(c->seal, ZSTD_c_compressionLevel,
						COMPRESS_SEAL_LEVEL))) {
		ZSTD_freeCCtx(c->seal);
		c->seal = NULL;
		return STELE_ENOMEM;
	}
	return 0;
}

int
compress_seal(struct compressor *c, const struct compress_dict *dict, struct slice plain,
	      uint8_t *out, size_t cap, size_t *n)
{
	int err = seal_context(c);
	size_t r;

	if (err != 0)
		return err;
	r = ZSTD_CCtx_refCDict(c->seal, dict ? dict->c : NULL);
	if (!ZSTD_isError(r))
		r = ZSTD_compress2(c->seal, out, cap, plain.p, plain.n);
	/* The context is used by one dictionary after another, none of which it may outlive. */
	(void)ZSTD_CCtx_refCDict(c->seal, NULL);
	if (ZSTD_isError(r)) {
		return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation ? STELE_ENOMEM
									    : STELE_ELIMIT;
	}
	*n = r;
	return 0;
}

int
decompress_block(struct compressor *c, const struct compress_dict *dict, struct slice packed,
		 uint8_t *out, size_t n)
{
	size_t r;

	if (dict)
		r = ZSTD_decompress_usingDDict(c->d, out, n, packed.p, packed.n, dict->d);
	else
		r = ZSTD_decompressDCtx(c->d, out, n, packed.p, packed.n);
	return ZSTD_isError(r) || r != n ? STELE_EDAMAGED : 0;
}

int
compress_stream_new(struct compress_stream **out)
{
	struct compress_stream *s = calloc(1, sizeof *s);

	if (!s)
		return STELE_ENOMEM;
	s->d = ZSTD_createDCtx();
	if (!s->d || ZSTD_isError(ZSTD_DCtx_setParameter(s->d, ZSTD_d_windowLogMax,
							 STREAM_WINDOW_LOG_MAX))) {
		compress_stream_free(s);
		return STELE_ENOMEM;
	}
	*out = s;
	return 0;
}

void
compress_stream_free(struct compress_stream *s)
{
	if (!s)
		return;
	ZSTD_freeDCtx(s->d);
	free(s);
}

int
compress_stream_run(struct compress_stream *s, struct slice *in, uint8_t *out, size_t cap,
		    size_t *n, bool *end)
{
	ZSTD_inBuffer i = {in->p, in->n, 0};
	ZSTD_outBuffer o = {out, cap, 0};
	size_t r = ZSTD_decompressStream(s->d, &o, &i);

	if (ZSTD_isError(r)) {
		return ZSTD_getErrorCode(r) == ZSTD_error_frameParameter_windowTooLarge
			       ? STELE_ELIMIT
			       : STELE_ESYNTAX;
	}
	in->p += i.pos;
	in->n -= i.pos;
	*n = o.pos;
	*end = r == 0;
	return 0;
}
