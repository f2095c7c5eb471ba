/* Most bytes are in strings: these are walked over in runs that end at a quote, an escape or a
 * control character. */
#include "proto/jsonline.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "proto/base64.h"
#include "proto/err.h"
#include "proto/json_grammar.h"
#include "proto/le.h"
#include "proto/limits.h"
#include "proto/utf8.h"

enum { STRIDE = 16, COPIED = 32 }; /* bytes of a string looked at, and copied, at once */

void
jsonline_init(struct jsonline *j, struct slice line)
{
	*j = (struct jsonline){line.p, line.p + line.n, 0, NULL};
}

void
jsonline_fail(struct jsonline *j, const char *what)
{
	if (j->err)
		return;
	j->err = STELE_ESYNTAX;
	j->what = what;
	j->p = j->end;
}

int
jsonline_end(struct jsonline *j)
{
	if (!j->err && j->p != j->end)
		jsonline_fail(j, "something follows the document");
	return j->err;
}

/* --- strings ------------------------------------------------------------------------------- */

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

/*
 * How many bytes from p on are plain characters of a string; *high: some are not ASCII. They are
 * copied to out, which has room for the rest of the line and COPIED bytes, unless that is NULL.
 */
static size_t
plain(const uint8_t *p, const uint8_t *end, uint8_t *out, bool *high)
{
	const uint8_t *at = p;

#ifdef __SSE2__
	while (end - at >= STRIDE) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
		unsigned far, ends = ends_in_stride(v, &far);

		if (out)
			_mm_storeu_si128((__m128i *)(void *)(out + (at - p)), v);
		if (ends) {
			unsigned n = (unsigned)__builtin_ctz(ends);
			*high |= (far & ((1u << n) - 1)) != 0;
			return (size_t)(at - p) + n;
		}
		*high |= far != 0;
		at += STRIDE;
	}
#endif
	for (; at < end && is_plain(*at); at++) {
		*high |= *at >= 0x80;
		if (out)
			out[at - p] = *at;
	}
	return (size_t)(at - p);
}

