/*
 * The row of files. The writer appends; the maintaining thread prepares the
 * next file; any thread reads. `mu` guards the table of descriptors only.
 */
#include "storage/wal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/file.h"
#include "storage/walfile.h"

enum { MARK_BYTES = 128, MARK_SLOT = 4096, MARK_HASHED = 64 };

static const char mark_magic[8] = "stelerel";

/* Counted: a reader may hold one that the row has let go. */
struct wal_file {
	int fd;
	uint64_t bytes;
	unsigned refs; /* under mu */
};

struct wal {
	char dir[PATH_MAX];
	uint64_t incarnation, file_bytes;
	pthread_mutex_t mu;      /* first, files, n_files, cap_files */
	pthread_mutex_t making;  /* one thread makes a file, or lets some go, at a time */
	struct wal_file **files; /* files[i] is number first + i */
	uint32_t first, n_files, cap_files;
	struct wal_pos end; /* the writer's */
	int mark_fd;
	unsigned mark_slot;
	struct sha256 *make_hash; /* under making */
	struct walfile_pace pace; /* the writer's, for whoever makes the next file */
};

static int
add_file(struct wal *w, int fd, uint64_t bytes)
{
	struct wal_file *f = calloc(1, sizeof *f);
	int err = f ? 0 : STELE_ENOMEM;

	pthread_mutex_lock(&w->mu);
	if (err == 0 && w->n_files == w->cap_files) {
		uint32_t cap = w->cap_files ? w->cap_files * 2 : 16;
		struct wal_file **p = realloc(w->files, cap * sizeof(*p));
		if (p) {
			w->files = p;
			w->cap_files = cap;
		} else {
			err = STELE_ENOMEM;
		}
	}
	if (err == 0) {
		*f = (struct wal_file){fd, bytes, 1};
		w->files[w->n_files++] = f;
	} else {
		free(f);
	}
	pthread_mutex_unlock(&w->mu);
	return err;
}

/* File `number`, counted for the caller; NULL when the row does not hold it. */
static struct wal_file *
get_file(struct wal *w, uint32_t number)
{
	struct wal_file *f = NULL;

	pthread_mutex_lock(&w->mu);
	if (number >= w->first && number - w->first < w->n_files) {
		f = w->files[number - w->first];
		f->refs++;
	}
	pthread_mutex_unlock(&w->mu);
	return f;
}

static void
put_file(struct wal *w, struct wal_file *f)
{
	bool last;

	if (!f)
		return;
	pthread_mutex_lock(&w->mu);
	last = --f->refs == 0;
	pthread_mutex_unlock(&w->mu);
	if (last) {
		close(f->fd);
		free(f);
	}
}

static bool
has_file(struct wal *w, uint32_t number)
{
	struct wal_row row = wal_row(w);

	return number >= row.first && number <= row.last;
}

static int
make_file(struct wal *w, uint32_t number, const struct walfile_pace *pace)
{
	int fd, err = 0;

	pthread_mutex_lock(&w->making);
	if (!has_file(w, number)) {
		fd = walfile_reuse(w->dir, number, w->file_bytes, w->incarnation, w->make_hash);
		if (fd == STELE_ENOTFOUND)
			fd = walfile_create(w->dir, number, w->file_bytes, w->incarnation, pace,
					    w->make_hash);
		err = fd < 0 ? fd : add_file(w, fd, w->file_bytes);
		if (err != 0 && fd >= 0)
			close(fd);
	}
	pthread_mutex_unlock(&w->making);
	return err;
}

/* The lowest and the highest number among files named NNNNNNNN.wal, 0 for none. */
static int
find_files(const char *dir, uint32_t *lowest, uint32_t *highest)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return stele_err_from_errno(errno);
	*lowest = *highest = 0;
	while ((e = readdir(d))) {
		unsigned number;
		char tail;
		if (strlen(e->d_name) != 12 || sscanf(e->d_name, "%8u.wa%c", &number, &tail) != 2 ||
		    tail != 'l' || number == 0)
			continue;
		if (number > *highest)
			*highest = number;
		if (*lowest == 0 || number < *lowest)
			*lowest = number;
	}
	closedir(d);
	return 0;
}

