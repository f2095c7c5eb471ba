#define ZLIB_CONST
#include "storage/spoolmake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/seal.h"
#include "storage/sealedfile.h"

/* A bundle is packed once, and sent, kept and unpacked many times: level 5 unpacks in three
 * quarters of level 1's time and is a quarter smaller, for events; level 6 packs more slowly, for
 * little. */
enum { DEFLATED_BYTES = 64 * 1024, DEFLATE_LEVEL = 5, PUT_BYTES = 1 << 30 };

/* A body that is written, and the file that it is a part of. */
struct body {
	struct sealedfile_out file;
	bool open, deflated;
	uint64_t at, size;
	uint32_t part; /* bytes of it that were put */
	uint32_t crc;
	struct sha256 *hash;
	z_stream z;
	bool z_ready;
	uint8_t *out; /* DEFLATED_BYTES */
};

struct spool_maker {
	struct store *st;
	struct spool_use use;
	bool ours, ended; /* the folder */
	uint8_t key[AEAD_KEY_BYTES];
	struct random_stream random;
	struct body bodies[SPOOL_BODIES];
	struct sealedfile_out rows, kept;
	struct sealedfile_in kept_in;
	uint64_t n_kept, files;
	uint64_t start, central; /* of the next file */
	uint8_t row[SPOOL_ROW_BYTES];
};

/* Whether it may go on. */
static int
may(const struct spool_maker *m)
{
	if (atomic_load(&m->use.lost))
		return STELE_EGONE;
	if (atomic_load(&m->st->read_only))
		return STELE_EREADONLY;
	return atomic_load(&m->st->low_space) ? STELE_ENOSPACE : 0;
}

/* --- begin --------------------------------------------------------------------------------- */

static int
make_key(struct spool_maker *m)
{
	struct store *st = m->st;
	int err;

	pthread_mutex_lock(&st->spools.mu);
	pthread_mutex_lock(&st->creating);
	err = keyring_add_data(st->keyring, 0, KEYRING_EXPORT, 0, &m->use.key_id);
	if (err == 0) {
		memcpy(m->key, keyring_find_data(st->keyring, m->use.key_id)->key, sizeof m->key);
		err = keyring_commit(st->keyring);
		if (err != 0)
			keyring_drop_data(st->keyring, m->use.key_id);
	}
	pthread_mutex_unlock(&st->creating);
	pthread_mutex_unlock(&st->spools.mu);
	if (err == STELE_EIO)
		store_key_failed(st, "keyring");
	return err;
}

static int
make_folder(const struct spool_maker *m)
{
	char path[SPOOL_PATH_BYTES];
	int err = spool_path(path, m->st, "", "");

	if (err == 0 && mkdir(path, 0700) != 0 && errno != EEXIST)
		err = stele_err_from_errno(errno);
	if (err == 0)
		err = file_sync_parent(path);
	if (err == 0)
		err = spool_path(path, m->st, m->use.id, "");
	if (err == 0 && mkdir(path, 0700) != 0)
		err = stele_err_from_errno(errno);
	return err == 0 ? file_sync_parent(path) : err;
}

static int
create(struct spool_maker *m, struct sealedfile_out *f, const char *name, uint32_t number)
{
	char path[SPOOL_PATH_BYTES];
	int err = spool_path(path, m->st, m->use.id, name);

	return err == 0 ? sealedfile_create(f, path, number, m->key) : err;
}

static int
make_bodies(struct spool_maker *m)
{
	static const char *const names[SPOOL_BODIES] = {"bodies.0", "bodies.1", "bodies.2"};
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < SPOOL_BODIES; i++) {
		struct body *b = &m->bodies[i];

		b->hash = sha256_new();
		b->out = malloc(DEFLATED_BYTES);
		if (!b->hash || !b->out ||
		    deflateInit2(&b->z, DEFLATE_LEVEL, Z_DEFLATED, -MAX_WBITS, 9,
				 Z_DEFAULT_STRATEGY) != Z_OK)
			return STELE_ENOMEM;
		b->z_ready = true;
		err = create(m, &b->file, names[i], i);
	}
	return err;
}

int
spool_make_begin(struct spool_maker **out, struct store *st, struct slice id)
{
	struct spool_maker *m;
	int err;

	if (!spool_id_valid(id))
		return STELE_EINVAL;
	m = calloc(1, sizeof *m);
	if (!m)
		return STELE_ENOMEM;
	m->st = st;
	m->rows.fd = m->kept.fd = m->kept_in.fd = -1;
	for (size_t i = 0; i < SPOOL_BODIES; i++)
		m->bodies[i].file.fd = -1;
	random_stream_init(&m->random);
	memcpy(m->use.id, id.p, id.n);
	m->use.making = true;
	err = may(m);
	if (err == 0)
		err = spools_enter(st, &m->use);
	if (err == 0)
		err = make_folder(m);
	if (err == 0) {
		m->ours = true;
		err = make_key(m);
	}
	if (err == 0)
		err = make_bodies(m);
	if (err == 0)
		err = create(m, &m->rows, "rows", SPOOL_ROWS);
	if (err == 0)
		err = create(m, &m->kept, "kept", SPOOL_KEPT);
	if (err != 0)
		spool_make_free(m);
	else
		*out = m;
	return err;
}

