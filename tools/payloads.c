/* One pass finds all lines, the first time one is wanted. */
#include "tools/payloads.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/check.h"
#include "proto/err.h"

enum { PIECE_BYTES = 1 << 20 };

int
payloads_open(struct payloads *p, const char *path)
{
	struct os_file file;
	int err = os_open(&file, path);

	if (err)
		return err;
	if (file.kind == OS_FOLDER) {
		os_close(&file);
		errno = EISDIR;
		return STELE_EIO;
	}
	*p = (struct payloads){.is_open = true, .file = file};
	return 0;
}

int
payloads_map(struct payloads *p)
{
	const uint8_t *map;

	if (p->mapped)
		return 0;
	map = p->file.bytes ? os_map(&p->file) : NULL;
	if (p->file.bytes && !map)
		return STELE_EIO;
	p->all = slice_of(map, (size_t)p->file.bytes);
	p->mapped = true;
	return 0;
}

void
payloads_rewind(struct payloads *p)
{
	p->at = 0;
}

int
payloads_next(void *ctx, struct slice *piece)
{
	struct payloads *p = ctx;
	ptrdiff_t n;

	if (!p->piece)
		p->piece = malloc(PIECE_BYTES);
	CHECK(p->piece);
	n = os_read_at(&p->file, p->at, p->piece, PIECE_BYTES);
	if (n < 0)
		return STELE_EIO;
	p->at += (uint64_t)n;
	*piece = slice_of(p->piece, (size_t)n);
	return 0;
}

void
payloads_close(struct payloads *p)
{
	free(p->start);
	free(p->piece);
	if (p->all.n)
		os_unmap(p->all.p, p->all.n);
	if (p->is_open)
		os_close(&p->file);
	*p = (struct payloads){0};
}

static void
index_lines(struct payloads *p)
{
	const uint8_t *at = p->all.p, *end = at + p->all.n;
	size_t cap = 1024;

	p->start = malloc(cap * sizeof *p->start);
	CHECK(p->start);
	while (at < end) {
		const uint8_t *lf = memchr(at, '\n', (size_t)(end - at));

		if (p->n_lines == cap) {
			cap *= 2;
			p->start = realloc(p->start, cap * sizeof *p->start);
			CHECK(p->start);
		}
		p->start[p->n_lines++] = (size_t)(at - p->all.p);
		at = lf ? lf + 1 : end;
	}
}

bool
payloads_line(struct payloads *p, uint64_t number, struct slice *out)
{
	size_t from, to;

	if (payloads_map(p) != 0)
		return false;
	if (!p->start)
		index_lines(p);
	if (number == 0 || number > p->n_lines)
		return false;
	from = p->start[number - 1];
	to = number < p->n_lines ? p->start[number] : p->all.n;
	if (to > from && p->all.p[to - 1] == '\n')
		to--;
	if (to > from && p->all.p[to - 1] == '\r')
		to--;
	*out = slice_of(p->all.p + from, to - from);
	return true;
}
