/* The format, and reading: a chunk is read, opened and only then handed on. */
#include "storage/object.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "proto/le.h"
#include "proto/limits.h"
#include "storage/file.h"
#include "storage/internal.h"
#include "storage/read.h"

static const char magic[8] = "steleobj";

struct object {
	struct log *log;
	uint64_t index; /* of its record, for what is said of it */
	int fd;
	struct object_descriptor d;
	uint8_t header[OBJECT_HEADER_BYTES];
	char *how; /* OBJECT_HOW_BYTES for what is wrong with it; NULL: it is said */
};

void
object_descriptor_write(uint8_t out[OBJECT_DESCRIPTOR_BYTES], const struct object_descriptor *d)
{
	le_put32(out, OBJECT_VERSION);
	le_put32(out + 4, d->chunk_bytes);
	le_put64(out + 8, d->size);
	memcpy(out + 16, d->id, OBJECT_ID_BYTES);
	memcpy(out + 32, d->key, AEAD_KEY_BYTES);
	memcpy(out + 64, d->sha256, 32);
}

int
object_descriptor_read(struct object_descriptor *d, struct slice s)
{
	struct object_descriptor got;

	if (s.n != OBJECT_DESCRIPTOR_BYTES)
		return STELE_ESYNTAX;
	if (le_get32(s.p) != OBJECT_VERSION)
		return STELE_EVERSION;
	got.chunk_bytes = le_get32(s.p + 4);
	got.size = le_get64(s.p + 8);
	memcpy(got.id, s.p + 16, OBJECT_ID_BYTES);
	memcpy(got.key, s.p + 32, AEAD_KEY_BYTES);
	memcpy(got.sha256, s.p + 64, 32);
	if (got.chunk_bytes < LIMIT_OBJECT_CHUNK_MIN_BYTES ||
	    got.chunk_bytes > LIMIT_OBJECT_CHUNK_MAX_BYTES || got.size == 0 ||
	    got.size > LIMIT_INTEGER)
		return STELE_ESYNTAX;
	*d = got;
	return 0;
}

void
object_header_write(uint8_t out[OBJECT_HEADER_BYTES], const uint8_t id[OBJECT_ID_BYTES],
		    uint64_t log_id, uint32_t chunk_bytes)
{
	memset(out, 0, OBJECT_HEADER_BYTES);
	memcpy(out, magic, sizeof magic);
	le_put32(out + 8, OBJECT_VERSION);
	memcpy(out + 16, id, OBJECT_ID_BYTES);
	le_put64(out + 32, log_id);
	le_put32(out + 40, chunk_bytes);
}

void
object_chunk_ad(uint8_t ad[OBJECT_AD_BYTES], const uint8_t header[OBJECT_HEADER_BYTES],
		uint64_t number, bool last)
{
	memcpy(ad, header, OBJECT_HEADER_BYTES);
	le_put64(ad + OBJECT_HEADER_BYTES, number);
	ad[OBJECT_HEADER_BYTES + 8] = last;
}

uint64_t
object_chunks(uint64_t size, uint32_t chunk_bytes)
{
	CHECK(chunk_bytes != 0);
	return (size + chunk_bytes - 1) / chunk_bytes;
}

uint64_t
object_file_bytes(uint64_t size, uint32_t chunk_bytes)
{
	return OBJECT_HEADER_BYTES + size + object_chunks(size, chunk_bytes) * AEAD_OVERHEAD;
}

