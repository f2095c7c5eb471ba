/*
 * Compression: zstd (RFC 8878) for blocks, with trained dictionaries, and a
 * streaming decoder for request bodies. The only file that knows <zstd.h>.
 */
#ifndef STELE_STORAGE_COMPRESS_H
#define STELE_STORAGE_COMPRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/slice.h"

/* The WAL's level: fast, because sealing compresses again. -3 takes two thirds of level 1's time
 * and writes 1.4 times its bytes on event JSON. */
enum { COMPRESS_LEVEL = -3 };

/*
 * A segment's level, written once and kept for years. Measured on 20,000 Windows events in frames
 * of 32 KiB with a dictionary of 110 KiB, bytes a record and MB/s of one core: level 3 80 and 410,
 * 9 65 and 205, 12 63 and 64, 15 61 and 15. Reading is as fast at any of them.
 */
enum { COMPRESS_SEAL_LEVEL = 9 };

/* A dictionary ready for both directions; immutable and counted, shared by threads. */
struct compress_dict;

/*
 * A dictionary from its bytes (copied), named id (not 0). NULL when memory is
 * out. Holds one reference for the caller.
 */
struct compress_dict *compress_dict_new(uint32_t id, struct slice bytes);
/* The same for compress_seal, or (reading) for decompression alone, its bytes not kept; id 0. */
struct compress_dict *compress_dict_new_seal(struct slice bytes);
struct compress_dict *compress_dict_new_reading(struct slice bytes);
struct compress_dict *compress_dict_ref(struct compress_dict *d);
/* Drops a reference; the last one wipes and frees. NULL is fine. */
void compress_dict_unref(struct compress_dict *d);
uint32_t compress_dict_id(const struct compress_dict *d);
/* Memory that one of compress_dict_new_reading takes. */
size_t compress_dict_memory(const struct compress_dict *d);
/* The bytes it was made from, the dictionary's. */
struct slice compress_dict_bytes(const struct compress_dict *d);

/*
 * Trains a dictionary of at most cap bytes on n samples that lie one after
 * the other in samples, with the given sizes. Sets *out_n. STELE_EUNSUPPORTED when
 * the samples are too few or too alike to train on, STELE_EINVAL on bad sizes.
 */
int compress_train(uint8_t *out, size_t cap, size_t *out_n, const uint8_t *samples,
		   const size_t *sizes, unsigned n);

/* Contexts of one thread. */
struct compressor;
struct compressor *compressor_new(void);
void compressor_free(struct compressor *c);

/* Room that compressing n bytes may need. */
size_t compress_bound(size_t n);

/*
 * Compresses plain into out (cap >= compress_bound(plain.n)), with dict or
 * without (NULL). Sets *n. STELE_ELIMIT when cap is too small, STELE_ENOMEM.
 */
int compress_block(struct compressor *c, const struct compress_dict *dict, struct slice plain,
		   uint8_t *out, size_t cap, size_t *n);

/* The same at a segment's level; dict is of compress_dict_new_seal, and no id of it is written. */
int compress_seal(struct compressor *c, const struct compress_dict *dict, struct slice plain,
		  uint8_t *out, size_t cap, size_t *n);

/*
 * Decompresses packed, which must give exactly n bytes at out, with dict or
 * without (NULL). STELE_EDAMAGED otherwise.
 */
int decompress_block(struct compressor *c, const struct compress_dict *dict, struct slice packed,
		     uint8_t *out, size_t n);

/* A streaming decoder of zstd frames, its window limited to 8 MiB. */
struct compress_stream;
int compress_stream_new(struct compress_stream **out);
void compress_stream_free(struct compress_stream *s);

/*
 * Decodes from *in, which is advanced, into out: sets *n to the bytes written
 * (at most cap) and *end to whether a frame ended here. Call again while *in
 * has bytes, or *n was cap and no frame ended. STELE_ESYNTAX on damaged input, STELE_ELIMIT on a
 * window larger than allowed.
 */
int compress_stream_run(struct compress_stream *s, struct slice *in, uint8_t *out, size_t cap,
			size_t *n, bool *end);

#endif
