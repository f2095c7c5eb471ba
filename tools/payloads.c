/* One pass finds all lines, the first time one is wanted. */
#include "tools/payloads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/err.h"

enum { PIECE_BYTES = 1 << 20 };

int
payloads_open(struct payloads *p, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return stele_err_from_errno(errno);
	if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
		close(fd);
		errno = EISDIR; /* fstat of an open file does not fail */
		return STELE_EIO;
	}
	*p = (struct payloads){.fd = fd + 1};
	return 0;
}

int
payloads_map(struct payloads *p)
{
	struct stat st;
	void *map = NULL;

	if (p->mapped)
		return 0;
	if (fstat(p->fd - 1, &st) != 0)
		return STELE_EIO;
	if (st.st_size)
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, p->fd - 1, 0);
	if (map == MAP_FAILED)
		return STELE_EIO;
	p->all = slice_of(map, (size_t)st.st_size);
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
	ssize_t n;

	if (!p->piece)
		p->piece = malloc(PIECE_BYTES);
	CHECK(p->piece);
	do
		n = pread(p->fd - 1, p->piece, PIECE_BYTES, (off_t)p->at);
	while (n < 0 && errno == EINTR);
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
		munmap((void *)(uintptr_t)p->all.p, p->all.n);
	if (p->fd)
		close(p->fd - 1);
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
