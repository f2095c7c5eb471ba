#include "storage/sealedfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/file.h"

enum { AD_BYTES = 12, DIRTY_BYTES = 8 << 20 };

static void
put_ad(uint8_t ad[AD_BYTES], uint32_t number, uint64_t chunk)
{
	le_put32(ad, number);
	le_put64(ad + 4, chunk);
}

static void
forget(uint8_t **plain, uint8_t **box)
{
	if (*plain)
		explicit_bzero(*plain, SEALEDFILE_CHUNK);
	free(*plain);
	free(*box);
	*plain = *box = NULL;
}

/* --- writing ------------------------------------------------------------------------------- */

int
sealedfile_create(struct sealedfile_out *f, const char *path, uint32_t number,
		  const uint8_t key[AEAD_KEY_BYTES])
{
	*f = (struct sealedfile_out){.fd = -1, .number = number};
	f->plain = malloc(SEALEDFILE_CHUNK);
	f->box = malloc(SEALEDFILE_BOX);
	if (!f->plain || !f->box) {
		sealedfile_out_fini(f);
		return STELE_ENOMEM;
	}
	memcpy(f->key, key, AEAD_KEY_BYTES);
	f->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd >= 0)
		return 0;
	sealedfile_out_fini(f);
	return stele_err_from_errno(errno);
}

/* The disk begins to write early, so that the end need not wait for all of it. */
static void
keep_disk_busy(struct sealedfile_out *f, uint64_t end)
{
	if (end - f->flushed < DIRTY_BYTES)
		return;
	/* a hint: what fails of it, the flush at the end tells */
	(void)sync_file_range(f->fd, (off64_t)f->flushed, (off64_t)(end - f->flushed),
			      SYNC_FILE_RANGE_WRITE);
	f->flushed = end;
}

static int
write_chunk(struct sealedfile_out *f, struct random_stream *rnd)
{
	uint8_t ad[AD_BYTES];
	uint64_t at = f->chunk * SEALEDFILE_BOX;
	int err;

	put_ad(ad, f->number, f->chunk);
	aead_seal(f->box, f->key, slice_of(f->plain, f->n), slice_of(ad, sizeof ad), rnd);
	err = file_pwrite(f->fd, f->box, f->n + AEAD_OVERHEAD, at);
	if (err != 0)
		return err;
	keep_disk_busy(f, at + f->n + AEAD_OVERHEAD);
	f->chunk++;
	f->n = 0;
	return 0;
}

int
sealedfile_put(struct sealedfile_out *f, struct slice s, struct random_stream *rnd)
{
	int err = 0;

	while (err == 0 && s.n) {
		size_t room = SEALEDFILE_CHUNK - f->n, take = s.n < room ? s.n : room;

		memcpy(f->plain + f->n, s.p, take);
		f->n += take;
		f->bytes += take;
		s = slice_of(s.p + take, s.n - take);
		if (f->n == SEALEDFILE_CHUNK)
			err = write_chunk(f, rnd);
	}
	return err;
}

int
sealedfile_end(struct sealedfile_out *f, struct random_stream *rnd)
{
	int err = f->n ? write_chunk(f, rnd) : 0;

	if (err == 0 && fsync(f->fd) != 0)
		err = STELE_EIO;
	return err;
}

void
sealedfile_out_fini(struct sealedfile_out *f)
{
	if (f->fd >= 0)
		close(f->fd);
	forget(&f->plain, &f->box);
	explicit_bzero(f, sizeof *f);
	f->fd = -1;
}

/* --- reading ------------------------------------------------------------------------------- */

static uint64_t
disk_bytes(uint64_t bytes)
{
	uint64_t chunks = (bytes + SEALEDFILE_CHUNK - 1) / SEALEDFILE_CHUNK;

	return bytes + chunks * AEAD_OVERHEAD;
}

int
sealedfile_open(struct sealedfile_in *f, const char *path, uint32_t number,
		const uint8_t key[AEAD_KEY_BYTES], uint64_t bytes)
{
	struct stat sb;
	int err = 0;

	*f = (struct sealedfile_in){.fd = -1, .number = number, .bytes = bytes};
	f->chunk = UINT64_MAX;
	memcpy(f->key, key, AEAD_KEY_BYTES);
	f->plain = malloc(SEALEDFILE_CHUNK);
	f->box = malloc(SEALEDFILE_BOX);
	if (!f->plain || !f->box)
		err = STELE_ENOMEM;
	if (err == 0)
		f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (err == 0 && f->fd < 0)
		err = errno == ENOENT ? STELE_EDAMAGED : STELE_EIO;
	if (err == 0 && fstat(f->fd, &sb) != 0)
		err = STELE_EIO;
	if (err == 0 && (uint64_t)sb.st_size != disk_bytes(bytes))
		err = STELE_EDAMAGED;
	if (err != 0)
		sealedfile_in_fini(f);
	return err;
}

static int
load(struct sealedfile_in *f, uint64_t chunk)
{
	uint64_t left = f->bytes - chunk * SEALEDFILE_CHUNK;
	size_t n = (left < SEALEDFILE_CHUNK ? (size_t)left : SEALEDFILE_CHUNK) + AEAD_OVERHEAD;
	uint8_t ad[AD_BYTES];
	int err;

	if (f->chunk == chunk)
		return 0;
	f->chunk = UINT64_MAX;
	err = file_pread(f->fd, f->box, n, chunk * SEALEDFILE_BOX);
	if (err != 0)
		return err;
	put_ad(ad, f->number, chunk);
	if (aead_open(f->plain, f->key, slice_of(f->box, n), slice_of(ad, sizeof ad)) != 0)
		return STELE_EDAMAGED;
	f->chunk = chunk;
	return 0;
}

int
sealedfile_read(struct sealedfile_in *f, uint64_t from, void *out, size_t n)
{
	uint8_t *to = out;
	int err = 0;

	CHECK(from <= f->bytes && n <= f->bytes - from);
	while (err == 0 && n) {
		size_t skip = from % SEALEDFILE_CHUNK, room = SEALEDFILE_CHUNK - skip;
		size_t take = n < room ? n : room;

		err = load(f, from / SEALEDFILE_CHUNK);
		if (err == 0)
			memcpy(to, f->plain + skip, take);
		to += take;
		from += take;
		n -= take;
	}
	return err;
}

void
sealedfile_in_fini(struct sealedfile_in *f)
{
	if (f->fd >= 0)
		close(f->fd);
	forget(&f->plain, &f->box);
	explicit_bzero(f, sizeof *f);
	f->fd = -1;
}
