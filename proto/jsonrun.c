/* A block's bytes are compared once for all of its escapes; bit i of a word is byte i of the block.
 */
#include "proto/jsonrun.h"

#include <string.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

enum { STRIDE = 16, BLOCK = 64 };

static bool
is_plain(uint8_t c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

#ifdef __SSE2__
/* Bits of STRIDE bytes: where plain characters end; *high: what is not ASCII. */
static inline unsigned
ends_in_stride(__m128i v, unsigned *high)
{
	const __m128i quote = _mm_set1_epi8('"'), back = _mm_set1_epi8('\\'),
		      control = _mm_set1_epi8(0x1f);
	__m128i stop = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, back));

	stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_max_epu8(v, control), control));
	*high = (unsigned)_mm_movemask_epi8(v);
	return (unsigned)_mm_movemask_epi8(stop);
}
#endif

void
jsonrun_plain(struct jsonrun *r)
{
	const uint8_t *const from = r->p, *at = from;
	uint8_t *const out = r->out;
	bool high = r->high, over = false;

#ifdef __SSE2__
	while (!over && r->end - at >= STRIDE) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
		unsigned far, ends = ends_in_stride(v, &far);

		if (out)
			_mm_storeu_si128((__m128i *)(void *)(out + (at - from)), v);
		if (ends) {
			unsigned n = (unsigned)__builtin_ctz(ends);
			high |= (far & ((1u << n) - 1)) != 0;
			at += n;
			over = true;
		} else {
			high |= far != 0;
			at += STRIDE;
		}
	}
#endif
	for (; !over && at < r->end && is_plain(*at); at++) {
		high |= *at >= 0x80;
		if (out)
			out[at - from] = *at;
	}
	*r = (struct jsonrun){at, r->end, out ? out + (at - from) : NULL, high};
}

/* --- SSE2, which every x86-64 has ----------------------------------------------------------- */

#ifdef __SSE2__
/* Bits of a block's bytes: where plain characters end. */
static inline uint64_t
ends_in_block(const uint8_t *p, bool *high)
{
	uint64_t ends = 0;
	unsigned far, any = 0;

	for (int i = 0; i < BLOCK; i += STRIDE) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		ends |= (uint64_t)ends_in_stride(v, &far) << i;
		any |= far;
	}
	*high |= any != 0;
	return ends;
}

/* Copies n bytes of a block. Most are few: JSONRUN_MORE bytes are read and written at least, and at
 * most as many behind them. */
static inline uint8_t *
copy_strides(uint8_t *out, const uint8_t *p, size_t n)
{
	size_t i = 0;

	do {
		memcpy(out + i, p + i, JSONRUN_MORE);
		i += JSONRUN_MORE;
	} while (i < n);
	return out + n;
}

bool
jsonrun_unescape_sse2(struct jsonrun *r)
{
	const uint8_t *at = r->p;
	uint8_t *out = r->out;

	while (r->end - at >= BLOCK + JSONRUN_MORE) {
		uint64_t ends = ends_in_block(at, &r->high);
		size_t from = 0, upto = BLOCK;
		bool over = false;

		while (ends) {
			size_t i = (size_t)__builtin_ctzll(ends);
			over = at[i] != '\\' || (at[i + 1] != '"' && at[i + 1] != '\\');
			if (over || i == BLOCK - 1) { /* the block ends within an escape */
				upto = i;
				break;
			}
			out = copy_strides(out, at + from, i - from);
			from = i + 1;
			ends &= ends - 1;
			ends &= ~(UINT64_C(2) << i); /* what is escaped */
		}
		out = copy_strides(out, at + from, upto - from);
		at += upto;
		if (over)
			break;
	}
	r->p = at;
	r->out = out;
	return true;
}
#else
bool
jsonrun_unescape_sse2(struct jsonrun *r)
{
	(void)r;
	return false;
}
#endif

/* --- AVX-512 with VBMI2, which packs the bytes that stay ------------------------------------- */

/* Not on Windows: GCC does not align the stack for such registers there (its bug 54412). */
#if defined __x86_64__ && !defined _WIN32
/*
 * Of backslashes those that begin an escape: the first, third and so on of each run. Adding 1 where
 * a run begins carries through it and clears it, which tells runs that begin at even places from
 * the others.
 */
static inline uint64_t
begin_escapes(uint64_t back)
{
	const uint64_t even = 0x5555555555555555u;
	uint64_t first = back & ~(back << 1), of_even = back & ~(back + (first & even));

	return (of_even & even) | (back & ~of_even & ~even);
}

__attribute__((target("avx512bw,avx512vbmi2,bmi,popcnt"))) static void
unescape_blocks(struct jsonrun *r)
{
	const uint8_t *at = r->p;
	uint8_t *out = r->out;
	size_t upto = BLOCK;

	/* an escape across two blocks is left to the second one, which begins with it */
	for (; r->end - at >= BLOCK && upto >= BLOCK - 1; at += upto) {
		const __m512i v = _mm512_loadu_si512(at);
		uint64_t quote = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"'));
		uint64_t back = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\\'));
		uint64_t control = _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20));
		uint64_t begin = begin_escapes(back);
		uint64_t other = begin & ~((quote | back) >> 1);
		uint64_t stop = control | other | (quote & ~(begin << 1)), stay;

		upto = stop ? (size_t)__builtin_ctzll(stop) : BLOCK;
		stay = ((stop & -stop) - 1) & ~begin; /* of what lies before the stop */
		_mm512_storeu_si512(out, _mm512_maskz_compress_epi8(stay, v));
		out += __builtin_popcountll(stay);
		r->high |= _mm512_movepi8_mask(v) != 0;
	}
	r->p = at;
	r->out = out;
}

bool
jsonrun_unescape_avx512(struct jsonrun *r)
{
	bool has = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2") &&
		   __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");

	if (has)
		unescape_blocks(r);
	return has;
}
#else
bool
jsonrun_unescape_avx512(struct jsonrun *r)
{
	(void)r;
	return false;
}
#endif

void
jsonrun_unescape(struct jsonrun *r)
{
	if (!jsonrun_unescape_avx512(r))
		jsonrun_unescape_sse2(r);
}
