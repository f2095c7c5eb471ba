/* Reading a spool: where an offset of the archive is, the rows say. */
#include "storage/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "storage/internal.h"
#include "storage/sealedfile.h"
#include "storage/spoolkeep.h"

struct spool_reader {
	struct store *st;
	struct spool_use use;
	struct spool_said said;
	struct sealedfile_in rows, bodies[SPOOL_BODIES];
	uint64_t hint; /* the row that was read last: the next one is likely wanted */
	uint64_t bytes;
	uint8_t made[ZIP_CENTRAL_BYTES + ZIP_END_BYTES]; /* a header, or the end records */
};

static int
open_file(struct spool_reader *r, struct sealedfile_in *f, const char *name, uint32_t number,
	  const uint8_t key[AEAD_KEY_BYTES], uint64_t bytes)
{
	char path[SPOOL_PATH_BYTES];
	int err = spool_path(path, r->st, r->use.id, name);

	return err == 0 ? sealedfile_open(f, path, number, key, bytes) : err;
}

static int
open_files(struct spool_reader *r, const uint8_t key[AEAD_KEY_BYTES])
{
	char name[16];
	int err = open_file(r, &r->rows, "rows", SPOOL_ROWS, key, r->said.rows_bytes);

	for (uint32_t i = 0; err == 0 && i < SPOOL_BODIES; i++) {
		snprintf(name, sizeof name, "bodies.%u", i);
		err = open_file(r, &r->bodies[i], name, i, key, r->said.bodies_bytes[i]);
	}
	return err;
}

static size_t
make_end(struct spool_reader *r)
{
	const struct zip_end end = {r->said.files, r->said.central, r->said.central_bytes};

	return zip_end(r->made, &end);
}

int
spool_open(struct spool_reader **out, struct store *st, struct slice id)
{
	uint8_t key[AEAD_KEY_BYTES];
	struct spool_reader *r;
	int err;

	if (!spool_id_valid(id))
		return STELE_ENOTFOUND;
	r = calloc(1, sizeof *r);
	if (!r)
		return STELE_ENOMEM;
	r->st = st;
	r->rows.fd = -1;
	for (size_t i = 0; i < SPOOL_BODIES; i++)
		r->bodies[i].fd = -1;
	memcpy(r->use.id, id.p, id.n);
	err = spools_enter(st, &r->use); /* before the key is read, so that its end is told */
	if (err == 0)
		err = spool_said_read(&r->said, key, st, r->use.id);
	if (err == 0)
		err = open_files(r, key);
	explicit_bzero(key, sizeof key);
	r->bytes = r->said.central + r->said.central_bytes + make_end(r);
	if (err != 0)
		spool_close(r);
	else
		*out = r;
	return err;
}

void
spool_close(struct spool_reader *r)
{
	if (!r)
		return;
	spools_leave(r->st, &r->use);
	sealedfile_in_fini(&r->rows);
	for (size_t i = 0; i < SPOOL_BODIES; i++)
		sealedfile_in_fini(&r->bodies[i]);
	spool_said_fini(&r->said);
	explicit_bzero(r, sizeof *r);
	free(r);
}

uint64_t
spool_bytes(const struct spool_reader *r)
{
	return r->bytes;
}

const uint8_t *
spool_digest(const struct spool_reader *r)
{
	return r->said.digest;
}

/* --- where an offset is -------------------------------------------------------------------- */

static int
read_row(struct spool_reader *r, uint64_t i, struct spool_row *row)
{
	uint8_t bytes[SPOOL_ROW_BYTES];
	int err = sealedfile_read(&r->rows, i * SPOOL_ROW_BYTES, bytes, sizeof bytes);

	return err == 0 ? spool_row_read(row, bytes) : err;
}

/* Where its header, or its entry in the central directory, begins. */
static uint64_t
begin_of(const struct spool_row *row, bool central)
{
	return central ? row->central : row->start;
}

