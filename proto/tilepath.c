/* The parser is loose and compares what it understood, written again, with what it read. */
#include "proto/tilepath.h"

#include <string.h>

#include "proto/check.h"
#include "proto/dec.h"
#include "proto/err.h"
#include "proto/limits.h"

static char *
put(char *p, const char *s)
{
	size_t n = strlen(s);

	memcpy(p, s, n);
	return p + n;
}

/* The groups of n, the highest first. */
static char *
put_groups(char *p, uint64_t n)
{
	uint64_t unit = 1;

	while (n / unit >= 1000)
		unit *= 1000;
	for (; unit > 1; unit /= 1000) {
		*p++ = 'x';
		dec_format_padded(p, 3, n / unit % 1000);
		p = put(p + 3, "/");
	}
	dec_format_padded(p, 3, n % 1000);
	return p + 3;
}

size_t
tilepath_format(char out[TILEPATH_BYTES], const struct tilepath *t)
{
	char *p = out;

	CHECK(t->level <= (t->entries ? 0 : TILEPATH_MAX_LEVEL) && t->n <= LIMIT_INTEGER);
	CHECK(t->width >= 1 && t->width <= TILEPATH_FULL);
	if (t->entries)
		p = put(p, "entries");
	else
		p += dec_format(p, t->level);
	p = put(p, "/");
	p = put_groups(p, t->n);
	if (t->width < TILEPATH_FULL) {
		p = put(p, ".p/");
		p += dec_format(p, t->width);
	}
	return (size_t)(p - out);
}

/* Moves *s behind the digits at its start and puts their value into *v, at most max. */
static int
take_integer(struct slice *s, uint64_t max, uint64_t *v)
{
	size_t n = dec_span(*s);
	uint64_t x = 0;

	if (n == 0)
		return STELE_ESYNTAX;
	for (size_t i = 0; i < n; i++) {
		x = x * 10 + (uint64_t)(s->p[i] - '0');
		if (x > max)
			return STELE_ESYNTAX;
	}
	*s = slice_of(s->p + n, s->n - n);
	*v = x;
	return 0;
}

static bool
take_prefix(struct slice *s, const char *prefix)
{
	size_t n = strlen(prefix);

	if (s->n < n || memcmp(s->p, prefix, n) != 0)
		return false;
	*s = slice_of(s->p + n, s->n - n);
	return true;
}

/* x001/x234/067, leniently. */
static int
take_groups(struct slice *s, uint64_t *n)
{
	uint64_t sum = 0, group;
	bool more;

	do {
		more = take_prefix(s, "x");
		if (take_integer(s, 999, &group) != 0)
			return STELE_ESYNTAX;
		sum = sum * 1000 + group;
		if (sum > LIMIT_INTEGER || (more && !take_prefix(s, "/")))
			return STELE_ESYNTAX;
	} while (more);
	*n = sum;
	return 0;
}

int
tilepath_parse(struct tilepath *t, struct slice s)
{
	struct tilepath got = {.width = TILEPATH_FULL};
	struct slice rest = s;
	char again[TILEPATH_BYTES];
	uint64_t v;

	got.entries = take_prefix(&rest, "entries");
	if (!got.entries) {
		if (take_integer(&rest, TILEPATH_MAX_LEVEL, &v) != 0)
			return STELE_ESYNTAX;
		got.level = (unsigned)v;
	}
	if (!take_prefix(&rest, "/") || take_groups(&rest, &got.n) != 0)
		return STELE_ESYNTAX;
	if (take_prefix(&rest, ".p/")) {
		if (take_integer(&rest, TILEPATH_FULL - 1, &v) != 0 || v == 0)
			return STELE_ESYNTAX;
		got.width = (unsigned)v;
	}
	if (!slice_eq(s, slice_of(again, tilepath_format(again, &got))))
		return STELE_ESYNTAX;
	*t = got;
	return 0;
}

unsigned
tilepath_width(uint64_t size, unsigned level, uint64_t n)
{
	uint64_t hashes = level < 8 ? size >> (8 * level) : 0;
	uint64_t full = hashes / TILEPATH_FULL;

	if (n < full)
		return TILEPATH_FULL;
	return n == full ? (unsigned)(hashes % TILEPATH_FULL) : 0;
}
