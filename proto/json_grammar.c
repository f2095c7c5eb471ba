/* A cursor that stops at the first byte that cannot be. RFC 8259. */
#include "proto/json_grammar.h"

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/utf8.h"

_Static_assert(LIMIT_JSON_DEPTH == 64, "the open containers are the bits of a word");

struct cursor {
	const uint8_t *p;
	const uint8_t *end;
	const char *message;
	uint64_t objects; /* open containers, the innermost lowest: 1 an object, 0 an array */
	unsigned depth;
};

static int
refuse(struct cursor *c, const char *message)
{
	c->message = message;
	return STELE_ESYNTAX;
}

/* The byte at the cursor, -1 at the end. */
static int
peek(const struct cursor *c)
{
	return c->p < c->end ? *c->p : -1;
}

static void
skip_blanks(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\n' || *c->p == '\r'))
		c->p++;
}

static int
read_literal(struct cursor *c, const char *word)
{
	for (; *word; word++, c->p++) {
		if (peek(c) != *word)
			return refuse(c, "not a value");
	}
	return 0;
}

static int
read_digits(struct cursor *c)
{
	if (peek(c) < '0' || peek(c) > '9')
		return refuse(c, "a digit is missing in a number");
	while (peek(c) >= '0' && peek(c) <= '9')
		c->p++;
	return 0;
}

static int
read_number(struct cursor *c)
{
	if (peek(c) == '-')
		c->p++;
	if (peek(c) == '0') {
		c->p++;
		if (peek(c) >= '0' && peek(c) <= '9')
			return refuse(c, "a number begins with 0");
	} else if (read_digits(c) != 0) {
		return STELE_ESYNTAX;
	}
	if (peek(c) == '.') {
		c->p++;
		if (read_digits(c) != 0)
			return STELE_ESYNTAX;
	}
	if (peek(c) == 'e' || peek(c) == 'E') {
		c->p++;
		if (peek(c) == '+' || peek(c) == '-')
			c->p++;
		return read_digits(c);
	}
	return 0;
}

/* Four hex digits, or -1 with the cursor where one is missing. */
static int
read_hex4(struct cursor *c)
{
	int v = 0;

	for (int i = 0; i < 4; i++, c->p++) {
		int d = peek(c);
		if (d >= '0' && d <= '9')
			v = v << 4 | (d - '0');
		else if ((d | 0x20) >= 'a' && (d | 0x20) <= 'f' && d >= 0)
			v = v << 4 | ((d | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* An escape, the cursor at its backslash; where it fails it names the backslash. */
static int
read_escape(struct cursor *c)
{
	const uint8_t *start = c->p++;
	int unit;

	switch (peek(c)) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		c->p++;
		return 0;
	case 'u':
		c->p++;
		break;
	default:
		c->p = start;
		return refuse(c, "unknown escape in a string");
	}
	unit = read_hex4(c);
	if (unit < 0) {
		c->p = start;
		return refuse(c, "\\u without four hex digits");
	}
	if (unit < 0xd800 || unit > 0xdfff)
		return 0;
	if (unit < 0xdc00 && peek(c) == '\\') {
		c->p++;
		if (peek(c) == 'u') {
			c->p++;
			unit = read_hex4(c);
			if (unit >= 0xdc00 && unit <= 0xdfff)
				return 0;
		}
	}
	c->p = start;
	return refuse(c, "an escaped surrogate without its other half");
}

/* One character beyond ASCII; where it fails it names the first byte. */
static int
read_utf8(struct cursor *c)
{
	uint32_t code_point;
	size_t n = utf8_decode(&code_point, slice_of(c->p, (size_t)(c->end - c->p)));

	if (n == 0)
		return refuse(c, "invalid UTF-8");
	c->p += n;
	return 0;
}

static int
read_string(struct cursor *c)
{
	c->p++;
	for (;;) {
		int b = peek(c), err = 0;
		if (b < 0)
			return refuse(c, "a string does not end");
		if (b < 0x20)
			return refuse(c, "a control character in a string");
		if (b == '"') {
			c->p++;
			return 0;
		}
		if (b == '\\')
			err = read_escape(c);
		else if (b >= 0x80)
			err = read_utf8(c);
		else
			c->p++;
		if (err)
			return err;
	}
}

static int
read_scalar(struct cursor *c)
{
	int b = peek(c);

	switch (b) {
	case -1:
		return refuse(c, "a value is missing at the end");
	case '"':
		return read_string(c);
	case 't':
		return read_literal(c, "true");
	case 'f':
		return read_literal(c, "false");
	case 'n':
		return read_literal(c, "null");
	default:
		if (b == '-' || (b >= '0' && b <= '9'))
			return read_number(c);
		return refuse(c, "not a value");
	}
}

/* A member's name and colon. */
static int
read_name(struct cursor *c)
{
	int err;

	skip_blanks(c);
	if (peek(c) != '"')
		return refuse(c, "a member's name is missing");
	err = read_string(c);
	if (err)
		return err;
	skip_blanks(c);
	if (peek(c) != ':')
		return refuse(c, "a colon is missing");
	c->p++;
	return 0;
}

/* Opens the container at the cursor; *closed when it is empty, and then passed. */
static int
open_container(struct cursor *c, bool *closed)
{
	bool object = *c->p == '{';

	if (c->depth == LIMIT_JSON_DEPTH) {
		c->message = "nested too deep";
		return STELE_ELIMIT;
	}
	c->p++;
	skip_blanks(c);
	*closed = peek(c) == (object ? '}' : ']');
	if (*closed) {
		c->p++;
		return 0;
	}
	c->objects = c->objects << 1 | object;
	c->depth++;
	return object ? read_name(c) : 0;
}

/* After a value: closes containers up to a comma, or all of them. */
static int
close_containers(struct cursor *c)
{
	for (; c->depth; c->depth--, c->objects >>= 1, c->p++) {
		bool object = c->objects & 1;
		skip_blanks(c);
		if (peek(c) == ',') {
			c->p++;
			return object ? read_name(c) : 0;
		}
		if (peek(c) != (object ? '}' : ']'))
			return refuse(c, object ? "a comma or } is missing"
						: "a comma or ] is missing");
	}
	return 0;
}

static int
read_document(struct cursor *c)
{
	int err;

	do {
		bool passed = false;
		skip_blanks(c);
		if (peek(c) == '{' || peek(c) == '[') {
			err = open_container(c, &passed);
			if (err)
				return err;
		} else {
			err = read_scalar(c);
			if (err)
				return err;
			passed = true;
		}
		if (passed)
			err = close_containers(c);
		if (err)
			return err;
	} while (c->depth);
	skip_blanks(c);
	return c->p < c->end ? refuse(c, "more bytes after the value") : 0;
}

int
json_grammar_check(struct slice doc, size_t *offset, const char **message)
{
	struct cursor c = {.p = doc.p, .end = doc.p + doc.n};
	int err;

	if (doc.n >= 3 && memcmp(doc.p, "\xef\xbb\xbf", 3) == 0)
		err = refuse(&c, "a byte order mark");
	else
		err = read_document(&c);
	if (err) {
		*offset = (size_t)(c.p - doc.p);
		*message = c.message;
	}
	return err;
}
