/* Both slots are read, and the one that was written last counts. */
#include "storage/clockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/le.h"
#include "storage/file.h"

enum { HASHED = CLOCKFILE_SLOT_BYTES - 32 };

static const char magic[8] = "steleclk";

static void
encode(const struct clockfile *f, uint8_t out[CLOCKFILE_SLOT_BYTES], uint64_t number,
       const struct clock_saved *s)
{
	memset(out, 0, CLOCKFILE_SLOT_BYTES);
	memcpy(out, magic, sizeof magic);
	le_put32(out + 8, CLOCKFILE_VERSION);
	le_put64(out + 16, f->incarnation);
	le_put64(out + 24, number);
	memcpy(out + 32, s->now.boot_id, CLOCK_BOOT_ID_BYTES);
	le_put64(out + 48, (uint64_t)s->now.boot_ns);
	le_put64(out + 56, (uint64_t)s->now.wall_ns);
	le_put64(out + 64, (uint64_t)s->evidence_ns);
	le_put64(out + 72, (uint64_t)s->lock_ns);
	le_put64(out + 80, s->sequence);
	le_put32(out + 88, s->era);
	out[92] = (uint8_t)s->state;
	out[93] = (uint8_t)s->cause;
	le_put64(out + 96, s->bucket);
	for (size_t i = 0; i < CLOCK_BUCKETS; i++)
		le_put64(out + 104 + 8 * i, (uint64_t)s->credits[i]);
	sha256_hash(f->sha, out + HASHED, slice_of(out, HASHED));
}

/* STELE_ENOTFOUND for a slot that was never written. */
static int
decode(const struct clockfile *f, const uint8_t p[CLOCKFILE_SLOT_BYTES], uint64_t *number,
       struct clock_saved *s)
{
	static const uint8_t zeros[CLOCKFILE_SLOT_BYTES];
	uint8_t hash[32];

	if (memcmp(p, zeros, sizeof zeros) == 0)
		return STELE_ENOTFOUND;
	sha256_hash(f->sha, hash, slice_of(p, HASHED));
	if (memcmp(hash, p + HASHED, 32) != 0 || memcmp(p, magic, sizeof magic) != 0 ||
	    le_get64(p + 16) != f->incarnation)
		return STELE_EDAMAGED;
	if (le_get32(p + 8) != CLOCKFILE_VERSION || p[92] >= CLOCK_STATES || p[93] >= CLOCK_CAUSES)
		return STELE_EVERSION;
	*number = le_get64(p + 24);
	memcpy(s->now.boot_id, p + 32, CLOCK_BOOT_ID_BYTES);
	s->now.boot_ns = (int64_t)le_get64(p + 48);
	s->now.wall_ns = (int64_t)le_get64(p + 56);
	s->evidence_ns = (int64_t)le_get64(p + 64);
	s->lock_ns = (int64_t)le_get64(p + 72);
	s->sequence = le_get64(p + 80);
	s->era = le_get32(p + 88);
	s->state = (enum clock_state)p[92];
	s->cause = (enum clock_cause)p[93];
	s->bucket = le_get64(p + 96);
	for (size_t i = 0; i < CLOCK_BUCKETS; i++)
		s->credits[i] = (int64_t)le_get64(p + 104 + 8 * i);
	return 0;
}

/* What of a slot is there, and zeros for the rest. */
static int
read_slot(const struct clockfile *f, unsigned slot, uint8_t out[CLOCKFILE_SLOT_BYTES])
{
	ssize_t n;

	memset(out, 0, CLOCKFILE_SLOT_BYTES);
	do {
		n = pread(f->fd, out, CLOCKFILE_SLOT_BYTES, (off_t)slot * CLOCKFILE_APART);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? STELE_EIO : 0;
}

static int
read_newest(struct clockfile *f, struct clock_saved *out)
{
	uint8_t bytes[CLOCKFILE_SLOT_BYTES];
	struct clock_saved s;
	uint64_t number;
	int newest = STELE_ENOTFOUND;

	for (unsigned slot = 0; slot < 2; slot++) {
		int err = read_slot(f, slot, bytes);
		if (err == 0)
			err = decode(f, bytes, &number, &s);
		if (err == STELE_EIO)
			return err;
		f->damaged += err == STELE_EDAMAGED || err == STELE_EVERSION;
		if (err == 0 && number > f->number) {
			f->number = number;
			*out = s;
		}
		if (err == 0 || newest == STELE_ENOTFOUND)
			newest = newest == 0 ? 0 : err;
	}
	return newest;
}

int
clockfile_open(struct clockfile *f, const char *dir, uint64_t incarnation, struct clock_saved *out)
{
	char path[LIMIT_PATH_BYTES];
	bool created;
	int err;

	*f = (struct clockfile){.fd = -1, .incarnation = incarnation};
	if (snprintf(path, sizeof path, "%s/clock", dir) >= (int)sizeof path)
		return STELE_ELIMIT;
	f->sha = sha256_new();
	if (!f->sha)
		return STELE_ENOMEM;
	created = access(path, F_OK) != 0;
	f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	err = f->fd < 0 ? stele_err_from_errno(errno) : 0;
	if (err == 0 && created)
		err = file_sync_dir(dir);
	return err == 0 ? read_newest(f, out) : err;
}

int
clockfile_write(struct clockfile *f, const struct clock_saved *s)
{
	uint8_t bytes[CLOCKFILE_SLOT_BYTES];
	uint64_t number = f->number + 1;
	int err;

	encode(f, bytes, number, s);
	err = file_pwrite(f->fd, bytes, sizeof bytes, number % 2 * CLOCKFILE_APART);
	if (err == 0 && fdatasync(f->fd) != 0)
		err = STELE_EIO;
	if (err == 0)
		f->number = number;
	return err;
}

void
clockfile_close(struct clockfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	sha256_free(f->sha);
	f->sha = NULL;
}
