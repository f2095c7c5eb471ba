/*
 * Happy path of a write: encode, PATH.new, fsync, rename, fsync of the
 * directory. A crash leaves the old file, or the new one, and perhaps PATH.new,
 * which the next write removes.
 *
 * Buffers that hold plain secrets are sized before they are filled, so that
 * growing leaves no copy behind in freed memory.
 */
#include "crypto/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "crypto/aead.h"
#include "crypto/random.h"
#include "proto/err.h"
#include "proto/le.h"
#include "proto/limits.h"

enum { KDF_NONE = 0, KDF_ARGON2ID = 1, VERSION = 1, SALT_BYTES = 16 };

_Static_assert(SALT_BYTES == crypto_pwhash_argon2id_SALTBYTES, "salt");
_Static_assert(KEYFILE_TRAILER_BYTES == crypto_hash_sha256_BYTES, "trailer");

static const char magic[8] = "stelekey";

/* What the derived key depends on beside the passphrase. */
struct kdf {
	uint32_t passes;
	uint64_t memory_bytes;
	uint8_t salt[SALT_BYTES];
};

struct keyfile_seal {
	char passphrase[LIMIT_PASSPHRASE_BYTES + 1]; /* "" for none */
	bool derived;
	struct kdf kdf; /* that key was derived with, once derived */
	uint8_t key[AEAD_KEY_BYTES];
};

int
keyfile_seal_new(struct keyfile_seal **out, const char *passphrase)
{
	size_t n = passphrase ? strlen(passphrase) : 0;
	struct keyfile_seal *seal;

	if (passphrase && (n == 0 || n > LIMIT_PASSPHRASE_BYTES))
		return STELE_EINVAL;
	seal = sodium_malloc(sizeof *seal);
	if (!seal)
		return STELE_ENOMEM;
	memset(seal, 0, sizeof *seal);
	if (passphrase)
		memcpy(seal->passphrase, passphrase, n);
	*out = seal;
	return 0;
}

void
keyfile_seal_free(struct keyfile_seal *seal)
{
	sodium_free(seal); /* wipes */
}

static bool
has_passphrase(const struct keyfile_seal *seal)
{
	return seal->passphrase[0] != '\0';
}

