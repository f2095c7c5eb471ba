/* Salts as runs, payloads as frames of even size. */
#include "storage/segblock.h"

#include <string.h>

#include "crypto/salt.h"
#include "proto/err.h"
#include "storage/compress.h"
#include "storage/varint.h"

enum { SEED_RUN_MIN = 3 }; /* records: below, their salts are not longer than the seed */

void
segblock_add(struct segblock_writer *w, const struct segment_record *r)
{
	uint32_t i = w->count++;

	w->bytes[i] = (uint32_t)r->payload.n;
	memcpy(w->salt[i], r->salt, 16);
	w->seeded[i] = r->seed != NULL;
	if (r->seed) {
		memcpy(w->seed[i], r->seed, 32);
		w->seed_ordinal[i] = r->seed_ordinal;
	}
	buf_put_slice(&w->raw, r->payload);
}

/* Records from i on whose salts follow each other under one seed. */
static uint32_t
seed_run(const struct segblock_writer *w, uint32_t i)
{
	uint32_t n = 1;

	if (!w->seeded[i])
		return 0;
	while (i + n < w->count && w->seeded[i + n] &&
	       w->seed_ordinal[i + n] == w->seed_ordinal[i] + n &&
	       memcmp(w->seed[i + n], w->seed[i], 32) == 0)
		n++;
	return n < SEED_RUN_MIN ? 0 : n;
}

/* Records from i on up to the next run under a seed. */
static uint32_t
plain_run(const struct segblock_writer *w, uint32_t i)
{
	uint32_t n = 1;

	while (i + n < w->count && seed_run(w, i + n) == 0)
		n++;
	return n;
}

static void
write_salts(const struct segblock_writer *w, struct buf *out)
{
	struct buf runs;
	uint32_t n_runs = 0, n;

	buf_init(&runs);
	for (uint32_t i = 0; i < w->count; i += n, n_runs++) {
		n = seed_run(w, i);
		if (n) {
			varint_put(&runs, (uint64_t)n << 1 | 1);
			varint_put(&runs, w->seed_ordinal[i]);
			buf_put(&runs, w->seed[i], 32);
			continue;
		}
		n = plain_run(w, i);
		varint_put(&runs, (uint64_t)n << 1);
		buf_put(&runs, w->salt[i], (size_t)n * 16);
	}
	varint_put(out, n_runs);
	buf_put_slice(out, buf_slice(&runs));
	if (runs.err)
		out->err = runs.err;
	if (runs.p)
		explicit_bzero(runs.p, runs.n);
	buf_fini(&runs);
}

/*
 * Cuts the records into as many frames as make them about as long as asked,
 * all of about one length: end[k] is behind frame k. Their number.
 */
static uint32_t
cut(const struct segblock_writer *w, uint32_t frame_bytes, uint32_t end[SEGMENT_TILE])
{
	uint64_t want = (w->raw.n + frame_bytes / 2) / frame_bytes, sum = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->count; i++) {
		sum += w->bytes[i];
		if (i + 1 == w->count || sum * want >= w->raw.n * (uint64_t)(n + 1))
			end[n++] = i + 1;
	}
	return n;
}

int
segblock_write(struct segblock_writer *w, struct compressor *zip, const struct compress_dict *dict,
	       uint32_t frame_bytes, struct buf *out)
{
	uint32_t end[SEGMENT_TILE], n = cut(w, frame_bytes, end), i = 0;
	size_t from = 0, got;
	struct buf packed;
	int err = w->raw.err;

	buf_init(&packed);
	write_salts(w, out);
	varint_put(out, n);
	for (uint32_t k = 0; err == 0 && k < n; k++) {
		size_t raw = 0, bound;
		varint_put(out, end[k] - i);
		for (; i < end[k]; i++)
			raw += w->bytes[i];
		bound = compress_bound(raw);
		if (buf_reserve(&packed, bound) != 0)
			err = STELE_ENOMEM;
		if (err == 0)
			err = compress_seal(zip, dict, slice_of(w->raw.p + from, raw),
					    packed.p + packed.n, bound, &got);
		if (err != 0)
			break;
		varint_put(out, got);
		packed.n += got;
		from += raw;
	}
	buf_put_slice(out, buf_slice(&packed));
	buf_fini(&packed);
	buf_reset(&w->raw);
	w->count = 0;
	return err ? err : out->err;
}

void
segblock_writer_fini(struct segblock_writer *w)
{
	if (w->raw.p)
		explicit_bzero(w->raw.p, w->raw.cap);
	buf_fini(&w->raw);
	explicit_bzero(w, sizeof *w);
}

static void
read_runs(struct segblock *b, struct bytes *in)
{
	uint32_t n = (uint32_t)varint_take(in, b->count), next = 0;

	for (uint32_t i = 0; i < n && bytes_err(in) == 0; i++) {
		struct segblock_run *r = &b->runs[i];
		uint64_t v = varint_take(in, (uint64_t)(b->count - next) << 1 | 1);
		r->seeded = v & 1;
		r->first = r->seeded ? (uint32_t)varint_take(in, UINT32_MAX - SEGMENT_TILE) : 0;
		r->at = bytes_take(in, r->seeded ? 32 : (size_t)(v >> 1) * 16).p;
		if (v >> 1 == 0)
			bytes_fail(in);
		next += (uint32_t)(v >> 1);
		r->end = next;
	}
	if (next != b->count)
		bytes_fail(in);
	b->n_runs = n;
}

static void
read_frames(struct segblock *b, struct bytes *in)
{
	uint32_t n = (uint32_t)varint_take(in, b->count), next = 0;

	for (uint32_t i = 0; i < n && bytes_err(in) == 0; i++) {
		struct segblock_frame *f = &b->frames[i];
		uint32_t count = (uint32_t)varint_take(in, b->count - next);
		if (count == 0)
			bytes_fail(in);
		f->first = next;
		f->end = next += count;
		f->packed.n = varint_take(in, UINT32_MAX);
	}
	if (next != b->count)
		bytes_fail(in);
	for (uint32_t i = 0; i < n && bytes_err(in) == 0; i++)
		b->frames[i].packed = bytes_take(in, b->frames[i].packed.n);
	b->n_frames = n;
}

int
segblock_read(struct segblock *b, uint32_t count, struct slice plain)
{
	struct bytes in;

	if (count == 0 || count > SEGMENT_TILE)
		return STELE_ESYNTAX;
	b->count = count;
	bytes_init(&in, plain);
	read_runs(b, &in);
	read_frames(b, &in);
	return bytes_end(&in) == 0 ? 0 : STELE_ESYNTAX;
}

void
segblock_salt(const struct segblock *b, uint32_t ordinal, struct segment_record *r)
{
	const struct segblock_run *run = b->runs;
	uint32_t start = 0;

	for (; ordinal >= run->end; run++)
		start = run->end;
	if (!run->seeded) {
		r->seed = NULL;
		r->seed_ordinal = 0;
		memcpy(r->salt, run->at + (size_t)(ordinal - start) * 16, 16);
		return;
	}
	r->seed = run->at;
	r->seed_ordinal = run->first + ordinal - start;
	salt_expand(run->at, r->seed_ordinal, 1, (uint8_t(*)[16])r->salt);
}

uint32_t
segblock_frame_of(const struct segblock *b, uint32_t ordinal)
{
	uint32_t i = 0;

	while (ordinal >= b->frames[i].end)
		i++;
	return i;
}