int
spool_cover(struct spool_maker *m, uint64_t log_id, uint64_t first, uint64_t last)
{
	struct spool_cover *grown;
	int err = may(m);

	if (err != 0)
		return err;
	pthread_mutex_lock(&m->st->spools.mu);
	grown = realloc(m->use.covers, (m->use.n_covers + 1) * sizeof *grown);
	if (grown) {
		m->use.covers = grown;
		grown[m->use.n_covers++] = (struct spool_cover){log_id, first, last};
	}
	pthread_mutex_unlock(&m->st->spools.mu);
	return grown ? 0 : STELE_ENOMEM;
}

/* --- bodies -------------------------------------------------------------------------------- */

int
spool_body_begin(struct spool_maker *m, unsigned stream, bool deflated)
{
	struct body *b = &m->bodies[stream];

	CHECK(!b->open);
	b->open = true;
	b->deflated = deflated;
	b->at = b->file.bytes;
	b->size = 0;
	b->part = 0;
	b->crc = (uint32_t)crc32_z(0, NULL, 0);
	sha256_begin(b->hash);
	CHECK(deflateReset(&b->z) == Z_OK);
	return may(m);
}

/* All that zlib has for now, or with Z_FINISH all there is. */
static int
drain(struct spool_maker *m, struct body *b, int flush)
{
	int err = 0, rc;

	do {
		b->z.next_out = b->out;
		b->z.avail_out = DEFLATED_BYTES;
		rc = deflate(&b->z, flush);
		CHECK(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
		err = sealedfile_put(&b->file, slice_of(b->out, DEFLATED_BYTES - b->z.avail_out),
				     &m->random);
	} while (err == 0 && b->z.avail_out == 0);
	return err;
}

/* Deflates s, beginning anew at each part's end, so that a reader may unpack parts on their own. */
static int
put_deflated(struct spool_maker *m, struct body *b, struct slice s)
{
	int err = 0;

	while (err == 0 && s.n != 0) {
		size_t room = LIMIT_BUNDLE_PART_BYTES - b->part, n = s.n < room ? s.n : room;

		b->z.next_in = s.p;
		b->z.avail_in = (uInt)n;
		b->part += (uint32_t)n;
		s = slice_of(s.p + n, s.n - n);
		if (b->part < LIMIT_BUNDLE_PART_BYTES) {
			err = drain(m, b, Z_NO_FLUSH);
		} else {
			err = drain(m, b, Z_FULL_FLUSH);
			b->part = 0;
		}
	}
	return err;
}

int
spool_body_put(struct spool_maker *m, unsigned stream, struct slice s)
{
	struct body *b = &m->bodies[stream];
	int err = may(m);

	CHECK(b->open && s.n <= PUT_BYTES);
	if (err != 0 || s.n == 0)
		return err;
	b->size += s.n;
	b->crc = (uint32_t)crc32_z(b->crc, s.p, s.n);
	sha256_update(b->hash, s);
	return b->deflated ? put_deflated(m, b, s) : sealedfile_put(&b->file, s, &m->random);
}

int
spool_body_end(struct spool_maker *m, unsigned stream, const char *path, struct spool_row *row)
{
	struct body *b = &m->bodies[stream];
	size_t n = strlen(path);
	int err = may(m);

	CHECK(b->open && n >= 1 && n <= sizeof row->path);
	if (err == 0 && b->deflated)
		err = drain(m, b, Z_FINISH);
	if (err != 0)
		return err;
	b->open = false;
	*row = (struct spool_row){.stream = stream,
				  .at = b->at,
				  .method = b->deflated ? ZIP_DEFLATED : ZIP_STORED,
				  .crc = b->crc,
				  .size = b->size,
				  .packed = b->file.bytes - b->at,
				  .path_n = (uint8_t)n};
	memcpy(row->path, path, n);
	sha256_end(b->hash, row->sha256);
	return 0;
}

void
spool_body_drop(struct spool_maker *m, unsigned stream)
{
	m->bodies[stream].open = false;
}

/* --- rows ---------------------------------------------------------------------------------- */

static int
put_row(struct spool_maker *m, struct sealedfile_out *to, const struct spool_row *row)
{
	int err = may(m);

	if (err != 0)
		return err;
	spool_row_write(m->row, row);
	return sealedfile_put(to, slice_of(m->row, sizeof m->row), &m->random);
}

int
spool_keep(struct spool_maker *m, const struct spool_row *row)
{
	int err = m->n_kept < LIMIT_BUNDLE_FILES ? put_row(m, &m->kept, row) : STELE_ELIMIT;

	m->n_kept += err == 0;
	return err;
}

uint64_t
spool_kept(const struct spool_maker *m)
{
	return m->n_kept;
}

int
spool_kept_row(struct spool_maker *m, uint64_t i, struct spool_row *row)
{
	char path[SPOOL_PATH_BYTES];
	int err = may(m);

	CHECK(i < m->n_kept);
	if (err == 0 && m->kept_in.fd < 0) {
		err = sealedfile_end(&m->kept, &m->random);
		if (err == 0)
			err = spool_path(path, m->st, m->use.id, "kept");
		if (err == 0)
			err = sealedfile_open(&m->kept_in, path, SPOOL_KEPT, m->key, m->kept.bytes);
	}
	if (err == 0)
		err = sealedfile_read(&m->kept_in, i * SPOOL_ROW_BYTES, m->row, sizeof m->row);
	return err == 0 ? spool_row_read(row, m->row) : err;
}

int
spool_place(struct spool_maker *m, const struct spool_row *row)
{
	char name[ZIP_NAME_BYTES + 1];
	struct spool_row placed = *row;
	struct zip_file f;
	int err = m->files < LIMIT_BUNDLE_FILES ? 0 : STELE_ELIMIT;

	placed.start = m->start;
	placed.central = m->central;
	spool_zip_file(&f, &placed, m->use.id, name);
	if (err == 0)
		err = put_row(m, &m->rows, &placed);
	if (err != 0)
		return err;
	m->files++;
	m->start += zip_local_bytes(&f) + row->packed;
	m->central += zip_central_bytes(&f);
	return 0;
}

bool
spool_lost(const struct spool_maker *m)
{
	return atomic_load(&m->use.lost);
}

uint64_t
spool_made_bytes(const struct spool_maker *m)
{
	uint64_t bytes = m->kept.bytes;

	for (size_t i = 0; i < SPOOL_BODIES; i++)
		bytes += m->bodies[i].file.bytes;
	return bytes;
}

/* --- end ----------------------------------------------------------------------------------- */

static int
flush(struct spool_maker *m, struct spool_said *said)
{
	char path[SPOOL_PATH_BYTES];
	int err = sealedfile_end(&m->rows, &m->random);

	for (size_t i = 0; err == 0 && i < SPOOL_BODIES; i++) {
		err = sealedfile_end(&m->bodies[i].file, &m->random);
		said->bodies_bytes[i] = m->bodies[i].file.bytes;
	}
	sealedfile_in_fini(&m->kept_in);
	sealedfile_out_fini(&m->kept);
	if (err == 0)
		err = spool_path(path, m->st, m->use.id, "kept");
	if (err == 0 && unlink(path) != 0)
		err = STELE_EIO;
	return err;
}

/* The file `spool` makes it one: nothing can take it away between the last look and that. */
static int
publish(struct spool_maker *m, struct spool_said *said)
{
	char path[SPOOL_PATH_BYTES];
	struct buf b;
	int err;

	buf_init(&b);
	pthread_mutex_lock(&m->st->spools.mu);
	said->covers = m->use.covers;
	said->n_covers = m->use.n_covers;
	err = spool_said_write(&b, said, m->key);
	if (err == 0)
		err = may(m);
	if (err == 0)
		err = spool_path(path, m->st, m->use.id, "spool");
	if (err == 0)
		err = file_replace(path, b.p, b.n, 0600);
	m->ended = err == 0;
	pthread_mutex_unlock(&m->st->spools.mu);
	buf_fini(&b);
	return err;
}

int
spool_make_end(struct spool_maker *m, const uint8_t digest[32], uint64_t *bytes, uint64_t *files)
{
	struct spool_said said = {.key_id = m->use.key_id,
				  .files = m->files,
				  .rows_bytes = m->rows.bytes,
				  .central = m->start,
				  .central_bytes = m->central};
	const struct zip_end end = {m->files, m->start, m->central};
	uint8_t tail[ZIP_END_BYTES];
	int err = flush(m, &said);

	memcpy(said.digest, digest, sizeof said.digest);
	if (err == 0)
		err = publish(m, &said);
	if (err != 0)
		return err;
	*files = m->files;
	*bytes = m->start + m->central + zip_end(tail, &end);
	return 0;
}

static void
free_body(struct body *b)
{
	if (b->z_ready)
		deflateEnd(&b->z);
	sha256_free(b->hash);
	free(b->out);
	sealedfile_out_fini(&b->file);
}

void
spool_make_free(struct spool_maker *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < SPOOL_BODIES; i++)
		free_body(&m->bodies[i]);
	sealedfile_out_fini(&m->rows);
	sealedfile_out_fini(&m->kept);
	sealedfile_in_fini(&m->kept_in);
	if (m->ours && !m->ended)
		(void)spool_destroy(m->st, slice_str(m->use.id)); /* said; else the next start */
	spools_leave(m->st, &m->use);
	free(m->use.covers);
	random_stream_fini(&m->random);
	explicit_bzero(m, sizeof *m);
	free(m);
}