/* The last row in [low, high) that begins at or before the offset; the first one does. */
static int
search(struct spool_reader *r, uint64_t low, uint64_t high, uint64_t offset, bool central,
       struct spool_row *row)
{
	int err = 0;

	while (err == 0 && high - low > 1) {
		uint64_t mid = low + (high - low) / 2;

		err = read_row(r, mid, row);
		if (err == 0 && begin_of(row, central) <= offset)
			low = mid;
		else
			high = mid;
	}
	r->hint = low;
	return err == 0 ? read_row(r, low, row) : err;
}

/* The row that the offset is in: near the one before, or wherever. */
static int
find_row(struct spool_reader *r, uint64_t offset, bool central, struct spool_row *row)
{
	uint64_t files = r->said.files, from = r->hint < files ? r->hint : 0;
	uint64_t to = files - from > 2 ? from + 2 : files;
	int err = read_row(r, from, row);
	bool near = err == 0 && begin_of(row, central) <= offset;

	if (near && to < files) {
		err = read_row(r, to, row);
		near = err == 0 && offset < begin_of(row, central);
	}
	if (err != 0)
		return err;
	return near ? search(r, from, to, offset, central, row)
		    : search(r, 0, files, offset, central, row);
}

/* Copies what of a made piece of n bytes is at offset `skip`, at most *room. */
static void
copy_made(const struct spool_reader *r, size_t n, size_t skip, uint8_t *out, size_t *room)
{
	*room = n - skip < *room ? n - skip : *room;
	memcpy(out, r->made + skip, *room);
}

/* Some bytes at offset `from`, before the central directory: at most *n, then how many. */
static int
read_file(struct spool_reader *r, uint64_t from, uint8_t *out, size_t *n)
{
	char name[ZIP_NAME_BYTES + 1];
	struct spool_row row;
	struct zip_file f;
	uint64_t skip;
	size_t head;
	int err = find_row(r, from, false, &row);

	if (err != 0)
		return err;
	spool_zip_file(&f, &row, r->use.id, name);
	skip = from - row.start;
	head = zip_local(r->made, &f);
	if (skip < head) {
		copy_made(r, head, (size_t)skip, out, n);
		return 0;
	}
	skip -= head;
	if (skip >= row.packed || row.at > r->bodies[row.stream].bytes ||
	    row.packed > r->bodies[row.stream].bytes - row.at)
		return STELE_EDAMAGED;
	*n = row.packed - skip < *n ? (size_t)(row.packed - skip) : *n;
	return sealedfile_read(&r->bodies[row.stream], row.at + skip, out, *n);
}

/* The same of the central directory, whose begin `from` counts from. */
static int
read_central(struct spool_reader *r, uint64_t from, uint8_t *out, size_t *n)
{
	char name[ZIP_NAME_BYTES + 1];
	struct spool_row row;
	struct zip_file f;
	size_t made;
	int err = find_row(r, from, true, &row);

	if (err != 0)
		return err;
	spool_zip_file(&f, &row, r->use.id, name);
	made = zip_central(r->made, &f);
	if (from - row.central >= made)
		return STELE_EDAMAGED;
	copy_made(r, made, (size_t)(from - row.central), out, n);
	return 0;
}

int
spool_read(struct spool_reader *r, uint64_t from, void *out, size_t n)
{
	uint64_t central = r->said.central, end = central + r->said.central_bytes;
	uint8_t *to = out;
	int err = 0;

	if (from > r->bytes || n > r->bytes - from)
		return STELE_EINVAL;
	while (err == 0 && n) {
		size_t took = n;

		if (atomic_load(&r->use.lost))
			return STELE_EGONE;
		if (from < central)
			err = read_file(r, from, to, &took);
		else if (from < end)
			err = read_central(r, from - central, to, &took);
		else
			copy_made(r, make_end(r), (size_t)(from - end), to, &took);
		to += took;
		from += took;
		n -= took;
	}
	return err;
}
