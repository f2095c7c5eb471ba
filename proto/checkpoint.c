/* Three lines, and whatever extension lines a stranger's log adds. */
#include "proto/checkpoint.h"

#include <stdbool.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "proto/lines.h"

static bool
origin_valid(struct slice origin)
{
	for (size_t i = 0; i < origin.n; i++)
		if (origin.p[i] < 0x20)
			return false;
	return origin.n > 0;
}

int
checkpoint_parse(struct checkpoint *c, struct slice text)
{
	struct checkpoint got;
	struct lines l;

	lines_init(&l, text);
	got.origin = lines_take(&l);
	got.size = lines_take_integer(&l);
	lines_take_hash(&l, got.root);
	got.extensions = l.rest;
	while (!lines_err(&l) && l.rest.n)
		if (lines_take(&l).n == 0)
			lines_fail(&l);
	if (lines_end(&l) != 0 || !origin_valid(got.origin) || got.size == 0)
		return STELE_ESYNTAX;
	*c = got;
	return 0;
}

int
checkpoint_put(struct buf *out, struct slice origin, uint64_t size, const uint8_t root[32])
{
	if (!origin_valid(origin) || size == 0 || size > LIMIT_INTEGER)
		return STELE_EINVAL;
	buf_put_slice(out, origin);
	buf_put_u8(out, '\n');
	buf_put_dec(out, size);
	buf_put_u8(out, '\n');
	buf_put_base64(out, root, 32);
	buf_put_u8(out, '\n');
	return 0;
}
