/* One buffer, filled by read(2), cut from the front, the rest moved down at the next fill. */
#include "tools/cutter.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/limits.h"

enum { CUTTER_READ_BYTES = 65536 };

/* The longest line that can hold a record: its payload, CR, LF. */
static const size_t longest = LIMIT_RECORD_BYTES + 2;

int
cutter_init(struct cutter *c, int fd, size_t max_bytes, size_t max_lines)
{
	size_t cap = (max_bytes > longest ? max_bytes : longest) + CUTTER_READ_BYTES;
	uint8_t *p = malloc(cap);

	if (!p)
		return STELE_ENOMEM;
	*c = (struct cutter){.fd = fd,
			     .p = p,
			     .cap = cap,
			     .line = 1,
			     .max_bytes = max_bytes,
			     .max_lines = max_lines};
	return 0;
}

void
cutter_fini(struct cutter *c)
{
	free(c->p);
	c->p = NULL;
}

bool
cutter_ready(const struct cutter *c)
{
	struct pollfd p = {.fd = c->fd, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

bool
cutter_room(const struct cutter *c)
{
	return !c->eof && c->cap - c->n >= CUTTER_READ_BYTES;
}

int
cutter_fill(struct cutter *c)
{
	ssize_t got;

	do
		got = read(c->fd, c->p + c->n, c->cap - c->n);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return STELE_EIO;
	c->n += (size_t)got;
	c->eof = got == 0;
	return 0;
}

/* Forgets the first n bytes, which hold so many lines. */
static void
consume(struct cutter *c, size_t n, uint64_t lines)
{
	c->n -= n;
	memmove(c->p, c->p + n, c->n);
	c->offset += n;
	c->line += lines;
}

static uint64_t
count_lines(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n;
	uint64_t lines = 0;

	while ((p = memchr(p, '\n', (size_t)(end - p)))) {
		lines++;
		p++;
	}
	return lines;
}

int
cutter_skip(struct cutter *c, uint64_t offset)
{
	while (c->offset < offset) {
		size_t n = offset - c->offset < c->n ? (size_t)(offset - c->offset) : c->n;
		int err;

		consume(c, n, count_lines(c->p, n));
		if (c->offset == offset)
			break;
		err = cutter_fill(c);
		if (err)
			return err;
		if (c->eof)
			return STELE_EINVAL;
	}
	return 0;
}

/* Bytes of the line that begins at p, its LF included; 0 when its end is not here yet. */
static size_t
line_length(const struct cutter *c, size_t at)
{
	const uint8_t *lf = memchr(c->p + at, '\n', c->n - at);

	if (lf)
		return (size_t)(lf - c->p) + 1 - at;
	return c->eof ? c->n - at : 0;
}

/* The record in a line: without LF and one CR. */
static size_t
record_length(const uint8_t *p, size_t n)
{
	if (n && p[n - 1] == '\n')
		n--;
	if (n && p[n - 1] == '\r')
		n--;
	return n;
}

bool
cutter_cut(struct cutter *c, bool hurry, struct cutter_batch *out)
{
	struct cutter_batch b;
	size_t at = 0;
	bool full = false;

	if (c->out_bytes) {
		consume(c, c->out_bytes, c->out_lines);
		c->out_bytes = 0;
	}
	b = (struct cutter_batch){.offset = c->offset, .line = c->line};
	while (at < c->n && b.lines < c->max_lines && !full) {
		size_t n = line_length(c, at), record = record_length(c->p + at, n);

		full = at && (n ? at + n : c->n) > c->max_bytes;
		c->too_long = !full && (n ? record > LIMIT_RECORD_BYTES : c->n - at > longest);
		if (full || c->too_long || n == 0)
			break;
		b.lines++;
		at += n;
	}
	full = full || c->too_long || b.lines == c->max_lines || c->eof;
	if (at == 0 || !(full || hurry))
		return false;
	b.body = slice_of(c->p, at);
	c->out_bytes = at;
	c->out_lines = b.lines;
	*out = b;
	return true;
}