static int
open_files(struct wal *w, enum wal_mode mode, struct buf *why)
{
	uint32_t lowest = 0, highest = 0;
	int err = find_files(w->dir, &lowest, &highest);

	if (err == 0 && highest == 0 && mode != WAL_CREATE) {
		buf_printf(why, "%s holds no file NNNNNNNN.wal: restore them from a copy. ",
			   w->dir);
		return STELE_EDAMAGED;
	}
	w->first = lowest ? lowest : 1;
	if (err == 0 && highest == 0)
		err = make_file(w, 1, NULL);
	for (uint32_t i = w->first; err == 0 && i <= highest && highest; i++) {
		uint64_t bytes;
		int fd = walfile_open(w->dir, i, w->incarnation, &bytes, w->make_hash);
		err = fd < 0 ? fd : add_file(w, fd, bytes);
		bool missing = err == STELE_ENOTFOUND;
		if (missing)
			err = STELE_EDAMAGED; /* a hole in the row */
		if (err != 0)
			buf_printf(why, "%s/%08u.wal: %s. Restore this file from a copy. ", w->dir,
				   i, missing ? "it is missing" : stele_strerror(err));
	}
	return err;
}

static int
open_mark(struct wal *w, enum wal_mode mode)
{
	char path[PATH_MAX + 16];
	static const uint8_t zeros[2 * MARK_SLOT];
	struct stat sb;
	int err = 0;

	snprintf(path, sizeof path, "%s/released", w->dir);
	if (mode == WAL_CHECK) {
		w->mark_fd = open(path, O_RDONLY | O_CLOEXEC);
		return w->mark_fd < 0 && errno != ENOENT ? STELE_EIO : 0;
	}
	w->mark_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (w->mark_fd < 0 || fstat(w->mark_fd, &sb) != 0)
		return stele_err_from_errno(errno);
	if (sb.st_size < (off_t)sizeof zeros)
		err = file_pwrite(w->mark_fd, zeros + sb.st_size, sizeof zeros - (size_t)sb.st_size,
				  (uint64_t)sb.st_size);
	if (err == 0 && fsync(w->mark_fd) != 0)
		err = STELE_EIO;
	return err == 0 ? file_sync_dir(w->dir) : err;
}

int
wal_open(struct wal **out, const char *data_dir, uint64_t incarnation, uint64_t file_bytes,
	 enum wal_mode mode, struct buf *why)
{
	struct wal *w = calloc(1, sizeof *w);
	int err = STELE_ENOMEM;

	if (!w)
		return STELE_ENOMEM;
	pthread_mutex_init(&w->mu, NULL);
	pthread_mutex_init(&w->making, NULL);
	w->mark_fd = -1;
	w->incarnation = incarnation;
	w->file_bytes = file_bytes / FRAME_ALIGN * FRAME_ALIGN;
	w->first = 1;
	w->end = (struct wal_pos){1, WAL_FIRST_OFFSET};
	w->make_hash = sha256_new();
	if (!w->make_hash)
		goto out;
	err = STELE_ELIMIT;
	if (snprintf(w->dir, sizeof w->dir, "%s/wal", data_dir) >= (int)sizeof w->dir - 32)
		goto out;
	err = 0;
	if (mode == WAL_CREATE && mkdir(w->dir, 0700) != 0 && errno != EEXIST)
		err = stele_err_from_errno(errno);
	if (err == 0 && mode == WAL_CREATE)
		err = file_sync_dir(data_dir);
	if (err == 0)
		err = open_files(w, mode, why);
	if (err == 0)
		err = open_mark(w, mode);
out:
	if (err != 0) {
		if (why->n == 0)
			buf_printf(why, "opening %s/wal: %s. ", data_dir, stele_strerror(err));
		wal_close(w);
		return err;
	}
	*out = w;
	return 0;
}