static bool
hex4(const uint8_t *p, const uint8_t *end, uint32_t *out)
{
	uint32_t v = 0;

	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		uint8_t c = p[i], low = c | 0x20;

		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (uint32_t)(low - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

/* What follows \u at *p; a pair of surrogates is one character. Returns the bytes written or 0. */
static size_t
unescape_u(const uint8_t **p, const uint8_t *end, uint8_t *out)
{
	uint32_t c, low;

	if (!hex4(*p, end, &c))
		return 0;
	*p += 4;
	if (c >= 0xdc00 && c < 0xe000)
		return 0;
	if (c >= 0xd800 && c < 0xdc00) {
		if (end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u' || !hex4(*p + 2, end, &low) ||
		    low < 0xdc00 || low >= 0xe000)
			return 0;
		*p += 6;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	return utf8_write(out, c);
}

/* The escape whose backslash is at *p; the bytes written to out, which has room, or 0. */
static size_t
unescape(const uint8_t **p, const uint8_t *end, uint8_t *out)
{
	static const char from[] = "/bfnrt", to[] = "/\b\f\n\r\t";
	const char *found;

	if (end - *p < 2)
		return 0;
	if ((*p)[1] == '"' || (*p)[1] == '\\') {
		*out = (*p)[1];
		*p += 2;
		return 1;
	}
	if ((*p)[1] == 'u') {
		*p += 2;
		return unescape_u(p, end, out);
	}
	found = memchr(from, (*p)[1], sizeof from - 1);
	if (!found)
		return 0;
	*out = (uint8_t)to[found - from];
	*p += 2;
	return 1;
}

/* Whether a text is UTF-8: most of it is ASCII. */
static bool
is_utf8(struct slice s)
{
	while (s.n) {
		uint32_t c;
		size_t n = s.n >= 8 && (le_get64(s.p) & 0x8080808080808080u) == 0
				   ? 8
				   : utf8_decode(&c, s);
		if (n == 0)
			return false;
		s = slice_of(s.p + n, s.n - n);
	}
	return true;
}

#ifdef __SSE2__
enum { BLOCK = 64 };

/* Bits of a block's bytes: where plain characters end; *high: some are not ASCII. */
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

/* Copies n bytes of a block. Most are few: COPIED bytes are read and written at least, and at most
 * as many behind them. */
static inline uint8_t *
copy_strides(uint8_t *out, const uint8_t *p, size_t n)
{
	size_t i = 0;

	do {
		memcpy(out + i, p + i, COPIED);
		i += COPIED;
	} while (i < n);
	return out + n;
}

/*
 * Most escapes are of quotes and backslashes: what they mean is there without their backslash. A
 * block's bytes are compared once for all of its escapes, and what lies between them is copied.
 * Goes on as far as there are whole blocks, to what is no such escape; out as for plain. *high:
 * they may be not ASCII, for what lies behind the string counts, too.
 */
static uint8_t *
without_backslashes(const uint8_t **p, const uint8_t *end, uint8_t *out, bool *high)
{
	const uint8_t *at = *p;

	while (end - at >= BLOCK + COPIED) {
		uint64_t ends = ends_in_block(at, high);
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
	*p = at;
	return out;
}
#else
static uint8_t *
without_backslashes(const uint8_t **p, const uint8_t *end, uint8_t *out, bool *high)
{
	(void)p, (void)end, (void)high;
	return out;
}
#endif

/* The rest of a string, from its first escape on, behind what is in room already. */
static void
string_with_escapes(struct jsonline *j, struct buf *room, bool *high)
{
	uint8_t *out = room->p + room->n;

	for (;;) {
		size_t n;

		out = without_backslashes(&j->p, j->end, out, high);
		n = plain(j->p, j->end, out, high);
		out += n;
		j->p += n;
		room->n = (size_t)(out - room->p);
		if (j->p == j->end || *j->p != '\\')
			return;
		n = unescape(&j->p, j->end, out);
		if (n == 0) {
			jsonline_fail(j, "a string has an escape that is none, or half a surrogate "
					 "pair");
			return;
		}
		out += n;
	}
}

struct slice
jsonline_string(struct jsonline *j, struct buf *room)
{
	const struct slice nothing = slice_of("", 0);
	struct slice s;
	bool high = false;
	size_t n;

	jsonline_expect(j, "\"");
	if (j->err)
		return nothing;
	n = plain(j->p, j->end, NULL, &high);
	s = slice_of(j->p, n);
	if (j->p + n < j->end && j->p[n] == '\\') {
		buf_reset(room);
		if (buf_reserve(room, (size_t)(j->end - j->p) + COPIED) != 0) {
			j->err = STELE_ENOMEM;
			j->p = j->end;
			return nothing;
		}
		string_with_escapes(j, room, &high);
		s = buf_slice(room);
	} else {
		j->p += n;
	}
	jsonline_expect(j, "\"");
	if (high && !is_utf8(s))
		jsonline_fail(j, "a string is not UTF-8");
	return j->err ? nothing : s;
}

/* --- what else there is -------------------------------------------------------------------- */

void
jsonline_base64(struct jsonline *j, void *out, size_t n)
{
	size_t chars = base64_encoded_len(n);

	memset(out, 0, n);
	jsonline_expect(j, "\"");
	if (j->err)
		return;
	if ((size_t)(j->end - j->p) < chars ||
	    base64_decode_exact(out, n, slice_of(j->p, chars)) != 0) {
		memset(out, 0, n);
		jsonline_fail(j, "something is not the base64 of as many bytes as it must be");
		return;
	}
	j->p += chars;
	jsonline_expect(j, "\"");
}

uint64_t
jsonline_integer(struct jsonline *j)
{
	const uint8_t *from = j->p;
	uint64_t v = 0;

	while (j->p < j->end && *j->p >= '0' && *j->p <= '9' && v <= LIMIT_INTEGER)
		v = v * 10 + (uint64_t)(*j->p++ - '0');
	if (!j->err && (j->p == from || v > LIMIT_INTEGER || (*from == '0' && j->p - from > 1)))
		jsonline_fail(j, "a number is no integer below 2^53");
	return j->err ? 0 : v;
}

size_t
jsonline_hashes(struct jsonline *j, uint8_t (*out)[32], size_t cap)
{
	size_t n = 0;

	jsonline_expect(j, "[");
	if (jsonline_have(j, "]"))
		return 0;
	do {
		if (n == cap) {
			jsonline_fail(j, "a list of hashes is too long");
			return 0;
		}
		jsonline_base64(j, out[n++], 32);
	} while (jsonline_have(j, ","));
	jsonline_expect(j, "]");
	return j->err ? 0 : n;
}

/* Where a value ends, told by its brackets and quotes; NULL where it does not, or has space. */
static const uint8_t *
end_of_value(const uint8_t *p, const uint8_t *end)
{
	bool in_string = false;
	size_t depth = 0;

	for (; p < end; p++) {
		if (in_string) {
			if (*p == '\\')
				p++;
			else if (*p == '"')
				in_string = false;
		} else if (*p == '"') {
			in_string = true;
		} else if (*p == '{' || *p == '[') {
			depth++;
		} else if (*p == '}' || *p == ']' || *p == ',') {
			if (depth == 0)
				return p;
			depth -= *p != ',';
		} else if (*p <= ' ') {
			return NULL;
		}
	}
	return in_string || depth ? NULL : end;
}

struct slice
jsonline_value(struct jsonline *j)
{
	const uint8_t *to = j->err ? NULL : end_of_value(j->p, j->end);
	struct slice s = slice_of(j->p, to ? (size_t)(to - j->p) : 0);
	const char *message;
	size_t offset;

	if (!to || to > j->end || json_grammar_check(s, &offset, &message) != 0) {
		jsonline_fail(j, "a value is not compact, valid JSON");
		return slice_of("", 0);
	}
	j->p = to;
	return s;
}
