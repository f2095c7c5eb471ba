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

int
payloads_open(struct payloads *p, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	struct stat st;
	void *map = NULL;

	if (fd < 0)
		return stele_err_from_errno(errno);
	if (fstat(fd, &st) != 0)
		err = STELE_EIO;
	else if (S_ISDIR(st.st_mode)) /* mmap would call it a missing device */
		errno = EISDIR, err = STELE_EIO;
	else if (st.st_size)
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		err = STELE_EIO;
	close(fd);
	if (!err)
		*p = (struct payloads){.all = slice_of(map, (size_t)st.st_size)};
	return err;
}

void
payloads_close(struct payloads *p)
{
	free(p->start);
	if (p->all.n)
		munmap((void *)(uintptr_t)p->all.p, p->all.n);
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