void
wal_close(struct wal *w)
{
	if (!w)
		return;
	for (uint32_t i = 0; i < w->n_files; i++)
		put_file(w, w->files[i]);
	if (w->mark_fd >= 0)
		close(w->mark_fd);
	free(w->files);
	sha256_free(w->make_hash);
	pthread_mutex_destroy(&w->mu);
	pthread_mutex_destroy(&w->making);
	free(w);
}

const char *
wal_dir(const struct wal *w)
{
	return w->dir;
}

void
wal_set_end(struct wal *w, struct wal_pos end)
{
	w->end = end;
}

struct wal_pos
wal_end(const struct wal *w)
{
	return w->end;
}

int
wal_prepare_next(struct wal *w)
{
	uint32_t number = __atomic_load_n(&w->end.file, __ATOMIC_RELAXED) + 1;

	return has_file(w, number) ? 0 : make_file(w, number, &w->pace);
}

void
wal_hurry(struct wal *w)
{
	atomic_store(&w->pace.hurry, true);
}

/* Bytes of file `number`, 0 when the row does not hold it. */
static uint64_t
bytes_of(struct wal *w, uint32_t number)
{
	struct wal_file *f = get_file(w, number);
	uint64_t bytes = f ? f->bytes : 0;

	put_file(w, f);
	return bytes;
}

int
wal_reserve(struct wal *w, uint64_t n)
{
	uint64_t bytes = bytes_of(w, w->end.file);
	int err;

	if (bytes && n <= bytes - w->end.offset)
		return 0;
	atomic_store(&w->pace.hurry, true);
	err = make_file(w, w->end.file + 1, &w->pace);
	atomic_store(&w->pace.hurry, false);
	if (err != 0)
		return err;
	if (n > bytes_of(w, w->end.file + 1) - WAL_FIRST_OFFSET)
		return STELE_ELIMIT;
	__atomic_store_n(&w->end.file, w->end.file + 1, __ATOMIC_RELAXED);
	w->end.offset = WAL_FIRST_OFFSET;
	atomic_store_explicit(&w->pace.bytes, w->end.offset, memory_order_relaxed);
	return 0;
}

int
wal_append(struct wal *w, const void *p, size_t n, struct wal_pos *at)
{
	struct wal_file *f = get_file(w, w->end.file);
	int err;

	CHECK(n % FRAME_ALIGN == 0 && f && n <= f->bytes - w->end.offset);
	err = file_pwrite(f->fd, p, n, w->end.offset);
	if (err == 0 && fdatasync(f->fd) != 0)
		err = STELE_EIO;
	put_file(w, f);
	if (err != 0)
		return STELE_EIO; /* space was there: a write that fails here is a storage error */
	*at = w->end;
	w->end.offset += n;
	atomic_store_explicit(&w->pace.bytes, w->end.offset, memory_order_relaxed);
	return 0;
}

static void
encode_mark(const struct wal *w, uint8_t mark[MARK_BYTES], uint64_t sequence,
	    const uint8_t hash[32], struct sha256 *h)
{
	memset(mark, 0, MARK_BYTES);
	memcpy(mark, mark_magic, sizeof mark_magic);
	le_put64(mark + 8, w->incarnation);
	le_put64(mark + 16, sequence);
	memcpy(mark + 24, hash, 32);
	sha256_hash(h, mark + MARK_HASHED, slice_of(mark, MARK_HASHED));
}

int
wal_put_released(const struct wal *w, uint64_t sequence, const uint8_t hash[32], struct sha256 *h,
		 struct buf *out)
{
	size_t at = out->n;

	if (buf_reserve(out, 2 * MARK_SLOT) != 0)
		return STELE_ENOMEM;
	memset(out->p + at, 0, 2 * MARK_SLOT);
	if (sequence)
		encode_mark(w, out->p + at, sequence, hash, h);
	out->n += 2 * MARK_SLOT;
	return 0;
}

