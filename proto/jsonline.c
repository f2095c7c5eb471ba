/* Most bytes are in strings: these are walked over in runs (proto/jsonrun.h), and what ends a run
 * is judged here. */
#include "proto/jsonline.h"

#include <string.h>

#include "proto/base64.h"
#include "proto/err.h"
#include "proto/json_grammar.h"
#include "proto/jsonrun.h"
#include "proto/le.h"
#include "proto/limits.h"
#include "proto/utf8.h"

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

/* The rest of a string, from its first escape on, behind what is in room already. */
static void
string_with_escapes(struct jsonline *j, struct buf *room, bool *high)
{
	struct jsonrun r = {.p = j->p, .end = j->end, .out = room->p + room->n, .high = *high};
	size_t n = 1;

	while (n) {
		jsonrun_unescape(&r);
		jsonrun_plain(&r);
		if (r.p == r.end || *r.p != '\\')
			break;
		n = unescape(&r.p, r.end, r.out);
		r.out += n;
	}
	j->p = r.p;
	*high = r.high;
	room->n = (size_t)(r.out - room->p);
	if (n == 0)
		jsonline_fail(j, "a string has an escape that is none, or half a surrogate "
				 "pair");
}

struct slice
jsonline_string(struct jsonline *j, struct buf *room)
{
	const struct slice nothing = slice_of("", 0);
	struct jsonrun r;
	struct slice s;

	jsonline_expect(j, "\"");
	if (j->err)
		return nothing;
	r = (struct jsonrun){.p = j->p, .end = j->end};
	jsonrun_plain(&r);
	s = slice_of(j->p, (size_t)(r.p - j->p));
	if (r.p < r.end && *r.p == '\\') {
		buf_reset(room);
		if (buf_reserve(room, (size_t)(j->end - j->p) + JSONRUN_MORE) != 0) {
			j->err = STELE_ENOMEM;
			j->p = j->end;
			return nothing;
		}
		string_with_escapes(j, room, &r.high);
		s = buf_slice(room);
	} else {
		j->p = r.p;
	}
	jsonline_expect(j, "\"");
	if (r.high && !is_utf8(s))
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
