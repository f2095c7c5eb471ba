/* Rows and the file `spool`: bytes to facts and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/bytes.h"
#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/spoolkeep.h"

enum {
	HEADER_BYTES = 32,
	FIXED_BYTES = 8 * (4 + SPOOL_BODIES) + 32 + 4,
	COVER_BYTES = 24,
	FILE_LIMIT_BYTES = 16 << 20,
};

static const char magic[8] = "steleexp";

void
spool_row_write(uint8_t out[SPOOL_ROW_BYTES], const struct spool_row *r)
{
	const uint64_t numbers[] = {r->at, r->size, r->packed, r->start, r->central};

	CHECK(r->path_n >= 1 && r->path_n <= sizeof r->path);
	memset(out, 0, SPOOL_ROW_BYTES);
	out[0] = (uint8_t)r->stream;
	out[1] = (uint8_t)r->method;
	le_put32(out + 2, r->crc);
	for (size_t i = 0; i < 5; i++)
		le_put64(out + 6 + 8 * i, numbers[i]);
	memcpy(out + 46, r->sha256, 32);
	out[78] = r->path_n;
	memcpy(out + SPOOL_ROW_FACTS, r->path, r->path_n);
}

int
spool_row_read(struct spool_row *r, const uint8_t in[SPOOL_ROW_BYTES])
{
	uint64_t *const numbers[] = {&r->at, &r->size, &r->packed, &r->start, &r->central};

	if (in[0] >= SPOOL_BODIES || (in[1] != ZIP_STORED && in[1] != ZIP_DEFLATED) || in[78] < 1 ||
	    in[78] > sizeof r->path)
		return STELE_EDAMAGED;
	r->stream = in[0];
	r->method = (enum zip_method)in[1];
	r->crc = le_get32(in + 2);
	for (size_t i = 0; i < 5; i++)
		*numbers[i] = le_get64(in + 6 + 8 * i);
	memcpy(r->sha256, in + 46, 32);
	r->path_n = in[78];
	memcpy(r->path, in + SPOOL_ROW_FACTS, r->path_n);
	return 0;
}

void
spool_zip_file(struct zip_file *f, const struct spool_row *r, const char *id,
	       char name[ZIP_NAME_BYTES + 1])
{
	int n = snprintf(name, ZIP_NAME_BYTES + 1, "stele-%s/%.*s", id, r->path_n, r->path);

	*f = (struct zip_file){
		slice_of(name, (size_t)n), r->method, r->crc, r->size, r->packed, r->start};
}

void
spool_said_fini(struct spool_said *s)
{
	free(s->covers);
	s->covers = NULL;
	s->n_covers = 0;
}

static void
put64(struct buf *b, uint64_t v)
{
	uint8_t bytes[8];

	le_put64(bytes, v);
	buf_put(b, bytes, sizeof bytes);
}

static void
put_facts(struct buf *b, const struct spool_said *s)
{
	uint8_t n[4];

	put64(b, s->files);
	put64(b, s->rows_bytes);
	for (size_t i = 0; i < SPOOL_BODIES; i++)
		put64(b, s->bodies_bytes[i]);
	put64(b, s->central);
	put64(b, s->central_bytes);
	buf_put(b, s->digest, 32);
	le_put32(n, (uint32_t)s->n_covers);
	buf_put(b, n, sizeof n);
	for (size_t i = 0; i < s->n_covers; i++) {
		put64(b, s->covers[i].log_id);
		put64(b, s->covers[i].first);
		put64(b, s->covers[i].last);
	}
}

int
spool_said_write(struct buf *out, const struct spool_said *s, const uint8_t key[AEAD_KEY_BYTES])
{
	uint8_t header[HEADER_BYTES] = {0};
	struct random_stream rnd;
	struct buf facts;
	int err;

	buf_init(&facts);
	put_facts(&facts, s);
	memcpy(header, magic, sizeof magic);
	le_put32(header + 8, SPOOL_VERSION);
	le_put64(header + 16, s->key_id);
	le_put64(header + 24, facts.n);
	buf_put(out, header, sizeof header);
	err = facts.err ? facts.err : buf_reserve(out, facts.n + AEAD_OVERHEAD);
	if (err == 0) {
		random_stream_init(&rnd);
		aead_seal(out->p + out->n, key, buf_slice(&facts), slice_of(header, sizeof header),
			  &rnd);
		out->n += facts.n + AEAD_OVERHEAD;
		random_stream_fini(&rnd);
	}
	buf_fini(&facts);
	return err;
}

static int
take_facts(struct spool_said *s, struct slice plain)
{
	struct bytes b;
	int err;

	bytes_init(&b, plain);
	s->files = bytes_u64(&b);
	s->rows_bytes = bytes_u64(&b);
	for (size_t i = 0; i < SPOOL_BODIES; i++)
		s->bodies_bytes[i] = bytes_u64(&b);
	s->central = bytes_u64(&b);
	s->central_bytes = bytes_u64(&b);
	bytes_copy(&b, s->digest, 32);
	s->n_covers = bytes_u32(&b);
	if (bytes_err(&b) || bytes_left(&b) != s->n_covers * COVER_BYTES ||
	    s->rows_bytes != s->files * SPOOL_ROW_BYTES)
		return STELE_EDAMAGED;
	s->covers = malloc((s->n_covers + 1) * sizeof *s->covers);
	if (!s->covers)
		return STELE_ENOMEM;
	for (size_t i = 0; i < s->n_covers; i++) {
		s->covers[i].log_id = bytes_u64(&b);
		s->covers[i].first = bytes_u64(&b);
		s->covers[i].last = bytes_u64(&b);
	}
	err = bytes_end(&b);
	return err ? STELE_EDAMAGED : 0;
}

static int
find_key(struct store *st, uint64_t id, uint8_t key[AEAD_KEY_BYTES])
{
	const struct keyring_data *d;
	int err = STELE_EKEY;

	pthread_mutex_lock(&st->creating);
	d = keyring_find_data(st->keyring, id);
	if (d && d->kind == KEYRING_EXPORT) {
		memcpy(key, d->key, AEAD_KEY_BYTES);
		err = 0;
	}
	pthread_mutex_unlock(&st->creating);
	return err;
}

/* The box behind the header, opened. */
static int
open_facts(struct spool_said *s, const uint8_t key[AEAD_KEY_BYTES], struct slice file)
{
	uint64_t n = le_get64(file.p + 24);
	struct slice box = slice_of(file.p + HEADER_BYTES, file.n - HEADER_BYTES);
	uint8_t *plain;
	int err;

	if (n < FIXED_BYTES || box.n != n + AEAD_OVERHEAD)
		return STELE_EDAMAGED;
	plain = malloc(n);
	if (!plain)
		return STELE_ENOMEM;
	err = aead_open(plain, key, box, slice_of(file.p, HEADER_BYTES)) ? STELE_EDAMAGED : 0;
	if (err == 0)
		err = take_facts(s, slice_of(plain, n));
	free(plain);
	return err;
}