int
wal_mark_released(struct wal *w, uint64_t sequence, const uint8_t hash[32], struct sha256 *h)
{
	uint8_t mark[MARK_BYTES];

	encode_mark(w, mark, sequence, hash, h);
	w->mark_slot ^= 1;
	return file_pwrite(w->mark_fd, mark, sizeof mark, w->mark_slot * (uint64_t)MARK_SLOT);
}

int
wal_sync_released(struct wal *w)
{
	return fdatasync(w->mark_fd) == 0 ? 0 : STELE_EIO;
}

/* A slot of the mark: 0 and *right says whether it is a mark of this store. */
static int
read_slot(struct wal *w, unsigned slot, uint8_t mark[MARK_BYTES], bool *right, struct sha256 *h)
{
	uint8_t digest[32];
	int err = file_pread(w->mark_fd, mark, MARK_BYTES, slot * (uint64_t)MARK_SLOT);

	if (err != 0)
		return err;
	sha256_hash(h, digest, slice_of(mark, MARK_HASHED));
	*right = memcmp(mark, mark_magic, sizeof mark_magic) == 0 &&
		 memcmp(digest, mark + MARK_HASHED, 32) == 0 &&
		 le_get64(mark + 8) == w->incarnation;
	return 0;
}

int
wal_read_released(struct wal *w, uint64_t *sequence, uint8_t hash[32], struct sha256 *h)
{
	uint64_t best = 0;

	for (unsigned slot = 0; w->mark_fd >= 0 && slot < 2; slot++) {
		uint8_t mark[MARK_BYTES];
		bool right;
		int err = read_slot(w, slot, mark, &right, h);
		if (err != 0)
			return err;
		if (!right || le_get64(mark + 16) <= best)
			continue;
		best = le_get64(mark + 16);
		memcpy(hash, mark + 24, 32);
		w->mark_slot = slot;
	}
	*sequence = best;
	return 0;
}

int
wal_check_released(struct wal *w, struct sha256 *h, unsigned *damaged)
{
	static const uint8_t zeros[MARK_BYTES];

	*damaged = 0;
	for (unsigned slot = 0; w->mark_fd >= 0 && slot < 2; slot++) {
		uint8_t mark[MARK_BYTES];
		bool right;
		int err = read_slot(w, slot, mark, &right, h);
		if (err != 0)
			return err;
		*damaged += !right && memcmp(mark, zeros, sizeof zeros) != 0;
	}
	return 0;
}

int
wal_read(struct wal *w, struct wal_pos at, void *p, size_t n)
{
	struct wal_file *f = get_file(w, at.file);
	int err = f ? file_pread(f->fd, p, n, at.offset) : STELE_EDAMAGED;

	put_file(w, f);
	return err;
}

struct wal_row
wal_row(struct wal *w)
{
	struct wal_row row = {0};

	pthread_mutex_lock(&w->mu);
	row.first = w->first;
	row.last = w->first + w->n_files - 1;
	for (uint32_t i = 0; i < w->n_files; i++)
		row.disk_bytes += w->files[i]->bytes;
	pthread_mutex_unlock(&w->mu);
	row.disk_bytes += walfile_spare_bytes(w->dir);
	return row;
}

/* Takes the oldest file out of the row. */
static void
shift(struct wal *w)
{
	struct wal_file *f;

	pthread_mutex_lock(&w->mu);
	f = w->files[0];
	memmove(w->files, w->files + 1, --w->n_files * sizeof(*w->files));
	w->first++;
	pthread_mutex_unlock(&w->mu);
	put_file(w, f);
}

int
wal_drop_before(struct wal *w, uint32_t first)
{
	uint32_t end = __atomic_load_n(&w->end.file, __ATOMIC_RELAXED);
	int err = 0;

	first = first < end ? first : end;
	pthread_mutex_lock(&w->making);
	while (err == 0 && w->first < first) {
		err = walfile_spare(w->dir, w->first, w->first + 1 == first);
		if (err == 0)
			shift(w);
	}
	pthread_mutex_unlock(&w->making);
	return err;
}
