/* The usual case, a whole answer in one read, touches each line's first bytes only. */
#include "bench/answer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/err.h"

void
answer_reset(struct answer *r)
{
	if (r->kept)
		free(r->kept);
	r->kept = NULL;
	r->kept_n = 0;
	r->status = 0;
	r->left = r->total_bytes = 0;
	r->excerpt[0] = '\0';
}

size_t
answer_kept(struct answer *r, uint8_t *buf)
{
	size_t n = r->kept_n;

	if (n) {
		memcpy(buf, r->kept, n);
		r->kept_n = 0;
	}
	return n;
}

/* "HTTP/1.1 NNN": the status, or 0. */
static unsigned
parse_status(const uint8_t *p, size_t n)
{
	if (n < 13 || memcmp(p, "HTTP/1.1 ", 9) != 0)
		return 0;
	for (unsigned i = 9; i < 12; i++)
		if (p[i] < '0' || p[i] > '9')
			return 0;
	return (unsigned)(p[9] - '0') * 100 + (unsigned)(p[10] - '0') * 10 +
	       (unsigned)(p[11] - '0');
}

/* Content-Length's value in the head at p, whose lines end in CR LF. */
static bool
parse_length(const uint8_t *p, const uint8_t *end, size_t *length)
{
	static const char name[] = "content-length:";

	while (p < end) {
		const uint8_t *eol = memchr(p, '\n', (size_t)(end - p));
		if (!eol)
			return false;
		if ((*p | 0x20) == 'c' && (size_t)(eol - p) > sizeof name &&
		    strncasecmp((const char *)p, name, sizeof name - 1) == 0) {
			size_t v = 0;
			for (p += sizeof name - 1; *p == ' '; p++)
				;
			if (*p < '0' || *p > '9')
				return false;
			for (; *p >= '0' && *p <= '9' && v < SIZE_MAX / 16; p++)
				v = v * 10 + (size_t)(*p - '0');
			*length = v;
			return true;
		}
		p = eol + 1;
	}
	return false;
}

static int
keep(struct answer *r, const uint8_t *p, size_t n)
{
	if (n > ANSWER_HEAD_BYTES)
		return STELE_ELIMIT;
	if (!r->kept)
		r->kept = malloc(ANSWER_HEAD_BYTES);
	if (!r->kept)
		return STELE_ENOMEM;
	memcpy(r->kept, p, n);
	r->kept_n = (uint32_t)n;
	return 0;
}

static void
take_excerpt(struct answer *r, const uint8_t *p, size_t n)
{
	size_t i = 0;

	for (; i < n && i < sizeof r->excerpt - 1; i++)
		r->excerpt[i] = (char)(p[i] >= 0x20 && p[i] < 0x7f ? p[i] : ' ');
	r->excerpt[i] = '\0';
}

static int
take_head(struct answer *r, const uint8_t *p, size_t n)
{
	const uint8_t *body = memmem(p, n, "\r\n\r\n", 4);
	size_t length;

	if (!body)
		return keep(r, p, n);
	body += 4;
	r->status = parse_status(p, n);
	if (!r->status || !parse_length(p, body, &length))
		return STELE_ESYNTAX;
	n -= (size_t)(body - p);
	r->total_bytes = (size_t)(body - p) + length;
	if (r->status / 100 != 2)
		take_excerpt(r, body, n);
	if (n > length)
		return STELE_ESYNTAX;
	r->left = length - n;
	return r->left == 0;
}

int
answer_take(struct answer *r, const uint8_t *p, size_t n)
{
	if (!r->status)
		return take_head(r, p, n);
	if (n > r->left)
		return STELE_ESYNTAX;
	r->left -= n;
	return r->left == 0;
}