/* Makes seal->key the key for these parameters. */
static int
derive(struct keyfile_seal *seal, const struct kdf *kdf)
{
	if (seal->derived && seal->kdf.passes == kdf->passes &&
	    seal->kdf.memory_bytes == kdf->memory_bytes &&
	    memcmp(seal->kdf.salt, kdf->salt, SALT_BYTES) == 0)
		return 0;
	seal->derived = false;
	if (crypto_pwhash_argon2id(seal->key, sizeof seal->key, seal->passphrase,
				   strlen(seal->passphrase), kdf->salt, kdf->passes,
				   kdf->memory_bytes, crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
		return STELE_ENOMEM;
	seal->kdf = *kdf;
	seal->derived = true;
	return 0;
}

/* Makes seal->key a key to write under: the one at hand when it is as strong as we want today. */
static int
derive_for_writing(struct keyfile_seal *seal)
{
	struct kdf kdf = {.passes = LIMIT_ARGON2_PASSES, .memory_bytes = LIMIT_ARGON2_BYTES};

	if (seal->derived && seal->kdf.passes >= kdf.passes &&
	    seal->kdf.memory_bytes >= kdf.memory_bytes)
		return 0;
	random_bytes(kdf.salt, sizeof kdf.salt);
	return derive(seal, &kdf);
}

static void
put_header(uint8_t h[KEYFILE_HEADER_BYTES], const struct keyfile_seal *seal, size_t body_bytes)
{
	memset(h, 0, KEYFILE_HEADER_BYTES);
	memcpy(h, magic, sizeof magic);
	le_put32(h + 8, VERSION);
	if (has_passphrase(seal)) {
		le_put32(h + 16, KDF_ARGON2ID);
		le_put32(h + 20, seal->kdf.passes);
		le_put64(h + 24, seal->kdf.memory_bytes);
		memcpy(h + 32, seal->kdf.salt, SALT_BYTES);
	}
	le_put64(h + 48, body_bytes);
}

int
keyfile_encode(struct buf *out, struct slice body, struct keyfile_seal *seal)
{
	size_t stored = body.n + (has_passphrase(seal) ? AEAD_OVERHEAD : 0);
	struct random_stream rnd;
	uint8_t *file;
	int r;

	if (body.n > LIMIT_KEYFILE_BYTES)
		return STELE_ELIMIT;
	r = has_passphrase(seal) ? derive_for_writing(seal) : 0;
	if (r == 0)
		r = buf_reserve(out, KEYFILE_HEADER_BYTES + stored + KEYFILE_TRAILER_BYTES);
	if (r != 0)
		return r;
	file = out->p + out->n;
	put_header(file, seal, stored);
	if (has_passphrase(seal)) {
		random_stream_init(&rnd);
		aead_seal(file + KEYFILE_HEADER_BYTES, seal->key, body,
			  slice_of(file, KEYFILE_HEADER_BYTES), &rnd);
		random_stream_fini(&rnd);
	} else if (body.n) {
		memcpy(file + KEYFILE_HEADER_BYTES, body.p, body.n);
	}
	crypto_hash_sha256(file + KEYFILE_HEADER_BYTES + stored, file,
			   KEYFILE_HEADER_BYTES + stored);
	out->n += KEYFILE_HEADER_BYTES + stored + KEYFILE_TRAILER_BYTES;
	return 0;
}

/* The trailer first: whatever else is wrong in a file that was written whole is no damage. */
static int
check_frame(struct slice file)
{
	uint8_t sum[KEYFILE_TRAILER_BYTES];
	size_t covered = file.n - KEYFILE_TRAILER_BYTES;

	if (file.n < KEYFILE_HEADER_BYTES + KEYFILE_TRAILER_BYTES)
		return STELE_EDAMAGED;
	crypto_hash_sha256(sum, file.p, covered);
	if (memcmp(sum, file.p + covered, sizeof sum) != 0)
		return STELE_EDAMAGED;
	if (memcmp(file.p, magic, sizeof magic) != 0)
		return STELE_EDAMAGED;
	if (le_get32(file.p + 8) != VERSION || le_get32(file.p + 12) != 0)
		return STELE_EVERSION;
	if (le_get32(file.p + 16) > KDF_ARGON2ID)
		return STELE_EVERSION;
	if (le_get64(file.p + 48) != covered - KEYFILE_HEADER_BYTES)
		return STELE_EDAMAGED;
	return 0;
}

/* Derives the key that the header of a sealed file asks for. */
static int
derive_for_reading(struct keyfile_seal *seal, const uint8_t h[KEYFILE_HEADER_BYTES])
{
	struct kdf kdf = {.passes = le_get32(h + 20), .memory_bytes = le_get64(h + 24)};

	memcpy(kdf.salt, h + 32, SALT_BYTES);
	if (kdf.passes < crypto_pwhash_argon2id_OPSLIMIT_MIN ||
	    kdf.memory_bytes < crypto_pwhash_argon2id_MEMLIMIT_MIN)
		return STELE_EDAMAGED;
	if (kdf.passes > LIMIT_ARGON2_MAX_PASSES || kdf.memory_bytes > LIMIT_ARGON2_MAX_BYTES)
		return STELE_ELIMIT;
	return derive(seal, &kdf);
}

int
keyfile_decode(struct buf *body, struct slice file, struct keyfile_seal *seal)
{
	int r = check_frame(file);
	struct slice stored;
	bool sealed;

	if (r != 0)
		return r;
	sealed = le_get32(file.p + 16) == KDF_ARGON2ID;
	if (sealed != has_passphrase(seal))
		return STELE_EKEY;
	stored = slice_of(file.p + KEYFILE_HEADER_BYTES,
			  file.n - KEYFILE_HEADER_BYTES - KEYFILE_TRAILER_BYTES);
	if (!sealed) {
		buf_put_slice(body, stored);
		return body->err;
	}
	if (stored.n < AEAD_OVERHEAD)
		return STELE_EDAMAGED;
	r = derive_for_reading(seal, file.p);
	if (r == 0)
		r = buf_reserve(body, stored.n - AEAD_OVERHEAD + 1);
	if (r != 0)
		return r;
	if (aead_open(body->p + body->n, seal->key, stored, slice_of(file.p, KEYFILE_HEADER_BYTES)))
		return STELE_EKEY;
	body->n += stored.n - AEAD_OVERHEAD;
	return 0;
}

static int
error_of_open(void)
{
	return errno == EACCES || errno == EPERM ? STELE_EPERM : stele_err_from_errno(errno);
}

static int
write_all(int fd, struct slice s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return stele_err_from_errno(errno);
		s.p += n;
		s.n -= (size_t)n;
	}
	return 0;
}

/* A new file of 0600 whatever the umask, with these bytes, flushed. */
static int
write_new(const char *path, struct slice bytes)
{
	int fd, r = 0;

	if (unlink(path) != 0 && errno != ENOENT)
		return error_of_open();
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_of_open();
	if (fchmod(fd, 0600) != 0)
		r = stele_err_from_errno(errno);
	if (r == 0)
		r = write_all(fd, bytes);
	if (r == 0 && fsync(fd) != 0)
		r = stele_err_from_errno(errno);
	if (close(fd) != 0 && r == 0)
		r = stele_err_from_errno(errno);
	if (r != 0)
		unlink(path);
	return r;
}

static int
flush_folder_of(const char *path)
{
	char copy[LIMIT_PATH_BYTES];
	int fd, r = 0;

	snprintf(copy, sizeof copy, "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return stele_err_from_errno(errno);
	if (fsync(fd) != 0)
		r = stele_err_from_errno(errno);
	close(fd);
	return r;
}

int
keyfile_write(const char *path, struct slice body, struct keyfile_seal *seal)
{
	char fresh[LIMIT_PATH_BYTES];
	struct buf file;
	int r;

	if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
		return STELE_EINVAL;
	buf_init(&file);
	r = keyfile_encode(&file, body, seal);
	if (r == 0)
		r = write_new(fresh, buf_slice(&file));
	if (r == 0 && rename(fresh, path) != 0) {
		r = stele_err_from_errno(errno);
		unlink(fresh);
	}
	if (r == 0)
		r = flush_folder_of(path);
	keyfile_wipe(&file);
	return r;
}

/* Appends the whole file to *out, after checking that it is ours alone. */
static int
read_private(int fd, struct buf *out)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return STELE_EIO;
	if (!S_ISREG(st.st_mode))
		return STELE_EDAMAGED;
	if (st.st_mode & (S_IXUSR | S_IRWXG | S_IRWXO))
		return STELE_EPERM;
	if (st.st_size > (off_t)LIMIT_KEYFILE_BYTES + 4096)
		return STELE_ELIMIT;
	if (buf_reserve(out, (size_t)st.st_size + 1) != 0)
		return STELE_ENOMEM;
	while (out->n < (size_t)st.st_size) {
		ssize_t n = read(fd, out->p + out->n, (size_t)st.st_size - out->n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return STELE_EIO;
		if (n == 0)
			return STELE_EDAMAGED; /* shorter than it said a moment ago */
		out->n += (size_t)n;
	}
	return 0;
}

int
keyfile_read(const char *path, struct buf *body, struct keyfile_seal *seal)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct buf file;
	int r;

	if (fd < 0)
		return error_of_open();
	buf_init(&file);
	r = read_private(fd, &file);
	close(fd);
	if (r == 0)
		r = keyfile_decode(body, buf_slice(&file), seal);
	keyfile_wipe(&file);
	return r;
}

int
keyfile_copy(const char *from, struct keyfile_seal *from_seal, const char *to,
	     struct keyfile_seal *to_seal)
{
	struct buf body;
	int err;

	buf_init(&body);
	err = keyfile_read(from, &body, from_seal);
	if (err == 0)
		err = keyfile_write(to, buf_slice(&body), to_seal);
	keyfile_wipe(&body);
	return err;
}

void
keyfile_wipe(struct buf *body)
{
	if (body->p)
		sodium_memzero(body->p, body->cap);
	buf_fini(body);
}
