/*
 * From token to token. Strings are settled by the index; numbers and literals
 * are read here, with the byte that ends them.
 */
#include "proto/json_walk.h"

#include "proto/limits.h"

_Static_assert(LIMIT_JSON_DEPTH == 64, "the open containers are the bits of a word");

static const uint8_t *
skip_digits(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (uint8_t)(*p - '0') < 10)
		p++;
	return p;
}

/* The end of the number at p, or NULL. */
static const uint8_t *
number_end(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *digits;

	if (*p == '-')
		p++;
	digits = p;
	p = skip_digits(p, end);
	if (p == digits || (*digits == '0' && p - digits > 1))
		return NULL;
	if (p < end && *p == '.') {
		digits = ++p;
		p = skip_digits(p, end);
		if (p == digits)
			return NULL;
	}
	if (p < end && (*p | 0x20) == 'e') {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		digits = p;
		p = skip_digits(p, end);
		if (p == digits)
			return NULL;
	}
	return p;
}

/* True when the bytes at p are a number or a literal, and something ends it. */
static bool
scalar_valid(const uint8_t *p, const uint8_t *end)
{
	size_t room = (size_t)(end - p);

	switch (*p) {
	case 't':
		p = room >= 4 && memcmp(p, "true", 4) == 0 ? p + 4 : NULL;
		break;
	case 'f':
		p = room >= 5 && memcmp(p, "false", 5) == 0 ? p + 5 : NULL;
		break;
	case 'n':
		p = room >= 4 && memcmp(p, "null", 4) == 0 ? p + 4 : NULL;
		break;
	default:
		p = number_end(p, end);
		break;
	}
	if (!p)
		return false;
	if (p == end)
		return true;
	switch (*p) {
	case ',':
	case '}':
	case ']':
	case ' ':
	case '\t':
	case '\n':
	case '\r':
		return true;
	default:
		return false;
	}
}

const uint32_t *
json_walk_value(const struct json_index *x, const uint32_t *at, unsigned depth)
{
	const uint32_t *end = x->end;
	const uint8_t *p = x->p;
	unsigned outer = depth;
	uint64_t objects = 0; /* opened here, the innermost lowest: 1 an object, 0 an array */

value:
	if (at == end)
		return NULL;
	switch (p[*at]) {
	case '"':
		break;
	case '{':
		if (depth == LIMIT_JSON_DEPTH || ++at == end)
			return NULL;
		if (p[*at] == '}')
			break;
		objects = objects << 1 | 1;
		depth++;
		goto name;
	case '[':
		if (depth == LIMIT_JSON_DEPTH || ++at == end)
			return NULL;
		if (p[*at] == ']')
			break;
		objects <<= 1;
		depth++;
		goto value;
	default:
		if (!scalar_valid(p + *at, p + x->n))
			return NULL;
	}
	at++;
	for (; depth > outer; depth--, objects >>= 1, at++) {
		if (at == end)
			return NULL;
		if (p[*at] == ',') {
			at++;
			if (objects & 1)
				goto name;
			goto value;
		}
		if (p[*at] != (objects & 1 ? '}' : ']'))
			return NULL;
	}
	return at;

name:
	if (end - at < 2 || p[at[0]] != '"' || p[at[1]] != ':')
		return NULL;
	at += 2;
	goto value;
}

/* Four hex digits at p as a number, or -1. */
static int
hex4(const uint8_t *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		uint8_t d = p[i], letter = (uint8_t)((d | 0x20) - 'a');
		if ((uint8_t)(d - '0') < 10)
			v = v << 4 | (d - '0');
		else if (letter < 6)
			v = v << 4 | (letter + 10);
		else
			return -1;
	}
	return v;
}

/* The end of the escape whose backslash is at p, or NULL. */
static const uint8_t *
escape_end(const uint8_t *p, const uint8_t *end)
{
	int unit;

	if (end - p < 2)
		return NULL;
	switch (p[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return p + 2;
	case 'u':
		break;
	default:
		return NULL;
	}
	if (end - p < 6)
		return NULL;
	unit = hex4(p + 2);
	if (unit < 0)
		return NULL;
	if ((unit & 0xf800) != 0xd800)
		return p + 6;
	if (unit >= 0xdc00 || end - p < 12 || p[6] != '\\' || p[7] != 'u')
		return NULL;
	unit = hex4(p + 8);
	return unit >= 0 && (unit & 0xfc00) == 0xdc00 ? p + 12 : NULL;
}

bool
json_walk_escapes(struct slice text)
{
	const uint8_t *p = text.p, *end = p + text.n;

	while (p < end && (p = memchr(p, '\\', (size_t)(end - p)))) {
		p = escape_end(p, end);
		if (!p)
			return false;
	}
	return true;
}
