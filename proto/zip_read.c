/*
 * Headers are compared with what they must be, field by field: what is free in them are CRC, sizes,
 * offset, name and method. The first file decides nothing; the directory and the local headers are
 * walked side by side.
 */
#include "proto/zip_read.h"

#include <string.h>

#include "proto/bytes.h"
#include "proto/err.h"

enum {
	LOCAL_BYTES = 30,
	CENTRAL_BYTES = 46,
	END_BYTES = 22,
	END64_BYTES = 56,
	LOCATOR_BYTES = 20,
	LOCAL_MAGIC = 0x04034b50,
	CENTRAL_MAGIC = 0x02014b50,
	END_MAGIC = 0x06054b50,
	END64_MAGIC = 0x06064b50,
	LOCATOR_MAGIC = 0x07064b50,
	VERSION = 20,
	VERSION64 = 45,
	MADE_BY = 0x0314,
	MADE_BY64 = 0x032d, /* of the ZIP64 end record */
	DOS_TIME = 0x0000,
	DOS_DATE = 0x0021,
	EXTRA64 = 0x0001,
	LOCAL_EXTRA_BYTES = 20,   /* with both sizes */
	CENTRAL_EXTRA_BYTES = 28, /* and the offset */
};

#define ATTRIBUTES 0x81240000u
#define IN_64 0xffffffffu

static int
refuse(struct zip_read *z, const char *why)
{
	z->why = why;
	return STELE_ESYNTAX;
}

static int
take(struct zip_read *z, uint64_t at, size_t n)
{
	return z->fn(z->ctx, at, z->buf, n);
}

/* --- the end ------------------------------------------------------------------------------- */

struct end {
	uint64_t files, bytes, offset; /* of the directory */
};

/* The 32-bit end record. */
static int
read_end(struct zip_read *z, struct end *e)
{
	uint16_t disk, disk_of, here, all, comment;
	struct bytes b;
	uint32_t magic;
	int err = take(z, z->bytes - END_BYTES, END_BYTES);

	if (err)
		return err;
	bytes_init(&b, slice_of(z->buf, END_BYTES));
	magic = bytes_u32(&b);
	disk = bytes_u16(&b);
	disk_of = bytes_u16(&b);
	here = bytes_u16(&b);
	all = bytes_u16(&b);
	*e = (struct end){.files = all, .bytes = bytes_u32(&b)};
	e->offset = bytes_u32(&b);
	comment = bytes_u16(&b);
	if (magic != END_MAGIC)
		return refuse(z, "the last 22 bytes are not the end of a ZIP archive: it was cut "
				 "off, or something was added");
	if (disk || disk_of || here != all || comment)
		return refuse(z, "its end record has a comment, or is of several disks");
	return 0;
}

/* The ZIP64 end record and its locator, which lie before the end record. */
static int
read_end64(struct zip_read *z, struct end *e)
{
	uint64_t at = z->bytes - END_BYTES - LOCATOR_BYTES - END64_BYTES, size, here;
	uint32_t magic, disk, disk_of, disks;
	uint16_t made, needed;
	struct bytes b;
	int err = take(z, at, END64_BYTES + LOCATOR_BYTES);

	if (err)
		return err;
	bytes_init(&b, slice_of(z->buf, END64_BYTES + LOCATOR_BYTES));
	magic = bytes_u32(&b);
	size = bytes_u64(&b);
	made = bytes_u16(&b);
	needed = bytes_u16(&b);
	disk = bytes_u32(&b);
	disk_of = bytes_u32(&b);
	here = bytes_u64(&b);
	e->files = bytes_u64(&b);
	e->bytes = bytes_u64(&b);
	e->offset = bytes_u64(&b);
	if (magic != END64_MAGIC || size != END64_BYTES - 12 || made != MADE_BY64 ||
	    needed != VERSION64 || disk || disk_of || here != e->files)
		return refuse(z, "its ZIP64 end record is not as it has to be");
	magic = bytes_u32(&b);
	disk = bytes_u32(&b);
	here = bytes_u64(&b);
	disks = bytes_u32(&b);
	if (magic != LOCATOR_MAGIC || disk || here != at || disks != 1)
		return refuse(z, "its ZIP64 locator does not point to the record before it");
	return 0;
}

/* Whether a ZIP64 locator lies before the end record. */
static int
find_locator(struct zip_read *z, bool *there)
{
	int err;

	*there = z->bytes >= END_BYTES + LOCATOR_BYTES + END64_BYTES;
	if (!*there)
		return 0;
	err = take(z, z->bytes - END_BYTES - LOCATOR_BYTES, 4);
	*there = err == 0 && memcmp(z->buf, "PK\6\7", 4) == 0;
	return err;
}