void
object_name(char out[OBJECT_NAME_BYTES], const uint8_t id[OBJECT_ID_BYTES])
{
	hex_format(out, id, OBJECT_ID_BYTES);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
object_id_of(const char *name, const char *suffix, uint8_t id[OBJECT_ID_BYTES])
{
	size_t n = 2 * (size_t)OBJECT_ID_BYTES;
	uint8_t got[OBJECT_ID_BYTES];

	if (strlen(name) != n + strlen(suffix) || strcmp(name + n, suffix) != 0)
		return false;
	for (size_t i = 0; i < OBJECT_ID_BYTES; i++) {
		int high = hex_digit(name[2 * i]), low = hex_digit(name[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		got[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(id, got, sizeof got);
	return true;
}

int
object_path(char *out, size_t cap, const struct store *st, const struct log *log,
	    const uint8_t id[OBJECT_ID_BYTES])
{
	char name[OBJECT_NAME_BYTES];

	object_name(name, id);
	return snprintf(out, cap, "%s/objects/%s/%s.obj", st->dir, log->name, name) < (int)cap
		       ? 0
		       : STELE_ELIMIT;
}

/* --- reading --------------------------------------------------------------------------- */

/* The file is not what was stored: said to the operator, or only noted for fsck. */
static int
damaged(const struct object *o, const char *how)
{
	char what[256], name[OBJECT_NAME_BYTES];

	if (o->how) {
		snprintf(o->how, OBJECT_HOW_BYTES, "%s", how);
		return STELE_EDAMAGED;
	}
	object_name(name, o->d.id);
	snprintf(what, sizeof what, "objects/%s/%s.obj, which holds its payload (%s),",
		 o->log->name, name, how);
	return read_damaged(o->log, o->index, what);
}

/* Length and header of the open file against the descriptor. */
static int
check_file(struct object *o)
{
	uint8_t header[OBJECT_HEADER_BYTES];
	struct stat sb;
	int err;

	if (fstat(o->fd, &sb) != 0)
		return STELE_EIO;
	if ((uint64_t)sb.st_size != object_file_bytes(o->d.size, o->d.chunk_bytes))
		return damaged(o, "it has another length");
	err = file_pread(o->fd, header, sizeof header, 0);
	if (err == 0 && memcmp(header, o->header, sizeof header) != 0)
		err = damaged(o, "its header is another");
	return err;
}

/* Whether the record went since its descriptor was read: rare, so that memory is taken for it. */
static bool
was_purged(struct object *o, struct store *st)
{
	struct toolbox *t = toolbox_new();
	struct record r = {.gone = false};
	struct arena a;

	arena_init(&a);
	if (t && read_entry(st, o->log, o->index, t, &a, &r) != 0)
		r.gone = false;
	arena_fini(&a);
	toolbox_free(t);
	errno = ENOENT;
	return r.gone;
}

static int
open_file(struct object *o, struct store *st)
{
	char path[OBJECT_PATH_BYTES];
	int err = object_path(path, sizeof path, st, o->log, o->d.id);

	if (err != 0)
		return err;
	o->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (o->fd < 0 && errno == ENOENT && !o->how && was_purged(o, st))
		return STELE_EGONE;
	if (o->fd < 0 && (errno == ENOENT || errno == ELOOP))
		return damaged(o, "it is missing");
	return o->fd < 0 ? STELE_EIO : check_file(o);
}

static int
open_object(struct object **out, struct store *st, struct log *log, uint64_t index,
	    struct slice descriptor, char *how)
{
	struct object *o = calloc(1, sizeof *o);
	int err;

	if (!o)
		return STELE_ENOMEM;
	o->log = log;
	o->index = index;
	o->fd = -1;
	o->how = how;
	if (object_descriptor_read(&o->d, descriptor) == 0) {
		object_header_write(o->header, o->d.id, log->id, o->d.chunk_bytes);
		err = open_file(o, st);
	} else {
		err = damaged(o, "its descriptor is none of ours");
	}
	if (err != 0) {
		object_close(o);
		return err;
	}
	*out = o;
	return 0;
}

int
object_open(struct object **out, struct store *st, struct log *log, uint64_t index,
	    struct slice descriptor)
{
	return open_object(out, st, log, index, descriptor, NULL);
}

void
object_close(struct object *o)
{
	if (!o)
		return;
	if (o->fd >= 0)
		close(o->fd);
	explicit_bzero(o, sizeof *o);
	free(o);
}

uint64_t
object_size(const struct object *o)
{
	return o->d.size;
}

const uint8_t *
object_sha256(const struct object *o)
{
	return o->d.sha256;
}

void
object_uncache(const struct object *o)
{
	(void)posix_fadvise(o->fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Payload bytes of a chunk: all chunks are full but the last. */
static uint32_t
chunk_payload(const struct object *o, uint64_t number)
{
	uint64_t left = o->d.size - number * o->d.chunk_bytes;

	return left < o->d.chunk_bytes ? (uint32_t)left : o->d.chunk_bytes;
}

/* A verified chunk into out, which has room for all of it. */
static int
read_chunk(struct object *o, uint64_t number, uint8_t *out, struct toolbox *t)
{
	uint32_t n = chunk_payload(o, number) + AEAD_OVERHEAD;
	uint64_t at = OBJECT_HEADER_BYTES + number * (o->d.chunk_bytes + (uint64_t)AEAD_OVERHEAD);
	bool last = number + 1 == object_chunks(o->d.size, o->d.chunk_bytes);
	uint8_t ad[OBJECT_AD_BYTES];
	char how[64];
	int err;

	buf_reset(&t->packed);
	err = buf_reserve(&t->packed, n);
	if (err == 0)
		err = file_pread(o->fd, t->packed.p, n, at);
	if (err == STELE_EDAMAGED)
		return damaged(o, "it ends early");
	if (err != 0)
		return err;
	object_chunk_ad(ad, o->header, number, last);
	if (aead_open(out, o->d.key, slice_of(t->packed.p, n), slice_of(ad, sizeof ad)) == 0)
		return 0;
	snprintf(how, sizeof how, "the chunk at byte %llu was changed", (unsigned long long)at);
	return damaged(o, how);
}

int
object_read(struct object *o, uint64_t from, void *out, size_t n, struct toolbox *t)
{
	uint8_t *to = out;
	int err = 0;

	if (from > o->d.size || n > o->d.size - from)
		return STELE_EINVAL;
	while (err == 0 && n) {
		uint64_t number = from / o->d.chunk_bytes;
		uint32_t skip = (uint32_t)(from % o->d.chunk_bytes);
		uint32_t have = chunk_payload(o, number);
		size_t take = have - skip < n ? have - skip : n;

		if (take == have) {
			err = read_chunk(o, number, to, t);
		} else {
			buf_reset(&t->plain);
			err = buf_reserve(&t->plain, have);
			if (err == 0)
				err = read_chunk(o, number, t->plain.p, t);
			if (err == 0)
				memcpy(to, t->plain.p + skip, take);
		}
		to += take;
		from += take;
		n -= take;
	}
	return err;
}

/* All chunks through both hashes. */
static int
hash_all(struct object *o, struct sha256 *plain, struct sha256 *bound, struct toolbox *t)
{
	uint64_t chunks = object_chunks(o->d.size, o->d.chunk_bytes);
	uint8_t *chunk = malloc(o->d.chunk_bytes);
	int err = chunk ? 0 : STELE_ENOMEM;

	for (uint64_t i = 0; err == 0 && i < chunks; i++) {
		struct slice piece = slice_of(chunk, chunk_payload(o, i));
		err = read_chunk(o, i, chunk, t);
		if (err != 0)
			break;
		sha256_update(plain, piece);
		sha256_update(bound, piece);
	}
	free(chunk);
	return err;
}

int
object_check(struct store *st, struct log *log, struct slice descriptor, const uint8_t salt[16],
	     const uint8_t commitment[32], struct toolbox *t, char how[OBJECT_HOW_BYTES])
{
	struct sha256 *plain = sha256_new();
	struct object *o = NULL;
	uint8_t got[32];
	int err = plain ? 0 : STELE_ENOMEM;

	if (err == 0)
		err = open_object(&o, st, log, 0, descriptor, how);
	if (err == 0) {
		sha256_begin(plain);
		sha256_commitment_begin(t->sha, salt);
		err = hash_all(o, plain, t->sha, t);
	}
	if (err == 0) {
		sha256_end(t->sha, got);
		if (memcmp(got, commitment, 32) != 0)
			err = damaged(o, "it holds another payload than its entry commits to");
	}
	if (err == 0) {
		sha256_end(plain, got);
		if (memcmp(got, o->d.sha256, 32) != 0)
			err = damaged(o, "it has another SHA-256 than its descriptor says");
	}
	object_close(o);
	sha256_free(plain);
	return err;
}
