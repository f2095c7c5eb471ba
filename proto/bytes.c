/* Every read goes through bytes_take, the one place that checks the length. */
#include "proto/bytes.h"

#include <string.h>

#include "proto/err.h"
#include "proto/le.h"

void
bytes_init(struct bytes *b, struct slice s)
{
	b->p = s.p;
	b->left = s.n;
	b->err = 0;
}

void
bytes_fail(struct bytes *b)
{
	b->left = 0;
	b->err = STELE_ESYNTAX;
}

struct slice
bytes_take(struct bytes *b, size_t n)
{
	struct slice s = {b->p, n};

	if (b->err || n > b->left) {
		bytes_fail(b);
		return (struct slice){NULL, 0};
	}
	if (n)
		b->p += n;
	b->left -= n;
	return s;
}

void
bytes_copy(struct bytes *b, void *dst, size_t n)
{
	struct slice s = bytes_take(b, n);

	if (b->err)
		memset(dst, 0, n);
	else if (n)
		memcpy(dst, s.p, n);
}

uint8_t
bytes_u8(struct bytes *b)
{
	struct slice s = bytes_take(b, 1);

	return s.n ? s.p[0] : 0;
}

uint16_t
bytes_u16(struct bytes *b)
{
	struct slice s = bytes_take(b, 2);

	return s.n ? le_get16(s.p) : 0;
}

uint32_t
bytes_u32(struct bytes *b)
{
	struct slice s = bytes_take(b, 4);

	return s.n ? le_get32(s.p) : 0;
}

uint64_t
bytes_u64(struct bytes *b)
{
	struct slice s = bytes_take(b, 8);

	return s.n ? le_get64(s.p) : 0;
}

int
bytes_end(const struct bytes *b)
{
	return b->err ? b->err : b->left ? STELE_ESYNTAX : 0;
}