/* In a field of the end record stands the value itself, or that it is in the ZIP64 record. */
static bool
fits(uint64_t small, uint64_t value, uint64_t in_64)
{
	return small == (value < in_64 ? value : in_64);
}

int
zip_read_open(struct zip_read *z, zip_read_fn *fn, void *ctx, uint64_t bytes)
{
	struct end small, e;
	bool is64;
	int err;

	*z = (struct zip_read){.fn = fn, .ctx = ctx, .bytes = bytes};
	if (bytes < END_BYTES)
		return refuse(z, "it is too short to be a ZIP archive");
	err = read_end(z, &small);
	e = small;
	if (!err)
		err = find_locator(z, &is64);
	if (!err && is64)
		err = read_end64(z, &e);
	if (err)
		return err;
	z->end = bytes - END_BYTES - (is64 ? LOCATOR_BYTES + END64_BYTES : 0);
	if (!fits(small.files, e.files, 0xffff) || !fits(small.bytes, e.bytes, IN_64) ||
	    !fits(small.offset, e.offset, IN_64) ||
	    is64 != (e.files >= 0xffff || e.bytes >= IN_64 || e.offset >= IN_64))
		return refuse(z, "its end record and ZIP64 end record do not say the same");
	if (e.files > ZIP_FILES_MOST)
		return refuse(z, "it has more than 1,000,000 files");
	if (e.offset > z->end || e.bytes != z->end - e.offset)
		return refuse(z, "its directory does not lie where its end record says");
	z->n_files = e.files;
	z->directory = z->at = e.offset;
	return 0;
}

/* --- one file ------------------------------------------------------------------------------ */

/* What both headers say. */
struct header {
	uint16_t needed, flags, method, time, date, n_name, n_extra;
	uint32_t crc, packed, size;
};

static void
take_header(struct bytes *b, struct header *h)
{
	h->needed = bytes_u16(b);
	h->flags = bytes_u16(b);
	h->method = bytes_u16(b);
	h->time = bytes_u16(b);
	h->date = bytes_u16(b);
	h->crc = bytes_u32(b);
	h->packed = bytes_u32(b);
	h->size = bytes_u32(b);
	h->n_name = bytes_u16(b);
	h->n_extra = bytes_u16(b);
}

/* The one extra field there may be: both sizes, and in the directory the offset. */
static bool
take_extra64(struct bytes *b, struct zip_file *f, uint64_t *offset)
{
	uint16_t id = bytes_u16(b), n = bytes_u16(b);

	f->size = bytes_u64(b);
	f->packed = bytes_u64(b);
	if (offset)
		*offset = bytes_u64(b);
	return id == EXTRA64 && n == (offset ? 24 : 16) && bytes_err(b) == 0;
}

static int
check_header(struct zip_read *z, const struct header *h, bool is64)
{
	if (h->needed != (is64 ? VERSION64 : VERSION))
		return refuse(z, "a file asks for another version of ZIP than it needs");
	if (h->flags)
		return refuse(z, "a file has flags: encryption, a data descriptor, or the like");
	if (h->method != ZIP_STORED && h->method != ZIP_DEFLATED)
		return refuse(z, "a file is packed by another method than stored or deflated");
	if (h->time != DOS_TIME || h->date != DOS_DATE)
		return refuse(z, "a file has another time than 1980-01-01 00:00");
	if (h->n_name == 0 || h->n_name > ZIP_NAME_BYTES)
		return refuse(z, "a file's name is empty, or longer than 255 bytes");
	return 0;
}