int
spool_said_read(struct spool_said *s, uint8_t key[AEAD_KEY_BYTES], struct store *st, const char *id)
{
	char path[SPOOL_PATH_BYTES];
	struct buf b;
	int err = spool_path(path, st, id, "spool");

	memset(s, 0, sizeof *s);
	buf_init(&b);
	if (err == 0)
		err = file_read_all(path, &b, FILE_LIMIT_BYTES);
	if (err == 0 && (b.n < HEADER_BYTES || memcmp(b.p, magic, sizeof magic) != 0))
		err = STELE_EDAMAGED;
	if (err == 0 && (le_get32(b.p + 8) != SPOOL_VERSION || le_get32(b.p + 12) != 0))
		err = STELE_EVERSION;
	if (err == 0) {
		s->key_id = le_get64(b.p + 16);
		err = find_key(st, s->key_id, key);
	}
	if (err == 0)
		err = open_facts(s, key, buf_slice(&b));
	if (err != 0) {
		spool_said_fini(s);
		explicit_bzero(key, AEAD_KEY_BYTES);
	}
	buf_fini(&b);
	return err == STELE_ELIMIT ? STELE_EDAMAGED : err;
}

int
spool_path(char out[SPOOL_PATH_BYTES], const struct store *st, const char *id, const char *file)
{
	int n = snprintf(out, SPOOL_PATH_BYTES, "%s/exports%s%s%s%s", st->dir, *id ? "/" : "", id,
			 *file ? "/" : "", file);

	return n < SPOOL_PATH_BYTES ? 0 : STELE_ELIMIT;
}
