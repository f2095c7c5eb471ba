#include "proto/zip.h"

#include <string.h>

#include "proto/check.h"
#include "proto/le.h"

enum {
	VERSION = 20,
	VERSION_64 = 45,
	MADE_BY = 0x0314,    /* Unix, 2.0 */
	DATE = 0x0021,       /* 1980-01-01, the first there is */
	MADE_BY_64 = 0x032d, /* in the record that ZIP64 adds at the end */
	EXTRA_64 = 0x0001,
};

#define MODE 0x81240000u /* a plain file, 0444 */
#define FULL 0xffffffffu

static bool
is_64(const struct zip_file *f)
{
	return f->size >= FULL || f->packed >= FULL || f->offset >= FULL;
}

size_t
zip_local_bytes(const struct zip_file *f)
{
	return 30 + f->name.n + (is_64(f) ? 20 : 0);
}

size_t
zip_central_bytes(const struct zip_file *f)
{
	return 46 + f->name.n + (is_64(f) ? 28 : 0);
}

/* What both headers have in one row: version needed to the length of the name. */
static uint8_t *
put_facts(uint8_t *p, const struct zip_file *f)
{
	CHECK(f->name.n >= 1 && f->name.n <= ZIP_NAME_BYTES);
	le_put16(p, is_64(f) ? VERSION_64 : VERSION);
	le_put16(p + 2, 0); /* flags */
	le_put16(p + 4, (uint16_t)f->method);
	le_put16(p + 6, 0); /* time */
	le_put16(p + 8, DATE);
	le_put32(p + 10, f->crc);
	le_put32(p + 14, is_64(f) ? FULL : (uint32_t)f->packed);
	le_put32(p + 18, is_64(f) ? FULL : (uint32_t)f->size);
	le_put16(p + 22, (uint16_t)f->name.n);
	return p + 24;
}

/* ZIP64's extra field, with so many bytes of the sizes and the offset. */
static void
put_extra(uint8_t *p, const struct zip_file *f, uint16_t bytes)
{
	le_put16(p, EXTRA_64);
	le_put16(p + 2, bytes);
	le_put64(p + 4, f->size);
	le_put64(p + 12, f->packed);
	if (bytes > 16)
		le_put64(p + 20, f->offset);
}

size_t
zip_local(uint8_t *out, const struct zip_file *f)
{
	uint8_t *p;

	le_put32(out, 0x04034b50);
	p = put_facts(out + 4, f);
	le_put16(p, is_64(f) ? 20 : 0);
	memcpy(p + 2, f->name.p, f->name.n);
	if (is_64(f))
		put_extra(p + 2 + f->name.n, f, 16);
	return zip_local_bytes(f);
}

size_t
zip_central(uint8_t *out, const struct zip_file *f)
{
	uint8_t *p;

	le_put32(out, 0x02014b50);
	le_put16(out + 4, MADE_BY);
	p = put_facts(out + 6, f);
	le_put16(p, is_64(f) ? 28 : 0);
	le_put16(p + 2, 0); /* comment */
	le_put16(p + 4, 0); /* disk */
	le_put16(p + 6, 0); /* internal attributes */
	le_put32(p + 8, MODE);
	le_put32(p + 12, is_64(f) ? FULL : (uint32_t)f->offset);
	memcpy(p + 16, f->name.p, f->name.n);
	if (is_64(f))
		put_extra(p + 16 + f->name.n, f, 24);
	return zip_central_bytes(f);
}

/* ZIP64's end record and its locator. */
static size_t
put_end_64(uint8_t *p, const struct zip_end *e)
{
	le_put32(p, 0x06064b50);
	le_put64(p + 4, 44); /* of what follows in this record */
	le_put16(p + 12, MADE_BY_64);
	le_put16(p + 14, VERSION_64);
	le_put32(p + 16, 0); /* disks */
	le_put32(p + 20, 0);
	le_put64(p + 24, e->files);
	le_put64(p + 32, e->files);
	le_put64(p + 40, e->bytes);
	le_put64(p + 48, e->offset);
	le_put32(p + 56, 0x07064b50);
	le_put32(p + 60, 0);
	le_put64(p + 64, e->offset + e->bytes);
	le_put32(p + 72, 1); /* disks */
	return 76;
}

static uint64_t
at_most(uint64_t n, uint64_t most)
{
	return n < most ? n : most;
}

size_t
zip_end(uint8_t *out, const struct zip_end *e)
{
	bool wide = e->files >= 0xffff || e->bytes >= FULL || e->offset >= FULL;
	uint8_t *p = out;

	if (wide)
		p += put_end_64(p, e);
	le_put32(p, 0x06054b50);
	le_put16(p + 4, 0); /* disks */
	le_put16(p + 6, 0);
	le_put16(p + 8, (uint16_t)at_most(e->files, 0xffff));
	le_put16(p + 10, (uint16_t)at_most(e->files, 0xffff));
	le_put32(p + 12, (uint32_t)at_most(e->bytes, FULL));
	le_put32(p + 16, (uint32_t)at_most(e->offset, FULL));
	le_put16(p + 20, 0); /* comment */
	return (size_t)(p - out) + 22;
}