/* The directory's header at z->at; *offset is where it says that the local one lies. */
static int
read_central(struct zip_read *z, struct zip_file *f, struct header *h, bool *is64, uint64_t *offset)
{
	size_t n = z->end - z->at < ZIP_HEADER_MOST ? (size_t)(z->end - z->at) : ZIP_HEADER_MOST;
	uint16_t made, comment, disk, internal;
	uint32_t magic, external, small;
	struct bytes b;
	int err = take(z, z->at, n);

	if (err)
		return err;
	bytes_init(&b, slice_of(z->buf, n));
	magic = bytes_u32(&b);
	made = bytes_u16(&b);
	take_header(&b, h);
	comment = bytes_u16(&b);
	disk = bytes_u16(&b);
	internal = bytes_u16(&b);
	external = bytes_u32(&b);
	small = bytes_u32(&b);
	if (bytes_err(&b) || magic != CENTRAL_MAGIC)
		return refuse(z, "its directory ends before all of its files");
	*is64 = h->n_extra == CENTRAL_EXTRA_BYTES;
	if (h->n_extra && !*is64)
		return refuse(z, "a file has extra fields in the directory");
	if (made != MADE_BY || external != ATTRIBUTES || internal || comment || disk)
		return refuse(z,
			      "a file is not a plain one that only may be read, or has a comment");
	err = check_header(z, h, *is64);
	if (err)
		return err;
	f->n_name = h->n_name;
	bytes_copy(&b, f->name, h->n_name);
	*offset = small;
	if (*is64 && (!take_extra64(&b, f, offset) || small != IN_64))
		return refuse(z, "a file's ZIP64 field in the directory is not as it has to be");
	if (bytes_err(&b))
		return refuse(z, "its directory ends within a file's name");
	z->at += CENTRAL_BYTES + h->n_name + h->n_extra;
	return 0;
}

/* The local header at z->next says the same. */
static int
check_local(struct zip_read *z, const struct zip_file *f, const struct header *want, bool is64)
{
	size_t n = LOCAL_BYTES + f->n_name + (is64 ? LOCAL_EXTRA_BYTES : 0);
	struct zip_file sizes = *f;
	struct header h;
	struct bytes b;
	uint32_t magic;
	int err;

	if (z->next > z->directory || n > z->directory - z->next)
		return refuse(z, "a file's header lies where the directory is");
	err = take(z, z->next, n);
	if (err)
		return err;
	bytes_init(&b, slice_of(z->buf, n));
	magic = bytes_u32(&b);
	take_header(&b, &h);
	if (magic != LOCAL_MAGIC)
		return refuse(z, "a file does not begin where the one before it ends");
	if (h.needed != want->needed || h.flags != want->flags || h.method != want->method ||
	    h.time != want->time || h.date != want->date || h.crc != want->crc ||
	    h.packed != want->packed || h.size != want->size || h.n_name != want->n_name ||
	    h.n_extra != (is64 ? LOCAL_EXTRA_BYTES : 0) ||
	    !slice_eq(bytes_take(&b, f->n_name), slice_of(f->name, f->n_name)) ||
	    (is64 && (!take_extra64(&b, &sizes, NULL) || sizes.size != f->size ||
		      sizes.packed != f->packed)))
		return refuse(z, "a file's header and the directory do not say the same of it");
	return 0;
}

static int
read_file(struct zip_read *z, struct zip_file *f)
{
	struct header h;
	uint64_t offset;
	bool is64;
	int err = read_central(z, f, &h, &is64, &offset);

	if (err)
		return err;
	if (!is64) {
		f->size = h.size;
		f->packed = h.packed;
	} else if (h.size != IN_64 || h.packed != IN_64 ||
		   (f->size < IN_64 && f->packed < IN_64 && offset < IN_64)) {
		return refuse(z, "a file has a ZIP64 field that it does not need");
	}
	if (!is64 && (h.size == IN_64 || h.packed == IN_64 || offset == IN_64))
		return refuse(z, "a file has no ZIP64 field, and needs one");
	if (offset != z->next)
		return refuse(z, "a file does not lie where the one before it ends");
	f->name[f->n_name] = 0;
	f->method = h.method;
	f->crc = h.crc;
	err = check_local(z, f, &h, is64);
	if (err)
		return err;
	f->at = z->next + LOCAL_BYTES + f->n_name + (is64 ? LOCAL_EXTRA_BYTES : 0);
	if (f->packed > z->directory - f->at)
		return refuse(z, "a file's data does not end before the directory");
	if (f->method == ZIP_STORED && f->packed != f->size)
		return refuse(z, "a stored file has two sizes");
	if (memchr(f->name, 0, f->n_name))
		return refuse(z, "a file's name has a NUL in it");
	z->next = f->at + f->packed;
	return 0;
}

int
zip_read_next(struct zip_read *z, struct zip_file *f)
{
	int err;

	if (z->why)
		return STELE_ESYNTAX;
	if (z->done < z->n_files) {
		err = read_file(z, f);
		z->done += err == 0;
		return err ? err : 1;
	}
	if (z->next != z->directory)
		return refuse(z, "there is something between the last file and the directory");
	if (z->at != z->end)
		return refuse(z, "its directory goes on behind its last file");
	return 0;
}
