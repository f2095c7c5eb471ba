/*
 * The sample is packed with each candidate as the segment would be, and the result
 * scaled up to the whole segment: the dictionary counts as it will lie in the file. Where the
 * sample is not everything, its last eighth is kept from training and is what is packed: a
 * dictionary packs what it was made of ever so well. What was chosen is trained again on all.
 */
#include "storage/segdict.h"

#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "proto/limits.h"

enum {
	/*
	 * Thinning leaves half of it at worst. Of Windows events 0.7 MiB make a dictionary of
	 * 112 KiB so poor that the segment grows by a quarter; 1.5 and 3 MiB do nearly as well
	 * as 8.
	 */
	SAMPLE_BYTES = 4 << 20,
	SAMPLE_MAX = 8192, /* of one payload */
	TRIAL_FRAME = 16 << 10,
	/*
	 * A cold read opens one block and unpacks one of its frames. Longer ones pack better;
	 * these make it some 3 us and 5 us where events pack 7-fold (8 KiB of CloudTrail) as
	 * where they pack 36-fold (32 KiB of Windows events).
	 */
	FRAME_PACKED = 896,
	FRAME_MIN = 4 << 10,
	BLOCK_PACKED = 3 << 10,
	BLOCK_MIN = 16 << 10,
};

void
segdict_sample_init(struct segdict_sample *s)
{
	*s = (struct segdict_sample){.stride = 1};
}

void
segdict_sample_fini(struct segdict_sample *s)
{
	if (s->joined.p)
		explicit_bzero(s->joined.p, s->joined.cap);
	buf_fini(&s->joined);
	free(s->sizes);
	segdict_sample_init(s);
}

/* Drops every other payload. */
static void
thin_out(struct segdict_sample *s)
{
	size_t from = 0, to = 0, kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		size_t n = s->sizes[i];
		if (i % 2 == 0) {
			memmove(s->joined.p + to, s->joined.p + from, n);
			s->sizes[kept++] = n;
			to += n;
		}
		from += n;
	}
	s->joined.n = to;
	s->n = kept;
	s->stride *= 2;
}

int
segdict_sample_add(struct segdict_sample *s, struct slice payload)
{
	size_t n = payload.n < SAMPLE_MAX ? payload.n : SAMPLE_MAX;

	s->bytes += payload.n;
	if (s->seen++ % s->stride)
		return 0;
	if (s->joined.n + n > SAMPLE_BYTES) {
		thin_out(s);
		if ((s->seen - 1) % s->stride)
			return 0;
	}
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 1024;
		void *p = realloc(s->sizes, cap * sizeof *s->sizes);
		if (!p)
			return STELE_ENOMEM;
		s->sizes = p;
		s->cap = cap;
	}
	s->sizes[s->n++] = n;
	buf_put(&s->joined, payload.p, n);
	return s->joined.err;
}

/* How many payloads are trained on, from the first; and the first of those that are packed. */
static size_t
training(const struct segdict_sample *s)
{
	return s->stride == 1 ? s->n : s->n - s->n / 8;
}

static size_t
trial_from(const struct segdict_sample *s)
{
	return s->stride == 1 ? 0 : training(s);
}

/* What the trial's payloads pack into; *raw are what they were. */
static int
trial(const struct segdict_sample *s, struct compressor *zip, const struct compress_dict *dict,
      uint64_t *packed, uint64_t *raw)
{
	size_t cap = compress_bound(TRIAL_FRAME + SAMPLE_MAX), n, from = 0, to;
	uint8_t *out = malloc(cap);
	uint64_t got = 0, taken = 0;
	int err = out ? 0 : STELE_ENOMEM;

	for (size_t i = 0; i < trial_from(s); i++)
		from += s->sizes[i];
	to = from;
	for (size_t i = trial_from(s); err == 0 && i < s->n; i++) {
		to += s->sizes[i];
		if (to - from < TRIAL_FRAME && i + 1 < s->n)
			continue;
		err = compress_seal(zip, dict, slice_of(s->joined.p + from, to - from), out, cap,
				    &n);
		got += err == 0 ? n : 0;
		taken += to - from;
		from = to;
	}
	free(out);
	if (err != 0)
		return err;
	*packed = got;
	*raw = taken;
	return 0;
}

