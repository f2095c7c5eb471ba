#include "verify/source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/err.h"
#include "proto/limits.h"

static int
open_one(struct source *s, const char *path)
{
	int err = os_open_file(&s->piece[s->n], path);

	if (err)
		return err;
	s->bytes += s->piece[s->n++].bytes;
	s->begins[s->n] = s->bytes;
	return 0;
}

int
source_open(struct source *s, const char *path)
{
	char piece[LIMIT_PATH_BYTES];
	size_t n = strlen(path);
	int err;

	memset(s, 0, sizeof *s);
	err = open_one(s, path);
	if (err || n < 4 || n >= sizeof piece || strcmp(path + n - 4, ".001") != 0)
		return err;
	while (s->n < SOURCE_PIECES_MOST) {
		snprintf(piece, sizeof piece, "%.*s.%03zu", (int)(n - 4), path, s->n + 1);
		err = open_one(s, piece);
		if (err && errno == ENOENT)
			return 0;
		if (err) {
			int was = errno;
			source_close(s);
			errno = was;
			return err;
		}
	}
	return 0;
}

void
source_close(struct source *s)
{
	while (s->n)
		os_close(&s->piece[--s->n]);
}

/* The piece that has the byte. */
static size_t
piece_of(const struct source *s, uint64_t at)
{
	size_t lo = 0, hi = s->n;

	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (s->begins[mid] <= at)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

int
source_read(void *source, uint64_t at, void *dst, size_t n)
{
	const struct source *s = source;
	uint8_t *out = dst;

	for (size_t i = n ? piece_of(s, at) : 0; n;) {
		uint64_t left = s->begins[i + 1] - at;
		size_t ask = left < n ? (size_t)left : n;
		ptrdiff_t got;

		if (left == 0) {
			if (++i == s->n)
				return STELE_EIO;
			continue;
		}
		got = os_read_at(&s->piece[i], at - s->begins[i], out, ask);
		if (got <= 0) {
			errno = got ? errno : EIO;
			return STELE_EIO;
		}
		out += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}
