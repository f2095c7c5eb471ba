/* Every read goes through lines_take, the one place that looks for a newline. */
#include "proto/lines.h"

#include <string.h>

#include "proto/base64.h"
#include "proto/buf.h"
#include "proto/dec.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "proto/limits.h"

void
lines_init(struct lines *l, struct slice text)
{
	l->rest = text;
	l->err = 0;
}

void
lines_fail(struct lines *l)
{
	l->rest.n = 0;
	l->err = STELE_ESYNTAX;
}

struct slice
lines_take(struct lines *l)
{
	const uint8_t *newline = l->rest.n ? memchr(l->rest.p, '\n', l->rest.n) : NULL;
	struct slice line;

	if (!newline) {
		lines_fail(l);
		return slice_str("");
	}
	line = slice_of(l->rest.p, (size_t)(newline - l->rest.p));
	l->rest = slice_of(newline + 1, l->rest.n - line.n - 1);
	return line;
}

void
lines_expect(struct lines *l, const char *word)
{
	if (!slice_eq_str(lines_take(l), word))
		lines_fail(l);
}

struct slice
lines_take_after(struct lines *l, const char *prefix)
{
	struct slice line = lines_take(l);
	size_t n = strlen(prefix);

	if (line.n < n || memcmp(line.p, prefix, n) != 0) {
		lines_fail(l);
		return slice_str("");
	}
	return slice_of(line.p + n, line.n - n);
}

uint64_t
lines_take_integer_after(struct lines *l, const char *prefix)
{
	uint64_t v = 0;

	if (dec_parse(&v, lines_take_after(l, prefix), LIMIT_INTEGER) != 0)
		lines_fail(l);
	return v;
}

uint64_t
lines_take_integer(struct lines *l)
{
	return lines_take_integer_after(l, "");
}

int64_t
lines_take_time_after(struct lines *l, const char *prefix)
{
	struct slice s = lines_take_after(l, prefix);
	int64_t ns = 0;

	if (lines_err(l) || timestamp_parse(&ns, s) != 0)
		lines_fail(l);
	return ns;
}

void
lines_take_hash_after(struct lines *l, const char *prefix, uint8_t hash[32])
{
	memset(hash, 0, 32);
	if (base64_decode_exact(hash, 32, lines_take_after(l, prefix)) != 0)
		lines_fail(l);
}

void
lines_take_hash(struct lines *l, uint8_t hash[32])
{
	lines_take_hash_after(l, "", hash);
}

void
lines_put_hash(struct buf *out, const char *prefix, const uint8_t hash[32])
{
	buf_put_str(out, prefix);
	buf_put_base64(out, hash, 32);
	buf_put_u8(out, '\n');
}

void
lines_put_integer(struct buf *out, const char *prefix, uint64_t v)
{
	buf_put_str(out, prefix);
	buf_put_dec(out, v);
	buf_put_u8(out, '\n');
}

int
lines_end(const struct lines *l)
{
	return l->err ? l->err : l->rest.n ? STELE_ESYNTAX : 0;
}