/* What the dictionary takes in the file. */
static int
cost(struct compressor *zip, const struct compress_dict *dict, uint64_t *out)
{
	struct slice bytes = compress_dict_bytes(dict);
	size_t cap = compress_bound(bytes.n), n;
	uint8_t *p = malloc(cap);
	int err = p ? compress_seal(zip, NULL, bytes, p, cap, &n) : STELE_ENOMEM;

	free(p);
	if (err == 0)
		*out = n;
	return err;
}

/* A dictionary of at most cap bytes from the first n payloads; NULL when they are too few or too
 * alike for one. */
static int
train(const struct segdict_sample *s, size_t n_payloads, size_t cap, struct compress_dict **out)
{
	uint8_t *bytes = malloc(cap);
	size_t n;
	int err =
		bytes ? compress_train(bytes, cap, &n, s->joined.p, s->sizes, (unsigned)n_payloads)
		      : STELE_ENOMEM;

	*out = NULL;
	if (err == 0) {
		*out = compress_dict_new_seal(slice_of(bytes, n));
		err = *out ? 0 : STELE_ENOMEM;
	} else if (err == STELE_EUNSUPPORTED) {
		err = 0;
	}
	free(bytes);
	return err;
}

/* The raw bytes that become want packed ones; from min to LIMIT_BLOCK_BYTES. */
static uint32_t
length_for(uint64_t raw, uint64_t packed, uint32_t want, uint32_t min)
{
	uint64_t n = packed ? raw * want / packed : LIMIT_BLOCK_BYTES;

	if (n > LIMIT_BLOCK_BYTES)
		return LIMIT_BLOCK_BYTES;
	return n < min ? min : (uint32_t)n;
}

uint32_t
segdict_frame_bytes(uint64_t raw, uint64_t packed)
{
	return length_for(raw, packed, FRAME_PACKED, FRAME_MIN);
}

uint32_t
segdict_block_bytes(uint64_t raw, uint64_t packed)
{
	return length_for(raw, packed, BLOCK_PACKED, BLOCK_MIN);
}

int
segdict_choose(const struct segdict_sample *s, struct compressor *zip, struct compress_dict **dict,
	       uint64_t *best_raw, uint64_t *best_packed)
{
	struct compress_dict *best = NULL, *next = NULL;
	uint64_t packed, raw, best_bytes, own = 0;
	size_t best_cap = 0;
	int err = trial(s, zip, NULL, &packed, &raw);

	if (err != 0)
		return err;
	best_bytes = raw ? packed * s->bytes / raw : 0;
	*best_raw = raw;
	*best_packed = packed;
	for (size_t cap = LIMIT_SEGMENT_DICT_BYTES; err == 0 && raw && cap >= 2048; cap /= 2) {
		if (cap > s->joined.n / 4)
			continue; /* it would be the sample itself */
		err = train(s, training(s), cap, &next);
		if (err != 0 || !next)
			break;
		err = trial(s, zip, next, &packed, &raw);
		if (err == 0)
			err = cost(zip, next, &own);
		if (err == 0 && packed * s->bytes / raw + own < best_bytes) {
			struct compress_dict *worse = best;
			best = next;
			next = worse;
			best_bytes = packed * s->bytes / raw + own;
			best_cap = cap;
			*best_raw = raw;
			*best_packed = packed;
		}
		compress_dict_unref(next);
		next = NULL;
		if (best && own < best_bytes / 50)
			break; /* a smaller one cannot save much */
	}
	if (err == 0 && best && training(s) < s->n) {
		err = train(s, s->n, best_cap, &next);
		if (next) {
			compress_dict_unref(best);
			best = next;
			next = NULL;
		}
	}
	if (err != 0) {
		compress_dict_unref(next);
		compress_dict_unref(best);
		return err;
	}
	*dict = best;
	return 0;
}
