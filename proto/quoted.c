/* Reading gives bytes that are never more than what was written: one allocation. */
#include "proto/quoted.h"

#include "proto/err.h"
#include "proto/utf8.h"

struct quoted {
	struct slice text;
	size_t at;
	uint8_t *start, *out;
	struct text_error *err;
};

static int
refuse(struct quoted *q, size_t offset, const char *what)
{
	return text_error_set(q->err, STELE_ESYNTAX, q->text, offset, "%s", what);
}

/* Four hex digits at q->at, which moves behind them; -1 when they are not there. */
static int
hex4(struct quoted *q)
{
	int v = 0;

	if (q->text.n - q->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		uint8_t d = q->text.p[q->at + (size_t)i], letter = (uint8_t)((d | 0x20) - 'a');
		if (d >= '0' && d <= '9')
			v = v << 4 | (d - '0');
		else if (letter < 6)
			v = v << 4 | (letter + 10);
		else
			return -1;
	}
	q->at += 4;
	return v;
}

/* What follows \u: four hex digits, or two times four of a surrogate pair. */
static int
read_unicode(struct quoted *q, size_t start)
{
	int high = hex4(q), low;

	if (high >= 0xd800 && high <= 0xdbff && q->text.n - q->at >= 2 &&
	    q->text.p[q->at] == '\\' && q->text.p[q->at + 1] == 'u') {
		q->at += 2;
		low = hex4(q);
		if (low < 0xdc00 || low > 0xdfff)
			return refuse(q, start, "expected the other half of a surrogate pair");
		high = 0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff);
	}
	if (high < 0)
		return refuse(q, start, "expected four hex digits after \\u");
	if (high >= 0xd800 && high <= 0xdfff)
		return refuse(q, start, "expected both halves of a surrogate pair");
	q->out += utf8_write(q->out, (uint32_t)high);
	return 0;
}

static int
read_escape(struct quoted *q)
{
	static const char letters[] = "\"'\\/*bfnrt", meanings[] = "\"'\\/*\b\f\n\r\t";
	size_t start = q->at++;
	uint8_t letter = q->at < q->text.n ? q->text.p[q->at] : 0;
	const char *found = letter ? strchr(letters, letter) : NULL;

	if (letter == 'u') {
		q->at++;
		return read_unicode(q, start);
	}
	if (!found)
		return refuse(q, start, "expected one of \" ' \\ / * b f n r t u after \\");
	*q->out++ = (uint8_t)meanings[found - letters];
	q->at++;
	return 0;
}

static int
read_character(struct quoted *q)
{
	uint32_t code_point;
	size_t n = utf8_decode(&code_point, slice_of(q->text.p + q->at, q->text.n - q->at));

	if (n == 0)
		return refuse(q, q->at, "expected UTF-8");
	if (code_point < 0x20)
		return refuse(q, q->at, "expected an escape in place of a control character");
	memcpy(q->out, q->text.p + q->at, n);
	q->out += n;
	q->at += n;
	return 0;
}

/* Bytes from the quote at text[at] to the one that ends the string, or to the end. */
static size_t
string_length(struct slice text, size_t at)
{
	size_t i = at + 1;

	while (i < text.n && text.p[i] != text.p[at])
		i += text.p[i] == '\\' ? 2 : 1;
	return i - at;
}

int
quoted_read(struct slice *s, bool *star, struct arena *a, struct slice text, size_t *at,
	    struct text_error *err)
{
	struct quoted q = {.text = text, .at = *at + 1, .err = err};
	uint8_t quote = text.p[*at];
	bool ends_with_star = false;
	int code;

	q.start = q.out = arena_alloc(a, string_length(text, *at));
	if (!q.out)
		return STELE_ENOMEM;
	while (q.at < text.n && text.p[q.at] != quote) {
		if (ends_with_star)
			return refuse(&q, q.at - 1,
				      "expected a * at the end only; write \\* for the character");
		if (star && text.p[q.at] == '*') {
			ends_with_star = true;
			q.at++;
			continue;
		}
		code = text.p[q.at] == '\\' ? read_escape(&q) : read_character(&q);
		if (code)
			return code;
	}
	if (q.at == text.n)
		return refuse(&q, *at, "expected a quote that ends this string");
	*s = slice_of(q.start, (size_t)(q.out - q.start));
	if (star)
		*star = ends_with_star;
	*at = q.at + 1;
	return 0;
}

void
quoted_write(struct buf *out, struct slice s)
{
	static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";

	buf_put_u8(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		const char *found = c ? strchr(meanings, c) : NULL;
		if (c == '"' || c == '\\' || c == '*') {
			buf_put_u8(out, '\\');
			buf_put_u8(out, c);
		} else if (found) {
			buf_put_u8(out, '\\');
			buf_put_u8(out, (uint8_t)letters[found - meanings]);
		} else if (c < 0x20) {
			buf_printf(out, "\\u%04x", c);
		} else {
			buf_put_u8(out, c);
		}
	}
	buf_put_u8(out, '"');
}
