/* Whoever calls has had the grammar checked: nothing here looks for what is wrong. */
#include "proto/json_string.h"

#include "proto/utf8.h"

struct slice
json_string_raw(const struct json_index *x, const uint32_t *at)
{
	const uint8_t *start = x->p + at[0] + 1;
	const uint8_t *end = x->p + (at + 1 < x->end ? at[1] : x->n) - 1;

	while (*end != '"')
		end--; /* only blanks stand between a string and the next token */
	return slice_of(start, (size_t)(end - start));
}

static unsigned
hex4(const uint8_t *p)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 4 | (unsigned)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
	return v;
}

/* Resolves the escape at *p, which moves behind it; returns behind what is written. */
static uint8_t *
unescape_one(uint8_t *out, const uint8_t **p)
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	uint8_t letter = (*p)[1];
	const char *found = strchr(letters, letter);
	unsigned c;

	if (letter != 'u') {
		*out++ = found ? (uint8_t)meanings[found - letters] : letter;
		*p += 2;
		return out;
	}
	c = hex4(*p + 2);
	*p += 6;
	if ((c & 0xf800) == 0xd800) {
		c = 0x10000 + ((c & 0x3ff) << 10) + (hex4(*p + 2) & 0x3ff);
		*p += 6;
	}
	return out + utf8_write(out, c);
}

size_t
json_string_unescape(uint8_t *out, struct slice raw)
{
	const uint8_t *p = raw.p, *end = raw.p + raw.n;
	uint8_t *start = out;

	while (p < end) {
		const uint8_t *backslash = memchr(p, '\\', (size_t)(end - p));
		size_t plain = (size_t)((backslash ? backslash : end) - p);
		memcpy(out, p, plain);
		out += plain;
		p += plain;
		if (backslash)
			out = unescape_one(out, &p);
	}
	return (size_t)(out - start);
}
